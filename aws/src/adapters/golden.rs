//! Rows and messages of every version that counts, as files in `golden`: this version has to read them, and to write
//! those of the newest format to the byte. Row format 3 is the first: no stack was deployed before it.
//!
//! A new format, or a new kind of row: write it into [`rows`] and run with `UPDATE_GOLDEN=1`, which adds the files that are not there. A
//! file that is there is never changed: such rows are in somebody's table.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::{
    order_item::{Item, alias_item, from_item, to_item},
    queue::{body_of, parse_message},
};
use posnext_shared::{
    app::ports::OrderMessage,
    domain::{
        ability::{Abilities, Cancelled, Find, Found, Placed},
        directory::{Connector, HttpAuth, HttpConnector, Location},
        history::{Actor, Cause, Lack, PosStatus},
        ids::{OrderKey, RequestUid, Tenant},
        machine::{Context, Input, New, Next, Start, advance, claim},
        order::Body,
        pinned::Pinned,
        policy::Policy,
        record::{Alias, OrderRecord, Row, State},
        status::{ErrorCode, OrderError},
        time::UnixMillis,
    },
};

const FIND_ONLY: Abilities = Abilities { idempotent_place: false, find: Some(Find { settle_s: 3 }), cancel: false };
const NO_PROMISE: Abilities = Abilities { idempotent_place: false, find: None, cancel: false };
const CANCELS: Abilities = Abilities { idempotent_place: false, find: None, cancel: true };

/// A location at a POS that promises this.
fn mapped(abilities: Abilities) -> &'static Location {
    let auth = Some(HttpAuth::Hmac { secret: "posnext/pos/IA-YC-01/PAR-LOC-12345".to_owned() });
    let connector = Connector::Http(HttpConnector::new("https://pos.example/v1", auth, abilities));
    Box::leak(Box::new(Location { connector, ..posnext_fakes::location(abilities) }))
}

fn context(policy: &Policy, abilities: Abilities, after_s: u64) -> Context<'_> {
    Context {
        now: UnixMillis(1_742_049_045_123).plus(Duration::from_secs(after_s)),
        policy,
        mapped: Some(mapped(abilities)),
        by: Actor::Worker,
        lease: Duration::from_secs(20),
        function_timeout: Duration::from_secs(33),
        write_id: format!("0195a1b2-c3d4-7000-8000-{after_s:012}"),
        random: 7,
    }
}

fn new() -> New {
    let text = r#"{"request_uid":"c6d1a2b0-0001","organization_id":"IA-YC-01","location_id":"PAR-LOC-12345","request_datetime":"2025-03-15T14:30:45.123Z","order_details":{"online_order_id":"ORD-77","grand_total":23.45,"subtotal":21.50,"items":[{"id":"1","name":"Taco \u2603","quantity":2,"price":10.75}]}}"#;
    let order = Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap());
    let key = OrderKey { tenant: Tenant::new("par").unwrap(), request_uid: RequestUid::new("c6d1a2b0-0001").unwrap() };
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    New { key, order, shared_id: "2026-11".to_owned(), traceparent }
}

/// What becomes of an order that goes through these inputs, 35 seconds apart: the third is past the deadline.
fn after(start: Start, abilities: Abilities, inputs: impl IntoIterator<Item = Input>) -> OrderRecord {
    let policy = Policy::default();
    let accepted = Context { by: Actor::Submit, ..context(&policy, abilities, 0) };
    let mut record = claim(new(), Pinned::of(mapped(abilities)), start, &accepted);
    for (turn, input) in (1..).zip(inputs) {
        record = match advance(&record, input, &context(&policy, abilities, 35 * turn)) {
            Next::Act(record, _) | Next::End(record, _) | Next::HandOff(record, _) | Next::Park(record) => record,
            Next::Ignore(why) => panic!("{why:?}"),
        };
    }
    record
}

/// An order in every state that a row can be in, by name.
fn rows() -> BTreeMap<&'static str, Item> {
    let unknown = || Input::Placed(Placed::Unknown(Cause::Cut("connection reset".to_owned())));
    let delivered = |version| Input::Delivered { version };
    let error = |code| vec![OrderError::field(code, "order_details.items[0]", "sold out")];
    let orders = [
        ("placing", after(Start::Placing, NO_PROMISE, [])),
        ("queued", after(Start::Queued, NO_PROMISE, [])),
        ("queued-again", after(Start::Placing, NO_PROMISE, [Input::Placed(not_started())])),
        ("unknown", after(Start::Placing, FIND_ONLY, [unknown()])),
        ("not-the-poss-own", after(Start::Placing, FIND_ONLY, [Input::Placed(Placed::Unknown(not_own()))])),
        ("no-number", after(Start::Placing, FIND_ONLY, [Input::Placed(Placed::NoNumber)])),
        ("finding", after(Start::Placing, FIND_ONLY, [unknown(), delivered(2)])),
        ("cancelling", after(Start::Placing, CANCELS, [unknown(), delivered(2)])),
        ("needs-a-person", after(Start::Placing, NO_PROMISE, [unknown(), delivered(2)])),
        ("placed", after(Start::Placing, NO_PROMISE, [Input::Placed(Placed::Done { pos_order_id: "P-1".to_owned() })])),
        ("rejected", after(Start::Rejected(error(ErrorCode::PosRefused)), NO_PROMISE, [])),
        (
            "errored",
            after(Start::Placing, NO_PROMISE, [Input::Placed(Placed::Permanent(Cause::Answered(422, PosStatus::Invalid)))]),
        ),
        ("found", after(Start::Placing, FIND_ONLY, [unknown(), delivered(2), found()])),
        ("cancelled", after(Start::Placing, CANCELS, [unknown(), delivered(2), Input::Cancelled(Cancelled::Done)])),
    ];
    let mut rows: BTreeMap<_, _> = orders.into_iter().map(|(name, order)| (name, to_item(&order).unwrap())).collect();
    let owner = new();
    let alias = Alias {
        key: OrderKey { request_uid: RequestUid::new("c6d1a2b0-0002").unwrap(), ..owner.key.clone() },
        owner: owner.key,
        request_datetime: "2025-03-15T14:30:46Z".to_owned(),
        fingerprint: owner.order.fingerprint().clone(),
        expires_at: UnixMillis(1_744_641_045_000),
    };
    rows.insert("alias", alias_item(&alias).unwrap());
    rows
}

