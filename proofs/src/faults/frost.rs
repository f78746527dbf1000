//! Processes that stand still at a call until their time-out has passed and another process has done something to the order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// A process at whose order nobody else does anything goes on after this.
const LONGEST: Duration = Duration::from_secs(75);

/// What is known of those that stand still, and how often they have gone on.
#[derive(Debug, Default)]
pub(super) struct Frost {
    frozen: HashMap<u64, Frozen>,
    thawed: BTreeMap<String, Thawed>,
}

#[derive(Debug)]
struct Frozen {
    point: String,
    orders: BTreeSet<String>,
    since: Instant,
    /// Its time-out has passed.
    late: bool,
    /// Another process has written to the order, or been at its POS.
    acted: bool,
}

/// How often processes went on that had been frozen at a point and were past their time-out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Thawed {
    /// After another process had done something to the order.
    pub(super) after: u64,
    /// Though none had.
    pub(super) before: u64,
}

impl Frost {
    /// The process stands still from now on, at this call about these orders.
    pub(super) fn freezes(&mut self, process: u64, point: &str, orders: BTreeSet<String>) {
        let frozen = Frozen { point: point.to_owned(), orders, since: Instant::now(), late: false, acted: false };
        self.frozen.insert(process, frozen);
    }

    /// The process has written to the order, or been at its POS.
    pub(super) fn has_acted(&mut self, process: Option<u64>, order: &str) {
        for (_, frozen) in self.frozen.iter_mut().filter(|(id, _)| Some(**id) != process) {
            frozen.acted |= frozen.orders.contains(order);
        }
    }

    /// Its time-out has passed.
    pub(super) fn is_late(&mut self, process: u64) {
        if let Some(frozen) = self.frozen.get_mut(&process) {
            frozen.late = true;
        }
    }

    /// Whether it may be handed another event. One that is late by itself may be at once.
    pub(super) fn may_go_on(&self, process: u64) -> bool {
        self.frozen.get(&process).is_none_or(|frozen| frozen.acted || frozen.since.elapsed() > LONGEST)
    }

    /// It goes on, or has died.
    pub(super) fn goes_on(&mut self, process: u64, alive: bool) {
        let Some(frozen) = self.frozen.remove(&process).filter(|frozen| alive && frozen.late) else { return };
        let thawed = self.thawed.entry(frozen.point).or_default();
        *(if frozen.acted { &mut thawed.after } else { &mut thawed.before }) += 1;
    }

    /// Whether one more may stand still, beside this many.
    pub(super) fn has_room(&self, standing: usize, process: u64) -> bool {
        self.frozen.len() < standing && !self.frozen.contains_key(&process)
    }

    /// Whether more of them are wanted at this point, of which so many are to go on after somebody else.
    pub(super) fn wants(&self, point: &str, quota: u64) -> bool {
        let standing = self.frozen.values().filter(|frozen| frozen.point == point).count() as u64;
        let Thawed { after, before } = self.thawed.get(point).copied().unwrap_or_default();
        after + standing / 2 < quota && before < quota * 8
    }

    pub(super) fn thawed(&self) -> &BTreeMap<String, Thawed> {
        &self.thawed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str = "process-order POS PUT";

    fn frozen() -> Frost {
        let mut frost = Frost::default();
        frost.freezes(1, POINT, ["o-1".to_owned()].into());
        frost
    }

    #[test]
    fn a_process_goes_on_once_another_has_done_something_to_its_order() {
        let mut frost = frozen();
        frost.is_late(1);
        frost.has_acted(Some(1), "o-1");
        frost.has_acted(Some(2), "o-11");
        assert!(!frost.may_go_on(1), "nobody else has done anything to it");
        frost.has_acted(Some(2), "o-1");
        assert!(frost.may_go_on(1));
        frost.goes_on(1, true);
        assert_eq!(frost.thawed()[POINT], Thawed { after: 1, before: 0 });
    }

    #[test]
    fn a_process_that_goes_on_before_anybody_has_acted_is_counted_as_such() {
        let mut frost = frozen();
        frost.is_late(1);
        frost.has_acted(Some(2), "o-2");
        frost.goes_on(1, true);
        assert_eq!(frost.thawed()[POINT], Thawed { after: 0, before: 1 });
    }

    #[test]
    fn a_process_stands_still_at_one_call_at_a_time_and_few_do() {
        let frost = frozen();
        assert!(!frost.has_room(2, 1) && frost.has_room(2, 2) && !frost.has_room(1, 2));
    }

    #[test]
    fn a_process_that_is_killed_or_not_late_does_not_count() {
        let mut frost = frozen();
        frost.has_acted(None, "o-1");
        frost.goes_on(1, true);
        frost.freezes(1, POINT, ["o-1".to_owned()].into());
        frost.is_late(1);
        frost.goes_on(1, false);
        assert!(frost.thawed().is_empty(), "{:?}", frost.thawed());
    }

    #[test]
    fn a_point_has_enough_when_its_quota_is_met() {
        let mut frost = frozen();
        assert!(frost.wants(POINT, 1));
        frost.is_late(1);
        frost.has_acted(None, "o-1");
        frost.goes_on(1, true);
        assert!(!frost.wants(POINT, 1) && frost.wants(POINT, 2));
    }
}
