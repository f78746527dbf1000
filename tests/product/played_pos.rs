//! The POS behind HTTP that `posnext pos` plays: vendors copy it, so it keeps the contract (docs/connector.md).

use posnext_local::pos;
use serde_yaml_ng::Value;
use tokio::net::TcpListener;

use crate::support::{Caller, ROOT, now};

/// Sends a place, with these headers besides the id of the request; what it is answered.
async fn place(pos: &Caller, key: &str, headers: &[(&str, String)]) -> (u16, String) {
    let request = pos.http.put(format!("{}/place/prompt/orders/{key}", pos.url)).header("posnext-request", "r1");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let body = format!(r#"{{"key":"{key}","location_id":"l","order":{{}}}}"#);
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.headers()["posnext-request"], "r1");
    let code = answer.status().as_u16();
    let json: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(json["key"], key);
    (code, json["status"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn nothing_is_made_of_a_place_that_is_too_late_or_does_not_say_until_when_it_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(pos::serve(listener));
    let pos = Caller::new(format!("http://{address}"));
    let contract = |version: &str| ("posnext-contract", version.to_owned());
    let until = |seconds: i64| ("posnext-not-after", (seconds * 1_000).to_string());
    let (late, soon) = (until(now() - 60), until(now() + 60));
    for (headers, expected) in [
        (vec![contract("2"), late.clone()], (503, "not_started")),
        (vec![contract("2")], (400, "invalid")),
        (vec![contract("2"), ("posnext-not-after", "soon".to_owned())], (400, "invalid")),
        (vec![contract("2"), ("posnext-not-after", String::new())], (400, "invalid")),
        (vec![("posnext-not-after", "-5".to_owned())], (400, "invalid")),
        (vec![contract("1"), soon.clone()], (400, "invalid")),
    ] {
        let (code, status) = place(&pos, "t.u", &headers).await;
        assert_eq!((code, status.as_str()), expected, "{headers:?}");
    }
    let ledger = async || pos.send(pos.http.get(format!("{}/ledger", pos.url))).await.text;
    assert!(!ledger().await.contains("POS-"), "{}", ledger().await);
    assert_eq!(place(&pos, "t.u", &[contract("2"), soon]).await, (201, "placed".to_owned()));
    // Of an order that it knows it says so, and makes no second one.
    assert_eq!(place(&pos, "t.u", &[contract("2"), late]).await, (200, "placed".to_owned()));
    assert_eq!(ledger().await.matches("POS-").count(), 1);
}

/// What a request may be answered with, by the description: HTTP status and `status`.
fn described(method: &str) -> Vec<(u16, String)> {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/pos-connector.openapi.yaml")).unwrap();
    let document: Value = serde_yaml_ng::from_str(&text).unwrap();
    let resolved = |value: &Value| match value["$ref"].as_str() {
        Some(path) => path.trim_start_matches("#/").split('/').fold(document.clone(), |value, name| value[name].clone()),
        None => value.clone(),
    };
    let mut pairs = Vec::new();
    for (code, response) in document["paths"]["/orders/{key}"][method]["responses"].as_mapping().unwrap() {
        let schema = resolved(&resolved(response)["content"]["application/json"]["schema"]);
        let schemas = schema["oneOf"].as_sequence().cloned().unwrap_or_else(|| vec![schema]);
        for status in
            schemas.iter().filter_map(|schema| Some(resolved(schema)["properties"]["status"]["const"].as_str()?.to_owned()))
        {
            pairs.push((code.as_str().unwrap().parse().unwrap(), status));
        }
    }
    assert!(pairs.len() > 3, "{method}: {pairs:?}");
    pairs
}

/// One of the requests about an order, to a POS that promises all.
async fn ask(pos: &Caller, behaviour: &str, key: &str, request: &str) -> (u16, String) {
    let url = format!("{}/all/{behaviour}/orders/{key}", pos.url);
    let body = format!(r#"{{"key":"{key}","location_id":"l","order":{{}}}}"#);
    let at = |seconds: i64| (now() + seconds).to_string() + "000";
    let put = || pos.http.put(&url).header("posnext-contract", "2").header("posnext-not-after", at(60)).body(body.clone());
    let request = match request {
        "put" => put(),
        "late" => pos.http.put(&url).header("posnext-contract", "2").header("posnext-not-after", at(-60)).body(body),
        "half" => put().body(r#"{"key":"#),
        "foreign" => pos.http.put(&url).header("posnext-contract", "3").header("posnext-not-after", at(60)).body(body),
        "endless" => pos.http.put(&url).header("posnext-contract", "2").body(body),
        "get" => pos.http.get(&url),
        "delete" => pos.http.delete(&url),
        other => panic!("{other}"),
    };
    let answer = pos.send(request).await;
    (answer.code, answer.json["status"].as_str().unwrap_or_default().to_owned())
}

/// How it behaves, what has happened to the order, and what each of the requests is answered then.
type Case = (&'static str, &'static [&'static str], [(u16, &'static str); 7]);

const REQUESTS: [&str; 7] = ["put", "late", "half", "foreign", "endless", "get", "delete"];

#[tokio::test]
async fn it_says_of_each_order_what_the_contract_has_it_say_whatever_is_asked_how() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pos = Caller::new(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(pos::serve(listener));
    let (gone, kept) = ((410, "cancelled"), (200, "placed"));
    let (refused, asked) = ((422, "rejected"), (200, "rejected"));
    let invalid = (400, "invalid");
    let absent = [(201, "placed"), (503, "not_started"), invalid, invalid, invalid, (404, "unknown"), (200, "cancelled")];
    let placed = [(201, "placed"), kept, kept, kept, kept, kept, (200, "cancelled")];
    let rejected = [refused, refused, refused, refused, refused, asked, (409, "rejected")];
    let tombstone = [gone, gone, gone, gone, gone, gone, (200, "cancelled")];
    let busy = [(503, "not_started"), (503, "not_started"), invalid, invalid, invalid, (404, "unknown"), (200, "cancelled")];
    let cases: [Case; 14] = [
        ("prompt", &[], absent),
        ("prompt", &["put"], placed),
        ("prompt", &["delete"], tombstone),
        ("prompt", &["put", "delete"], tombstone),
        ("prompt", &["delete", "put"], tombstone),
        ("stubborn", &["delete"], tombstone),
        ("refuse", &["put"], rejected),
        ("refuse", &["delete"], tombstone),
        // The tombstone stands whatever the DELETE was answered.
        ("refuse", &["put", "delete"], [gone, gone, gone, gone, gone, gone, (409, "rejected")]),
        ("reopens", &["put"], rejected),
        ("reopens", &["put", "delete"], [gone, gone, gone, gone, gone, gone, (409, "rejected")]),
        ("down", &["put"], busy),
        ("down", &["delete"], tombstone),
        ("flaky", &["delete"], tombstone),
    ];
    for (case, (behaviour, before, expected)) in cases.iter().enumerate() {
        for (request, (code, status)) in REQUESTS.iter().zip(expected) {
            let key = format!("t.{case}-{request}");
            for earlier in *before {
                ask(&pos, behaviour, &key, earlier).await;
            }
            let answer = ask(&pos, behaviour, &key, request).await;
            assert_eq!(answer, (*code, (*status).to_owned()), "{behaviour} after {before:?}: {request}");
            let method = if matches!(*request, "get" | "delete") { request } else { "put" };
            assert!(described(method).contains(&answer), "{method} is not described as answered {answer:?}");
        }
    }
}
