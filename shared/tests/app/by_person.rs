//! A person decides an order: the POS is asked first, and what it contradicts, or does not answer, is refused.

use std::{sync::Arc, time::Duration};

use posnext_fakes::*;
use posnext_shared::{
    app::{ports::Clock, process::Process},
    domain::{
        ability::{Abilities, Cancelled, Find, Found, Placed},
        by_hand::{Decision, Granted, Refusal, Wish},
        directory::Location,
        history::{Actor, Cause, NeedsPerson, Step},
        policy::Policy,
        record::OrderRecord,
        status::{ErrorCode, OrderError, OrderStatus},
    },
};

use crate::{
    accept::{SECOND, stored, submit_to},
    process::{queued, turn},
};

const FIND: Abilities = Abilities { idempotent_place: false, find: Some(Find { settle_s: 3 }), cancel: false };
const CANCEL: Abilities = Abilities { idempotent_place: false, find: None, cancel: true };
const NOTHING: Abilities = Abilities { idempotent_place: false, find: None, cancel: false };

pub(crate) async fn grant(world: &Fake, abilities: Option<Abilities>, wish: Wish) -> Granted {
    let process = Process::<FakeWorld<OneLocation>> {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        directory: OneLocation(abilities),
        clock: world.clone(),
        policy: Policy::default(),
        limits: Arc::default(),
    };
    process.grant(wish, Duration::from_secs(30)).await
}

fn end(decision: Decision) -> Wish {
    Wish::End { key: key("u"), decision, reason: "says Ann".to_owned(), asking: true }
}

fn placed(id: &str) -> Decision {
    Decision::Placed { pos_order_id: id.to_owned() }
}

/// An order whose outcome is unknown, long after its deadline, at a POS that says this when it is asked.
async fn unknown_order(abilities: Abilities, found: Option<Found>) -> Fake {
    let world = Fake::default();
    world.pos_does(60 * SECOND, done());
    stored(submit_to(&world, new("u", "X", 1), location(abilities)).await);
    tokio::time::advance(120 * SECOND).await;
    world.0.found.lock().unwrap().extend(found);
    world
}

fn holds(id: &str) -> Found {
    Found::Placed { pos_order_id: id.to_owned() }
}

fn refusal() -> Vec<OrderError> {
    vec![OrderError::new(ErrorCode::PosRefused, "closed")]
}

fn silent() -> Cause {
    Cause::NoAnswer(3_000)
}

