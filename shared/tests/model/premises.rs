//! The premises of docs/lifecycle.md#what-a-pos-promises, taken away one at a time. A model that does not notice proves nothing.

use std::{collections::BTreeSet, time::Instant};

use posnext_shared::domain::ability::Abilities;
use stateright::{Checker, HasDiscoveries, Model};

use super::{
    explore::{ALL, CANCEL, FIND, FIND_CANCEL, IDEMPOTENT, NOTHING, SKEWED, TIGHT, TIMES},
    figures,
    model::OrderModel,
    product::{NEW, OLD, Product, Times, location},
    properties::{
        CARRIED, DUE, ERRORED, FENCED, FINAL, HEALED, NUMBER, ONE_ATTEMPT, ONE_MEAL, ONE_POS, PLACED, REJECTED, STALE, TOLD,
        UNKNOWABLE,
    },
    remapped::remapped,
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
    /// A POS makes nothing of a place that arrives after its not-after. Without: whenever it arrives.
    NotAfter,
    /// An attempt that was given up is over: its connection is reset. Without: it may still leave this machine.
    GivenUpIsOver,
    /// Who says that nothing was made has read this request. Without: anything between says so of any request.
    OwnWord,
    /// Of an order that was placed before, a refusal counts only as the answer to this request, unless placing is idempotent.
    /// Without: that to an earlier one does as well.
    RefusalRepeatsRequest,
    /// `not_started` and `invalid` hold of every copy of the request. Without: a proxy's other copy may be made.
    NotStartedOfEveryCopy,
    /// A person asks the POS first. Without: not.
    PosAsked,
    /// Of a POS that cannot be asked, a person asks the restaurant. Without: not.
    RestaurantAsked,
    /// An order goes where it was attempted. Without: where its location is mapped now.
    PosPinned,
    /// In force is what the POS promised when the order went there, too. Without: what it promises now.
    PromisesPinned,
    /// A guard is taken over only from an owner that is as it was read. Without: from whatever it is.
    OwnerChecked,
    /// A guard holds off the content of an open order, however old. Without: it lapses after its hours.
    HeldWhileOpen,
    /// All clients of an organization are of one tenant. Without: each has its own.
    OneTenant,
    /// The table forgets a guard only when its order is final. Without: after its hours and the retention.
    GuardOutlivesOrder,
    /// A guard remembers owners that were open when it was taken over. Without: it has one owner.
    EarlierRemembered,
    /// The row says that the number cannot be used until a person acts. Without: only that it waits for one.
    NumberRemembered,
}

