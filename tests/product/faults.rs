//! AWS in trouble: what a caller is answered, and that nothing is lost or half written. Between the functions and the local
//! services stands a proxy that fails the calls a test names; the functions have their own time-outs, as on AWS.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_config::{Region, SdkConfig};
use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    response::{IntoResponse, Response},
    routing::any,
};
use http::StatusCode;
use posnext_aws::{
    adapters::aws,
    edge::submit::Submit,
    wiring::{Aws, Parts, Production},
};
use posnext_local::local::Product;
use posnext_shared::domain::{
    ability::{Abilities, Find},
    directory::{Connector, HttpConnector},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Caller, digest_of, fresh_uid, in_process, location, order, rows, token, until};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// It is done, and the reply is a server error.
    ReplyLost,
    /// It is not done.
    ServerError,
    /// It is not done: too many of them.
    Throttled,
    /// It is not done: another transaction is at the same rows.
    Conflict,
    /// It is not done, and nobody answers.
    Hangs,
}

type Rule = Box<dyn FnMut(&str) -> Fate + Send>;

/// The services behind a proxy.
#[derive(Clone)]
struct Trouble(Arc<Mutex<Rule>>);

impl Trouble {
    /// From now on this decides about each call, by its operation.
    fn now(&self, rule: impl FnMut(&str) -> Fate + Send + 'static) {
        *self.0.lock().unwrap() = Box::new(rule);
    }

    async fn before(&self, config: &SdkConfig) -> SdkConfig {
        let (trouble, upstream, http) = (self.clone(), config.endpoint_url().unwrap().to_owned(), reqwest::Client::new());
        let handler = any(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let target = parts.headers["x-amz-target"].to_str().unwrap().to_owned();
            let operation = target.rsplit('.').next().unwrap();
            let fate = (trouble.0.lock().unwrap())(operation);
            match fate {
                Fate::Hangs => std::future::pending::<()>().await,
                Fate::ServerError => return error(500, "InternalServerError", &json!({})),
                Fate::Throttled => return error(400, "ThrottlingException", &json!({})),
                Fate::Conflict => {
                    let reasons = json!({ "CancellationReasons": [{ "Code": "TransactionConflict" }, { "Code": "None" }] });
                    return error(400, "TransactionCanceledException", &reasons);
                }
                Fate::Done | Fate::ReplyLost => {}
            }
            let body = to_bytes(body, 1 << 20).await.unwrap();
            let request = http.request(parts.method, format!("{upstream}{}", parts.uri)).headers(parts.headers).body(body);
            let answer = request.send().await.unwrap();
            if fate == Fate::ReplyLost {
                return error(500, "InternalServerError", &json!({}));
            }
            (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap()).into_response()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
        let credentials = aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "test");
        let loader = aws::defaults(None).unwrap().region(Region::from_static("us-east-1")).credentials_provider(credentials);
        loader.endpoint_url(format!("http://{address}")).load().await
    }
}

fn error(status: u16, kind: &str, more: &Value) -> Response {
    let mut body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "injected" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let headers = [("content-type", "application/x-amz-json-1.0")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}

/// A product, and the functions' parts behind trouble, with warm caches.
async fn troubled() -> (Product, Caller, Parts, Trouble) {
    let (product, caller) = in_process().await;
    let trouble = Trouble(Arc::new(Mutex::new(Box::new(|_: &str| Fate::Done))));
    let aws = &product.services.aws;
    let behind = Aws {
        dynamodb: trouble.before(&aws.dynamodb).await,
        sqs: aws::for_messages(&trouble.before(&aws.sqs).await),
        secrets: trouble.before(&aws.secrets).await,
    };
    let parts = Parts::new(product.services.parts.settings().clone(), &behind);
    (product, caller, parts, trouble)
}

struct Answer {
    code: u16,
    signed: bool,
    retry_after: Option<String>,
    json: Value,
    took: Duration,
}

impl Answer {
    fn status(&self) -> &str {
        self.json["status"].as_str().unwrap_or_default()
    }
}

async fn submit(function: &Submit<Production>, body: &str) -> Answer {
    let json: Value = serde_json::from_str(body).unwrap();
    let request = http::Request::post("/posnext/order/submit").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {}", token())).header("x-pch-digest", digest_of(&json));
    let began = Instant::now();
    let response = function.handle(request.body(body.to_owned()).unwrap()).await;
    let json: Value = serde_json::from_str(response.body()).unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let signed = header("x-pch-digest") == Some(digest_of(&json));
    Answer { code: response.status().as_u16(), signed, retry_after: header("retry-after"), json, took: began.elapsed() }
}

async fn poll(parts: &Parts, uid: &str) -> http::Response<String> {
    let request = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()));
    parts.get().handle(request.body(String::new()).unwrap()).await
}

