//! What a run has to have met to count: so many of each fault for so many orders.

use std::fmt::Write;

use super::{
    chaos::Chaos,
    fate::Fate,
    mappings::{Change, Mappings},
    persons::{Decided, Verb},
};

/// For so many orders the figures below are meant; for others there are as many more or fewer.
const ORDERS: u64 = 10_000;
/// Processes that go on past their time-out, after another has done something to the order.
const THAWED: u64 = 300;
/// Of those, at each point at which something is done.
const AT_EACH: u64 = 20;
/// Answers of DynamoDB, by its refusal.
const REFUSALS: u64 = 100;
/// Processes whose clocks are more than a second off.
const OFF: u64 = 50;
/// Locations changed, in each way.
const CHANGES: u64 = 20;
/// Asked by a person; ended by one.
const PERSONS: u64 = 20;

/// Where a function does something.
pub(super) const POINTS: [&str; 14] = [
    "get-order SendMessage",
    "get-order UpdateItem",
    "process-order POS DELETE",
    "process-order POS PUT",
    "process-order PutItem",
    "process-order SendMessage",
    "process-order UpdateItem",
    "recover-orders SendMessage",
    "recover-orders UpdateItem",
    "submit-order POS PUT",
    "submit-order PutItem",
    "submit-order SendMessage",
    "submit-order TransactWriteItems",
    "submit-order UpdateItem",
];
/// With fewer orders, some points are met too seldom to say so.
const LARGE: usize = 5_000;

/// How often processes are to go on at each point, for so many orders.
pub(super) fn thawed_at_each(orders: usize) -> u64 {
    // A few more than have to be.
    (of(AT_EACH, orders) * 5 / 4).max(1)
}

fn of(count: u64, orders: usize) -> u64 {
    count * u64::try_from(orders).unwrap_or(u64::MAX) / ORDERS
}

/// What was met: what it is, how often it has to be, how often it was.
#[derive(Debug, Default)]
pub(super) struct Met(Vec<(String, u64, u64)>);

impl Met {
    pub(super) fn new(orders: usize, chaos: &Chaos, mappings: &Mappings, decided: &Decided) -> Self {
        let mut met = Self::default();
        let thawed = chaos.thawed();
        let all = thawed.values().map(|thawed| thawed.after).sum();
        met.add("thawed after another has acted", of(THAWED, orders).max(1), all);
        let at_each = if orders < LARGE { 0 } else { of(AT_EACH, orders) };
        for point in POINTS {
            let after = thawed.get(point).map_or(0, |thawed| thawed.after);
            met.add(&format!("of these at {point}"), at_each, after);
        }
        let counts = chaos.counts();
        let struck = |fate| counts.iter().filter(|((_, struck), _)| *struck == fate).map(|(_, count)| count).sum();
        met.add("throttled by DynamoDB", of(REFUSALS, orders), struck(Fate::Throttled));
        met.add("transaction conflicts of DynamoDB", of(REFUSALS, orders), struck(Fate::Conflict));
        let clocked = chaos.clocked();
        let off = clocked.iter().filter(|(off, _)| off.abs() > 1_000).map(|(_, count)| count).sum();
        met.add("processes whose clocks are more than 1 s off", of(OFF, orders), off);
        for (change, words) in Change::ALL {
            let changed = mappings.counts.get(&change).copied().unwrap_or_default();
            met.add(&format!("locations {words}"), of(CHANGES, orders), changed);
        }
        let done = |verb: Verb| decided.get(&verb).map_or(0, |[done, _]| *done);
        let ended = [Verb::EndPlaced, Verb::EndRejected, Verb::EndErrored].map(done).iter().sum();
        met.add("orders that a person asked for", of(PERSONS, orders), done(Verb::Ask));
        met.add("orders that a person ended", of(PERSONS, orders), ended);
        met
    }

    fn add(&mut self, what: &str, needed: u64, seen: u64) {
        self.0.push((what.to_owned(), needed, seen));
    }

    /// Whether it was met often enough.
    pub(super) fn enough(&self) -> bool {
        self.0.iter().all(|(_, needed, seen)| seen >= needed)
    }

    /// What it was, and how often.
    pub(super) fn figures(&self) -> impl Iterator<Item = (String, u64)> {
        self.0.iter().map(|(what, _, seen)| (what.clone(), *seen))
    }

    /// What a person reads.
    pub(super) fn table(&self) -> String {
        let mut text = format!("\n{:>9} {:>9} for the run to count\n", "met", "needed");
        for (what, needed, seen) in &self.0 {
            let short = if seen < needed { "   TOO FEW" } else { "" };
            let _ = writeln!(text, "{seen:>9} {needed:>9} {what}{short}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_has_met_too_little_does_not_count_and_says_what_of() {
        let mut met = Met::default();
        met.add("thawed", 300, 300);
        assert!(met.enough());
        met.add("throttled", 100, 99);
        assert!(!met.enough() && met.table().contains("throttled   TOO FEW"), "{}", met.table());
    }

    #[test]
    fn a_large_run_has_to_meet_what_was_asked_for_and_a_small_one_its_share() {
        assert_eq!((of(THAWED, 10_000), of(AT_EACH, 10_000), of(AT_EACH, 60)), (300, 20, 0));
        assert_eq!((thawed_at_each(10_000), thawed_at_each(60)), (25, 1));
    }
}