#[tokio::test(start_paused = true)]
async fn what_the_pos_contradicts_or_does_not_answer_is_refused_and_nothing_changes() {
    let contradicted = |found: Found| Refusal::Contradicted(found);
    for (abilities, decision, found, refused) in [
        // It holds the order, and would have said so.
        (FIND, Decision::Errored, holds("T-1042"), contradicted(holds("T-1042"))),
        (NOTHING, Decision::Errored, holds("T-1042"), contradicted(holds("T-1042"))),
        (all(), Decision::Errored, holds("T-1042"), contradicted(holds("T-1042"))),
        (FIND, Decision::Rejected, holds("T-1042"), contradicted(holds("T-1042"))),
        (FIND, placed("T-1"), holds("T-1042"), contradicted(holds("T-1042"))),
        (FIND, Decision::Errored, Found::NoNumber, contradicted(Found::NoNumber)),
        (FIND, Decision::Errored, Found::Refused(refusal()), contradicted(Found::Refused(refusal()))),
        (FIND, placed("T-1"), Found::Refused(refusal()), contradicted(Found::Refused(refusal()))),
        (FIND, placed("T-1"), Found::Absent, contradicted(Found::Absent)),
        (all(), placed("T-1"), Found::Cancelled, contradicted(Found::Cancelled)),
        (all(), Decision::Rejected, Found::Cancelled, contradicted(Found::Cancelled)),
        // It says nothing that counts.
        (FIND, Decision::Errored, Found::Unknown(silent()), Refusal::NoAnswer(silent())),
        (all(), placed("T-1"), Found::Unknown(silent()), Refusal::NoAnswer(silent())),
        (FIND, Decision::Errored, Found::Cancelled, Refusal::NoAnswer(Cause::NeverPromised)),
    ] {
        let world = unknown_order(abilities, Some(found.clone())).await;
        let before = world.order("u");
        let granted = grant(&world, Some(abilities), end(decision.clone())).await;
        assert_eq!(granted, Granted::Refused(refused), "{decision:?} {found:?}");
        let after = world.order("u");
        assert_eq!((after.status(), world.calls()), (OrderStatus::Pending, vec!["place", "find"]), "{decision:?} {found:?}");
        let (open, was) = (after.open().unwrap(), before.open().unwrap());
        assert_eq!((open.lease, open.unknown_until, open.cancelling), (None, was.unknown_until, false));
        assert!(open.due_at.since(world.now()) <= Duration::from_mins(15), "it goes on by itself");
        let last = after.history.last().unwrap();
        assert_eq!((last.by, last.step, last.cause.is_some()), (Actor::Person, Step::EndRefused, true));
        assert_eq!(after.history.len(), before.history.len() + 1);
        let message = world.sent().pop().unwrap().0;
        assert_eq!(message.version, after.version, "a message about it as it stands is on its way");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_pos_does_not_contradict_is_written() {
    for (abilities, decision, found, status, calls) in [
        (FIND, placed("T-1042"), holds("T-1042"), OrderStatus::Placed, vec!["find"]),
        (NOTHING, placed("T-1042"), holds("T-1042"), OrderStatus::Placed, vec!["find"]),
        // A person can read what is no number for us.
        (FIND, placed("T-1042"), Found::NoNumber, OrderStatus::Placed, vec!["find"]),
        (FIND, Decision::Errored, Found::Absent, OrderStatus::Errored, vec!["find"]),
        (FIND, Decision::Rejected, Found::Absent, OrderStatus::Rejected, vec!["find"]),
        (FIND, Decision::Rejected, Found::Refused(refusal()), OrderStatus::Rejected, vec!["find"]),
        // Where cancelling is promised, it makes certain.
        (all(), Decision::Errored, Found::Absent, OrderStatus::Errored, vec!["find", "cancel"]),
        (CANCEL, Decision::Errored, Found::Unknown(silent()), OrderStatus::Errored, vec!["find", "cancel"]),
        (all(), Decision::Errored, Found::Cancelled, OrderStatus::Errored, vec!["find"]),
    ] {
        let world = unknown_order(abilities, Some(found.clone())).await;
        let granted = grant(&world, Some(abilities), end(decision.clone())).await;
        assert_eq!(granted, Granted::Ended(status), "{decision:?} {found:?}");
        let record = world.order("u");
        assert_eq!((record.status(), &world.calls()[1..]), (status, calls.as_slice()), "{decision:?} {found:?}");
        assert_eq!(record.history.last().unwrap().cause, Some(Cause::Person("says Ann".to_owned())));
        assert_eq!(grant(&world, Some(abilities), end(decision)).await, Granted::Refused(Refusal::Final));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_fails_ends_nothing_as_the_person_wanted_and_what_it_says_counts() {
    let marked = |record: &OrderRecord| record.open().map(|open| (open.cancelling, open.person));
    for (cancelled, expected, status, person) in [
        (Cancelled::Unknown(silent()), Granted::Cancelling(silent()), OrderStatus::Pending, Some(NeedsPerson::Overdue)),
        (Cancelled::WillNot { pos_order_id: "T-9".into() }, Granted::AsThePosSays(holds("T-9")), OrderStatus::Placed, None),
        (Cancelled::NoNumber, Granted::AsThePosSays(Found::NoNumber), OrderStatus::Pending, Some(NeedsPerson::NoNumber)),
        (Cancelled::Refused(refusal()), Granted::AsThePosSays(Found::Refused(refusal())), OrderStatus::Rejected, None),
    ] {
        let world = unknown_order(all(), Some(Found::Absent)).await;
        world.0.cancelled.lock().unwrap().push_back(cancelled.clone());
        let granted = grant(&world, Some(all()), end(Decision::Errored)).await;
        let record = world.order("u");
        assert_eq!((granted, record.status()), (expected, status), "{cancelled:?}");
        assert_eq!(marked(&record), person.map(|person| (true, Some(person))), "{cancelled:?}");
    }
}

/// The cancel may still be worked on when the POS says that it holds the order.
#[tokio::test(start_paused = true)]
async fn an_order_that_is_being_cancelled_is_ended_placed_only_by_what_the_cancel_is_answered() {
    let world = unknown_order(all(), Some(Found::Absent)).await;
    world.0.cancelled.lock().unwrap().push_back(Cancelled::Unknown(silent()));
    grant(&world, Some(all()), end(Decision::Errored)).await;
    tokio::time::advance(60 * SECOND).await;
    world.0.found.lock().unwrap().push_back(holds("T-9"));
    assert_eq!(grant(&world, Some(all()), end(placed("T-9"))).await, Granted::Refused(Refusal::Cancelling));
    // Under a number that cannot be used the POS will not give it back: then a person reads it off.
    let world = unknown_order(all(), Some(Found::Absent)).await;
    world.0.cancelled.lock().unwrap().push_back(Cancelled::NoNumber);
    grant(&world, Some(all()), end(Decision::Errored)).await;
    tokio::time::advance(60 * SECOND).await;
    world.0.found.lock().unwrap().push_back(Found::NoNumber);
    assert_eq!(grant(&world, Some(all()), end(placed("T-9"))).await, Granted::Ended(OrderStatus::Placed));
}

/// A person looks too early, and the POS is back soon.
#[tokio::test(start_paused = true)]
async fn a_refused_end_costs_no_retry_however_often_it_is_tried() {
    let world = Fake::default();
    let not_started = Placed::NotStarted { cause: Cause::NoConnection("down".into()), retry_after: None };
    world.pos_does(Duration::ZERO, not_started);
    stored(submit_to(&world, new("u", "X", 1), location(all())).await);
    for _ in 0..10 {
        world.0.found.lock().unwrap().push_back(Found::Unknown(silent()));
        let granted = grant(&world, Some(all()), end(Decision::Errored)).await;
        assert_eq!(granted, Granted::Refused(Refusal::NoAnswer(silent())));
        assert!(!world.order("u").open().unwrap().cancelling, "it never reached the POS");
    }
    let (message, delay) = world.sent().pop().unwrap();
    assert!(delay <= 3 * SECOND, "{delay:?}");
    tokio::time::advance(delay).await;
    world.pos_does(SECOND, done());
    turn(&world, &message).await;
    assert_eq!(world.order("u").status(), OrderStatus::Placed);
    assert!(world.order("u").history.len() < 20, "what happened before is still there");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_never_attempted_is_asked_for_where_it_would_go() {
    let world = Fake::default();
    queued(&world, "u");
    let process = Process::<FakeWorld<Here>> {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        directory: Here(Location { internal_id: "the new store".to_owned(), ..location(all()) }),
        clock: world.clone(),
        policy: Policy::default(),
        limits: Arc::default(),
    };
    process.grant(Wish::Ask { key: key("u") }, Duration::from_secs(30)).await;
    assert_eq!(world.stores(), ["the new store"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_location_is_not_mapped_any_more_cannot_be_asked_for() {
    let world = unknown_order(FIND, None).await;
    let granted = grant(&world, None, end(Decision::Errored)).await;
    assert_eq!((granted, world.calls()), (Granted::Refused(Refusal::NoAnswer(Cause::NotMapped)), vec!["place"]));
}

#[tokio::test(start_paused = true)]
async fn without_asking_the_pos_is_not_asked_and_that_is_recorded() {
    for (decision, status) in [(Decision::Errored, OrderStatus::Errored), (placed("T-1"), OrderStatus::Placed)] {
        let world = unknown_order(all(), Some(holds("T-1042"))).await;
        let wish = Wish::End { key: key("u"), decision, reason: "the POS burnt down".to_owned(), asking: false };
        assert_eq!(grant(&world, Some(all()), wish).await, Granted::Ended(status));
        let record = world.order("u");
        assert_eq!(world.calls(), ["place"]);
        let told: Vec<_> = record.history.iter().rev().take(2).map(|entry| entry.cause.clone()).collect();
        assert!(told.iter().all(|cause| *cause == Some(Cause::WithoutAsking("the POS burnt down".to_owned()))), "{told:?}");
        assert!(record.history.last().unwrap().to_string().contains("without asking the POS: the POS burnt down"));
    }
}

#[tokio::test(start_paused = true)]
async fn while_an_attempt_may_run_nobody_is_asked_and_no_lease_is_taken() {
    let world = Fake::default();
    world.pos_does(60 * SECOND, done());
    stored(submit_to(&world, new("u", "X", 1), location(FIND)).await);
    let before = world.order("u");
    for asking in [true, false] {
        let wish = Wish::End { key: key("u"), decision: Decision::Errored, reason: "r".to_owned(), asking };
        let Granted::Refused(Refusal::AttemptMayRun(until)) = grant(&world, Some(FIND), wish.clone()).await else {
            panic!("it ended")
        };
        assert_eq!((world.order("u").version, world.calls()), (before.version, vec!["place"]));
        if asking {
            continue;
        }
        // What it has named is what it holds to.
        tokio::time::advance(until.since(world.now())).await;
        assert_eq!(grant(&world, Some(FIND), wish).await, Granted::Ended(OrderStatus::Errored));
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_of_any_order_and_writes_nothing() {
    let world = unknown_order(FIND, Some(holds("T-1042"))).await;
    let (ask, version) = (|uid: &str| Wish::Ask { key: key(uid) }, world.order("u").version);
    assert_eq!(grant(&world, Some(FIND), ask("u")).await, Granted::Told(holds("T-1042")));
    assert_eq!(world.order("u").version, version);
    grant(&world, Some(FIND), Wish::End { key: key("u"), decision: placed("T-1"), reason: "r".into(), asking: false }).await;
    assert_eq!(grant(&world, Some(FIND), ask("u")).await, Granted::Told(Found::Absent), "of a final one as well");
    assert_eq!(grant(&world, Some(FIND), ask("nobody")).await, Granted::NoOrder);
}

#[tokio::test(start_paused = true)]
async fn of_two_persons_at_once_one_decides() {
    let world = unknown_order(FIND, None).await;
    let (one, other) =
        tokio::join!(grant(&world, Some(FIND), end(Decision::Errored)), grant(&world, Some(FIND), end(Decision::Rejected)));
    let won = [&one, &other].into_iter().filter(|granted| matches!(granted, Granted::Ended(_))).count();
    assert_eq!(won, 1, "{one:?} {other:?}");
    assert!(matches!((&one, &other), (_, Granted::Refused(_) | Granted::Lost) | (Granted::Refused(_) | Granted::Lost, _)));
}

#[tokio::test(start_paused = true)]
async fn a_person_who_dies_in_between_leaves_an_order_that_goes_on() {
    for fault in [Fault::ReplyLost, Fault::NotWritten] {
        let world = unknown_order(FIND, None).await;
        world.fail_next(Fault::None);
        world.fail_next(fault);
        let granted = grant(&world, Some(FIND), end(Decision::Errored)).await;
        assert!(matches!(granted, Granted::Failed(_)), "{granted:?}");
        let record = world.order("u");
        match record.open() {
            None => assert_eq!(record.status(), OrderStatus::Errored),
            Some(open) => assert_eq!(Some(open.due_at), open.lease.map(|lease| lease.until), "its lease brings it back"),
        }
    }
}
