//! Webhooks, by the real binary's commands against a running local product, to receivers of this test.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::{any, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use posnext_local::local::Product;
use posnext_shared::{
    app::ports::KeepSubscriber,
    domain::{
        ids::{ParId, SubscriberId},
        time::UnixMillis,
        webhook::{Event, Subscriber},
    },
};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::support::{ROOT, fresh_uid, in_process, now, order, until};

/// What a receiver got, and what it answers next; 204 when nothing is said.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<(Vec<Got>, VecDeque<Response>)>>);

type Got = (HeaderMap, String);

impl Receiver {
    /// Where it listens.
    async fn start(&self) -> String {
        let take = async |State(receiver): State<Self>, headers: HeaderMap, body: Bytes| {
            let (got, answers) = &mut *receiver.0.lock().unwrap();
            got.push((headers, String::from_utf8(body.to_vec()).unwrap()));
            answers.pop_front().unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
        };
        let routes = Router::new().route("/hook", post(take)).route("/elsewhere", any(take)).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        url
    }

    fn answer(&self, answer: impl IntoResponse) {
        self.0.lock().unwrap().1.push_back(answer.into_response());
    }

    fn got(&self) -> Vec<Got> {
        self.0.lock().unwrap().0.clone()
    }

    /// What it has got, once that is so much.
    async fn has(&self, count: usize) -> Vec<(HeaderMap, Value)> {
        let got =
            until(Duration::from_secs(30), "webhooks come", async || Some(self.got()).filter(|got| got.len() >= count)).await;
        assert_eq!(got.len(), count, "{got:?}");
        got.into_iter().map(|(headers, body)| (headers, serde_json::from_str(&body).unwrap())).collect()
    }
}

