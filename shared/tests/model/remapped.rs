//! The whole space where the location is mapped otherwise while the order is under way. Each function believes the old mapping or
//! the new one, until all know (`mapping.rs`).

use posnext_shared::domain::{
    ability::Abilities,
    directory::{Connector, Location},
};

use super::{
    explore::{ALL, CANCEL, EVERY, FIND, FIND_CANCEL, IDEMPOTENT, IDEMPOTENT_FIND, NOTHING, TIMES, explore_all},
    model::OrderModel,
    premises::Premise,
    product::{NEW, OLD, Product, location},
    time::Clock,
};

/// Of one worker, with short delays.
pub fn remapped(declared: Abilities, later: Option<Location>, without: Option<Premise>) -> OrderModel {
    let product = Product::new(declared, TIMES, without).remapped(later);
    OrderModel { workers: 1, wide: false, ..OrderModel::new(product, Clock::Moments) }
}

/// The same POS, which has moved to another address.
fn moved(declared: Abilities) -> Location {
    let mut location = location(declared, NEW, "1");
    if let Connector::Http(http) = &mut location.connector {
        http.formerly.push(OLD.to_owned());
    }
    location
}

fn explore(declared: Abilities, later: Option<Location>) {
    explore_all(remapped(declared, later, None));
}

/// Another store of another POS, which promises the same.
fn elsewhere(declared: Abilities) -> Option<Location> {
    Some(location(declared, NEW, "2"))
}

/// The same store of the same POS, which promises this now.
fn promising(later: Abilities) -> Option<Location> {
    Some(location(later, OLD, "1"))
}

#[test]
fn an_order_never_reaches_two_poses_that_promise_nothing() {
    explore(NOTHING, elsewhere(NOTHING));
}

#[test]
fn an_order_never_reaches_two_poses_with_idempotent_place() {
    explore(IDEMPOTENT, elsewhere(IDEMPOTENT));
}

#[test]
fn an_order_never_reaches_two_poses_with_cancel() {
    explore(CANCEL, elsewhere(CANCEL));
}

#[test]
fn an_order_never_reaches_two_poses_with_find_and_cancel() {
    explore(FIND_CANCEL, elsewhere(FIND_CANCEL));
}

#[test]
fn an_order_is_safe_where_its_location_is_taken_off_the_directory() {
    explore(NOTHING, None);
    explore(CANCEL, None);
}

/// To orders that are at the POS already, it is not promised.
#[test]
fn a_promise_that_is_added_counts_for_new_orders_alone() {
    explore(CANCEL, promising(FIND_CANCEL));
    explore(NOTHING, promising(IDEMPOTENT));
}

#[test]
fn a_promise_that_is_taken_away_is_relied_on_no_more() {
    explore(IDEMPOTENT, promising(NOTHING));
    explore(FIND_CANCEL, promising(CANCEL));
    explore(CANCEL, promising(NOTHING));
}

#[test]
#[ignore = "minutes: every set of promises elsewhere, and all changes of the mapping"]
fn an_order_is_safe_whatever_becomes_of_its_mapping() {
    for declared in EVERY {
        explore(declared, elsewhere(declared));
    }
    for declared in [FIND_CANCEL, ALL] {
        explore(declared, Some(location(declared, NEW, "1")));
        explore(declared, Some(location(declared, OLD, "2")));
        explore(declared, Some(moved(declared)));
        explore(declared, None);
    }
    for (few, many) in [(NOTHING, ALL), (FIND, FIND_CANCEL), (CANCEL, FIND_CANCEL), (FIND, IDEMPOTENT_FIND), (FIND, ALL)] {
        explore(few, promising(many));
        explore(many, promising(few));
    }
}
