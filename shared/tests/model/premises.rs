//! The premises of docs/lifecycle.md#what-a-pos-promises, taken away one at a time. A model that does not notice proves nothing.

use std::{collections::BTreeSet, time::Instant};

use posnext_shared::domain::ability::Abilities;
use stateright::{Checker, HasDiscoveries, Model};

use super::{
    explore::{ALL, CANCEL, FIND, FIND_CANCEL, IDEMPOTENT, NOTHING, SKEWED, TIMES},
    model::OrderModel,
    product::{Product, Times},
    properties::{
        CARRIED, DUE, ERRORED, FENCED, FINAL, HEALED, ONE_ATTEMPT, ONE_MEAL, PLACED, REJECTED, STALE, TOLD, UNKNOWABLE,
    },
    time::Clock,
};

/// What can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    /// Every change of a row is conditional on its version. Without: the table applies every write.
    VersionCondition,
    /// A message that meets a live lease is not acted on. Without: the worker sees the lease as over.
    LeaseRespected,
    /// The due time is the lease's end. Without: it is at once.
    DueNotBeforeLeaseEnds,
    /// The same. Without: it never comes.
    DueWhenLeaseEnds,
    /// Every attempt is written before it begins. Without: it begins, and is written with its result.
    AttemptWrittenFirst,
    /// An attempt that may have happened is asked about. Without: it counts as not started.
    AskingAboutUnknown,
    /// "Not known" counts only when the POS has had its time to settle. Without: the machine thinks that it needs none.
    SettleTime,
    /// The row says `cancelling` from before the first cancel. Without: it does not.
    CancellingKept,
    /// A cancel leaves a tombstone at the POS. Without: a later place is taken.
    Tombstone,
    /// Healing leaves the version alone. Without: it raises it.
    HealingKeepsVersion,
    /// A place is sent only while the time it takes is left on its lease. Without: however late.
    PlaceOnlyOnLease,
    /// Where one clock's time is compared with another's, the skew is counted. Without: it is not.
    SkewCounted,
}

/// Without the premise each of these properties is violated: the exploration goes on until it has found them all.
fn finds(premise: Premise, declared: Abilities, times: Times, violated: &[&'static str]) {
    let began = Instant::now();
    let model = OrderModel::new(Product::new(declared, times, Some(premise)), Clock::Moments);
    let all = HasDiscoveries::AllOf(BTreeSet::from_iter(violated.iter().copied()));
    let checker = model.checker().threads(2).finish_when(all).spawn_bfs().join();
    println!("without {premise:?}: {} states, {:.1?}", checker.unique_state_count(), began.elapsed());
    for name in violated {
        let path = checker.discovery(name).unwrap_or_else(|| panic!("not found: {name}"));
        println!("  not so: {name}, after {:?}", path.into_actions());
    }
}

/// Without the premise all of these properties hold all the same, everywhere.
fn holds(premise: Premise, declared: Abilities, kept: &[&'static str]) {
    let model = OrderModel::new(Product::new(declared, TIMES, Some(premise)), Clock::Moments);
    let checker = model.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done());
    for name in kept {
        checker.assert_no_discovery(name);
    }
}

#[test]
fn removing_the_condition_on_the_version_is_found() {
    finds(Premise::VersionCondition, FIND, TIMES, &[STALE, FINAL, ONE_MEAL]);
}

#[test]
fn removing_the_lease_is_found() {
    finds(Premise::LeaseRespected, IDEMPOTENT, TIMES, &[ONE_ATTEMPT]);
}

#[test]
fn removing_the_due_times_tie_to_the_lease_is_found() {
    finds(Premise::DueNotBeforeLeaseEnds, IDEMPOTENT, TIMES, &[HEALED]);
    finds(Premise::DueWhenLeaseEnds, ALL, TIMES, &[DUE, CARRIED, TOLD]);
}

/// What an early due time costs is messages for nothing: the lease alone keeps attempts apart.
#[test]
fn an_early_due_time_starts_no_second_attempt() {
    holds(Premise::DueNotBeforeLeaseEnds, IDEMPOTENT, &[ONE_ATTEMPT, ONE_MEAL, ERRORED, CARRIED, TOLD]);
    holds(Premise::DueNotBeforeLeaseEnds, FIND, &[ONE_ATTEMPT, ONE_MEAL, ERRORED, CARRIED, TOLD]);
}

#[test]
fn removing_the_write_before_an_attempt_is_found() {
    finds(Premise::AttemptWrittenFirst, FIND, TIMES, &[ONE_MEAL, ONE_ATTEMPT, ERRORED]);
    finds(Premise::AttemptWrittenFirst, NOTHING, TIMES, &[ONE_MEAL]);
}

#[test]
fn removing_the_question_about_an_unknown_outcome_is_found() {
    finds(Premise::AskingAboutUnknown, FIND, TIMES, &[ONE_MEAL, ERRORED, REJECTED]);
    finds(Premise::AskingAboutUnknown, NOTHING, TIMES, &[ONE_MEAL, ERRORED]);
}

#[test]
fn removing_the_time_to_settle_is_found() {
    finds(Premise::SettleTime, FIND, TIMES, &[ONE_MEAL, ERRORED]);
}

#[test]
fn removing_the_mark_that_an_order_is_being_cancelled_is_found() {
    finds(Premise::CancellingKept, FIND_CANCEL, TIMES, &[PLACED]);
}

#[test]
fn removing_the_tombstone_is_found() {
    finds(Premise::Tombstone, CANCEL, TIMES, &[ERRORED]);
}

#[test]
fn removing_the_rule_that_healing_keeps_the_version_is_found() {
    finds(Premise::HealingKeepsVersion, NOTHING, TIMES, &[FENCED]);
    finds(Premise::HealingKeepsVersion, FIND, TIMES, &[FENCED]);
}

#[test]
fn removing_the_check_that_a_place_fits_its_lease_is_found() {
    finds(Premise::PlaceOnlyOnLease, IDEMPOTENT, TIMES, &[ONE_ATTEMPT]);
}

/// It never makes a second meal by itself: no other attempt begins before this one's outcome is settled.
#[test]
fn a_place_that_outlasts_its_lease_makes_no_second_meal() {
    holds(Premise::PlaceOnlyOnLease, FIND, &[ONE_MEAL, ERRORED, REJECTED, UNKNOWABLE]);
}

#[test]
fn removing_the_skew_of_clocks_is_found() {
    finds(Premise::SkewCounted, FIND, SKEWED, &[ONE_MEAL, ERRORED]);
    finds(Premise::SkewCounted, IDEMPOTENT, SKEWED, &[ONE_ATTEMPT]);
}
