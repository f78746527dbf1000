//! The whole space with a person, who may act at any time and any number of times, and one worker.

use std::collections::BTreeSet;

use posnext_shared::domain::ability::{Abilities, Find};

use super::{
    explore::{
        ALL, CANCEL, EVERY, FIND, FIND_CANCEL, IDEMPOTENT, IDEMPOTENT_CANCEL, IDEMPOTENT_FIND, NOTHING, SKEWED, TIMES,
        explore_all,
    },
    model::OrderModel,
    product::{Product, Tenure, Times},
    time::Clock,
};

/// A POS takes longer to settle than the product allows for clocks, and no function outlives its lease.
const SLOW: Times =
    Times { settle: 6, submit: Tenure { lease: 3, timeout: 3 }, worker: Tenure { lease: 3, timeout: 3 }, ..TIMES };

fn explore(declared: Abilities, times: Times, wide: bool) {
    let product = Product::new(declared, times, None).with_a_person();
    let seen = explore_all(OrderModel { workers: 1, wide, ..OrderModel::new(product, Clock::Moments) });
    let mut expected = BTreeSet::from(["errored", "given back", "placed", "rejected", "taken over"]);
    expected.extend(declared.cancel.then_some("cancelling"));
    assert_eq!(seen, expected, "what a person has written");
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_that_promises_nothing() {
    explore(NOTHING, TIMES, true);
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_with_idempotent_place() {
    explore(IDEMPOTENT, TIMES, false);
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_with_find() {
    explore(FIND, TIMES, false);
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_with_cancel() {
    explore(CANCEL, TIMES, false);
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_with_idempotent_place_and_find() {
    explore(IDEMPOTENT_FIND, TIMES, false);
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_with_idempotent_place_and_cancel() {
    explore(IDEMPOTENT_CANCEL, TIMES, false);
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_with_find_and_cancel() {
    explore(FIND_CANCEL, TIMES, false);
}

#[test]
fn a_person_ends_orders_safely_at_a_pos_with_all_three() {
    explore(ALL, TIMES, false);
}

#[test]
fn a_person_waits_for_as_long_as_the_pos_takes_to_settle() {
    let find = Some(Find { settle_s: SLOW.settle.unsigned_abs().into() });
    explore(Abilities { find, ..FIND }, SLOW, false);
}

#[test]
#[ignore = "five minutes: every set of promises with delays of either length and slow writes, and with clocks that differ"]
fn a_person_ends_orders_safely_with_more_room() {
    for declared in EVERY {
        explore(declared, TIMES, true);
        explore(declared, SKEWED, false);
    }
}