fn not_started() -> Placed {
    Placed::NotStarted { cause: Cause::Answered(503, PosStatus::NotStarted), retry_after: Some(Duration::from_secs(2)) }
}

fn not_own() -> Cause {
    Cause::NotOwn { status: 200, media_type: Some("text/html".to_owned()), lacks: Lack::Json }
}

fn found() -> Input {
    let found = Found::Placed { pos_order_id: "P-2".to_owned() };
    Input::Found { found, began_at: UnixMillis(1_742_049_047_123) }
}

/// What is read out of a row, by what an operator would call it.
fn read_as(row: &Row) -> Value {
    match row {
        Row::Alias(alias) => {
            json!({ "key": alias.key.to_string(), "owner": alias.owner.to_string(), "at": alias.request_datetime })
        }
        Row::Order(record) => json!({
            "key": record.key.to_string(),
            "version": record.version,
            "status": record.status().as_str(),
            "order": record.order.text(),
            "pos": record.pos,
            "shared_id": record.shared_id,
            "accepted_at": record.accepted_at.rfc3339(),
            "deadline": record.deadline.rfc3339(),
            "attempts": record.attempts,
            "traceparent": record.traceparent,
            "state": record.state,
            "due_or_expires_at": match &record.state {
                State::Open(open) => open.due_at.rfc3339(),
                State::Final(end) => end.expires_at.rfc3339(),
            },
            "history": record.history,
        }),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters/golden"))
}

fn update(name: &str, content: impl FnOnce() -> Value) {
    let path = folder().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(path, serde_json::to_string_pretty(&content()).unwrap() + "\n").unwrap();
    }
}

/// Golden files whose names begin so.
fn files(prefix: &str) -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let named = files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path));
    let of_prefix = named.filter(|(name, _)| name.starts_with(prefix));
    of_prefix.map(|(name, path)| (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())).collect()
}

fn to_json(item: &Item) -> Value {
    let plain = |value: &AttributeValue| serde_json::to_value(serde_dynamo::AttributeValue::from(value.clone())).unwrap();
    item.iter().map(|(name, value)| (name.clone(), plain(value))).collect::<serde_json::Map<_, _>>().into()
}

fn from_json(json: &Value) -> Item {
    let item: std::collections::HashMap<String, serde_dynamo::AttributeValue> = serde_json::from_value(json.clone()).unwrap();
    item.into_iter().map(|(name, value)| (name, value.into())).collect()
}

#[test]
fn rows_of_every_version_are_read_as_they_always_were() {
    for (name, item) in rows() {
        update(&format!("row-3-{name}.json"), || json!({ "item": to_json(&item), "reads": read_as(&from_item(item).unwrap()) }));
    }
    let golden = files("row-");
    for (name, file) in &golden {
        let row = from_item(from_json(&file["item"])).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read_as(&row), file["reads"], "{name}");
    }
    let names: Vec<&str> = golden.keys().filter_map(|name| name.strip_prefix("row-3-")).collect();
    assert_eq!(names, rows().into_keys().collect::<Vec<_>>());
}

#[test]
fn what_is_written_now_is_what_the_newest_golden_rows_are() {
    let written = rows();
    for (name, file) in files("row-3-") {
        assert_eq!(
            to_json(&written[name.strip_prefix("row-3-").unwrap()]),
            file["item"],
            "{name}: another format needs another number"
        );
    }
}

#[test]
fn messages_of_every_version_are_read_and_written_as_they_always_were() {
    let traced = OrderMessage::about(&after(Start::Queued, NO_PROMISE, []));
    let bare = OrderMessage { traceparent: None, ..traced.clone() };
    for (name, message) in [("traced", traced), ("bare", bare)] {
        update(&format!("message-1-{name}.json"), || serde_json::from_str(&body_of(&message).unwrap()).unwrap());
        let golden = files("message-1-").remove(&format!("message-1-{name}")).unwrap();
        assert_eq!(parse_message(&golden.to_string()), Ok(message.clone()), "{name}");
        assert_eq!(
            serde_json::from_str::<Value>(&body_of(&message).unwrap()).unwrap(),
            golden,
            "{name}: another format needs another number"
        );
    }
}
