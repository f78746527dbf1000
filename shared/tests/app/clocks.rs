//! A machine whose clock is off AWS's takes no lease.

use std::time::Duration;

use posnext_fakes::*;
use posnext_shared::{
    app::{accept::Accepted, ports::Clock, process::Turn, read::Read, recover::Recover},
    domain::{
        by_hand::{Decision, Granted, Wish},
        policy::{CLOCK_SKEW, Policy},
        status::OrderStatus,
    },
};

use crate::{
    accept::{SECOND, stored, submit},
    by_person::grant,
    process::{TIME, queued, turn, turn_with},
};

fn off(world: &Fake, by: Duration) {
    *world.0.off.lock().unwrap() = by;
}

#[tokio::test(start_paused = true)]
async fn a_submit_whose_clock_is_off_promises_nothing_and_writes_nothing() {
    let world = Fake::default();
    off(&world, CLOCK_SKEW + SECOND);
    assert!(matches!(submit(&world, new("u", "X", 1)).await, Accepted::Unavailable(why) if why.contains("off by 4 s")));
    assert!(world.0.rows.lock().unwrap().is_empty() && world.calls().is_empty());
    // As far off as another machine's clock may be.
    off(&world, CLOCK_SKEW);
    world.pos_does(SECOND, done());
    assert_eq!(stored(submit(&world, new("u", "X", 1)).await).0.status(), OrderStatus::Placed);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_clock_is_off_leaves_the_order_to_another() {
    let world = Fake::default();
    let message = queued(&world, "u");
    off(&world, 60 * SECOND);
    assert!(matches!(turn_with(&world, Some(all()), &message, TIME).await, Turn::Retry(_)));
    assert_eq!((world.order("u").version, world.calls().len()), (1, 0));
    off(&world, Duration::ZERO);
    world.pos_does(SECOND, done());
    assert_eq!(turn(&world, &message).await, Turn::Acknowledge);
    assert_eq!(world.order("u").status(), OrderStatus::Placed);
}

#[tokio::test(start_paused = true)]
async fn nobody_heals_or_ends_an_order_by_a_clock_that_is_off() {
    let world = Fake::default();
    queued(&world, "u");
    tokio::time::advance(120 * SECOND).await;
    off(&world, 3_600 * SECOND);
    let before = world.order("u").open().unwrap().due_at;
    let read = Read::<FakeWorld> { orders: world.clone(), queue: world.clone(), clock: world.clone() };
    read.read(&key("u")).await.unwrap();
    let recover =
        Recover::<FakeWorld> { orders: world.clone(), queue: world.clone(), clock: world.clone(), policy: Policy::default() };
    let report = recover.run(30 * SECOND).await.unwrap();
    assert_eq!((report.due, report.handed_off), (1, 0));
    let end = Wish::End { key: key("u"), decision: Decision::Errored, reason: "r".to_owned(), asking: true };
    assert!(matches!(grant(&world, Some(all()), end).await, Granted::Failed(_)));
    assert_eq!((world.order("u").open().unwrap().due_at, world.sent().len()), (before, 0));
    assert!(world.now() > before);
}
