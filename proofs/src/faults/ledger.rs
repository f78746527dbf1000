//! The three ledgers, compared: what clients were told, what the table holds, what the POS holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use posnext_shared::domain::{
    ability::Abilities,
    history::NeedsPerson,
    record::{Final, OrderRecord, Outcome, State},
};

use super::{BEHIND, client::Told};
use posnext_local::{
    local::CLIENT_ID,
    pos::{ABILITIES, Entry},
};

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    orders: usize,
    accepted: usize,
    /// Orders of each status, at a POS that is called directly, and at one behind the proxy.
    outcomes: BTreeMap<&'static str, [usize; 2]>,
    /// Promises, and the orders that broke them.
    broken: BTreeMap<&'static str, Vec<String>>,
}

const LOST: &str = "lost: answered 200 or 202, and not in the table";
pub(super) const TWICE: &str = "placed twice: two meals of one order at the POS";
const CHANGED: &str = "a final status changed";
const UNTRUE: &str = "a final status that is not what is stored";
const MISSING: &str = "stored as placed, and the POS does not hold it under that id";
const UNPAID: &str = "stored as rejected or errored, and the POS holds it";
const UNTOLD: &str = "left open without a mark";
const LEFT: &str = "left to a person though the POS can be asked or cancelled";
const UNHELD: &str = "left to a person for its number, and the POS does not hold it";
const NEVER: &str = "never answered 200 or 202, though asked again and again";
const FOREIGN: &str = "a meal of no order that was sent";
const WRONG: &str = "an answer that no promise allows, or without a right signature";
const PROMISES: [&str; 12] = [NEVER, FOREIGN, LOST, TWICE, CHANGED, UNTRUE, MISSING, UNPAID, UNTOLD, LEFT, UNHELD, WRONG];

fn abilities(location: &str) -> Abilities {
    let name = location.split(':').next().unwrap_or_default();
    ABILITIES.iter().find(|(ability, _)| *ability == name).map(|(_, abilities)| *abilities).unwrap_or_default()
}

/// Whether its POS can neither be asked nor cancelled.
pub(super) fn cannot_be_asked(record: &OrderRecord) -> bool {
    let abilities = abilities(&record.order.location_id().to_string());
    abilities.find.is_none() && !abilities.cancel
}

/// Marked for a person, at a POS that can neither be asked nor cancelled, or has promised less for a while; or because of a
/// number that cannot be used.
pub(super) fn may_wait_for_a_person(record: &OrderRecord, robbed: &BTreeSet<String>) -> bool {
    let unaskable = cannot_be_asked(record) || robbed.contains(&record.order.location_id().to_string());
    record.open().is_some_and(|open| lacks_number(record) || open.person.is_some() && unaskable)
}

fn lacks_number(record: &OrderRecord) -> bool {
    record.open().is_some_and(|open| open.person == Some(NeedsPerson::NoNumber))
}