/// The first `times` calls of an operation share a fate.
fn first(times: usize, operation: &'static str, fate: Fate) -> impl FnMut(&str) -> Fate {
    let mut seen = 0;
    move |called| {
        seen += usize::from(called == operation);
        if called == operation && seen <= times { fate } else { Fate::Done }
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_claimed_is_answered_503_signed_within_the_deadline_and_nothing_is_written() {
    let (product, _, parts, trouble) = troubled().await;
    let function = parts.submit();
    submit(&function, &order(&fresh_uid("warm"), "PAR-LOC-12345")).await;
    let before = rows(&product, "posnext-orders").await;
    for fate in [Fate::ServerError, Fate::Throttled, Fate::Conflict, Fate::Hangs] {
        trouble.now(first(usize::MAX, "TransactWriteItems", fate));
        let answer = submit(&function, &order(&fresh_uid("claim"), "PAR-LOC-12345")).await;
        assert_eq!((answer.code, answer.signed, answer.retry_after.as_deref()), (503, true, Some("2")), "{fate:?}");
        assert!(answer.took < Duration::from_secs(5), "{fate:?}: {:?}", answer.took);
        assert_eq!(rows(&product, "posnext-orders").await, before, "{fate:?}");
        assert!(answer.json["order_details"]["pos_order_id"].is_null());
    }
    // The whole table gone: the same answer.
    trouble.now(|called| if called == "GetSecretValue" { Fate::Done } else { Fate::ServerError });
    let answer = submit(&function, &order(&fresh_uid("claim"), "PAR-LOC-12345")).await;
    assert_eq!((answer.code, answer.retry_after.as_deref()), (503, Some("2")));
}

#[tokio::test]
async fn a_claim_that_meets_trouble_for_a_moment_is_placed_once() {
    let (_product, caller, parts, trouble) = troubled().await;
    let function = parts.submit();
    for fate in [Fate::ServerError, Fate::Throttled, Fate::Conflict, Fate::ReplyLost] {
        let uid = fresh_uid("moment");
        trouble.now(first(1, "TransactWriteItems", fate));
        let answer = submit(&function, &order(&uid, "PAR-LOC-12345")).await;
        assert_eq!((answer.code, answer.status(), answer.signed), (200, "placed", true), "{fate:?}");
        let placements = caller.placements(&uid).await;
        assert_eq!((placements.len(), &placements[0]["place_calls"]), (1, &1.into()), "{fate:?}");
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_answered_202_and_found_out_later() {
    for fate in [Fate::ServerError, Fate::Throttled, Fate::Hangs] {
        let (_product, caller, parts, trouble) = troubled().await;
        let uid = fresh_uid("result");
        trouble.now(first(usize::MAX, "PutItem", fate));
        let answer = submit(&parts.submit(), &order(&uid, "PAR-LOC-12345")).await;
        assert_eq!((answer.code, answer.status(), answer.signed), (202, "pending", true), "{fate:?}");
        assert!(answer.took < Duration::from_secs(6), "{fate:?}: {:?}", answer.took);
        // The sandbox holds it already. The row's due time brings it back, and the POS says the same again.
        assert_eq!(caller.placements(&uid).await.len(), 1);
        let end = caller.final_answer(&uid, Duration::from_secs(60)).await;
        assert_eq!((end.status(), caller.placements(&uid).await.len()), ("placed", 1));
    }
}

#[tokio::test]
async fn without_the_queue_an_order_is_answered_202_all_the_same_and_its_row_brings_it_back() {
    let (_product, caller, parts, trouble) = troubled().await;
    for fate in [Fate::ServerError, Fate::Hangs] {
        let uid = fresh_uid("queue");
        trouble.now(first(usize::MAX, "SendMessage", fate));
        let answer = submit(&parts.submit(), &order(&uid, "PAR-LOC-ASYNC")).await;
        assert_eq!((answer.code, answer.status(), answer.signed), (202, "pending", true), "{fate:?}");
        assert!(answer.took < Duration::from_secs(5), "{fate:?}: {:?}", answer.took);
        let end = caller.final_answer(&uid, Duration::from_secs(60)).await;
        assert_eq!((end.status(), caller.placements(&uid).await.len()), ("placed", 1), "{fate:?}");
    }
}

#[tokio::test]
async fn without_secrets_a_new_instance_answers_503_and_a_warm_one_serves_on() {
    let (product, _, parts, trouble) = troubled().await;
    let before = rows(&product, "posnext-orders").await;
    trouble.now(first(usize::MAX, "GetSecretValue", Fate::ServerError));
    let cold = submit(&parts.submit(), &order(&fresh_uid("secrets"), "PAR-LOC-12345")).await;
    assert_eq!((cold.code, cold.retry_after.as_deref()), (503, Some("2")));
    assert_eq!(rows(&product, "posnext-orders").await, before);

    let (_product, _, parts, trouble) = troubled().await;
    let function = parts.submit();
    assert_eq!(submit(&function, &order(&fresh_uid("secrets"), "PAR-LOC-12345")).await.code, 200);
    trouble.now(first(usize::MAX, "GetSecretValue", Fate::Hangs));
    assert_eq!(submit(&function, &order(&fresh_uid("secrets"), "PAR-LOC-12345")).await.code, 200);
}

#[tokio::test]
async fn a_worker_without_its_table_leaves_every_message_to_come_back() {
    let (_product, caller, parts, trouble) = troubled().await;
    let uid = fresh_uid("worker");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    trouble.now(|_| Fate::Throttled);
    let body = json!({ "v": 1, "key": { "tenant": "par-local", "request_uid": uid }, "version": 1, "group": "L" });
    let mut event = aws_lambda_events::sqs::SqsEvent::default();
    let mut record = aws_lambda_events::sqs::SqsMessage::default();
    (record.message_id, record.body) = (Some("m".to_owned()), Some(body.to_string()));
    event.records.push(record);
    let response = parts.process().handle(event, Duration::from_secs(30)).await;
    assert_eq!(serde_json::to_string(&response).unwrap(), r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#);
}

#[tokio::test]
async fn a_poll_without_its_table_is_answered_503_with_retry_after() {
    let (_product, caller, parts, trouble) = troubled().await;
    let uid = fresh_uid("poll");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    parts.warm_up().await;
    trouble.now(first(usize::MAX, "GetItem", Fate::Hangs));
    let response = poll(&parts, &uid).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "2"));
}

#[tokio::test]
async fn an_order_whose_answer_cannot_be_signed_now_is_answered_503() {
    let (_product, caller, parts, trouble) = troubled().await;
    let uid = fresh_uid("unsigned");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    // The Client Secret can be read, the SharedId cannot.
    let mut read = 0;
    trouble.now(move |called| {
        read += usize::from(called == "GetSecretValue");
        if called == "GetSecretValue" && read > 1 { Fate::ServerError } else { Fate::Done }
    });
    let response = poll(&parts, &uid).await;
    assert_eq!((response.status().as_u16(), response.headers().get("retry-after").is_some()), (503, true), "{}", response.body());
    assert!(!response.body().contains(&uid), "{}", response.body());
}

/// A POS that refuses the first place of an order and takes the second, behind a proxy that loses the answer to the first, and gives
/// it to the second.
async fn behind_a_proxy_that_is_late_by_one() -> (String, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, left_over) = (Arc::clone(&seen), Arc::new(Mutex::new(None)));
    let handler = any(async move |request: Request| {
        let id = request.headers()["posnext-request"].clone();
        let key = request.uri().path().rsplit('/').next().unwrap().to_owned();
        log.lock().unwrap().push(request.method().to_string());
        let says = |code: u16, body: Value, id: &http::HeaderValue| {
            (StatusCode::from_u16(code).unwrap(), [("posnext-request", id.clone())], body.to_string()).into_response()
        };
        if request.method() == http::Method::GET {
            return says(404, json!({ "key": key, "status": "unknown" }), &id);
        }
        let first = left_over.lock().unwrap().take();
        match first {
            Some(first) => says(422, json!({ "key": key, "status": "rejected", "errors": [] }), &first),
            None => {
                *left_over.lock().unwrap() = Some(id);
                (StatusCode::BAD_GATEWAY, "").into_response()
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
    (base, seen)
}

#[tokio::test]
async fn a_refusal_that_an_earlier_place_has_left_over_does_not_end_an_order_that_the_pos_took_since() {
    let (product, caller) = in_process().await;
    let (base, seen) = behind_a_proxy_that_is_late_by_one().await;
    let abilities = Abilities { find: Some(Find { settle_s: 1 }), ..Abilities::default() };
    let connector = Connector::Http(HttpConnector::new(base, None, abilities));
    product.services.parts.directory().put_location(&location("PAR-LOC-LATE", connector)).await.unwrap();
    let uid = fresh_uid("left-over");
    assert_eq!(caller.submit(&order(&uid, "PAR-LOC-LATE")).await.code, 202);
    let placed = || seen.lock().unwrap().iter().filter(|method| *method == "PUT").count() == 2;
    until(Duration::from_secs(60), "it is placed again", async || placed().then_some(())).await;
    // The POS holds it now. Whatever is written of it is written in this time.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let answer = caller.get(&uid).await;
    assert_ne!(answer.status(), "rejected", "{}", answer.text);
}
