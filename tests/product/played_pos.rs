//! The POS behind HTTP that `posnext pos` plays: vendors copy it, so it keeps the contract (docs/connector.md).

use posnext_local::pos;
use tokio::net::TcpListener;

use crate::support::{Caller, now};

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
