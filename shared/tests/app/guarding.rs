//! The guard on an online order id, in its hours and after them.

use std::time::Duration;

use posnext_fakes::*;
use posnext_shared::{
    app::accept::Accepted,
    domain::{ability::Placed, history::Cause, policy::Policy, record::State, status::OrderStatus},
};

use crate::accept::{SECOND, stored, submit};

#[tokio::test(start_paused = true)]
async fn two_names_of_one_order_at_the_same_time_make_one_meal() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    let (one, two) = tokio::join!(submit(&world, new("u", "X", 1)), submit(&world, new("v", "X", 1)));
    assert_eq!((stored(one).0.status(), stored(two).0.status()), (OrderStatus::Placed, OrderStatus::Placed));
    assert_eq!(world.calls(), ["place"]);
    assert!(matches!(submit(&world, new("w", "X", 9)).await, Accepted::GuardConflict));
}

#[tokio::test(start_paused = true)]
async fn a_guard_is_taken_over_from_an_owner_that_made_no_meal() {
    let world = Fake::default();
    world.pos_does(SECOND, Placed::Refused(Vec::new()));
    submit(&world, new("u", "X", 1)).await;
    world.pos_does(SECOND, done());
    let (record, replay) = stored(submit(&world, new("v", "X", 2)).await);
    assert_eq!((record.status(), replay), (OrderStatus::Placed, false));
    assert!(matches!(submit(&world, new("w", "X", 1)).await, Accepted::GuardConflict));
    assert_eq!(world.order("u").status(), OrderStatus::Rejected);
}

#[tokio::test(start_paused = true)]
async fn a_guard_is_taken_over_from_an_owner_that_ended_errored() {
    let world = Fake::default();
    world.pos_does(SECOND, Placed::Permanent(Cause::NotMapped));
    assert_eq!(stored(submit(&world, new("u", "X", 1)).await).0.status(), OrderStatus::Errored);
    world.pos_does(SECOND, done());
    assert_eq!(stored(submit(&world, new("v", "X", 1)).await).0.status(), OrderStatus::Placed);
}

#[tokio::test(start_paused = true)]
async fn a_second_name_of_an_order_has_its_own_content() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    submit(&world, new("u", "X", 1)).await;
    submit(&world, new("v", "X", 1)).await;
    assert!(
        matches!(submit(&world, new("v", "X", 2)).await, Accepted::Conflict { record, .. } if record.status() == OrderStatus::Placed)
    );
    assert!(
        matches!(submit(&world, new("v", "Z", 1)).await, Accepted::Conflict { record, .. } if record.status() == OrderStatus::Placed)
    );
}

/// An owner whose outcome is unknown: it is open, and may be a meal.
async fn an_open_owner(world: &Fake) {
    world.pos_does(60 * SECOND, done());
    assert_eq!(stored(submit(world, new("u", "X", 1)).await).0.status(), OrderStatus::Pending);
}

