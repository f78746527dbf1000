//! The guard explored whole, and its premises taken away.

use std::{collections::BTreeSet, time::Instant};

use stateright::{Checker, HasDiscoveries, Model};

use super::{
    figures,
    guard::{GuardModel, ONE_MEAL, ONE_ORDER},
    premises::Premise,
};

#[test]
fn content_is_one_meal_under_whatever_names_it_comes() {
    explore(3, 3);
    explore(4, 2);
}

fn explore(names: usize, claimants: usize) {
    let began = Instant::now();
    let checker =
        GuardModel::new(names, claimants, None).checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{names} names, {claimants} requests at a time: {} states, depth {}, {:.1?}",
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    checker.assert_properties();
    assert!(checker.is_done() && checker.unique_state_count() > 10_000, "the space is explored whole, and is one");
    figures::visited(checker.unique_state_count(), checker.max_depth());
}

fn finds(premise: Premise, violated: &[&'static str]) {
    let all = HasDiscoveries::AllOf(BTreeSet::from_iter(violated.iter().copied()));
    let checker = GuardModel::new(3, 2, Some(premise)).checker().threads(2).finish_when(all).spawn_bfs().join();
    println!("without {premise:?}: {} states", checker.unique_state_count());
    for name in violated {
        let path = checker.discovery(name).unwrap_or_else(|| panic!("not found: {name}"));
        println!("  not so: {name}, after {:?}", path.into_actions());
    }
    figures::found_without(&format!("{premise:?}"));
}

/// The owner's claim is written and not seen yet: it is read as if it were not there.
#[test]
fn removing_the_check_of_the_owner_is_found() {
    finds(Premise::OwnerChecked, &[ONE_ORDER, ONE_MEAL]);
}

#[test]
fn removing_the_guard_of_an_open_order_after_its_hours_is_found() {
    finds(Premise::HeldWhileOpen, &[ONE_ORDER, ONE_MEAL]);
}

#[test]
fn removing_the_one_tenant_of_an_organization_is_found() {
    finds(Premise::OneTenant, &[ONE_ORDER, ONE_MEAL]);
}

#[test]
fn removing_the_guard_row_of_an_open_order_is_found() {
    finds(Premise::GuardOutlivesOrder, &[ONE_ORDER, ONE_MEAL]);
}

/// The number of an open order goes to other content, which is refused, and then comes the first content again.
#[test]
fn removing_the_memory_of_earlier_owners_is_found() {
    finds(Premise::EarlierRemembered, &[ONE_ORDER, ONE_MEAL]);
}
