//! Many callers at once.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

use crate::support::{Binary, fresh_uid, order};

#[tokio::test]
async fn a_thousand_submits_of_a_hundred_orders_make_a_hundred_meals() {
    let binary = Binary::start(&[], None);
    let uids: Vec<String> = (0..100).map(|_| fresh_uid("flood")).collect();
    let mut submits = tokio::task::JoinSet::new();
    for copy in 0..10 {
        for uid in &uids {
            let (caller, uid) = (binary.caller.clone(), uid.clone());
            submits.spawn(async move {
                let answer = caller.submit(&order(&uid, "PAR-LOC-12345")).await;
                let answer = match answer.code {
                    202 => caller.final_answer(&uid, Duration::from_secs(60)).await,
                    _ => answer,
                };
                assert_eq!((answer.code, answer.status()), (200, "placed"), "copy {copy}: {}", answer.text);
                (uid, answer.text)
            });
        }
    }
    let mut bodies: HashMap<String, String> = HashMap::new();
    while let Some(done) = submits.join_next().await {
        let (uid, body) = done.unwrap();
        assert_eq!(bodies.entry(uid).or_insert(body.clone()), &body);
    }
    assert_eq!(bodies.len(), 100);
    let all = binary.caller.send(binary.caller.http.get(format!("{}/_local/placements", binary.caller.url))).await;
    let placements: Vec<Value> = all.json.as_array().unwrap().clone();
    assert_eq!(placements.len(), 100);
    assert!(uids.iter().all(|uid| placements.iter().filter(|placement| placement["order_id"] == **uid).count() == 1));
}

#[tokio::test]
async fn concurrent_ordinary_orders_are_all_answered_200() {
    let binary = Binary::start(&[], None);
    let mut submits = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let caller = binary.caller.clone();
        submits.spawn(async move { caller.submit(&order(&fresh_uid("many"), "PAR-LOC-12345")).await.code });
    }
    let codes = submits.join_all().await;
    assert!(codes.iter().all(|code| *code == 200), "{codes:?}");
}
