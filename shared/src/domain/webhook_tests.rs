use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::domain::{
    ability::Abilities,
    history::{Actor, HistoryEntry, Step},
    ids::{RequestUid, Tenant},
    order::Body,
    pinned::{Pinned, tests::mapped},
    record::{Final, Lease, Open},
    status::{ErrorCode, Stage},
};

fn record(state: State) -> OrderRecord {
    let text = r#"{"request_uid":"u.1","organization_id":"O","location_id":"Café #1","request_datetime":"2025-03-15T14:30:45Z","order_details":{"customer":"Ann"}}"#;
    OrderRecord {
        key: OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u.1").unwrap() },
        version: 3,
        write_id: "w".to_owned(),
        order: Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap()),
        pos: Pinned::of(mapped(Abilities::default())),
        shared_id: "s".to_owned(),
        accepted_at: UnixMillis(1_000),
        deadline: UnixMillis(60_000),
        attempts: 2,
        state,
        history: vec![HistoryEntry { at: UnixMillis(4_000), by: Actor::Worker, step: Step::Placed, cause: None }],
        traceparent: None,
    }
}

fn ended(outcome: Outcome) -> OrderRecord {
    record(State::Final(Final { outcome, expires_at: UnixMillis(0) }))
}

fn placed() -> OrderRecord {
    ended(Outcome::Placed { pos_order_id: "P-7".to_owned() })
}

fn subscriber() -> Subscriber {
    Subscriber {
        organization_id: ParId::new("O").unwrap(),
        id: SubscriberId::new("kitchen").unwrap(),
        url: "https://hooks.example/orders".to_owned(),
        secret: "stack/webhook/O/kitchen".to_owned(),
        events: EventKind::OF_ORDERS.to_vec(),
        enabled: true,
        off_because: None,
        failing_since: None,
        given_up: None,
    }
}

fn said(event: &Event) -> Value {
    serde_json::from_str(&event.body).unwrap()
}

#[test]
fn the_end_of_an_order_is_an_event_and_says_nothing_of_its_customer() {
    let event = Event::of(&placed()).unwrap();
    let data = json!({
        "request_uid": "u.1", "tenant": "t", "organization_id": "O", "location_id": "Café #1", "status": "placed",
        "pos_order_id": "P-7", "accepted_at": "1970-01-01T00:00:01Z", "attempts": 2,
    });
    assert_eq!(said(&event), json!({ "type": "order.placed", "timestamp": "1970-01-01T00:00:04Z", "data": data }));
    let error = OrderError::new(ErrorCode::PosRefused, "sold out");
    for (outcome, kind, status) in [
        (Outcome::Rejected(vec![error.clone()]), EventKind::Rejected, "rejected"),
        (Outcome::Errored(vec![error]), EventKind::Errored, "errored"),
    ] {
        let event = Event::of(&ended(outcome)).unwrap();
        assert_eq!((event.kind, &said(&event)["data"]["status"]), (kind, &json!(status)));
        assert_eq!(said(&event)["data"]["errors"], json!([{ "code": "pos_refused", "message": "sold out" }]));
        assert_eq!(said(&event)["type"], kind.as_str());
    }
}

#[test]
fn what_a_pos_says_is_told_in_characters_that_a_queue_takes() {
    let said_by_pos = "no \u{ffff} and no \u{fffe} here";
    let event = Event::of(&ended(Outcome::Rejected(vec![OrderError::new(ErrorCode::PosRefused, said_by_pos)]))).unwrap();
    assert_eq!(said(&event)["data"]["errors"][0]["message"], said_by_pos);
    assert!(!event.body.contains(['\u{ffff}', '\u{fffe}']), "{}", event.body);
}

#[test]
fn an_event_that_was_held_up_on_its_way_is_tried_for_a_whole_day() {
    let delivery = Delivery::first(Event::of(&placed()).unwrap(), &subscriber(), UnixMillis(0));
    let late = UnixMillis(0).plus(Duration::from_hours(30));
    let again = delivery.again(late, None, 0).unwrap();
    assert_eq!((again.attempt, again.first_at), (2, late));
}

