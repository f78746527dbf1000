//! What somebody who waits for an order sees of it: how far it is, what was done with it, and its change as soon as it happens.

use std::time::Instant;

use posnext_local::local::start_services;
use reqwest::header::{HeaderMap, HeaderValue};

use crate::support::{Answer, Binary, Caller, fresh_uid, in_process, order, signed_request, token};

async fn ask(caller: &Caller, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let named = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let request = caller.http.get(format!("{}/posnext/orders/{path}", caller.url)).headers(named.collect::<HeaderMap>());
    caller.send(request.bearer_auth(token())).await
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