/// The operator's command; how it ended, and what it said.
async fn webhook(product: &Product, arguments: &[&str]) -> (i32, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.args(["admin", "webhook"]).args(arguments).envs(product.services.environment());
    let output = command.output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

/// Adds a subscriber, and waits until changes are followed; its key.
async fn add(product: &Product, id: &str, url: &str) -> String {
    let (code, text) = webhook(product, &["add", "IA-YC-01", id, "--url", url]).await;
    assert_eq!(code, 0, "{text}");
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    until(Duration::from_secs(10), "the orders have a stream", async || {
        let described = dynamodb.describe_table().table_name("posnext-orders").send().await.unwrap();
        described.table.unwrap().latest_stream_arn
    })
    .await;
    key_of(&text)
}

fn key_of(text: &str) -> String {
    text.split_whitespace().find(|word| word.starts_with("whsec_")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// The scheme once more, by itself.
fn signature(key: &str, headers: &HeaderMap, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key.strip_prefix("whsec_").unwrap()).unwrap()).unwrap();
    let header = |name: &str| headers[name].to_str().unwrap();
    mac.update(format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn an_orders_end_is_told_signed_and_once_more_when_it_is_replayed() {
    let (product, caller) = in_process().await;
    let receiver = Receiver::default();
    let key = add(&product, "kitchen", &receiver.start().await).await;
    let (placed, refused, queued) = (fresh_uid("hook"), fresh_uid("hook"), fresh_uid("hook"));
    caller.submit(&order(&placed, "PAR-LOC-12345")).await;
    receiver.has(1).await;
    caller.submit(&order(&refused, "PAR-LOC-REJECT")).await;
    receiver.has(2).await;
    caller.submit(&order(&queued, "PAR-LOC-ASYNC")).await;
    let told = receiver.has(3).await;
    for ((headers, event), (uid, kind)) in
        told.iter().zip([(&placed, "order.placed"), (&refused, "order.rejected"), (&queued, "order.placed")])
    {
        assert_eq!((event["type"].as_str().unwrap(), event["data"]["request_uid"].as_str().unwrap()), (kind, uid.as_str()));
        assert_eq!(headers["content-type"], "application/json");
        assert!(now().abs_diff(headers["webhook-timestamp"].to_str().unwrap().parse().unwrap()) < 60);
    }
    for (headers, body) in receiver.got() {
        assert_eq!(headers["webhook-signature"], signature(&key, &headers, &body));
    }
    let key_of_order = format!("par-local#{placed}");
    let (code, text) = webhook(&product, &["replay", "IA-YC-01", "kitchen", "--order", &key_of_order]).await;
    assert!(code == 0 && text.contains("1 sent"), "{text}");
    let again = receiver.has(4).await;
    assert_eq!((&again[3].0["webhook-id"], &again[3].1), (&again[0].0["webhook-id"], &again[0].1), "the same, to be known again");
    let (_, text) = webhook(&product, &["replay", "IA-YC-01", "kitchen", "--since", "2020-01-01T00:00:00Z"]).await;
    assert!(text.contains("3 sent"), "{text}");
    receiver.has(7).await;
    // One row that nobody can read keeps no other from being told.
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let newer = [("pk", AttributeValue::S("other#newer".to_owned())), ("v", AttributeValue::N("99".to_owned()))];
    let newer = newer
        .into_iter()
        .chain([("acc", AttributeValue::N("9999999999999".to_owned())), ("expires_at", AttributeValue::N("9".to_owned()))]);
    let put = dynamodb.put_item().table_name("posnext-orders").set_item(Some(newer.map(|(k, v)| (k.to_owned(), v)).collect()));
    put.send().await.unwrap();
    let (code, text) = webhook(&product, &["replay", "IA-YC-01", "kitchen", "--since", "2020-01-01T00:00:00Z"]).await;
    assert!(code == 1 && text.contains("not sent: order other#newer: ") && text.contains("3 sent"), "{text}");
    receiver.has(10).await;
    let (code, text) = webhook(&product, &["replay", "IA-YC-01", "kitchen", "--order", "par-local#nothing"]).await;
    assert!(code == 1 && text.contains("nothing was done: there is no order par-local#nothing"), "{text}");
}

#[tokio::test]
async fn what_is_not_taken_comes_again_no_redirect_is_followed_and_410_is_the_end() {
    let (product, caller) = in_process().await;
    let (flaky, gone) = (Receiver::default(), Receiver::default());
    flaky.answer((StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]));
    gone.answer(StatusCode::GONE);
    add(&product, "flaky", &flaky.start().await).await;
    add(&product, "gone", &gone.start().await).await;
    let uid = fresh_uid("hook");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    gone.has(1).await;
    until(Duration::from_secs(10), "the subscriber is switched off", async || {
        let (_, text) = webhook(&product, &["list"]).await;
        Some(text).filter(|text| text.contains("SWITCHED OFF: it answered 410 Gone"))
    })
    .await;
    let told = flaky.has(2).await;
    assert_eq!((&told[0].0["webhook-id"], &told[0].1), (&told[1].0["webhook-id"], &told[1].1));
    let apart: Vec<i64> =
        told.iter().map(|(headers, _)| headers["webhook-timestamp"].to_str().unwrap().parse().unwrap()).collect();
    assert!((3..15).contains(&(apart[1] - apart[0])), "after a pause of 4 to 5 s: {apart:?}");
    until(Duration::from_secs(10), "that it works is known", async || {
        let (_, text) = webhook(&product, &["list", "--organization", "IA-YC-01"]).await;
        Some(()).filter(|()| text.contains("state: on\n"))
    })
    .await;
    // Switched on again, it takes what it has missed.
    let (code, text) = webhook(&product, &["replay", "IA-YC-01", "gone", "--order", &format!("par-local#{uid}")]).await;
    assert!(code == 1 && text.contains("posnext admin webhook enable IA-YC-01 gone"), "{text}");
    let (code, text) = webhook(&product, &["enable", "IA-YC-01", "gone"]).await;
    assert!(code == 0 && text.contains("replay IA-YC-01 gone --since TIME"), "{text}");
    webhook(&product, &["replay", "IA-YC-01", "gone", "--order", &format!("par-local#{uid}")]).await;
    gone.has(2).await;
}

#[tokio::test]
async fn a_subscriber_is_tried_its_key_replaced_and_it_is_removed() {
    let (product, _) = in_process().await;
    let receiver = Receiver::default();
    let old = add(&product, "kitchen", &receiver.start().await).await;
    let (code, text) = webhook(&product, &["test", "IA-YC-01", "kitchen"]).await;
    assert!(code == 0 && text.contains("taken\n"), "{text}");
    let (code, text) = webhook(&product, &["rotate-key", "IA-YC-01", "kitchen"]).await;
    assert!(code == 0 && text.contains("Then: posnext admin webhook rotate-key IA-YC-01 kitchen --finish"), "{text}");
    let new = key_of(&text);
    let (code, text) = webhook(&product, &["rotate-key", "IA-YC-01", "kitchen"]).await;
    assert!(code == 1 && text.contains("a rotation has begun already"), "{text}");
    webhook(&product, &["test", "IA-YC-01", "kitchen"]).await;
    webhook(&product, &["rotate-key", "IA-YC-01", "kitchen", "--finish"]).await;
    receiver.answer(StatusCode::INTERNAL_SERVER_ERROR);
    let (code, text) = webhook(&product, &["test", "IA-YC-01", "kitchen"]).await;
    assert!(code == 1 && text.contains("not taken: answered 500\n"), "{text}");
    let signed: Vec<[bool; 2]> = receiver
        .got()
        .into_iter()
        .map(|(headers, body)| {
            let said = headers["webhook-signature"].to_str().unwrap().to_owned();
            [&old, &new].map(|key| said.split(' ').any(|one| one == signature(key, &headers, &body)))
        })
        .collect();
    assert_eq!(signed, [[true, false], [true, true], [false, true]], "by the old key, by both, by the new one");
    let (code, text) = webhook(&product, &["remove", "IA-YC-01", "kitchen"]).await;
    assert!(code == 0 && text.contains("posnext/webhook/IA-YC-01/kitchen/"), "{text}");
    let (_, text) = webhook(&product, &["list"]).await;
    assert!(text.starts_with("no subscribers; see `posnext admin webhook add --help`\n"), "{text}");
}

/// The changes of `events/announce-orders`: a guard, an order of a newer version, one that is placed, and one that has expired.
fn changes() -> aws_lambda_events::dynamodb::Event {
    serde_json::from_str(&std::fs::read_to_string(format!("{ROOT}/events/announce-orders/changes.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn what_cannot_be_told_holds_up_nobody_else_and_what_may_be_told_later_comes_again() {
    let (product, _) = in_process().await;
    let receiver = Receiver::default();
    add(&product, "kitchen", &receiver.start().await).await;
    let announce = product.services.parts.announce();
    let failed = async |remaining: u64| {
        let response = announce.handle(changes(), Duration::from_secs(remaining)).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier.unwrap()).collect::<Vec<_>>()
    };
    // What nobody can read is passed over; the next is told, though those who watch cannot be looked up.
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    dynamodb.delete_table().table_name("posnext-connections").send().await.unwrap();
    assert_eq!(failed(30).await, Vec::<String>::new());
    assert_eq!(receiver.has(1).await[0].1["data"]["request_uid"], "c6d1a2b0-0001");
    assert_eq!(failed(5).await, ["100000000000000000001"], "not begun in time that is not there: all of it comes again");
    dynamodb.delete_table().table_name("posnext-directory").send().await.unwrap();
    assert_eq!(failed(30).await, ["100000000000000000003"], "from the first that could not be told");
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test]
async fn a_subscriber_is_switched_off_only_as_it_was_seen() {
    let (product, _) = in_process().await;
    let receiver = Receiver::default();
    add(&product, "kitchen", &receiver.start().await).await;
    let table = product.services.parts.subscribers();
    let (organization, id) = (ParId::new("IA-YC-01").unwrap(), SubscriberId::new("kitchen").unwrap());
    let seen = async || table.subscriber(&organization, &id).await.unwrap().unwrap();
    let fresh = seen().await;
    let event = |id: &str| Event::test(id, &fresh, UnixMillis(0));
    table.failing(&fresh, UnixMillis(1_000), None).await.unwrap();
    table.failing(&fresh, UnixMillis(2_000), Some(&event("first"))).await.unwrap();
    table.failing(&fresh, UnixMillis(2_000), Some(&event("second"))).await.unwrap();
    let failing = seen().await;
    assert_eq!((failing.failing_since, &failing.given_up), (Some(UnixMillis(1_000)), &Some(event("first").id)));
    table.works(&failing).await.unwrap();
    assert!(!table.switch_off(&failing, "late", failing.failing_since).await.unwrap(), "it has taken one meanwhile");
    assert_eq!(seen().await, fresh);
    table.failing(&fresh, UnixMillis(3_000), None).await.unwrap();
    let before = Subscriber { secret: "of-one-that-was-removed".to_owned(), ..fresh.clone() };
    assert!(!table.switch_off(&before, "gone", None).await.unwrap(), "another of the same name");
    assert!(table.switch_off(&fresh, "dead", Some(UnixMillis(3_000))).await.unwrap());
    assert!(!table.switch_off(&fresh, "gone", None).await.unwrap(), "it is off already");
    assert_eq!(seen().await.off_because.as_deref(), Some("dead"));
    table.remove(&organization, &id).await.unwrap();
    table.failing(&fresh, UnixMillis(4_000), None).await.unwrap();
    assert_eq!(table.subscriber(&organization, &id).await.unwrap(), None, "what is removed stays so");
}

#[tokio::test]
async fn what_cannot_be_a_subscriber_is_refused_with_what_to_do() {
    let (product, _) = in_process().await;
    let receiver = Receiver::default();
    let url = receiver.start().await;
    add(&product, "kitchen", &url).await;
    for (arguments, why) in [
        (["add", "IA-YC-01", "kitchen", "--url", &url], "there is a subscriber kitchen of IA-YC-01 already; `remove` it"),
        (["add", "NOBODY", "kitchen", "--url", &url], "organization NOBODY is not mapped"),
        (["add", "IA-YC-01", "x", "--url", "http://hooks.example/"], "must be https"),
        (["add", "IA-YC-01", "x", "--url", "https://169.254.169.254/"], "must be at a public address"),
        (["add", "IA-YC-01", "x", "--url", "https://0xa9fea9fe/"], "must be at a public address"),
        (["add", "IA-YC-01", "x", "--url", "https://hooks.example:99999/"], "invalid port number"),
    ] {
        let (code, text) = webhook(&product, &arguments).await;
        assert!(code == 1 && text.starts_with("nothing was done: ") && text.contains(why), "{arguments:?}: {text}");
    }
    for verb in ["test", "enable", "disable", "remove", "rotate-key"] {
        let (code, text) = webhook(&product, &[verb, "IA-YC-01", "nobody"]).await;
        assert!(
            code == 1 && text.contains("there is no subscriber nobody of IA-YC-01; see `posnext admin webhook list`"),
            "{text}"
        );
    }
    let (code, text) = webhook(&product, &["add", "IA-YC-01", "a.b", "--url", &url]).await;
    assert!(code == 2 && text.contains("letters, digits and `-`"), "{text}");
}
