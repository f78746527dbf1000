use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::domain::{
    ability::{Cancelled, Found, Placed},
    by_hand::{Decision, decide, take_over},
    machine::{
        Action, Context, Input, Start,
        tests::{CANCEL, FIND, IDEMPOTENT, NOTHING, Play, unknown},
    },
    policy::Policy,
    record::HISTORY_CAP,
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
    assert!(told[1].0 == Submit && told[1].1 == "outcome unknown", "{told:?}");
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
fn what_a_person_did_is_told_and_the_reason_that_was_given_is_not() {
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
    let by_hand = [change(Person, "taken over by a person", ""), change(Person, "errored by a person", "")];
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

#[test]
fn what_is_behind_the_api_is_not_told() {
    let inside = "the POS secret cannot be read: posnext-prod/pos/YC-LC-001: AccessDenied arn:aws:iam::123456789012:role/x";
    for note in [
        format!("not started: {inside}"),
        format!("outcome unknown: {inside}"),
        format!("cannot be placed: {inside}"),
        format!("{inside}{UNCERTAIN}"),
        format!("waiting for a person: not started: {inside}"),
        format!("waiting for a person: {inside}"),
        inside.to_owned(),
    ] {
        let (event, reason) = public(&note);
        let told = format!("{event} {}", reason.unwrap_or_default());
        assert!(!told.contains("secret") && !told.contains("arn:") && !told.contains("YC-LC"), "{note}: {told}");
    }
    for (note, event, reason) in [
        ("not started: could not connect: tls: pos.internal", "not started", Some("could not connect")),
        ("outcome unknown: no answer within 3481 ms", "outcome unknown", Some("no answer in time")),
        ("cannot be placed: answered 404 Not Found", "cannot be placed", Some("the POS answered 404")),
        (
            "answered 503 Service Unavailable, but an earlier attempt is unknown",
            "not placed, but an earlier attempt is unknown",
            Some("the POS answered 503"),
        ),
        ("waiting for a person: outcome unknown: no answer within 9 ms", "waiting for a person", Some("outcome unknown")),
        ("asking the POS", "asking the POS", None),
    ] {
        assert_eq!(public(note), (event.to_owned(), reason.map(str::to_owned)), "{note}");
    }
}

#[test]
fn every_note_of_the_state_machine_is_told_by_its_own_name() {
    let mut told = BTreeSet::new();
    let reason = || "r".to_owned();
    let refused = || vec![OrderError::new(ErrorCode::PosRefused, "no")];
    for abilities in [NOTHING, IDEMPOTENT, FIND, CANCEL] {
        for first in [
            unknown(),
            done(),
            Placed::Cancelled,
            Placed::Refused(refused()),
            Placed::Permanent(reason()),
            Placed::NotStarted { reason: reason(), retry_after: None },
        ] {
            for second in 0..8 {
                let (play, action) = Play::start(abilities).step(Input::Placed(first.clone()));
                if play.record.open().is_none() || action.is_some() {
                    told.extend(history(&play.record).into_iter().map(|change| change.event));
                    continue;
                }
                let (play, action) = if second % 2 == 0 { play.after(9) } else { play.at_deadline() }.deliver();
                let input = match (action, second / 2) {
                    (Some(Action::Place), 0) => Input::Placed(Placed::Refused(refused())),
                    (Some(Action::Place), 1) => Input::Placed(Placed::Permanent(reason())),
                    (Some(Action::Place), _) => Input::Placed(Placed::NotStarted { reason: reason(), retry_after: None }),
                    (Some(Action::Find), 0) => Input::Found { found: Found::Absent, began_at: play.now },
                    (Some(Action::Find), 1) => Input::Found { found: Found::Refused(refused()), began_at: play.now },
                    (Some(Action::Find), _) => Input::Found { found: Found::Unknown(reason()), began_at: play.now },
                    (Some(Action::Cancel), 0) => Input::Cancelled(Cancelled::Done),
                    (Some(Action::Cancel), 1) => Input::Cancelled(Cancelled::WillNot { pos_order_id: "P".into() }),
                    (Some(Action::Cancel), _) => Input::Cancelled(Cancelled::Unknown(reason())),
                    (None, _) => continue,
                };
                let (play, _) = play.step(input);
                told.extend(history(&play.record).into_iter().map(|change| change.event));
            }
        }
    }
    assert!(told.len() > 15 && !told.contains("tried"), "{told:?}");
}
