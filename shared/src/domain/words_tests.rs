use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::domain::{
    ability::{Cancelled, Found, Placed},
    by_hand::{Decision, decide, take_over},
    machine::{
        Action, Context, Input, Start,
        tests::{CANCEL, FIND, IDEMPOTENT, NOTHING, Play, unknown},
    },
    pinned::tests::mapped,
    policy::Policy,
    record::{HISTORY_CAP, Outcome, State},
    time::UnixMillis,
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
        mapped: Some(mapped(NOTHING)),
        by: Person,
        lease: Duration::from_secs(20),
        function_timeout: Duration::from_secs(30),
        write_id: "w".into(),
        random: 0,
    };
    let taken = take_over(&play.record, &Decision::Errored, Cause::Person("closed: no gas".into()), &ctx).unwrap();
    let ended = decide(&taken, Decision::Errored, Cause::Person("closed: no gas".into()), &ctx);
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
fn what_is_behind_the_api_is_told_to_operators_alone() {
    let inside = || "posnext-prod/pos/YC-LC-001: AccessDenied arn:aws:iam::123456789012:role/x".to_owned();
    for cause in [
        Cause::NoConnection(inside()),
        Cause::Cut(inside()),
        Cause::Unsendable(inside()),
        Cause::NoSecret(inside()),
        Cause::NoMapping(inside()),
        Cause::Person(inside()),
        Cause::NotOwn { status: 200, media_type: Some(inside()), lacks: Lack::Json },
    ] {
        assert!(cause.to_string().contains("arn:"), "{cause:?}");
        let told = cause.told().unwrap_or_default();
        assert!(!told.contains("arn:") && !told.contains("YC-LC"), "{cause:?}: {told}");
    }
}

#[test]
fn a_cause_is_one_sentence_for_operators_and_a_few_words_for_callers() {
    let not_own = Cause::NotOwn { status: 200, media_type: Some("text/html".to_owned()), lacks: Lack::Json };
    for (step, cause, operator, caller) in [
        (
            Step::NotStarted,
            Some(Cause::NoConnection("refused".to_owned())),
            "not started: could not connect: refused",
            Some("could not connect"),
        ),
        (
            Step::OutcomeUnknown,
            Some(Cause::NoAnswer(3_481)),
            "outcome unknown: no answer within 3481 ms",
            Some("no answer in time"),
        ),
        (
            Step::Impossible,
            Some(Cause::Answered(400, PosStatus::Invalid)),
            "cannot be placed: the POS answered 400 (invalid)",
            Some("the POS answered 400 (invalid)"),
        ),
        (
            Step::OutcomeUnknown,
            Some(not_own),
            "outcome unknown: 200 text/html: not the POS's own answer: it is not one JSON object",
            Some("answered 200, which is not the POS's own answer"),
        ),
        (
            Step::Unaskable,
            None,
            "waiting for a person: the POS may or may not hold this order, and cannot be asked",
            Some(UNASKABLE),
        ),
        (Step::EndedErrored, Some(Cause::Person("no gas".to_owned())), "errored by a person: no gas", None),
        (Step::Asking, None, "asking the POS", None),
    ] {
        let entry = HistoryEntry { at: UnixMillis(0), by: Worker, step, cause };
        assert_eq!(entry.to_string(), operator);
        let mut record = Play::start(NOTHING).record;
        record.history = vec![entry];
        assert_eq!(history(&record)[0].reason.as_deref(), caller, "{operator}");
    }
}

