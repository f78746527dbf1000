//! Where an order goes when its location is mapped anew meanwhile (docs/lifecycle.md#where-an-order-goes).

use std::{sync::Arc, time::Duration};

use posnext_fakes::*;
use posnext_shared::{
    app::{
        limits::Limits,
        ports::*,
        process::{Process, Turn},
    },
    domain::{
        ability::{Abilities, Find, Found, Placed},
        by_hand::{Decision, decide, take_over},
        directory::Location,
        history::{Actor, Cause, NeedsPerson},
        machine::{Context, Start, claim},
        pinned::Pinned,
        policy::Policy,
        record::Row,
        status::OrderStatus,
    },
};

const SECOND: Duration = Duration::from_secs(1);
const FIND: Abilities = Abilities { idempotent_place: false, find: Some(Find { settle_s: 3 }), cancel: false };

/// A store of the POS.
fn store(internal_id: &str, abilities: Abilities) -> Location {
    Location { internal_id: internal_id.to_owned(), ..location(abilities) }
}

/// An order for this store that waits in the queue.
fn queued(world: &Fake, mapped: &Location) -> OrderMessage {
    let policy = Policy::default();
    let ctx = Context {
        now: world.now(),
        policy: &policy,
        mapped: Some(mapped),
        by: Actor::Submit,
        lease: SECOND,
        function_timeout: SECOND,
        write_id: "claim".into(),
        random: 0,
    };
    let record = claim(new("u", "u", 1), Pinned::of(mapped), Start::Queued, &ctx);
    let message = OrderMessage::about(&record);
    world.0.rows.lock().unwrap().insert(record.key.clone(), Row::Order(Box::new(record)));
    message
}

/// One turn of a worker, with the location mapped so.
async fn turn(world: &Fake, mapped: &Location, message: &OrderMessage) {
    turn_under(world, Arc::default(), mapped, message).await;
}

async fn turn_under(world: &Fake, limits: Arc<Limits>, mapped: &Location, message: &OrderMessage) {
    let process = Process::<FakeWorld<Here>> {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        directory: Here(mapped.clone()),
        clock: world.clone(),
        policy: Policy::default(),
        limits,
    };
    assert_eq!(process.process(message, 30 * SECOND).await, Turn::Acknowledge);
}

/// The message about the order as it stands.
fn next(world: &Fake) -> OrderMessage {
    OrderMessage::about(&world.order("u"))
}

fn unknown() -> Placed {
    Placed::Unknown(Cause::Cut("cut".into()))
}

#[tokio::test(start_paused = true)]
async fn an_order_of_which_nothing_was_attempted_follows_its_location() {
    let world = Fake::default();
    let message = queued(&world, &store("one", all()));
    world.pos_does(SECOND, done());
    turn(&world, &store("two", all()), &message).await;
    assert_eq!((world.order("u").status(), world.stores()), (OrderStatus::Placed, vec!["two".to_owned()]));
    assert_eq!(world.order("u").pos.internal_id, "two");
}

