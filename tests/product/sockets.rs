//! Orders watched over the WebSocket API, as `cargo run` serves it.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{SinkExt, StreamExt};
use posnext_aws::wiring::Parts;
use posnext_local::local::Product;
use posnext_shared::{app::ports::Directory, domain::directory::Client};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::support::{digest_of, fresh_uid, in_process, order, rows, token, token_with, until};

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The status of a refusal, if it is one.
    async fn open(product: &Product, token: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{}/watch", product.address).into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn hear(&mut self) -> Value {
        loop {
            let heard = tokio::time::timeout(Duration::from_secs(60), self.0.next()).await.expect("nothing is said");
            if let Message::Text(text) = heard.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// What is said to this.
    async fn say(&mut self, message: Value) -> Value {
        self.0.send(Message::text(message.to_string())).await.unwrap();
        self.hear().await
    }

    async fn error(&mut self, message: Value) -> String {
        let said = self.say(message).await;
        assert_eq!(said["type"], "error", "{said}");
        said["message"].as_str().unwrap().to_owned()
    }

    /// Changes until an order is final; each is newer than the one before, and signed.
    async fn until_final(&mut self, uid: &str) -> Vec<Value> {
        let mut changes: Vec<Value> = Vec::new();
        loop {
            let change = self.hear().await;
            assert_eq!((&change["type"], &change["request_uid"]), (&json!("change"), &json!(uid)), "{change}");
            assert_eq!(change["digest"], digest_of(&change["order"]), "{change}");
            assert_eq!(change["order"]["status"], change["status"]);
            let newer = changes.last().is_none_or(|last| last["version"].as_u64() <= change["version"].as_u64());
            assert!(newer, "{changes:?} {change}");
            let end = change["status"] != "pending";
            changes.push(change);
            if end {
                return changes;
            }
        }
    }
}

#[tokio::test]
async fn each_change_of_an_order_and_of_a_location_is_told_to_who_watches_it() {
    let (product, caller) = in_process().await;
    let (mut of_order, mut of_location) =
        (Socket::open(&product, Some(&token())).await.unwrap(), Socket::open(&product, Some(&token())).await.unwrap());
    let uid = fresh_uid("watched");
    // Before it is there, so that nothing is missed.
    let said = of_order.say(json!({ "action": "subscribe", "order": uid })).await;
    assert_eq!(said, json!({ "type": "subscribed", "topic": { "order": uid } }));
    let location = json!({ "organization_id": "IA-YC-01", "location_id": "PAR-LOC-FLAKY" });
    let said =
        of_location.say(json!({ "action": "subscribe", "organization_id": "IA-YC-01", "location_id": "PAR-LOC-FLAKY" })).await;
    assert_eq!(said, json!({ "type": "subscribed", "topic": location }));

    assert_eq!(caller.submit(&order(&fresh_uid("other"), "PAR-LOC-12345")).await.code, 200);
    assert_eq!(caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await.code, 202);
    let changes = of_order.until_final(&uid).await;
    assert!(changes.len() > 2, "{changes:?}");
    let (first, last) = (&changes[0], changes.last().unwrap());
    assert!(first["order"]["processing"]["stage"].is_string() && first["status"] == "pending", "{first}");
    assert!(last["status"] == "placed" && last["order"]["processing"].is_null(), "{last}");
    assert_eq!(last["order"], caller.get(&uid).await.json, "what a poll is told");
    assert_eq!(of_location.until_final(&uid).await.last().unwrap(), last);

    // What is there already is told at once; what is unsubscribed from, no more.
    let said = of_order.say(json!({ "action": "subscribe", "order": uid })).await;
    assert_eq!((&said["change"]["status"], &said["change"]["order"]), (&json!("placed"), &last["order"]));
    let said =
        of_location.say(json!({ "action": "unsubscribe", "organization_id": "IA-YC-01", "location_id": "PAR-LOC-FLAKY" })).await;
    assert_eq!(said["type"], "unsubscribed");
    let again = fresh_uid("watched");
    of_order.say(json!({ "action": "subscribe", "order": again })).await;
    caller.submit(&order(&again, "PAR-LOC-FLAKY")).await;
    of_order.until_final(&again).await;
    assert_eq!(of_location.say(json!({ "action": "ping" })).await, json!({ "type": "pong" }), "nothing before it");
}

#[tokio::test]
async fn a_mark_before_a_message_is_ignored_and_half_an_emoji_hides_no_change() {
    let (product, caller) = in_process().await;
    let mut socket = Socket::open(&product, Some(&token())).await.unwrap();
    let uid = fresh_uid("half");
    socket.0.send(Message::text(format!("\u{feff}{{\"action\":\"subscribe\",\"order\":\"{uid}\"}}"))).await.unwrap();
    assert_eq!(socket.hear().await["type"], "subscribed");
    let plain = order(&uid, "PAR-LOC-12345");
    let odd = plain.replacen('{', r#"{"note \ud83d":"doorman \ud83c","#, 1);
    assert_eq!(caller.send(caller.submission(&plain).body(odd)).await.code, 200);
    let changes = socket.until_final(&uid).await;
    assert_eq!(changes.last().unwrap()["order"]["note \u{fffd}"], "doorman \u{fffd}");
}

#[tokio::test]
async fn nobody_watches_without_a_token_or_what_is_not_theirs() {
    let (product, _) = in_process().await;
    assert_eq!(Socket::open(&product, None).await.err(), Some(401));
    let other = token_with(r#"{"alg":"HS256"}"#, r#"{"exp":9999999999}"#, "another-secret-of-somebody-else");
    assert_eq!(Socket::open(&product, Some(&other)).await.err(), Some(401));
    let mut socket = Socket::open(&product, Some(&token())).await.unwrap();
    for (message, why) in [
        (
            json!({ "action": "subscribe", "organization_id": "IA-YC-01", "location_id": "NOWHERE" }),
            "location NOWHERE of IA-YC-01 is not mapped",
        ),
        (
            json!({ "action": "subscribe", "organization_id": "SOMEBODY", "location_id": "PAR-LOC-12345" }),
            "is not mapped for this caller",
        ),
        (json!({ "action": "subscribe", "order": "a/b" }), r#"send {"action":"subscribe","order":"..."}"#),
        (json!("hello"), r#"send {"action":"subscribe","order":"..."}"#),
    ] {
        let said = socket.error(message.clone()).await;
        assert!(said.contains(why), "{message}: {said}");
    }
    for number in 0..100 {
        socket.say(json!({ "action": "subscribe", "order": format!("o-{number}") })).await;
    }
    let said = socket.error(json!({ "action": "subscribe", "order": "one-more" })).await;
    assert!(said.contains("100 topics at most"), "{said}");
    assert_eq!(
        socket.say(json!({ "action": "subscribe", "order": "o-7" })).await["type"],
        "subscribed",
        "that it watches already"
    );
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten() {
    let (product, caller) = in_process().await;
    let mut socket = Socket::open(&product, Some(&token())).await.unwrap();
    let uid = fresh_uid("watched");
    socket.say(json!({ "action": "subscribe", "order": uid })).await;
    assert_eq!(rows(&product, "posnext-connections").await, 3);
    socket.0.close(None).await.unwrap();
    let gone = async || (rows(&product, "posnext-connections").await == 0).then_some(());
    until(Duration::from_secs(10), "a closed connection is forgotten", gone).await;

    // One whose end nobody has told.
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let topic = format!("order#par-local#{uid}");
    for (pk, sk) in [("connection#dead", "self"), ("connection#dead", &topic), (&topic, "dead")] {
        let put = dynamodb.put_item().table_name("posnext-connections").item("pk", AttributeValue::S(pk.to_owned()));
        let put = put.item("sk", AttributeValue::S(sk.to_owned())).item("tenant", AttributeValue::S("par-local".to_owned()));
        let put = put.item("client", AttributeValue::S("par-local".to_owned()));
        put.item("expires_at", AttributeValue::N("9999999999".to_owned())).send().await.unwrap();
    }
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    until(Duration::from_secs(10), "a dead connection is forgotten", gone).await;
}

/// The only open connection's row, by its id.
async fn connection(product: &Product) -> String {
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let rows = dynamodb.scan().table_name("posnext-connections").send().await.unwrap().items.unwrap();
    let pk = rows.iter().find_map(|row| row["pk"].as_s().unwrap().strip_prefix("connection#").map(str::to_owned));
    pk.unwrap()
}

#[tokio::test]
async fn half_of_a_subscription_is_made_whole_by_the_next() {
    let (product, caller) = in_process().await;
    let mut socket = Socket::open(&product, Some(&token())).await.unwrap();
    let uid = fresh_uid("watched");
    socket.say(json!({ "action": "subscribe", "order": uid })).await;
    let (topic, id) = (format!("order#par-local#{uid}"), connection(&product).await);
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let delete = dynamodb.delete_item().table_name("posnext-connections").key("pk", AttributeValue::S(topic));
    delete.key("sk", AttributeValue::S(id)).send().await.unwrap();
    socket.say(json!({ "action": "subscribe", "order": uid })).await;
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    socket.until_final(&uid).await;
}

#[tokio::test]
async fn an_order_that_is_watched_by_its_second_name_is_told_of_by_its_first() {
    let (product, caller) = in_process().await;
    let mut socket = Socket::open(&product, Some(&token())).await.unwrap();
    let (first, second) = (fresh_uid("first"), fresh_uid("second"));
    assert_eq!(caller.submit(&order(&first, "PAR-LOC-FLAKY")).await.code, 202);
    caller.submit(&order(&first, "PAR-LOC-FLAKY").replacen(&first, &second, 1)).await;
    let said = socket.say(json!({ "action": "subscribe", "order": second })).await;
    assert_eq!((&said["topic"]["order"], &said["change"]["request_uid"]), (&json!(first), &json!(first)), "{said}");
    socket.until_final(&first).await;
    assert_eq!(socket.say(json!({ "action": "unsubscribe", "order": second })).await["topic"]["order"], first);
}

#[tokio::test]
async fn a_client_that_has_lost_its_organization_watches_nothing_more_of_it() {
    let (product, caller) = in_process().await;
    let mut socket = Socket::open(&product, Some(&token())).await.unwrap();
    let uid = fresh_uid("watched");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    let parts = &product.services.parts;
    let client = parts.directory().clients().await.unwrap()[0].clone();
    parts.directory().put_client(&Client { organizations: Vec::new(), ..client }).await.unwrap();
    // A function that has read it since.
    let watch = Parts::new(parts.settings().clone(), &product.services.aws).watch().unwrap();
    let id = connection(&product).await;
    let location = r#"{"action":"subscribe","organization_id":"IA-YC-01","location_id":"PAR-LOC-12345"}"#;
    watch.watch.message(&id, location).await.unwrap();
    assert!(socket.hear().await["message"].as_str().unwrap().contains("is not mapped for this caller"));
    watch.watch.message(&id, &json!({ "action": "subscribe", "order": uid }).to_string()).await.unwrap();
    assert_eq!(socket.hear().await, json!({ "type": "subscribed", "topic": { "order": uid } }), "as one that is not there");
}