#[test]
fn the_last_cause_decides_the_words_of_an_order_that_ran_out_of_time() {
    let answered = |status| Cause::Answered(status, PosStatus::NotStarted);
    let mut told = BTreeSet::new();
    for (cause, code) in [
        (answered(401), ErrorCode::PosMisconfigured),
        (Cause::NoSecret("x".to_owned()), ErrorCode::PosMisconfigured),
        (answered(429), ErrorCode::PosUnreachable),
        (answered(503), ErrorCode::PosUnreachable),
        (Cause::NoConnection("refused".to_owned()), ErrorCode::PosUnreachable),
        (Cause::NoTimeLeft, ErrorCode::PosUnreachable),
    ] {
        let play = Play::start(NOTHING).placed(Placed::NotStarted { cause: cause.clone(), retry_after: None });
        let (play, _) = play.at_deadline().deliver();
        let State::Final(end) = &play.record.state else { panic!("open") };
        let Outcome::Errored(errors) = &end.outcome else { panic!("{:?}", end.outcome) };
        assert_eq!(errors[0].code, code, "{cause:?}");
        assert!(told.insert(errors[0].message.clone()), "{cause:?}");
        let last = play.record.history.last().unwrap();
        assert_eq!((last.step, last.cause.as_ref()), (Step::OutOfTime, Some(&cause)));
    }
    assert_eq!(out_of_time(Some(&answered(403))), out_of_time(Some(&answered(401))));
    // The credentials were accepted since.
    let play = Play::start(FIND).placed(Placed::NotStarted { cause: answered(401), retry_after: None });
    let (play, _) = play.after(10).deliver();
    let (play, _) = play.placed(unknown()).after(60).deliver();
    let (play, _) = play.found(Found::Absent);
    let State::Final(end) = &play.record.state else { panic!("open") };
    let Outcome::Errored(errors) = &end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!(errors[0].code, ErrorCode::PosUnreachable);
}

#[test]
fn a_status_is_written_as_the_contract_has_it() {
    for status in PosStatus::ALL {
        assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{}\"", status.as_str()));
    }
}

#[test]
fn every_step_of_the_state_machine_is_told_in_words_of_its_own() {
    let mut told = BTreeSet::new();
    let cause = || Cause::NoConnection("r".to_owned());
    let refused = || vec![OrderError::new(ErrorCode::PosRefused, "no")];
    for abilities in [NOTHING, IDEMPOTENT, FIND, CANCEL] {
        for first in [
            unknown(),
            done(),
            Placed::Cancelled,
            Placed::NoNumber,
            Placed::Refused(refused()),
            Placed::Permanent(cause()),
            Placed::NotStarted { cause: cause(), retry_after: None },
        ] {
            for second in 0..8 {
                let (play, action) = Play::start(abilities).step(Input::Placed(first.clone()));
                if play.record.open().is_none() || action.is_some() {
                    told.extend(play.record.history.iter().map(|entry| entry.step));
                    continue;
                }
                let (play, action) = if second % 2 == 0 { play.after(9) } else { play.at_deadline() }.deliver();
                let input = match (action, second / 2) {
                    (Some(Action::Place), 0) => Input::Placed(Placed::Refused(refused())),
                    (Some(Action::Place), 1) => Input::Placed(Placed::Permanent(cause())),
                    (Some(Action::Place), _) => Input::Placed(Placed::NotStarted { cause: cause(), retry_after: None }),
                    (Some(Action::Find), 0) => Input::Found { found: Found::Absent, began_at: play.now },
                    (Some(Action::Find), 1) => Input::Found { found: Found::Refused(refused()), began_at: play.now },
                    (Some(Action::Find), _) => Input::Found { found: Found::Unknown(cause()), began_at: play.now },
                    (Some(Action::Cancel), 0) => Input::Cancelled(Cancelled::Done),
                    (Some(Action::Cancel), 1) => Input::Cancelled(Cancelled::WillNot { pos_order_id: "P".into() }),
                    (Some(Action::Cancel), _) => Input::Cancelled(Cancelled::Unknown(cause())),
                    (None, _) => continue,
                };
                let (play, _) = play.step(input);
                told.extend(play.record.history.iter().map(|entry| entry.step));
            }
        }
    }
    let events: BTreeSet<&str> = told.iter().map(|step| step.event()).collect();
    assert!(told.len() > 15 && events.len() == told.len(), "{told:?}");
}