#[tokio::test(start_paused = true)]
async fn where_it_goes_is_written_before_it_is_sent_there() {
    let world = Fake::default();
    let message = queued(&world, &store("one", all()));
    world.fail_next(Fault::None);
    world.fail_next(Fault::NotWritten);
    let process = Process::<FakeWorld<Here>> {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        directory: Here(store("two", all())),
        clock: world.clone(),
        policy: Policy::default(),
        limits: Arc::default(),
    };
    assert!(matches!(process.process(&message, 30 * SECOND).await, Turn::Retry(_)));
    assert!(world.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_order_of_which_anything_was_attempted_stays_with_its_store() {
    for placed in [unknown(), Placed::NotStarted { cause: Cause::NoConnection("down".into()), retry_after: None }] {
        let world = Fake::default();
        let message = queued(&world, &store("one", all()));
        world.pos_does(SECOND, placed);
        turn(&world, &store("one", all()), &message).await;
        tokio::time::sleep(SECOND).await;
        world.pos_does(SECOND, done());
        turn(&world, &store("two", all()), &next(&world)).await;
        assert_eq!((world.order("u").status(), world.stores()), (OrderStatus::Placed, vec!["one".to_owned(); 2]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_pos_answers_says_nothing_about_the_one_that_the_location_has_now() {
    for (now, closes) in [("one", true), ("two", false)] {
        let (world, limits, mapped) = (Fake::default(), Arc::<Limits>::default(), store(now, all()));
        let message = queued(&world, &store("one", all()));
        world.pos_does(SECOND, unknown());
        turn(&world, &store("one", all()), &message).await;
        for _ in 0..3 {
            limits.admit(&mapped, world.now()).unwrap().failed(world.now());
        }
        world.pos_does(SECOND, done());
        turn_under(&world, Arc::clone(&limits), &mapped, &next(&world)).await;
        assert_eq!(world.order("u").status(), OrderStatus::Placed);
        assert_eq!(limits.admit(&mapped, world.now()).is_some(), closes, "{now}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_force_is_what_was_promised_then_and_still_is() {
    let longer = Abilities { find: Some(Find { settle_s: 20 }), ..FIND };
    for (then, now, calls, person) in [
        // Taken back: nobody may be asked.
        (FIND, Abilities::default(), vec!["place"], Some(NeedsPerson::Unaskable)),
        // Promised later: that was not so when it was sent.
        (Abilities::default(), FIND, vec!["place"], Some(NeedsPerson::Unaskable)),
        (FIND, FIND, vec!["place", "find", "place"], None),
        // The longer time to settle counts, whichever it is.
        (FIND, longer, vec!["place", "find"], None),
        (longer, FIND, vec!["place", "find"], None),
    ] {
        let world = Fake::default();
        let message = queued(&world, &store("one", then));
        world.pos_does(SECOND, unknown());
        turn(&world, &store("one", then), &message).await;
        // 33 s after its lease was taken the attempt has stopped, and 3 s later it has settled.
        tokio::time::sleep(40 * SECOND).await;
        world.0.found.lock().unwrap().push_back(Found::Absent);
        world.pos_does(SECOND, done());
        turn(&world, &store("one", now), &next(&world)).await;
        let open = world.order("u").open().cloned();
        assert_eq!((world.calls(), open.and_then(|open| open.person)), (calls, person), "{then:?} {now:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_meal_of_an_order_that_a_person_ended_otherwise_is_cancelled_where_it_was_made() {
    for (decision, made) in [(Decision::Rejected, done()), (Decision::Errored, done()), (Decision::Errored, Placed::NoNumber)] {
        let world = Fake::default();
        let message = queued(&world, &store("one", all()));
        world.pos_does(5 * SECOND, made);
        let ended = async {
            tokio::time::sleep(SECOND).await;
            let (policy, record) = (Policy::default(), world.order("u"));
            let ctx = Context {
                now: world.now().plus(Duration::from_hours(1)),
                policy: &policy,
                mapped: None,
                by: Actor::Person,
                lease: SECOND,
                function_timeout: SECOND,
                write_id: "person".into(),
                random: 0,
            };
            let taken = take_over(&record, &decision, Cause::Person("closed".to_owned()), &ctx).unwrap();
            let ended = decide(&taken, decision.clone(), Cause::Person("closed".to_owned()), &ctx);
            world.0.rows.lock().unwrap().insert(ended.key.clone(), Row::Order(Box::new(ended)));
        };
        let one = store("one", all());
        tokio::join!(turn(&world, &one, &message), ended);
        assert_eq!(world.calls(), ["place", "cancel"], "{decision:?}");
        assert_ne!(world.order("u").status(), OrderStatus::Placed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stood_still_cancels_nothing() {
    let world = Fake::default();
    let cancels = Abilities { find: None, idempotent_place: false, cancel: true };
    let message = queued(&world, &store("one", cancels));
    world.pos_does(SECOND, unknown());
    turn(&world, &store("one", cancels), &message).await;
    tokio::time::sleep(60 * SECOND).await;
    // The write that takes the lease is slow, and the process stands still meanwhile.
    world.fail_next(Fault::None);
    world.fail_next(Fault::Slow(500));
    let (next, one) = (next(&world), store("one", cancels));
    tokio::join!(turn(&world, &one, &next), async {
        tokio::time::sleep(SECOND / 4).await;
        world.stand_still(60 * SECOND);
    });
    let order = world.order("u");
    assert_eq!(order.history.last().unwrap().cause, Some(Cause::NoTimeLeft), "{:?}", order.history);
    assert!(order.open().is_some_and(|open| open.cancelling));
}
