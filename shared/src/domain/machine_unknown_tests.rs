//! What follows an attempt of which nobody knows the outcome, for each kind of POS: the cases that mutations of the machine
//! survived (docs/proofs.md).

use std::{sync::Arc, time::Duration};

use super::{
    ability::{Abilities, Find, Placed},
    history::{Actor, Cause, NeedsPerson},
    ids::{OrderKey, RequestUid, Tenant},
    machine::{Context, Input, New, Next, Start, advance, claim},
    order::Body,
    pinned::{Pinned, tests::mapped},
    policy::Policy,
    record::{OrderRecord, Outcome, State},
    status::{ErrorCode, Stage},
    take::Take,
    time::UnixMillis,
};

const T0: UnixMillis = UnixMillis(1_742_049_045_000);
const NOTHING: Abilities = Abilities { idempotent_place: false, find: None, cancel: false };
const FIND: Abilities = Abilities { find: Some(Find { settle_s: 3 }), ..NOTHING };
const CANCEL: Abilities = Abilities { cancel: true, ..NOTHING };
const ALL: Abilities = Abilities { idempotent_place: true, find: Some(Find { settle_s: 3 }), cancel: true };

/// The first attempt of a new order came to this, after so long.
fn first_attempt(abilities: Abilities, placed: Placed, after: Duration) -> Next {
    let policy = Policy::default();
    let context = |now| Context {
        now,
        policy: &policy,
        mapped: Some(mapped(abilities)),
        by: Actor::Submit,
        lease: policy.submit_lease(),
        function_timeout: Duration::from_secs(15),
        write_id: "w".to_owned(),
        random: 999,
    };
    let text = r#"{"request_uid":"u-1","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{}}"#;
    let order = Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap());
    let key = OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u-1").unwrap() };
    let new = New { key, order, shared_id: "s".to_owned(), traceparent: None };
    let record = claim(new, Pinned::of(mapped(abilities)), Start::Placing, &context(T0));
    advance(&record, Input::Placed(placed), &context(T0.plus(after)))
}

fn handed_off(next: Next) -> (OrderRecord, Duration) {
    let Next::HandOff(record, delay) = next else { panic!("{next:?}") };
    assert_eq!(record.open().map(|open| open.stage), Some(Stage::Confirming));
    (record, delay)
}

fn lost(abilities: Abilities) -> Next {
    first_attempt(abilities, Placed::Unknown(Cause::NoAnswer(3_500)), Duration::from_secs(4))
}

#[test]
fn a_pos_that_can_only_be_asked_is_asked_at_once_and_any_other_later() {
    assert_eq!(handed_off(lost(FIND)).1, Duration::ZERO);
    assert_eq!(handed_off(lost(ALL)).1, Duration::from_secs(1));
}

#[test]
fn a_pos_that_can_only_cancel_is_a_way_to_find_out_and_one_that_can_nothing_waits_for_a_person() {
    let (record, delay) = handed_off(lost(CANCEL));
    assert_eq!((delay, record.open().unwrap().person), (Duration::from_secs(1), None));
    let Next::Park(record) = lost(NOTHING) else { panic!("not parked") };
    assert_eq!(record.open().unwrap().person, Some(NeedsPerson::Unaskable));
}

#[test]
fn when_the_last_chance_to_place_has_gone_asking_again_still_waits() {
    let policy = Policy::default();
    let after = policy.order_deadline - policy.pos_limit;
    let (_, delay) = handed_off(first_attempt(ALL, Placed::Unknown(Cause::NoAnswer(3_500)), after));
    assert_eq!(delay, Duration::from_secs(1));
}

#[test]
fn a_tombstone_counts_only_from_a_pos_that_promised_it_and_is_an_unknown_outcome_from_any_other() {
    let next = first_attempt(CANCEL, Placed::Cancelled, Duration::from_secs(1));
    let Next::End(record, None) = next else { panic!("{next:?}") };
    let State::Final(end) = record.state else { panic!("open") };
    let Outcome::Errored(errors) = end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!(errors[0].code, ErrorCode::DeadlineExceeded);

    let Next::Park(record) = first_attempt(NOTHING, Placed::Cancelled, Duration::from_secs(1)) else { panic!("not parked") };
    assert!(record.open().unwrap().unknown_until.is_some(), "the attempt may have made it");
    assert_eq!(handed_off(first_attempt(FIND, Placed::Cancelled, Duration::from_secs(1))).1, Duration::ZERO, "it is asked");
}

#[test]
fn an_order_that_is_made_under_an_unusable_number_waits_for_a_person_whatever_the_pos_promises() {
    for abilities in [NOTHING, FIND, CANCEL, ALL] {
        let Next::Park(record) = first_attempt(abilities, Placed::NoNumber, Duration::from_secs(1)) else { panic!("not parked") };
        assert_eq!(record.open().unwrap().person, Some(NeedsPerson::NoNumber));
        for later in [2, 45, 70, 5_000] {
            let (policy, now) = (Policy::default(), T0.plus(Duration::from_secs(later)));
            let context = Context {
                now,
                policy: &policy,
                mapped: Some(mapped(abilities)),
                by: Actor::Worker,
                lease: policy.worker_lease(),
                function_timeout: Duration::from_secs(33),
                write_id: "w".to_owned(),
                random: 7,
            };
            assert!(Take::new(record.key.clone(), record.version, &context).take(record.clone()).is_none());
            let next = advance(&record, Input::Delivered { version: record.version }, &context);
            assert!(matches!(&next, Next::Park(parked) if parked.history == record.history), "{abilities:?} {later}: {next:?}");
        }
    }
}
