//! The order board's data; what the page makes of it is looked at in a browser (`tests/board/run`).

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use posnext_local::local::Product;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::support::{Caller, fresh_uid, in_process, order, until};

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

/// `posnext board`, as if this product were deployed.
fn board(product: &Product, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.arg("board").args(arguments).envs(product.services.environment());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_board_of_a_stack_shows_what_is_open_until_its_end_and_sends_nothing() {
    let (product, caller) = in_process().await;
    let mut child = board(&product, &[&caller.url, "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let url = line.split_whitespace().last().unwrap().trim_end_matches("/board").to_owned();
    assert!(line.starts_with(&format!("the order board of {} is at http://127.0.0.1:", caller.url)), "{line}");
    let watched = Caller::new(url);
    let uid = fresh_uid("watched");
    assert_eq!(caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await.code, 202);
    let shown = async |status: &str| {
        until(Duration::from_secs(30), status, async || {
            let state = state(&watched).await;
            let shown =
                state["orders"].as_array().unwrap().iter().any(|card| card["request_uid"] == *uid && card["status"] == status);
            shown.then_some(state)
        })
        .await
    };
    let open = shown("pending").await;
    assert_eq!(
        (&open["of"], &open["locations"], &open["breakers"]),
        (&caller.url.clone().into(), &serde_json::json!([]), &Value::Null)
    );
    shown("placed").await;
    let sent = watched.send(watched.http.post(format!("{}/_local/samples/PAR-LOC-12345", watched.url))).await;
    assert_eq!(sent.code, 404);
    let elsewhere = watched.http.get(format!("{}/_local/board", watched.url)).header("host", "orders.example:80");
    assert_eq!(watched.send(elsewhere).await.code, 403);
}

#[tokio::test]
async fn a_board_that_cannot_be_shown_says_why() {
    let (product, caller) = in_process().await;
    for (arguments, why) in [
        (&[caller.url.as_str(), "--listen", "0.0.0.0:3001"][..], "this machine's alone"),
        (&["http://127.0.0.1:9"], "nobody answers at http://127.0.0.1:9"),
        (&[&format!("{}/board", caller.url)], "and not as posnext does; give the stack's output Url"),
    ] {
        let output = board(&product, arguments).output().await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains(why), "{arguments:?}: {text}");
    }
}
