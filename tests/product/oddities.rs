//! Half an emoji and a byte order mark, on their way through the whole product (`aws/tests/api/oddities.rs` has the API
//! alone).

use std::collections::BTreeSet;

use posnext_local::local::start_services;
use posnext_shared::domain::directory::Connector;
use serde_json::Value;

use crate::{
    connector::{OneSecret, PLACED, http_pos, location},
    menus::admin,
    stub_pos::answering,
    support::{Binary, Caller, fresh_uid, in_process, order, until},
};

/// An order with half an emoji in values and keys, before and in its details; and the same without.
fn odd_order(uid: &str, location: &str) -> (String, String) {
    let plain = order(uid, location);
    let half = r#""note \ud83d":"doorman \ud83c","#;
    (plain.replacen('{', &format!("{{{half}"), 1).replace("\"Taco\"", r#""Taco \udf2e""#), plain)
}

async fn submitted(caller: &Caller, (odd, plain): &(String, String)) -> (u16, String) {
    let answer = caller.send(caller.submission(plain).body(odd.clone())).await;
    (answer.code, answer.text)
}

#[tokio::test]
async fn half_an_emoji_is_stored_and_polled_to_the_byte_and_shown_on_the_board() {
    let binary = Binary::start(&[], None);
    let caller = &binary.caller;
    for location in ["PAR-LOC-12345", "PAR-LOC-FLAKY"] {
        let uid = fresh_uid("half");
        let bodies = odd_order(&uid, location);
        let (code, text) = submitted(caller, &bodies).await;
        let (echo, _) = bodies.0[1..].split_once("}]").unwrap();
        assert!(matches!(code, 200 | 202) && text.contains(echo), "{text}");
        let placed = until(std::time::Duration::from_secs(60), "it is placed", async || {
            Some(caller.get_any(&uid).await.text).filter(|text| text.starts_with(r#"{"status":"placed","#))
        })
        .await;
        assert!(placed.contains(echo), "{placed}");
        let board = caller.send(caller.http.get(format!("{}/_local/board", caller.url))).await;
        assert!(
            board.json["orders"].as_array().unwrap().iter().any(|card| card["request_uid"] == uid.as_str()),
            "{}",
            board.text
        );
    }
}

#[tokio::test]
async fn the_command_line_submits_a_file_with_a_mark_and_half_an_emoji() {
    let binary = Binary::start(&[], None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order.json");
    let uid = fresh_uid("half");
    let (odd, _) = odd_order(&uid, "PAR-LOC-12345");
    std::fs::write(&file, format!("\u{feff}{odd}")).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
        let output = command.arg("order").args(arguments).args(["--url", &binary.caller.url]).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&["submit", "--file", file.to_str().unwrap()]).await;
    assert!(code == Some(0) && text.contains("2 x Taco \u{fffd}") && text.contains("200  placed    signature right"), "{text}");
    let (code, text) = run(&["get", &uid]).await;
    assert!(code == Some(0) && text.contains(r#""note \ud83d":"doorman \ud83c""#), "{text}");
    assert_eq!(run(&["history", &uid]).await.0, Some(0));
}

#[tokio::test]
async fn a_pos_is_sent_what_the_strictest_reader_takes() {
    let (product, caller) = in_process().await;
    let (base, seen) = answering(200, PLACED).await;
    product.services.parts.directory().put_location(&location(&base, None)).await.unwrap();
    let uid = fresh_uid("half");
    let (code, text) = submitted(&caller, &odd_order(&uid, "PAR-LOC-HTTP")).await;
    assert!(code == 200 && text.contains(r#""pos_order_id":"T-9""#), "{text}");
    let (_, body) = seen.lock().unwrap().pop().unwrap();
    let json: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["order"]["note \u{fffd}"], "doorman \u{fffd}");
    assert_eq!(json["order"]["order_details"]["items"][0]["name"], "Taco \u{fffd}");
}

#[tokio::test]
async fn a_mark_and_half_an_emoji_hide_nothing_that_is_sold_out() {
    let (base, _) = answering(200, "\u{feff}{\"unavailable\":[\"4711\",\"x\\ud83d\"],\"\\ud83d\":1}").await;
    let location = location(&base, None);
    let Connector::Http(settings) = &location.connector else { panic!("http") };
    let limit = std::time::Duration::from_secs(10);
    let sold_out = http_pos(OneSecret::default()).sold_out(settings, &location, &BTreeSet::from(["4711"]), limit).await.unwrap();
    assert!(sold_out.contains("4711"), "{sold_out:?}");
}

#[tokio::test]
async fn a_menu_with_a_mark_and_half_an_emoji_is_put_and_one_in_latin_1_is_refused_at_its_byte() {
    let services = start_services(None, "http://127.0.0.1:9").await.unwrap();
    let menu = r#"{"currency":"EUR","products":[{"id":"1","name":"Soup \ud83c","\ud83d":0,"price":4.35}]}"#;
    let (code, said) = admin(&services, &["put", "-", "--location", "PAR-LOC-12345"], format!("\u{feff}{menu}").as_bytes()).await;
    assert!(code == 0 && said.contains("put: 1 products"), "{said}");
    let (_, shown) = admin(&services, &["show", "--location", "PAR-LOC-12345"], b"").await;
    assert!(shown.contains("Soup \u{fffd}"), "{shown}");
    let latin = [&b"{\n\"currency\":\"EUR\",\"products\":[{\"id\":\"1\",\"name\":\"Caf"[..], b"\xe9\"}]}"].concat();
    let (code, said) = admin(&services, &["put", "-", "--location", "PAR-LOC-12345"], &latin).await;
    assert!(code == 2 && said.contains("the byte 0xe9 at line 2 column 51 is not UTF-8"), "{said}");
}

#[test]
fn the_outputs_of_a_stack_are_read_with_a_mark_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outputs.json");
    std::fs::write(&file, "\u{feff}[]").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    let output = command.args(["admin", "orders", "--outputs", file.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("has no output"), "{said}");
}
