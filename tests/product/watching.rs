//! What somebody who waits for an order sees of it: how far it is, what was done with it, and its change as soon as it happens.

use std::time::Instant;

use posnext_aws::{settings::Settings, wiring::Parts};
use posnext_local::local::start_services;
use posnext_shared::domain::contract::Contract;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::support::{Answer, Binary, Caller, fresh_uid, in_process, order, signed_request, token};

async fn ask(caller: &Caller, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let named = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let request = caller.http.get(format!("{}/posnext/orders/{path}", caller.url)).headers(named.collect::<HeaderMap>());
    caller.send(request.bearer_auth(token())).await
}

#[tokio::test]
async fn a_pending_answer_says_how_far_the_order_is_and_a_final_one_only_when_it_is_asked() {
    let (_product, caller) = in_process().await;
    let uid = fresh_uid("far");
    let accepted = caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await;
    let processing = &accepted.json["processing"];
    assert_eq!((accepted.code, &processing["stage"], &processing["attempts"]), (202, &"retrying".into(), &1.into()));
    assert_eq!(processing["status_url"], accepted.header("location").unwrap());
    assert_eq!(processing["poll_after_seconds"].to_string(), accepted.header("retry-after").unwrap());
    let steps: Vec<&str> = processing["steps"].as_array().unwrap().iter().map(|step| step["status"].as_str().unwrap()).collect();
    assert_eq!(steps, ["completed", "in-progress", "pending"]);
    let read = caller.get(&uid).await;
    assert!(read.json["processing"]["progress"].as_u64().unwrap() < 100 && read.header("etag").unwrap().starts_with("W/"));

    let placed = caller.final_answer(&uid, std::time::Duration::from_secs(30)).await;
    assert!(placed.json["processing"].is_null() && placed.header("etag").unwrap().starts_with('"'), "{}", placed.text);
    let asked = ask(&caller, &format!("{uid}?processing=true"), &[]).await.signed();
    let steps = ["accept", "place", "confirm"].map(|name| json!({ "name": name, "status": "completed" }));
    let shown = json!({ "stage": "placed", "progress": 100, "attempts": 3, "status_url": format!("/posnext/orders/{uid}"),
        "steps": steps });
    assert_eq!(asked.json["processing"], shown);
}

#[tokio::test]
async fn it_is_told_when_an_order_will_probably_be_final_once_others_were_seen_to_end() {
    let (_product, caller) = in_process().await;
    let earlier = (0..3).map(async |_| {
        let uid = fresh_uid("before");
        assert_eq!(caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await.code, 202);
        caller.final_answer(&uid, std::time::Duration::from_secs(30)).await
    });
    for seen in futures_util::future::join_all(earlier).await {
        assert_eq!(seen.status(), "placed");
    }
    let uid = fresh_uid("now");
    caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await;
    let pending = caller.get(&uid).await;
    let estimate = pending.json["processing"]["estimated_completion"].as_str().unwrap_or_else(|| panic!("{}", pending.text));
    let estimate: jiff::Timestamp = estimate.parse().unwrap();
    let ahead = estimate.duration_since(jiff::Timestamp::now());
    assert!(ahead.as_secs() < 30, "{ahead}");
    let elsewhere = fresh_uid("elsewhere");
    caller.submit(&order(&elsewhere, "PAR-LOC-SLOW")).await;
    assert!(caller.get(&elsewhere).await.json["processing"]["estimated_completion"].is_null(), "another POS says nothing of it");
}

#[tokio::test]
async fn a_deployment_may_keep_to_what_pars_contract_knows() {
    let (product, _) = in_process().await;
    let contract = Contract { processing: false, ..Contract::default() };
    let parts = Parts::new(Settings { contract, ..product.services.parts.settings().clone() }, &product.services.aws);
    let uid = fresh_uid("bare");
    let accepted = parts.submit().handle(signed_request("/posnext/order/submit", &order(&uid, "PAR-LOC-DOWN"))).await;
    let read = http::Request::get(format!("/posnext/orders/{uid}?processing=true"));
    let read = parts.get().handle(read.header("authorization", format!("Bearer {}", token())).body(()).unwrap()).await;
    for answer in [accepted, read] {
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        assert!(body["status"] == "pending" && body["processing"].is_null(), "{body}");
    }
}