#[test]
fn an_open_order_is_no_event() {
    let open = Open {
        stage: Stage::Placing,
        lease: Some(Lease { until: UnixMillis(9), placing_until: None }),
        due_at: UnixMillis(9),
        unknown_until: None,
        cancelling: false,
        hand_offs: 0,
        person: None,
    };
    assert_eq!(Event::of(&record(State::Open(open))), None);
}

#[test]
fn an_event_that_is_made_twice_is_the_same_and_another_is_another() {
    let event = Event::of(&placed()).unwrap();
    assert_eq!(Event::of(&placed()), Some(event.clone()));
    assert!(event.id.starts_with("msg_") && event.id.len() == 36 && !event.id.contains('.'), "{}", event.id);
    let other = Event::of(&ended(Outcome::Errored(Vec::new()))).unwrap();
    assert_ne!(other.id, event.id);
    let test = Event::test("fresh", &subscriber(), UnixMillis(0));
    assert_eq!(said(&test)["data"], json!({ "organization_id": "O", "subscriber": "kitchen" }));
    assert_ne!(test.id, Event::test("fresher", &subscriber(), UnixMillis(0)).id);
}

/// From the documents of the scheme's reference libraries.
#[test]
fn a_signature_is_that_of_the_schemes_own_example() {
    let key = WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let event = Event {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
        kind: EventKind::Test,
        body: r#"{"test": 2432232314}"#.to_owned(),
    };
    let now = UnixMillis(1_614_265_330_999);
    let one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let signed = signatures(std::slice::from_ref(&key), &event, now);
    assert_eq!(signed, one);
    let other = WebhookKey::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let both = signatures(&[other, key], &event, now);
    assert!(both.ends_with(&signed) && both.split(' ').count() == 2, "while a key is being replaced, both sign: {both}");
}

#[test]
fn a_key_has_its_prefix_and_24_to_64_bytes() {
    let text = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for bytes in [24, 32, 64] {
        assert!(WebhookKey::parse(&text(bytes)).is_some(), "{bytes}");
    }
    for bad in [&text(23), &text(65), "", "whsec_", "whsec_###", &STANDARD.encode([7; 32])] {
        assert_eq!(WebhookKey::parse(bad), None, "{bad}");
    }
    assert_eq!(format!("{:?}", WebhookKey::parse(&text(24)).unwrap()), "WebhookKey");
}

/// When each attempt is made, in seconds after the first, if all fail.
fn attempts(random: u64) -> Vec<i64> {
    let mut delivery = Delivery::first(Event::of(&placed()).unwrap(), &subscriber(), UnixMillis(0));
    let mut at = vec![0];
    while let Some(again) = delivery.again(delivery.due_at, None, random) {
        at.push(again.due_at.seconds());
        assert_eq!(again.attempt as usize, at.len());
        delivery = again;
    }
    at
}

#[test]
fn what_fails_is_tried_nine_times_within_a_day() {
    assert_eq!(attempts(0), [0, 5, 65, 365, 2_165, 9_365, 23_765, 52_565, 84_965]);
    let shortest = attempts(999);
    assert_eq!((shortest.len(), shortest[1]), (9, 4));
    assert!((67_900..68_100).contains(&shortest[8]), "a fifth shorter at most: {shortest:?}");
}

#[test]
fn a_longer_retry_after_counts_up_to_the_end_of_the_day() {
    let delivery = Delivery::first(Event::of(&placed()).unwrap(), &subscriber(), UnixMillis(0));
    let hour = Some(Duration::from_hours(1));
    assert_eq!(delivery.again(UnixMillis(1_000), hour, 0).unwrap().due_at, UnixMillis(3_601_000));
    assert_eq!(delivery.again(UnixMillis(1_000), Some(Duration::ZERO), 0).unwrap().due_at, UnixMillis(6_000));
    let year = delivery.again(UnixMillis(1_000), Some(Duration::from_hours(9_000)), 0).unwrap();
    assert_eq!(year.due_at, UnixMillis(1_000).plus(LAST_ATTEMPT));
    assert_eq!(year.again(year.due_at, hour, 0), None, "the day is over");
    let never = delivery.again(UnixMillis(1_000), Some(Duration::MAX), 0).unwrap();
    assert_eq!(never.due_at, UnixMillis(1_000).plus(LAST_ATTEMPT));
}
