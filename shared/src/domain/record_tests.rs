use super::*;
use crate::domain::{
    ability::Abilities,
    ids::{RequestUid, Tenant},
    order::Body,
    pinned::tests::mapped,
    status::ErrorCode,
};

fn record(state: State) -> OrderRecord {
    let text = r#"{"request_uid":"u-1","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{}}"#;
    OrderRecord {
        key: OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u-1").unwrap() },
        version: 1,
        write_id: "w".to_owned(),
        order: Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap()),
        pos: Pinned::of(mapped(Abilities::default())),
        shared_id: "s".to_owned(),
        accepted_at: UnixMillis(0),
        deadline: UnixMillis(60_000),
        attempts: 1,
        state,
        history: Vec::new(),
        traceparent: None,
    }
}

fn open(lease: Option<Lease>) -> State {
    State::Open(Open {
        stage: Stage::Placing,
        lease,
        due_at: UnixMillis(0),
        unknown_until: None,
        cancelling: false,
        hand_offs: 0,
        person: None,
    })
}

fn ended(outcome: Outcome) -> State {
    State::Final(Final { outcome, expires_at: UnixMillis(0) })
}

#[test]
fn a_lease_lives_until_its_end_and_not_at_it() {
    let held = record(open(Some(Lease { until: UnixMillis(5_000), placing_until: None })));
    assert!(held.has_live_lease(UnixMillis(4_999)));
    assert!(!held.has_live_lease(UnixMillis(5_000)));
    assert!(!record(open(None)).has_live_lease(UnixMillis(0)));
}

#[test]
fn every_state_is_answered_as_what_it_is() {
    let error = OrderError::new(ErrorCode::PosRefused, "no");
    let placed = Outcome::Placed { pos_order_id: "POS-7".to_owned() };
    for (state, status, said) in [
        (open(None), OrderStatus::Pending, r#""pos_order_id":null}}"#),
        (ended(placed), OrderStatus::Placed, r#""pos_order_id":"POS-7"}}"#),
        (
            ended(Outcome::Rejected(vec![error.clone()])),
            OrderStatus::Rejected,
            r#""errors":[{"code":"pos_refused","message":"no"}]}"#,
        ),
        (ended(Outcome::Errored(vec![error])), OrderStatus::Errored, r#""errors":[{"code":"pos_refused","message":"no"}]}"#),
    ] {
        let record = record(state);
        assert_eq!((record.status(), record.open().is_some()), (status, status == OrderStatus::Pending));
        let answer = record.answer(record.order.identity(), &PosOrderIdKey::default(), None);
        assert!(answer.starts_with(&format!(r#"{{"status":"{}","#, status.as_str())) && answer.ends_with(said), "{answer}");
    }
}

#[test]
fn a_second_name_is_answered_under_itself() {
    let key = |uid: &str| OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new(uid).unwrap() };
    let alias = Alias {
        key: key("u-2"),
        owner: key("u-1"),
        request_datetime: "2025-03-16T00:00:00Z".to_owned(),
        fingerprint: record(open(None)).order.fingerprint().clone(),
        expires_at: UnixMillis(0),
    };
    assert_eq!((alias.identity().request_uid.as_str(), alias.identity().request_datetime), ("u-2", "2025-03-16T00:00:00Z"));
}