#[tokio::test]
async fn an_order_with_a_member_called_processing_is_answered_with_one_of_that_name() {
    let (_product, caller) = in_process().await;
    let uid = fresh_uid("named");
    let body = order(&uid, "PAR-LOC-ASYNC").replacen('{', r#"{"processing":"theirs","#, 1);
    let accepted = caller.submit(&body).await;
    assert_eq!((accepted.code, accepted.text.matches(r#""processing":"#).count()), (202, 1), "{}", accepted.text);
    assert!(accepted.json["processing"]["stage"].is_string());
    let placed = caller.final_answer(&uid, std::time::Duration::from_secs(20)).await;
    assert_eq!(placed.json["processing"], "theirs", "echoed to the byte");
}

#[tokio::test]
async fn the_history_of_an_order_says_who_did_what_and_why_and_is_signed() {
    let (_product, caller) = in_process().await;
    let uid = fresh_uid("history");
    caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await;
    caller.final_answer(&uid, std::time::Duration::from_secs(30)).await;
    let answer = ask(&caller, &format!("{uid}/history"), &[]).await.signed();
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
    let known = ask(&caller, &format!("{uid}/history"), &[("if-none-match", answer.header("etag").unwrap())]).await;
    assert_eq!(known.code, 304);

    // Under a second name it is told, and signed, under that name.
    let second = fresh_uid("second");
    let body = order(&uid, "PAR-LOC-FLAKY").replacen(&uid, &second, 1);
    assert_eq!(caller.submit(&body).await.status(), "placed");
    let answer = ask(&caller, &format!("{second}/history"), &[]).await.signed();
    assert_eq!((answer.code, &answer.json["request_uid"]), (200, &second.as_str().into()));
    assert_eq!(ask(&caller, "nobody/history", &[]).await.error(), "unknown_order");
}

#[tokio::test]
async fn the_command_tells_the_history() {
    let product = Binary::start(&[], None);
    let uid = fresh_uid("told");
    product.caller.submit(&order(&uid, "PAR-LOC-REJECT")).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    let output = command.args(["order", "history", &uid, "--url", &product.caller.url]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((output.status.code(), lines.len(), lines.last()), (Some(1), 3, Some(&"rejected")), "{text}");
    assert!(lines[0].ends_with("submit  accepted: an attempt begins") && lines[1].contains("refused by the POS"), "{text}");
}

#[tokio::test]
async fn a_poll_that_prefers_to_wait_is_answered_when_the_order_changes() {
    let (_product, caller) = in_process().await;
    let uid = fresh_uid("wait");
    // Its next try is a second or more away.
    assert_eq!(caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await.code, 202);
    let known = caller.get(&uid).await;
    let etag = known.header("etag").unwrap();
    let waited = ask(&caller, &uid, &[("prefer", "wait=10"), ("if-none-match", etag)]).await;
    assert_eq!((waited.code, waited.header("preference-applied")), (200, Some("wait=10")), "{}", waited.text);
    assert_ne!(waited.signed().header("etag"), Some(etag));
}

/// Where no worker runs nothing changes.
#[tokio::test]
async fn a_poll_that_waits_for_nothing_is_answered_in_time_and_one_that_knows_less_at_once() {
    let services = start_services(None, "http://127.0.0.1:9").await.unwrap();
    let (submit, get, uid) = (services.parts.submit(), services.parts.get(), fresh_uid("idle"));
    let accepted = submit.handle(signed_request("/posnext/order/submit", &order(&uid, "PAR-LOC-ASYNC"))).await;
    assert_eq!(accepted.status().as_u16(), 202);
    let poll = async |headers: &[(&str, &str)]| {
        let mut request =
            http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let began = Instant::now();
        let answer = get.handle(request.body(()).unwrap()).await;
        (answer, began.elapsed().as_secs_f32())
    };
    let (first, _) = poll(&[]).await;
    let etag = first.headers()["etag"].to_str().unwrap().to_owned();
    let (waited, seconds) = poll(&[("prefer", "wait=2"), ("if-none-match", &etag)]).await;
    assert_eq!((waited.status().as_u16(), waited.headers()["preference-applied"].to_str().unwrap()), (304, "wait=2"));
    assert!(seconds >= 1.9, "held for {seconds} s");
    let (informed, seconds) = poll(&[("prefer", "wait=60"), ("if-none-match", "W/\"v0\"")]).await;
    assert_eq!((informed.status().as_u16(), informed.headers()["preference-applied"].to_str().unwrap()), (200, "wait=10"));
    assert!(seconds < 8.0, "held for {seconds} s, and it knew less");
}
