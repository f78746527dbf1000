use std::{sync::Arc, time::Duration};

use super::*;
use crate::domain::{
    ability::{Abilities, Placed},
    history::Actor,
    ids::{OrderKey, RequestUid, Tenant},
    machine::{New, Start, advance, claim},
    order::Body,
    pinned::{self, Pinned},
    policy::Policy,
    status::OrderStatus,
};

fn why(reason: &str) -> Cause {
    Cause::Person(reason.to_owned())
}

const START: UnixMillis = UnixMillis(1_700_000_000_000);

fn ctx(policy: &Policy, after_s: u64) -> Context<'_> {
    promising(policy, Abilities::default(), after_s)
}

/// At a POS that promises this.
fn promising(policy: &Policy, abilities: Abilities, after_s: u64) -> Context<'_> {
    Context {
        now: START.plus(Duration::from_secs(after_s)),
        policy,
        mapped: Some(pinned::tests::mapped(abilities)),
        by: Actor::Person,
        lease: Duration::from_secs(8),
        function_timeout: Duration::from_secs(15),
        write_id: format!("w{after_s}"),
        random: 0,
    }
}

/// An order whose first attempt has come to nothing known, and whose POS is not believed to keep a promise now.
fn waiting(policy: &Policy, abilities: Abilities) -> OrderRecord {
    let body = r#"{"request_uid":"u","organization_id":"o","location_id":"l","request_datetime":"2025-03-15T14:30:45.123Z","order_details":{}}"#;
    let order = Arc::new(Body::parse(body.as_bytes()).unwrap().into_order().unwrap());
    let key = OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u").unwrap() };
    let pos = Pinned::of(&pinned::tests::promising(abilities));
    let new = New { key, order, shared_id: "s".into(), traceparent: None };
    let claimed = claim(new, pos, Start::Placing, &promising(policy, abilities, 0));
    match advance(&claimed, Input::Placed(Placed::Unknown(Cause::NoAnswer(3_500))), &ctx(policy, 4)) {
        Next::Park(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_person_ends_an_order_under_a_lease_and_the_reason_is_recorded() {
    let policy = Policy::default();
    let waiting = waiting(&policy, Abilities::default());
    let placed = Decision::Placed { pos_order_id: "POS-7".into() };
    let taken = take_over(&waiting, &placed, why("seen on the kitchen screen"), &ctx(&policy, 60)).unwrap();
    assert!(taken.has_live_lease(START.plus(Duration::from_secs(61))) && taken.version == waiting.version + 1);
    let ended = decide(&taken, placed, why("seen on the kitchen screen"), &ctx(&policy, 61));
    assert_eq!((ended.status(), ended.version), (OrderStatus::Placed, waiting.version + 2));
    assert_eq!(ended.history.last().unwrap().to_string(), "placed by a person: seen on the kitchen screen");
    assert_eq!(take_over(&ended, &Decision::Errored, why("r"), &ctx(&policy, 62)).unwrap_err(), Refusal::Final);
}

#[test]
fn a_person_may_not_say_that_it_is_not_there_while_an_attempt_may_run() {
    let policy = Policy::default();
    let abilities = Abilities { find: Some(Find { settle_s: 600 }), ..Abilities::default() };
    let waiting = waiting(&policy, abilities);
    let until = waiting.open().unwrap().unknown_until.unwrap();
    // As long as was promised when it was sent, though nothing is promised now.
    let settled = until.plus(Duration::from_secs(600)).plus(CLOCK_SKEW);
    for decision in [Decision::Errored, Decision::Rejected] {
        let early = take_over(&waiting, &decision, why("r"), &ctx(&policy, 5));
        assert_eq!(early.unwrap_err(), Refusal::AttemptMayRun(settled));
        assert!(take_over(&waiting, &decision, why("r"), &Context { now: settled, ..ctx(&policy, 5) }).is_ok());
        // Where that time is longer now, later still.
        let longer = Abilities { find: Some(Find { settle_s: 900 }), ..abilities };
        let slow = Context { now: settled, ..promising(&policy, longer, 5) };
        assert!(matches!(take_over(&waiting, &decision, why("r"), &slow), Err(Refusal::AttemptMayRun(_))));
    }
    assert!(take_over(&waiting, &Decision::Placed { pos_order_id: "P".into() }, why("r"), &ctx(&policy, 5)).is_ok());
}

#[test]
fn a_person_keeps_off_what_is_held_and_rejects_nothing_that_is_being_cancelled() {
    let policy = Policy::default();
    let mut record = waiting(&policy, Abilities::default());
    let held = take_over(&record, &Decision::Errored, why("r"), &ctx(&policy, 600)).unwrap();
    let refused = take_over(&held, &Decision::Errored, why("r"), &ctx(&policy, 601)).unwrap_err();
    assert!(matches!(refused, Refusal::Held(_)), "{refused}");
    if let State::Open(open) = &mut record.state {
        open.cancelling = true;
    }
    let placed = Decision::Placed { pos_order_id: "P".into() };
    for decision in [&placed, &Decision::Rejected] {
        assert_eq!(take_over(&record, decision, why("r"), &ctx(&policy, 600)).unwrap_err(), Refusal::Cancelling);
    }
    assert!(take_over(&record, &Decision::Errored, why("r"), &ctx(&policy, 600)).is_ok());
    // Who knows that it was made says so.
    assert!(take_over(&record, &placed, Cause::WithoutAsking("r".to_owned()), &ctx(&policy, 600)).is_ok());
    // The POS has answered a cancel: it holds the order, under a number that cannot be used.
    if let State::Open(open) = &mut record.state {
        open.person = Some(NeedsPerson::NoNumber);
    }
    assert!(take_over(&record, &placed, why("r"), &ctx(&policy, 600)).is_ok());
    assert_eq!(take_over(&record, &Decision::Rejected, why("r"), &ctx(&policy, 600)).unwrap_err(), Refusal::Cancelling);
}

#[test]
fn an_order_that_a_person_has_cancelled_waits_for_its_number_no_more() {
    let policy = Policy::default();
    let mut record = waiting(&policy, Abilities { cancel: true, ..Abilities::default() });
    for (person, left) in [(NeedsPerson::NoNumber, None), (NeedsPerson::Overdue, Some(NeedsPerson::Overdue))] {
        if let State::Open(open) = &mut record.state {
            open.person = Some(person);
        }
        let marked = cancelling(&record, &ctx(&policy, 600));
        let open = marked.open().unwrap();
        assert_eq!((open.cancelling, open.person), (true, left));
    }
}

#[test]
fn the_outlook_says_what_the_state_machine_would_do() {
    let policy = Policy::default();
    let abilities = Abilities { idempotent_place: true, ..Abilities::default() };
    let waiting = waiting(&policy, abilities);
    assert!(outlook(&waiting, &ctx(&policy, 5)).ends_with("it goes on waiting for a person"));
    let able = promising(&policy, abilities, 5);
    // Its due time is long after the end of placing.
    assert!(outlook(&waiting, &able).contains("wait"), "{}", outlook(&waiting, &able));
    let held = take_over(&waiting, &Decision::Errored, why("r"), &ctx(&policy, 600)).unwrap();
    assert!(outlook(&held, &ctx(&policy, 601)).starts_with("somebody works on it"));
    assert!(!outlook(&held, &ctx(&policy, 608)).starts_with("somebody works on it"), "a lease is over at its end");
    let ended = decide(&held, Decision::Errored, why("r"), &ctx(&policy, 602));
    assert!(outlook(&ended, &ctx(&policy, 603)).starts_with("nothing; the row expires at 20"));
}
