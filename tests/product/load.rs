//! `posnext load`, by the real binary: against the product, and against deployments that answer wrongly or stall.

use std::{
    process::Output,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request, response::IntoResponse, routing::any};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until},
};

use crate::support::{Caller, SHARED_ID, hmac_hex, in_process};

const MENUS: &str = "/posnext/menus";
const VALIDATE: &str = "/posnext/order/validate";
const SUBMIT: &str = "/posnext/order/submit";

async fn load(url: &str, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.args(["load", url]).args(arguments).output().await.unwrap()
}

/// The exit code and the report.
async fn report(url: &str, arguments: &[&str]) -> (i32, Value) {
    let output = load(url, &[arguments, &["--json", "-"]].concat()).await;
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

fn line<'a>(report: &'a Value, kind: &str) -> &'a Value {
    report["requests"].as_array().unwrap().iter().find(|line| line["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {report}"))
}

/// How many requests of a kind took 200 ms and more.
fn slow(report: &Value, kind: &str) -> u64 {
    let buckets = line(report, kind)["buckets"].as_array().unwrap().iter();
    buckets.filter(|bucket| bucket["below_us"].as_u64() > Some(200_000)).map(|bucket| bucket["count"].as_u64().unwrap()).sum()
}

async fn meals(caller: &Caller) -> usize {
    caller.send(caller.http.get(format!("{}/_local/placements", caller.url))).await.json.as_array().unwrap().len()
}

/// A request to a deployment that is played.
struct Asked {
    path: String,
    /// The number at the end of the order's id.
    number: usize,
    /// The body; for a poll the id alone.
    order: Value,
}

/// Status, body and digest.
type Told = (StatusCode, Value, Option<String>);

/// A deployment that is played.
async fn stub<A, F>(answers: A) -> String
where
    A: Fn(Asked) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Told> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handler = move |request: Request| {
        let answers = answers.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let path = parts.uri.path().to_owned();
            let order = serde_json::from_slice(&body).unwrap_or_else(|_| json!({ "request_uid": path.rsplit('/').next() }));
            let number = order["request_uid"].as_str().unwrap_or("-0").rsplit('-').next().unwrap().parse();
            // The first request asks whether anybody is there.
            let Ok(number) = number else { return StatusCode::NOT_FOUND.into_response() };
            let (code, body, digest) = answers(Asked { path, number, order }).await;
            let mut headers = http::HeaderMap::new();
            headers.extend(digest.map(|digest| (http::HeaderName::from_static("x-pch-digest"), digest.parse().unwrap())));
            (code, headers, body.to_string()).into_response()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(handler))).await });
    url
}

/// The order with a status, as it should be answered.
fn answered(order: &Value, status: &str) -> Value {
    let mut body = order.clone();
    body["status"] = json!(status);
    if status == "placed" {
        body["order_details"]["pos_order_id"] = json!("POS-1");
    }
    body
}

fn signed(body: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or("0").to_owned();
    let seconds = body["request_datetime"].as_str().map_or(0, |at| at.parse::<jiff::Timestamp>().unwrap().as_second());
    let details = &body["order_details"];
    // The sample order's totals.
    let (total, subtotal) = if details["subtotal"].is_null() { ("0", "0") } else { ("2345", "2150") };
    let (uid, location, online) = (text(&body["request_uid"]), text(&body["location_id"]), text(&details["online_order_id"]));
    Some(hmac_hex(&SHARED_ID[..10], &format!("{uid}|{location}|{online}|{total}|{subtotal}|{seconds}")))
}

#[tokio::test]
async fn orders_at_a_rate_are_all_placed_and_told_in_a_table_and_a_picture() {
    let (_product, caller) = in_process().await;
    let folder = tempfile::tempdir().unwrap();
    let (svg, json) = (folder.path().join("load.svg"), folder.path().join("load.json"));
    let files = ["--svg", svg.to_str().unwrap(), "--json", json.to_str().unwrap()];
    let output = load(&caller.url, &[&["--rate", "40", "--orders", "40"][..], &files].concat()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("40 orders to PAR-LOC-MENU, 40 a second (poisson, seed 1): 40 placed"), "{text}");
    assert!(text.contains("P99") && text.contains("This generator was behind by") && text.contains('█'), "{text}");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    for (kind, count) in [("menus", 1), ("validate", 40), ("submit", 40), ("poll", 0), ("order", 40)] {
        assert_eq!((&line(&report, kind)["count"], &line(&report, kind)["errors"]), (&json!(count), &json!(0)), "{kind}");
    }
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("submit: 40") && svg.ends_with("</svg>"), "{svg}");
    assert_eq!(meals(&caller).await, 40);
}

#[tokio::test]
async fn accepted_orders_are_polled_to_their_end_which_is_timed_too() {
    let (_product, caller) = in_process().await;
    let arguments = ["--location", "PAR-LOC-ASYNC", "--rate", "20", "--orders", "8", "--arrivals", "constant"];
    let (code, report) = report(&caller.url, &[&arguments[..], &["--no-validate", "--menus-every", "0"]].concat()).await;
    assert_eq!((code, &report["ends"]), (0, &json!({ "placed": 8 })), "{report}");
    assert!(line(&report, "poll")["count"].as_u64() >= Some(8), "{report}");
    // The first poll is due a second after the answer that asked for it.
    assert!(line(&report, "order")["p50_us"].as_u64() >= Some(1_000_000), "{report}");
    assert_eq!(meals(&caller).await, 8);
}