/// Without the premise each of these properties is violated: the exploration goes on until it has found them all.
fn finds(premise: Premise, declared: Abilities, times: Times, violated: &[&'static str]) {
    finds_in(OrderModel::new(Product::new(declared, times, Some(premise)), Clock::Moments), premise, violated);
}

fn finds_in(model: OrderModel, premise: Premise, violated: &[&'static str]) {
    let began = Instant::now();
    let all = HasDiscoveries::AllOf(BTreeSet::from_iter(violated.iter().copied()));
    let checker = model.checker().threads(2).finish_when(all).spawn_bfs().join();
    println!("without {premise:?}: {} states, {:.1?}", checker.unique_state_count(), began.elapsed());
    for name in violated {
        let path = checker.discovery(name).unwrap_or_else(|| panic!("not found: {name}"));
        println!("  not so: {name}, after {:?}", path.into_actions());
    }
    figures::found_without(&format!("{premise:?}"));
}

/// Without the premise all of these properties hold all the same, everywhere.
fn holds(premise: Premise, declared: Abilities, kept: &[&'static str]) {
    keeps(OrderModel::new(Product::new(declared, TIMES, Some(premise)), Clock::Moments), kept);
}

fn keeps(model: OrderModel, kept: &[&'static str]) {
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
    // A cancel that is told of a refusal leaves one as well.
    finds(Premise::Tombstone, FIND_CANCEL, TIMES, &[ERRORED, REJECTED]);
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
    finds(Premise::SkewCounted, FIND, TIGHT, &[ONE_MEAL, ERRORED]);
    finds(Premise::SkewCounted, IDEMPOTENT, SKEWED, &[ONE_ATTEMPT]);
}

/// Where a function outlives its lease, the not-after alone covers the skew.
#[test]
fn clocks_that_differ_make_no_second_meal_where_a_function_outlives_its_lease() {
    let model = OrderModel::new(Product::new(FIND, SKEWED, Some(Premise::SkewCounted)), Clock::Moments);
    keeps(model, &[ONE_MEAL, ERRORED, REJECTED]);
}

#[test]
fn removing_the_not_after_is_found() {
    finds(Premise::NotAfter, FIND, TIMES, &[ONE_MEAL, ERRORED]);
    finds(Premise::NotAfter, FIND_CANCEL, TIMES, &[ONE_MEAL]);
}

#[test]
fn removing_the_end_of_an_attempt_that_was_given_up_is_found() {
    finds(Premise::GivenUpIsOver, IDEMPOTENT, TIMES, &[ONE_ATTEMPT]);
}

/// What leaves this machine late is late at the POS as well.
#[test]
fn an_attempt_that_leaves_late_makes_no_second_meal() {
    holds(Premise::GivenUpIsOver, FIND, &[ONE_MEAL, ERRORED, REJECTED]);
}

#[test]
fn removing_the_poss_own_word_is_found() {
    finds(Premise::OwnWord, NOTHING, TIMES, &[ONE_MEAL, ERRORED]);
    finds(Premise::OwnWord, FIND, TIMES, &[ONE_MEAL, ERRORED]);
    finds(Premise::OwnWord, CANCEL, TIMES, &[ERRORED]);
}

/// The POS refuses, and its answer is held. It is asked, and does not know the order. It takes the next place, and what is
/// heard is the refusal of the first.
#[test]
fn removing_the_rule_that_a_refusal_repeats_its_request_is_found() {
    finds(Premise::RefusalRepeatsRequest, FIND, TIMES, &[REJECTED]);
}

#[test]
fn removing_the_rule_that_not_started_holds_of_every_copy_is_found() {
    finds(Premise::NotStartedOfEveryCopy, IDEMPOTENT, TIMES, &[ERRORED]);
    finds(Premise::NotStartedOfEveryCopy, NOTHING, TIMES, &[ONE_MEAL, ERRORED]);
}

#[test]
fn removing_the_memory_of_a_number_that_cannot_be_used_is_found() {
    finds(Premise::NumberRemembered, IDEMPOTENT, TIMES, &[NUMBER]);
    finds(Premise::NumberRemembered, CANCEL, TIMES, &[NUMBER]);
}

fn with_a_person(premise: Premise, declared: Abilities) -> OrderModel {
    let product = Product::new(declared, TIMES, Some(premise)).with_a_person();
    OrderModel { workers: 1, wide: false, ..OrderModel::new(product, Clock::Moments) }
}

/// A meal that is refunded, or paid for and never made.
#[test]
fn removing_the_question_before_a_persons_end_is_found() {
    for declared in [NOTHING, FIND, CANCEL, ALL] {
        finds_in(with_a_person(Premise::PosAsked, declared), Premise::PosAsked, &[ERRORED, REJECTED, PLACED]);
    }
}

/// At a POS that cannot be asked, what it says of an order is worth nothing. Where it cancels, that makes `errored` certain.
#[test]
fn removing_the_question_to_the_restaurant_is_found() {
    finds_in(with_a_person(Premise::RestaurantAsked, NOTHING), Premise::RestaurantAsked, &[ERRORED, REJECTED]);
    finds_in(with_a_person(Premise::RestaurantAsked, CANCEL), Premise::RestaurantAsked, &[REJECTED]);
    keeps(with_a_person(Premise::RestaurantAsked, CANCEL), &[ERRORED]);
}

#[test]
fn removing_the_pos_that_is_pinned_is_found() {
    for declared in [NOTHING, FIND, CANCEL, ALL] {
        for later in [location(declared, NEW, "1"), location(declared, OLD, "2")] {
            finds_in(remapped(declared, Some(later), Some(Premise::PosPinned)), Premise::PosPinned, &[ONE_POS]);
        }
    }
}

/// Then it would be placed again at a POS that did not promise to know it, or be cancelled at one that keeps no tombstone.
#[test]
fn removing_the_promises_that_are_pinned_is_found() {
    let changed = |few, many| remapped(few, Some(location(many, OLD, "1")), Some(Premise::PromisesPinned));
    finds_in(changed(NOTHING, FIND), Premise::PromisesPinned, &[ONE_MEAL, ERRORED]);
    finds_in(changed(NOTHING, CANCEL), Premise::PromisesPinned, &[ERRORED]);
    finds_in(changed(NOTHING, IDEMPOTENT), Premise::PromisesPinned, &[ONE_MEAL]);
}