/// Compares them. The POS of the locations that are named in `robbed` has promised less for a while.
pub(super) fn compare(
    told: &[Told],
    rows: &BTreeMap<String, OrderRecord>,
    meals: &BTreeMap<String, Entry>,
    robbed: &BTreeSet<String>,
) -> Report {
    let mut report = Report { orders: told.len(), ..Report::default() };
    let nothing = Entry::default();
    let sent: BTreeSet<String> = told.iter().map(|told| format!("{CLIENT_ID}.{}", told.uid)).collect();
    for key in meals.keys().filter(|key| !sent.contains(*key)) {
        report.broken.entry(FOREIGN).or_default().push(key.clone());
    }
    for told in told.iter().filter(|told| !told.accepted) {
        report.broken.entry(NEVER).or_default().push(told.uid.clone());
    }
    for told in told {
        let meals = meals.get(&format!("{CLIENT_ID}.{}", told.uid)).unwrap_or(&nothing);
        report.accepted += usize::from(told.accepted);
        let mut broken = |promise, detail: String| {
            report.broken.entry(promise).or_default().push(format!("{} at {}: {detail}", told.uid, told.location))
        };
        if meals.meals.len() > 1 {
            broken(TWICE, format!("{:?}", meals.meals));
        }
        if told.finals.len() > 1 {
            broken(CHANGED, format!("{:?}", told.finals));
        }
        told.wrong.iter().for_each(|wrong| broken(WRONG, wrong.clone()));
        let Some(row) = rows.get(&told.uid) else {
            if told.accepted {
                broken(LOST, format!("{:?}", told.finals));
            }
            if !meals.meals.is_empty() {
                broken(LOST, format!("the POS holds {:?}", meals.meals));
            }
            continue;
        };
        let (word, pos_order_id) = stored(row);
        let [direct, behind] = report.outcomes.entry(word).or_default();
        *(if told.location.ends_with(BEHIND) { behind } else { direct }) += 1;
        let mut broken = |promise, detail: String| {
            report.broken.entry(promise).or_default().push(format!("{} at {}: {detail}", told.uid, told.location))
        };
        let stored: BTreeSet<_> = [(word.to_owned(), pos_order_id.clone())].into();
        if !told.finals.is_empty() && told.finals.len() == 1 && told.finals != stored {
            broken(UNTRUE, format!("told {:?}, stored {stored:?}", told.finals));
        }
        match word {
            "placed" if !meals.meals.contains(&pos_order_id) => broken(MISSING, format!("{pos_order_id}, the POS has {meals:?}")),
            "rejected" | "errored" if !meals.meals.is_empty() => broken(UNPAID, format!("{:?}", meals.meals)),
            "pending" if row.open().is_none_or(|open| open.person.is_none()) => broken(UNTOLD, history(row)),
            "pending" if !may_wait_for_a_person(row, robbed) => broken(LEFT, history(row)),
            "pending" if lacks_number(row) && meals.meals.is_empty() => broken(UNHELD, history(row)),
            _ => {}
        }
    }
    report
}

fn stored(row: &OrderRecord) -> (&'static str, String) {
    match &row.state {
        State::Final(Final { outcome: Outcome::Placed { pos_order_id }, .. }) => ("placed", pos_order_id.clone()),
        _ => (row.status().as_str(), String::new()),
    }
}

fn history(row: &OrderRecord) -> String {
    row.history.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Report {
    /// Whether every promise was kept.
    pub(super) fn kept(&self) -> bool {
        self.broken.is_empty() && self.accepted == self.orders
    }

    /// Orders of this status.
    pub(super) fn of(&self, status: &str) -> usize {
        self.outcomes.get(status).map_or(0, |orders| orders.iter().sum())
    }

    /// Orders that were sent, that were accepted, of each status, and of which a promise was broken.
    pub(super) fn figures(&self) -> Vec<(String, u64)> {
        let outcomes = self.outcomes.keys().map(|status| (format!("of them {status}"), self.of(status)));
        let broken = ("promises broken".to_owned(), self.broken.values().map(Vec::len).sum());
        let sent = [("orders".to_owned(), self.orders), ("accepted".to_owned(), self.accepted)];
        let all = sent.into_iter().chain(outcomes).chain([broken]);
        all.map(|(what, count)| (what, u64::try_from(count).unwrap_or(u64::MAX))).collect()
    }

    /// What a person reads; `faults` is what went wrong.
    pub(super) fn table(&self, faults: &str) -> String {
        let mut text = faults.to_owned();
        self.tell_outcomes(&mut text);
        for promise in PROMISES {
            let orders = self.broken.get(promise).map(Vec::as_slice).unwrap_or_default();
            let _ = writeln!(text, "{:>9} {promise}", orders.len());
            for order in orders.iter().take(10) {
                let _ = writeln!(text, "          {order}");
            }
        }
        text
    }

    fn tell_outcomes(&self, text: &mut String) {
        let _ = writeln!(text, "\naccepted {} of {}; in the table:", self.accepted, self.orders);
        let _ = writeln!(text, "{:>9} {:>9}", "direct", "behind");
        for (word, [direct, behind]) in &self.outcomes {
            let word = if *word == "pending" { "open, waiting for a person (but for those named below)" } else { word };
            let _ = writeln!(text, "{direct:>9} {behind:>9} {word}");
        }
        let _ = writeln!(text);
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
pub(super) mod tests;
