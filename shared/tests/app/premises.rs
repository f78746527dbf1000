//! Premises that nothing here can enforce (docs/premises.md), taken away: what becomes of an order then.

use posnext_fakes::*;
use posnext_shared::{
    app::process::{Process, Turn},
    domain::{
        ability::{Abilities, Find, Found},
        policy::Policy,
        status::OrderStatus,
    },
};
use std::sync::Arc;

use crate::{
    accept::{SECOND, stored, submit, submit_to},
    process::TIME,
};

/// It is restored from a backup, and has forgotten what it made.
#[tokio::test(start_paused = true)]
async fn a_pos_that_has_forgotten_an_order_makes_it_again() {
    let (world, abilities) = (Fake::default(), Abilities { find: Some(Find { settle_s: 3 }), ..Abilities::default() });
    world.pos_does(60 * SECOND, done());
    stored(submit_to(&world, new("u", "X", 1), location(abilities)).await);
    tokio::time::advance(30 * SECOND).await;
    world.0.found.lock().unwrap().push_back(Found::Absent);
    world.pos_does(SECOND, done());
    let process = Process::<FakeWorld<OneLocation>> {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        directory: OneLocation(Some(abilities)),
        clock: world.clone(),
        policy: Policy::default(),
        limits: Arc::default(),
    };
    let message = world.sent().pop().unwrap().0;
    assert_eq!(process.process(&message, TIME).await, Turn::Acknowledge);
    assert_eq!((world.order("u").status(), world.calls()), (OrderStatus::Placed, vec!["place", "find", "place"]));
}

/// A stack is made anew, or there are two.
#[tokio::test(start_paused = true)]
async fn two_stacks_on_one_pos_give_an_order_the_same_key() {
    let keys = async {
        let mut keys = Vec::new();
        for world in [Fake::default(), Fake::default()] {
            world.pos_does(SECOND, done());
            let (record, replay) = stored(submit(&world, new("u", "X", 1)).await);
            assert_eq!((record.status(), replay), (OrderStatus::Placed, false), "each places it");
            keys.push(record.key.pos_key());
        }
        keys
    };
    let keys = keys.await;
    assert_eq!(keys[0], keys[1], "only a POS that promises idempotent_place knows it again");
}

/// The table is restored to an earlier time.
#[tokio::test(start_paused = true)]
async fn an_order_whose_row_is_gone_is_a_new_order_when_it_is_sent_again() {
    let world = Fake::default();
    for _ in 0..2 {
        world.pos_does(SECOND, done());
        let (record, replay) = stored(submit(&world, new("u", "X", 1)).await);
        assert_eq!((record.status(), replay), (OrderStatus::Placed, false));
        world.0.rows.lock().unwrap().clear();
        world.0.guards.lock().unwrap().clear();
    }
    assert_eq!(world.calls(), ["place", "place"]);
}
