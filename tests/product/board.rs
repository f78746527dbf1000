//! The order board's data; what the page makes of it is looked at in a browser (`tests/board/run`).

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Caller, fresh_uid, in_process, order};

async fn state(caller: &Caller) -> Value {
    let answer = caller.send(caller.http.get(format!("{}/_local/board", caller.url))).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    answer.json
}

async fn sample(caller: &Caller, location: &str) -> Value {
    let answer = caller.send(caller.http.post(format!("{}/_local/samples/{location}", caller.url))).await;
    answer.json
}

#[tokio::test]
async fn no_other_page_may_send_sample_orders() {
    let (_product, caller) = in_process().await;
    let request = caller.http.post(format!("{}/_local/samples/PAR-LOC-12345", caller.url)).header("sec-fetch-site", "cross-site");
    assert_eq!(caller.send(request).await.code, 403);
    assert!(state(&caller).await["orders"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_board_shows_each_order_once_with_what_was_done_and_the_newest_first() {
    let (_product, caller) = in_process().await;
    let (first, second) = (fresh_uid("first"), fresh_uid("second"));
    for uid in [&first, &second, &first] {
        caller.submit(&order(uid, "PAR-LOC-12345")).await;
    }
    let state = state(&caller).await;
    let shown: Vec<_> = state["orders"].as_array().unwrap().iter().map(|card| card["request_uid"].as_str().unwrap()).collect();
    assert_eq!(shown, [&second, &first]);
    let card = &state["orders"][0];
    assert_eq!((card["status"].as_str(), card["processing"]["progress"].as_u64()), (Some("placed"), Some(100)));
    assert_eq!(card["history"].as_array().unwrap().len(), 2);
    assert!(state["dead_letters"]["waiting"] == 0 && !state.to_string().contains("Taco"), "{state}");
}

#[tokio::test]
async fn a_sample_order_of_the_board_is_an_order_like_any_other() {
    let (_product, caller) = in_process().await;
    let locations = state(&caller).await["locations"].as_array().unwrap().len();
    assert_eq!(locations, 10);
    let placed = sample(&caller, "PAR-LOC-12345").await;
    assert_eq!(placed["status"], "placed");
    assert_eq!(caller.get_any(placed["request_uid"].as_str().unwrap()).await.status(), "placed");
    let refused = sample(&caller, "PAR-LOC-NOBODY").await;
    assert_eq!(refused["errors"][0]["code"], "unknown_location");
    for _ in 0..101 {
        sample(&caller, "PAR-LOC-NOBODY").await;
    }
    assert_eq!(state(&caller).await["orders"].as_array().unwrap().len(), 1, "what was not stored takes nobody's place");
}

#[tokio::test]
async fn the_board_says_whose_pos_is_not_waited_for() {
    let (_product, caller) = in_process().await;
    let began = Instant::now();
    while state(&caller).await["breakers"] != serde_json::json!(["PAR-LOC-DOWN"]) {
        sample(&caller, "PAR-LOC-DOWN").await;
        assert!(began.elapsed() < Duration::from_secs(20), "it never opened");
    }
    assert!(state(&caller).await["orders"][0]["processing"]["stage"].is_string());
}