#[tokio::test]
async fn every_wrong_answer_is_counted_by_kind_and_fails_the_run() {
    let url = stub(async |Asked { path, number, order }| {
        let placed = answered(&order, "placed");
        let (pending, other) = (answered(&order, "pending"), json!({ "status": "placed", "request_uid": "other" }));
        let mut no_id = placed.clone();
        no_id["order_details"]["pos_order_id"] = Value::Null;
        match number {
            1 => (StatusCode::OK, placed, None),
            2 => (StatusCode::OK, placed, Some("0".repeat(64))),
            3 => (StatusCode::SERVICE_UNAVAILABLE, json!({ "errors": [{ "code": "unavailable" }] }), signed(&json!({}))),
            4 if path == SUBMIT => (StatusCode::ACCEPTED, pending.clone(), signed(&pending)),
            // Of which a poll's answer knows the id alone.
            4 => (StatusCode::OK, pending.clone(), signed(&pending)),
            5 => (StatusCode::OK, other.clone(), signed(&other)),
            6 => (StatusCode::OK, answered(&order, "rejected"), signed(&order)),
            7 => (StatusCode::OK, no_id, signed(&order)),
            _ => (StatusCode::OK, placed, signed(&order)),
        }
    })
    .await;
    let arguments = ["--no-validate", "--menus-every", "0", "--rate", "50", "--orders", "10", "--timeout", "1"];
    let (code, report) = report(&url, &arguments).await;
    let ends = json!({ "placed": 7, "rejected": 1, "not_final": 1, "not_accepted": 1 });
    assert_eq!((code, &report["ends"]), (1, &ends), "{report}");
    let unexpected: Vec<_> = report["unexpected"].as_array().unwrap().iter().map(|one| one["answer"].as_str().unwrap()).collect();
    let expected = [
        "200 placed, but of another order",
        "200 placed, but without a pos_order_id",
        "200 placed, not signed",
        "200 placed, signature wrong",
        "200 rejected",
        "503 unavailable",
        "not final at the end",
    ];
    assert_eq!(unexpected, expected, "{report}");
    assert_eq!((&line(&report, "submit")["errors"], &line(&report, "order")["errors"]), (&json!(6), &json!(1)));
}

#[tokio::test]
async fn the_menu_is_asked_for_each_order_validated_first_and_one_that_is_refused_is_not_submitted() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let url = stub(move |Asked { path, number, order }| {
        if path != MENUS {
            note.lock().unwrap().push((number, path.clone()));
        }
        async move {
            match path.as_str() {
                MENUS if order == json!({ "organization_id": "IA-YC-01", "location_id": "PAR-LOC-MENU" }) => {
                    (StatusCode::OK, json!({ "products": [{ "id": "4711" }] }), None)
                }
                VALIDATE if number == 1 => (StatusCode::OK, answered(&order, "rejected"), signed(&order)),
                VALIDATE => (StatusCode::OK, answered(&order, "validated"), signed(&order)),
                SUBMIT => (StatusCode::OK, answered(&order, "placed"), signed(&order)),
                _ => (StatusCode::BAD_REQUEST, Value::Null, None),
            }
        }
    })
    .await;
    let (code, report) = report(&url, &["--rate", "2", "--orders", "3", "--arrivals", "constant", "--menus-every", "1"]).await;
    assert_eq!((code, &report["ends"]), (1, &json!({ "placed": 2, "not_accepted": 1 })), "{report}");
    // At the start, and at the second after, when the last order is due.
    assert_eq!((&line(&report, "menus")["count"], &line(&report, "menus")["errors"]), (&json!(2), &json!(0)), "{report}");
    assert_eq!(report["unexpected"], json!([{ "kind": "validate", "answer": "200 rejected", "count": 1 }]));
    let of = |number| seen.lock().unwrap().iter().filter(|(one, _)| *one == number).map(|(_, path)| path.clone()).collect();
    let paths: [Vec<String>; 3] = [of(0), of(1), of(2)];
    assert_eq!(paths, [vec![VALIDATE, SUBMIT], vec![VALIDATE], vec![VALIDATE, SUBMIT]]);
}

/// Answers at once, but for the requests that come within 800 ms of the fiftieth: those it answers all together then.
async fn stalling() -> String {
    let (count, until) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::new()));
    stub(move |Asked { order, .. }| {
        let until = Arc::clone(&until);
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if number >= 50 {
                sleep_until(*until.get_or_init(|| Instant::now() + Duration::from_millis(800))).await;
            }
            (StatusCode::OK, answered(&order, "placed"), signed(&order))
        }
    })
    .await
}

/// 1.5 s of which a stall takes 0.8 s: about 80 requests are due meanwhile, and wait 0.4 s on average.
const THROUGH_A_STALL: [&str; 9] =
    ["--no-validate", "--menus-every", "0", "--rate", "100", "--orders", "150", "--arrivals", "constant"];

#[tokio::test]
async fn a_stall_is_in_the_times_of_all_requests_that_were_due_meanwhile() {
    let (code, report) = report(&stalling().await, &THROUGH_A_STALL).await;
    assert_eq!(code, 0, "{report}");
    // A client that waits for each answer before it sends the next request sees one slow answer of 150.
    assert!(slow(&report, "submit") >= 40, "{report}");
    assert!(line(&report, "submit")["p90_us"].as_u64() >= Some(400_000), "{report}");
}

#[tokio::test]
async fn requests_that_the_generator_itself_held_up_are_timed_from_when_they_were_due_and_it_says_so() {
    let (code, report) = report(&stalling().await, &[&THROUGH_A_STALL[..], &["--connections", "1"]].concat()).await;
    assert_eq!(code, 0, "{report}");
    assert!(slow(&report, "submit") >= 40 && report["behind"]["max_us"].as_u64() >= Some(500_000), "{report}");
}

#[tokio::test]
async fn where_nobody_answers_nothing_was_tried() {
    let output = load("http://127.0.0.1:9", &["--orders", "1"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("nothing answers at http://127.0.0.1:9"), "{said}");
}
