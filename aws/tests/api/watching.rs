//! What somebody who waits for an order sees of it: how far it is, and what was done with it.

use posnext_shared::domain::contract::Contract;
use serde_json::json;

use crate::support::{Answer, Api, fresh_uid, order, read};

async fn ask(api: &Api, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let request = read(&format!("/posnext/orders/{path}"));
    api.send(headers.iter().fold(request, |request, (name, value)| request.header(name, value))).await
}

#[tokio::test(start_paused = true)]
async fn a_pending_answer_says_how_far_the_order_is_and_a_final_one_only_when_it_is_asked() {
    let api = Api::new();
    let uid = fresh_uid("far");
    let accepted = api.submit(&order(&uid, "PAR-LOC-FLAKY")).await;
    let processing = &accepted.json["processing"];
    assert_eq!((accepted.code, &processing["stage"], &processing["attempts"]), (202, &"retrying".into(), &1.into()));
    assert_eq!(processing["status_url"], accepted.header("location").unwrap());
    assert_eq!(processing["poll_after_seconds"].to_string(), accepted.header("retry-after").unwrap());
    let steps: Vec<&str> = processing["steps"].as_array().unwrap().iter().map(|step| step["status"].as_str().unwrap()).collect();
    assert_eq!(steps, ["completed", "in-progress", "pending"]);
    let read = api.get(&uid).await;
    assert!(read.json["processing"]["progress"].as_u64().unwrap() < 100 && read.header("etag").unwrap().starts_with("W/"));

    let placed = api.final_answer(&uid).await;
    assert!(placed.json["processing"].is_null() && placed.header("etag").unwrap().starts_with('"'), "{}", placed.text);
    let asked = ask(&api, &format!("{uid}?processing=true"), &[]).await.signed();
    let steps = ["accept", "place", "confirm"].map(|name| json!({ "name": name, "status": "completed" }));
    let shown = json!({ "stage": "placed", "progress": 100, "attempts": 3, "status_url": format!("/posnext/orders/{uid}"),
        "steps": steps });
    assert_eq!(asked.json["processing"], shown);
}

#[tokio::test(start_paused = true)]
async fn an_order_with_a_member_called_processing_is_answered_with_one_of_that_name() {
    let api = Api::new();
    let uid = fresh_uid("named");
    let body = order(&uid, "PAR-LOC-ASYNC").replacen('{', r#"{"processing":"theirs","#, 1);
    let accepted = api.submit(&body).await;
    assert_eq!((accepted.code, accepted.text.matches(r#""processing":"#).count()), (202, 1), "{}", accepted.text);
    assert!(accepted.json["processing"]["stage"].is_string());
    let placed = api.final_answer(&uid).await;
    assert_eq!(placed.json["processing"], "theirs", "echoed to the byte");
}

#[tokio::test(start_paused = true)]
async fn the_history_of_an_order_says_who_did_what_and_why_and_is_signed() {
    let api = Api::new();
    let uid = fresh_uid("history");
    api.submit(&order(&uid, "PAR-LOC-FLAKY")).await;
    api.final_answer(&uid).await;
    let answer = ask(&api, &format!("{uid}/history"), &[]).await.signed();
    assert_eq!((answer.code, answer.status()), (200, "placed"));
    let told: Vec<(&str, &str)> = answer.json["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["actor"].as_str().unwrap(), change["event"].as_str().unwrap()))
        .collect();
    let worker =
        [("worker", "an attempt begins"), ("worker", "not started"), ("worker", "an attempt begins"), ("worker", "placed")];
    assert_eq!(told, [&[("submit", "accepted"), ("submit", "not started")], &worker[..]].concat());
    assert_eq!(answer.json["history"][1]["reason"], "could not connect");
    assert!(!answer.text.contains("Taco") && !answer.text.contains("sandbox"), "{}", answer.text);
    let known = ask(&api, &format!("{uid}/history"), &[("if-none-match", answer.header("etag").unwrap())]).await;
    assert_eq!(known.code, 304);

    // Under a second name it is told, and signed, under that name.
    let second = fresh_uid("second");
    let body = order(&uid, "PAR-LOC-FLAKY").replacen(&uid, &second, 1);
    assert_eq!(api.submit(&body).await.status(), "placed");
    let answer = ask(&api, &format!("{second}/history"), &[]).await.signed();
    assert_eq!((answer.code, &answer.json["request_uid"]), (200, &second.as_str().into()));
    assert_eq!(ask(&api, "nobody/history", &[]).await.error(), "unknown_order");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_may_keep_to_what_pars_contract_knows() {
    let api = Api::new().with(Contract { processing: false, ..Contract::default() });
    let uid = fresh_uid("bare");
    let accepted = api.submit(&order(&uid, "PAR-LOC-DOWN")).await;
    for answer in [accepted, ask(&api, &format!("{uid}?processing=true"), &[]).await] {
        assert!(answer.status() == "pending" && answer.json["processing"].is_null(), "{}", answer.text);
    }
}
