//! The whole space for each set of promises that a POS may make.

use std::{collections::BTreeSet, time::Instant};

use posnext_shared::domain::ability::{Abilities, Find};
use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};

use super::{
    figures,
    model::OrderModel,
    product::{Product, Tenure, Times},
    properties::examples,
    time::Clock,
};

/// As short as they can be with every one still of its own length: a lease has room for a place, a function outlives its
/// lease, and an order whose first hand-off was lost (the machine's own 15 s) can still be placed.
pub const TIMES: Times = Times {
    deadline: 20,
    pos_limit: 2,
    settle: 2,
    skew: 0,
    submit: Tenure { lease: 3, timeout: 4 },
    worker: Tenure { lease: 3, timeout: 5 },
};
/// Clocks differ, and a lease has room for that.
pub const SKEWED: Times = Times { skew: 1, ..TIMES };
/// Clocks differ, and no function outlives its lease.
pub const TIGHT: Times = Times { submit: Tenure { lease: 4, timeout: 4 }, worker: Tenure { lease: 5, timeout: 5 }, ..SKEWED };
/// Room for more turns.
const LONG: Times = Times {
    deadline: 30,
    pos_limit: 3,
    settle: 4,
    skew: 0,
    submit: Tenure { lease: 4, timeout: 7 },
    worker: Tenure { lease: 6, timeout: 10 },
};

pub const NOTHING: Abilities = Abilities { idempotent_place: false, find: None, cancel: false };
pub const IDEMPOTENT: Abilities = Abilities { idempotent_place: true, ..NOTHING };
pub const FIND: Abilities = Abilities { find: Some(Find { settle_s: TIMES.settle.unsigned_abs() as u32 }), ..NOTHING };
pub const CANCEL: Abilities = Abilities { cancel: true, ..NOTHING };
pub const IDEMPOTENT_FIND: Abilities = Abilities { idempotent_place: true, ..FIND };
pub const IDEMPOTENT_CANCEL: Abilities = Abilities { idempotent_place: true, ..CANCEL };
pub const FIND_CANCEL: Abilities = Abilities { cancel: true, ..FIND };
pub const ALL: Abilities = Abilities { idempotent_place: true, ..FIND_CANCEL };

pub const EVERY: [Abilities; 8] = [NOTHING, IDEMPOTENT, FIND, CANCEL, IDEMPOTENT_FIND, IDEMPOTENT_CANCEL, FIND_CANCEL, ALL];

/// Visits every state and checks every property in each.
fn explore(declared: Abilities, times: Times, clock: Clock) {
    explore_all(OrderModel::new(Product::new(declared, times, None), clock));
}

pub fn explore_all(model: OrderModel) -> BTreeSet<&'static str> {
    let began = Instant::now();
    let (declared, skew) = (model.product.declared, model.product.times.skew);
    let must_be_seen: Vec<_> = examples(&model.product).collect();
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{declared:?}, skew {skew} s: {} states, depth {}, {:.1?}",
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    let found = checker.discoveries();
    for (name, path) in &found {
        if matches!(checker.discovery_classification(name), DiscoveryClassification::Counterexample) {
            let end = path.last_state();
            panic!("{name}: not so after {:#?}, which leads to {end:#?}", path.clone().into_actions());
        }
    }
    assert!(checker.is_done() && checker.unique_state_count() > 10_000, "the space is explored whole, and is one");
    for name in must_be_seen {
        assert!(found.contains_key(name), "never seen: {name}");
    }
    figures::visited(checker.unique_state_count(), checker.max_depth());
    checker.model().by_hand.lock().unwrap().clone()
}

#[test]
fn orders_are_safe_at_a_pos_that_promises_nothing() {
    explore(NOTHING, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_at_a_pos_with_idempotent_place() {
    explore(IDEMPOTENT, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_at_a_pos_with_find() {
    explore(FIND, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_at_a_pos_with_cancel() {
    explore(CANCEL, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_at_a_pos_with_idempotent_place_and_find() {
    explore(IDEMPOTENT_FIND, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_at_a_pos_with_idempotent_place_and_cancel() {
    explore(IDEMPOTENT_CANCEL, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_at_a_pos_with_find_and_cancel() {
    explore(FIND_CANCEL, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_at_a_pos_with_all_three() {
    explore(ALL, TIMES, Clock::Seconds);
}

#[test]
fn orders_are_safe_when_clocks_differ_at_a_pos_with_idempotent_place() {
    explore(IDEMPOTENT, SKEWED, Clock::Moments);
}

#[test]
fn orders_are_safe_when_clocks_differ_at_a_pos_with_find() {
    explore(FIND, SKEWED, Clock::Moments);
}

#[test]
fn orders_are_safe_when_clocks_differ_and_no_function_outlives_its_lease() {
    explore(FIND, TIGHT, Clock::Moments);
}

#[test]
fn orders_are_safe_where_the_refusal_of_a_first_attempt_is_left_over() {
    for declared in [FIND, FIND_CANCEL] {
        let mut product = Product::new(declared, TIMES, None);
        product.counts_attempts = true;
        explore_all(OrderModel::new(product, Clock::Moments));
    }
}

#[test]
#[ignore = "ten minutes: every set of promises with clocks that differ, with many writes on their way, and with longer times"]
fn orders_are_safe_with_more_room() {
    for declared in EVERY {
        explore(declared, SKEWED, Clock::Moments);
        let many = OrderModel::new(Product::new(declared, TIMES, None), Clock::Moments);
        explore_all(OrderModel { many_writes: true, ..many });
        let find = declared.find.map(|_| Find { settle_s: LONG.settle.unsigned_abs().into() });
        explore(Abilities { find, ..declared }, LONG, Clock::Seconds);
    }
}
