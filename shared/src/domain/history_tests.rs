use std::time::Duration;

use super::*;
use crate::domain::{
    ability::{Found, Placed},
    by_hand::{Decision, decide, take_over},
    machine::{
        Context, Start,
        tests::{FIND, IDEMPOTENT, NOTHING, Play, unknown},
    },
    policy::Policy,
    status::{ErrorCode, OrderError},
};

use Actor::{Person, Submit, Worker};

/// Who did what, and why.
fn told(record: &OrderRecord) -> Vec<(Actor, String, Option<String>)> {
    history(record).into_iter().map(|change| (change.actor, change.event, change.reason)).collect()
}

fn change(actor: Actor, event: &str, reason: &str) -> (Actor, String, Option<String>) {
    (actor, event.to_owned(), Some(reason.to_owned()).filter(|reason| !reason.is_empty()))
}

fn done() -> Placed {
    Placed::Done { pos_order_id: "P".into() }
}

#[test]
fn what_submit_did_is_told_as_its_own() {
    let placed = Play::start(NOTHING).placed(done());
    assert_eq!(told(&placed.record), [change(Submit, "accepted", "an attempt begins"), change(Submit, "placed", "")]);
    assert_eq!(history(&placed.record)[0].at, "2025-03-15T14:30:45Z");
    let refused = vec![OrderError::new(ErrorCode::LocationClosed, "closed")];
    let rejected = Play::start_as(NOTHING, Start::Rejected(refused));
    assert_eq!(told(&rejected.record), [change(Submit, "accepted", "rejected without asking the POS")]);
}

#[test]
fn what_comes_after_a_hand_off_is_a_workers() {
    let (play, _) = Play::start_as(NOTHING, Start::Queued).deliver();
    let play = play.placed(done());
    let worked = [change(Worker, "an attempt begins", ""), change(Worker, "placed", "")];
    assert_eq!(told(&play.record), [&[change(Submit, "accepted", "queued")], &worked[..]].concat());

    let (play, _) = Play::start(FIND).placed(unknown()).after(20).deliver();
    let (play, _) = play.found(Found::Placed { pos_order_id: "P".into() });
    let told = told(&play.record);
    assert!(told[1].0 == Submit && told[1].1 == "outcome unknown" && told[1].2.is_some(), "{told:?}");
    assert_eq!(told[2..], [change(Worker, "asking the POS", ""), change(Worker, "found placed", "")]);
}

#[test]
fn an_attempt_that_died_with_its_submit_is_taken_up_by_a_worker() {
    for abilities in [IDEMPOTENT, FIND, NOTHING] {
        let (play, _) = Play::start(abilities).after(40).deliver();
        let told = told(&play.record);
        assert_eq!((told[0].0, told[1].0), (Submit, Worker), "{told:?}");
    }
}

#[test]
fn what_a_person_did_is_told_with_the_reason_that_was_given() {
    let play = Play::start_as(NOTHING, Start::Queued).after(600);
    let policy = Policy::default();
    let ctx = Context {
        now: play.now,
        policy: &policy,
        abilities: NOTHING,
        lease: Duration::from_secs(20),
        function_timeout: Duration::from_secs(30),
        write_id: "w".into(),
        random: 0,
    };
    let taken = take_over(&play.record, &Decision::Errored, "closed: no gas", &ctx).unwrap();
    let ended = decide(&taken, Decision::Errored, "closed: no gas", &ctx);
    let by_hand =
        [change(Person, "taken over by a person", "closed: no gas"), change(Person, "errored by a person", "closed: no gas")];
    assert_eq!(told(&ended)[1..], by_hand);
}

#[test]
fn of_a_long_history_no_late_result_is_told_as_submits() {
    let mut play = Play::start(IDEMPOTENT).placed(unknown());
    for _ in 0..HISTORY_CAP {
        play = play.after(1);
        play.record.deadline = play.now.plus(Duration::from_secs(60));
        let (next, _) = play.deliver();
        play = next.placed(unknown());
    }
    let told = told(&play.record);
    assert_eq!(told.len(), HISTORY_CAP);
    assert!(told[0].0 == Submit && told[1..].iter().all(|change| change.0 == Worker), "{told:?}");
}
