use std::{sync::Arc, time::Duration};

use posnext_fakes::*;
use posnext_shared::{
    app::{
        limits::Limits,
        ports::*,
        process::{Process, Turn},
    },
    domain::{
        ability::{Abilities, Found, Placed},
        history::{Actor, Cause},
        ids::ParId,
        machine::{Context, Start, claim},
        pinned::Pinned,
        policy::Policy,
        record::Row,
        status::OrderStatus,
    },
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
pub(crate) const TIME: Duration = Duration::from_secs(30);

/// An order that waits in the queue.
pub(crate) fn queued(world: &Fake, uid: &str) -> OrderMessage {
    let policy = Policy::default();
    let ctx = Context {
        now: world.now(),
        policy: &policy,
        mapped: Some(mapped(all())),
        by: Actor::Submit,
        lease: SECOND,
        function_timeout: SECOND,
        write_id: "claim".into(),
        random: 0,
    };
    let record = claim(new(uid, uid, 1), Pinned::of(mapped(all())), Start::Queued, &ctx);
    let message = OrderMessage::about(&record);
    world.0.rows.lock().unwrap().insert(record.key.clone(), Row::Order(Box::new(record)));
    message
}

pub(crate) async fn turn_with(world: &Fake, abilities: Option<Abilities>, message: &OrderMessage, remaining: Duration) -> Turn {
    turn_under(world, Arc::default(), abilities, message, remaining).await
}

async fn turn_under(
    world: &Fake,
    limits: Arc<Limits>,
    abilities: Option<Abilities>,
    message: &OrderMessage,
    remaining: Duration,
) -> Turn {
    let process = Process::<FakeWorld<OneLocation>> {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        directory: OneLocation(abilities),
        clock: world.clone(),
        policy: Policy::default(),
        limits,
    };
    process.process(message, remaining).await
}

pub(crate) async fn turn(world: &Fake, message: &OrderMessage) -> Turn {
    turn_with(world, Some(all()), message, TIME).await
}

#[tokio::test(start_paused = true)]
async fn a_message_delivered_twice_at_once_makes_one_attempt() {
    let world = Fake::default();
    let message = queued(&world, "u");
    world.pos_does(SECOND, done());
    let turns = tokio::join!(turn(&world, &message), turn(&world, &message), turn(&world, &message));
    assert_eq!(turns, (Turn::Acknowledge, Turn::Acknowledge, Turn::Acknowledge));
    assert_eq!((world.order("u").status(), world.calls()), (OrderStatus::Placed, vec!["place"]));
    assert_eq!(turn(&world, &message).await, Turn::Acknowledge);
    assert_eq!(world.calls(), ["place"]);
}

#[tokio::test(start_paused = true)]
async fn too_little_time_begins_nothing() {
    let world = Fake::default();
    let message = queued(&world, "u");
    assert!(matches!(turn_with(&world, Some(all()), &message, 10 * SECOND).await, Turn::Retry(_)));
    assert_eq!((world.order("u").version, world.calls().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_slow_to_take_sends_nothing() {
    let world = Fake::default();
    let message = queued(&world, "u");
    world.fail_next(Fault::Slow(12_000));
    assert_eq!(turn(&world, &message).await, Turn::Acknowledge);
    assert!(world.calls().is_empty());
    assert_eq!((world.sent().len(), world.order("u").open().unwrap().unknown_until), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_placement_that_would_be_given_up_is_not_begun() {
    let world = Fake::default();
    let message = queued(&world, "u");
    // In time for the lease, and not for the function.
    world.fail_next(Fault::Slow(6_300));
    assert_eq!(turn_with(&world, Some(all()), &message, 18 * SECOND).await, Turn::Acknowledge);
    assert!(world.calls().is_empty());
    assert_eq!((world.sent().len(), world.order("u").open().unwrap().unknown_until), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_reply_was_lost_is_left_to_its_end() {
    let world = Fake::default();
    let message = queued(&world, "u");
    world.fail_next(Fault::ReplyLost);
    assert!(matches!(turn(&world, &message).await, Turn::Retry(_)));
    assert!(world.calls().is_empty(), "nothing is placed without knowing that the attempt is written");
    assert_eq!(turn(&world, &message).await, Turn::Acknowledge, "it meets the lease");
    // After the lease it counts as an attempt whose outcome is unknown, which this POS lets us repeat.
    tokio::time::sleep(40 * SECOND).await;
    let record = world.order("u");
    world.pos_does(SECOND, done());
    let again = OrderMessage { version: record.version, ..message };
    assert_eq!(turn(&world, &again).await, Turn::Acknowledge);
    assert_eq!(world.order("u").status(), OrderStatus::Placed);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_stands_still_gives_its_lease_back_before_its_function_is_stopped() {
    let world = Fake::default();
    let message = queued(&world, "u");
    world.pos_does(Duration::MAX, done());
    let began = Instant::now();
    let turned = tokio::time::timeout(TIME, turn(&world, &message)).await;
    assert_eq!(turned, Ok(Turn::Acknowledge), "its function was stopped");
    assert_eq!(began.elapsed(), 28 * SECOND);
    let open = world.order("u").open().cloned().unwrap();
    assert!(open.lease.is_none() && open.unknown_until.is_some(), "{open:?}");
    // It goes on from there as after any unknown outcome: this POS lets us repeat.
    let (next, _) = world.sent().pop().unwrap();
    world.pos_does(SECOND, done());
    assert_eq!(turn(&world, &next).await, Turn::Acknowledge);
    assert_eq!((world.order("u").status(), world.calls()), (OrderStatus::Placed, vec!["place", "place"]));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_asked_about_in_the_next_turn() {
    let world = Fake::default();
    let message = queued(&world, "u");
    let find = Some(Abilities { idempotent_place: false, cancel: false, ..all() });
    world.pos_does(SECOND, Placed::Unknown(Cause::Cut("cut".into())));
    assert_eq!(turn_with(&world, find, &message, TIME).await, Turn::Acknowledge);
    let (next, delay) = world.sent().pop().unwrap();
    assert_eq!(delay, Duration::ZERO);
    world.0.found.lock().unwrap().push_back(Found::Placed { pos_order_id: "P".into() });
    assert_eq!(turn_with(&world, find, &next, TIME).await, Turn::Acknowledge);
    assert_eq!((world.order("u").status(), world.calls()), (OrderStatus::Placed, vec!["place", "find"]));
}

#[tokio::test(start_paused = true)]
async fn a_location_that_is_no_longer_mapped_ends_errored_and_is_put_aside() {
    let world = Fake::default();
    let message = queued(&world, "u");
    assert_eq!(turn_with(&world, None, &message, TIME).await, Turn::Acknowledge);
    assert_eq!(world.order("u").status(), OrderStatus::Errored);
    assert!(world.0.aside.lock().unwrap()[0].contains("no longer mapped"));
}

#[tokio::test(start_paused = true)]
async fn a_message_about_no_order_is_put_aside_at_once() {
    let world = Fake::default();
    let message = OrderMessage { key: key("nobody"), version: 1, group: ParId::new("L").unwrap(), traceparent: None };
    assert_eq!(turn(&world, &message).await, Turn::SetAside);
    *world.0.queue_down.lock().unwrap() = true;
    assert!(matches!(turn(&world, &message).await, Turn::Retry(_)));
}

#[tokio::test(start_paused = true)]
async fn an_order_taken_while_its_location_cannot_be_read_is_given_back_for_another_try() {
    let world = Fake::default();
    let message = queued(&world, "u");
    let process = Process::<FakeWorld<Unreadable>> {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        directory: Unreadable,
        clock: world.clone(),
        policy: Policy::default(),
        limits: Arc::default(),
    };
    assert_eq!(process.process(&message, TIME).await, Turn::Acknowledge);
    let record = world.order("u");
    let open = record.open().unwrap();
    assert_eq!((open.lease, open.unknown_until, record.attempts), (None, None, 1), "it certainly was not placed");
    let (next, _) = world.sent().pop().unwrap();
    world.pos_does(SECOND, done());
    assert_eq!(turn(&world, &next).await, Turn::Acknowledge);
    assert_eq!((world.order("u").status(), world.calls()), (OrderStatus::Placed, vec!["place"]));
}

/// The whole life in virtual time: every turn that is asked for is taken, until nothing more is.
#[tokio::test(start_paused = true)]
async fn a_pos_that_is_down_is_tried_until_the_deadline_and_then_the_order_ends_errored() {
    let world = Fake::default();
    let mut message = queued(&world, "u");
    let accepted = world.now();
    for turns in 1.. {
        world.pos_does(SECOND, Placed::NotStarted { cause: Cause::NoConnection("refused".into()), retry_after: None });
        assert_eq!(turn(&world, &message).await, Turn::Acknowledge);
        if world.order("u").status() == OrderStatus::Errored {
            assert!(turns >= 4, "{turns} tries");
            break;
        }
        let (next, delay) = world.sent().pop().unwrap();
        tokio::time::sleep(delay).await;
        message = next;
    }
    let took = world.now().since(accepted);
    assert!(took > 45 * SECOND && took <= 60 * SECOND, "{took:?}");
    assert!(world.order("u").history.len() > 4);
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_is_answered_lets_submits_ask_that_pos_again() {
    let world = Fake::default();
    let failed = Placed::NotStarted { cause: Cause::NoTimeLeft, retry_after: None };
    let refused = Placed::Refused(Vec::new());
    let unknown = Placed::Unknown(Cause::GivenUp);
    for (uid, comes_to, closes) in [("a", failed, false), ("b", unknown, false), ("c", done(), true), ("d", refused, true)] {
        let limits: Arc<Limits> = Arc::default();
        for _ in 0..3 {
            limits.admit(mapped(all()), world.now()).unwrap().failed(world.now());
        }
        assert!(limits.admit(mapped(all()), world.now()).is_none());
        let message = queued(&world, uid);
        world.pos_does(SECOND, comes_to);
        assert_eq!(turn_under(&world, Arc::clone(&limits), Some(all()), &message, TIME).await, Turn::Acknowledge);
        assert_eq!(limits.admit(mapped(all()), world.now()).is_some(), closes, "{uid}");
    }
}