async fn its_hours_are_over() {
    tokio::time::advance(Policy::default().guard + SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn after_its_hours_an_open_owner_still_answers_the_same_content() {
    let world = Fake::default();
    an_open_owner(&world).await;
    its_hours_are_over().await;
    let Accepted::Stored { record, alias: Some(alias), replay: true } = submit(&world, new("v", "X", 1)).await else {
        panic!("a second meal");
    };
    assert_eq!((record.key, alias.key), (key("u"), key("v")));
    assert_eq!(world.calls(), ["place"]);
}

#[tokio::test(start_paused = true)]
async fn after_its_hours_other_content_is_a_new_order_whatever_the_owners_state() {
    for open in [true, false] {
        let world = Fake::default();
        if open {
            an_open_owner(&world).await;
        } else {
            world.pos_does(SECOND, done());
            submit(&world, new("u", "X", 1)).await;
        }
        assert!(matches!(submit(&world, new("v", "X", 2)).await, Accepted::GuardConflict));
        its_hours_are_over().await;
        world.pos_does(SECOND, done());
        let (record, replay) = stored(submit(&world, new("v", "X", 2)).await);
        assert_eq!((&record.key, record.status(), replay), (&key("v"), OrderStatus::Placed, false));
        // From now on it is the owner, and the one before it answers for itself while it is open.
        let first_again = submit(&world, new("w", "X", 1)).await;
        let right = match open {
            true => matches!(&first_again, Accepted::Stored { record, replay: true, .. } if record.key == key("u")),
            false => matches!(&first_again, Accepted::GuardConflict),
        };
        assert!(right, "{open}: {first_again:?}");
        assert_eq!(world.calls(), ["place", "place"]);
    }
}

/// The guard has another owner by then.
#[tokio::test(start_paused = true)]
async fn an_open_order_answers_its_content_although_others_have_taken_its_guard_over() {
    let world = Fake::default();
    an_open_owner(&world).await;
    its_hours_are_over().await;
    // One that is rejected, one that is placed, and after its hours one more.
    for (uid, value, placed) in [("v", 2, Placed::Refused(Vec::new())), ("w", 3, done()), ("x", 4, done())] {
        world.pos_does(SECOND, placed);
        assert!(!stored(submit(&world, new(uid, "X", value)).await).1);
        let Accepted::Stored { record, alias: Some(_), .. } = submit(&world, new(&format!("{uid}2"), "X", 1)).await else {
            panic!("a second meal, after {uid}");
        };
        assert_eq!(record.key, key("u"));
        its_hours_are_over().await;
    }
    assert_eq!(world.calls().len(), 4);
}

/// The table forgets an order before its guard.
#[tokio::test(start_paused = true)]
async fn an_order_that_was_forgotten_and_comes_again_under_its_own_name_is_a_new_order() {
    let world = Fake::default();
    for _ in 0..2 {
        world.pos_does(SECOND, done());
        let (record, replay) = stored(submit(&world, new("u", "X", 1)).await);
        assert_eq!((record.status(), replay), (OrderStatus::Placed, false));
        world.0.rows.lock().unwrap().clear();
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_name_is_not_kept_longer_than_its_order() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
    tokio::time::advance(20 * 3_600 * SECOND).await;
    let Accepted::Stored { alias: Some(alias), .. } = submit(&world, new("v", "X", 1)).await else { panic!("no alias") };
    let State::Final(end) = record.state else { panic!("it is open") };
    assert_eq!(alias.expires_at, end.expires_at);
}

#[tokio::test(start_paused = true)]
async fn after_its_hours_the_same_content_as_a_meal_that_was_made_is_a_new_order() {
    let world = Fake::default();
    for uid in ["u", "v"] {
        world.pos_does(SECOND, done());
        let (record, replay) = stored(submit(&world, new(uid, "X", 1)).await);
        assert_eq!((record.key, replay), (key(uid), false));
        its_hours_are_over().await;
    }
}

/// Two reads beside a transaction may see it half: its guard already, its order not yet.
#[tokio::test(start_paused = true)]
async fn a_guard_is_not_taken_over_from_an_owner_that_is_merely_not_seen_yet() {
    for (value, reads) in [(1, 1), (2, 1), (1, 2), (1, 100)] {
        let world = Fake::default();
        world.pos_does(SECOND, done());
        submit(&world, new("u", "X", 1)).await;
        world.0.unseen.lock().unwrap().insert(key("u"), reads);
        let accepted = submit(&world, new("v", "X", value)).await;
        assert_eq!(world.calls(), ["place"], "{value} {reads}: {accepted:?}");
        let right = match (value, reads) {
            (_, 100) => matches!(accepted, Accepted::Unavailable(_)),
            (1, _) => matches!(accepted, Accepted::Stored { replay: true, .. }),
            _ => matches!(accepted, Accepted::GuardConflict),
        };
        assert!(right, "{value} {reads}: {accepted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_whose_owner_is_gone_is_taken_over() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    submit(&world, new("u", "X", 1)).await;
    world.0.rows.lock().unwrap().remove(&key("u"));
    world.pos_does(SECOND, done());
    let (record, replay) = stored(submit(&world, new("v", "X", 2)).await);
    assert_eq!((record.status(), replay), (OrderStatus::Placed, false));
}

#[tokio::test(start_paused = true)]
async fn a_guards_row_is_kept_as_long_as_its_orders() {
    let (world, policy) = (Fake::default(), Policy::default());
    world.pos_does(SECOND, done());
    let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
    let guards = world.0.guards.lock().unwrap();
    let guard = guards.values().next().unwrap();
    assert_eq!(guard.holds_until, record.accepted_at.plus(policy.guard));
    let State::Final(end) = record.state else { panic!("it is open") };
    assert!(guard.expires_at >= end.expires_at);
    assert!(guard.expires_at.since(guard.holds_until) >= Duration::from_hours(24));
}
