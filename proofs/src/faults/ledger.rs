//! The three ledgers, compared: what clients were told, what the table holds, what the POS holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::Duration,
};

use posnext_shared::domain::{
    ability::Abilities,
    record::{Final, OrderRecord, Outcome, State},
};

use super::{Options, chaos::Fate, client::Told};
use posnext_local::{
    local::CLIENT_ID,
    pos::{ABILITIES, Entry},
};

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    orders: usize,
    accepted: usize,
    outcomes: BTreeMap<&'static str, usize>,
    /// Promises, and the orders that broke them.
    broken: BTreeMap<&'static str, Vec<String>>,
}

const LOST: &str = "lost: answered 200 or 202, and not in the table";
const TWICE: &str = "placed twice: two meals of one order at the POS";
const CHANGED: &str = "a final status changed";
const UNTRUE: &str = "a final status that is not what is stored";
const MISSING: &str = "stored as placed, and the POS does not hold it under that id";
const UNPAID: &str = "stored as rejected or errored, and the POS holds it";
const UNTOLD: &str = "left open without a mark";
const LEFT: &str = "left to a person though the POS can be asked or cancelled";
const NEVER: &str = "never answered 200 or 202, though asked again and again";
const FOREIGN: &str = "a meal of no order that was sent";
const WRONG: &str = "an answer that no promise allows, or without a right signature";
const PROMISES: [&str; 11] = [NEVER, FOREIGN, LOST, TWICE, CHANGED, UNTRUE, MISSING, UNPAID, UNTOLD, LEFT, WRONG];

fn abilities(location: &str) -> Abilities {
    let name = location.split(':').next().unwrap_or_default();
    ABILITIES.iter().find(|(ability, _)| *ability == name).map(|(_, abilities)| *abilities).unwrap_or_default()
}

/// Marked for a person, at a POS that can neither be asked nor cancelled.
pub(super) fn may_wait_for_a_person(record: &OrderRecord) -> bool {
    let abilities = abilities(&record.order.location_id().to_string());
    record.open().is_some_and(|open| open.person.is_some()) && abilities.find.is_none() && !abilities.cancel
}

pub(super) fn compare(told: &[Told], rows: &BTreeMap<String, OrderRecord>, meals: &BTreeMap<String, Entry>) -> Report {
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
        *report.outcomes.entry(word).or_default() += 1;
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
            "pending" if !may_wait_for_a_person(row) => broken(LEFT, history(row)),
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

    /// What a person reads.
    pub(super) fn table(&self, options: &Options, counts: &BTreeMap<(String, Fate), u64>, times: [Duration; 2]) -> String {
        let mut text = String::new();
        let [sent, all] = times.map(|time| time.as_secs());
        let faults: u64 = counts.values().sum();
        let _ = writeln!(
            text,
            "{} orders, seed {}, {faults} faults; sent in {sent} s, all at rest after {all} s\n",
            self.orders, options.seed
        );
        let _ = writeln!(text, "{:<48} {:>8} {:>8} {:>8} {:>8}", "point", "killed", "killed", "reply", "not");
        let _ = writeln!(text, "{:<48} {:>8} {:>8} {:>8} {:>8}", "", "before", "after", "lost", "done");
        let points: BTreeSet<&str> = counts.keys().map(|(point, _)| point.as_str()).collect();
        for point in points {
            let count = |fate| counts.get(&(point.to_owned(), fate)).copied().unwrap_or(0);
            let line = [Fate::KilledBefore, Fate::KilledAfter, Fate::ReplyLost, Fate::Refused].map(count);
            if line.iter().sum::<u64>() == 0 {
                let _ = writeln!(
                    text,
                    "{point}: stopped for a while {} times, killed and restarted {} times",
                    count(Fate::Stopped),
                    count(Fate::Restarted)
                );
                continue;
            }
            let _ = writeln!(text, "{point:<48} {:>8} {:>8} {:>8} {:>8}", line[0], line[1], line[2], line[3]);
        }
        let _ = writeln!(text, "\naccepted {} of {}; in the table:", self.accepted, self.orders);
        for (word, count) in &self.outcomes {
            let word = if *word == "pending" { "open, waiting for a person (but for those named below)" } else { word };
            let _ = writeln!(text, "  {count:>7} {word}");
        }
        let _ = writeln!(text);
        for promise in PROMISES {
            let orders = self.broken.get(promise).map(Vec::as_slice).unwrap_or_default();
            let _ = writeln!(text, "{:>9} {promise}", orders.len());
            for order in orders.iter().take(10) {
                let _ = writeln!(text, "          {order}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use posnext_shared::domain::{
        ability::Placed,
        directory::{Connector, HttpConnector, Location, Mode},
        history::{Actor, Cause, NeedsPerson},
        ids::ParId,
        machine::{Context, Input, New, Next, Start, advance, claim},
        order::Body,
        pinned::Pinned,
        policy::Policy,
        time::UnixMillis,
    };

    use super::*;
    use crate::faults::key;
    use posnext_local::{local::ORGANIZATION, par::sample_order};

    /// An order at a POS with these abilities, as it stands once its first attempt has come to this.
    fn row(uid: &str, location: &str, placed: Option<Placed>) -> OrderRecord {
        let policy = Policy::default();
        let mapped = Location {
            organization_id: ParId::new(ORGANIZATION).unwrap(),
            location_id: ParId::new(location).unwrap(),
            internal_id: "l".to_owned(),
            enabled: true,
            mode: Mode::Sync,
            shared_ids: None,
            pull_menu: false,
            live_availability: false,
            connector: Connector::Http(HttpConnector::new("https://pos.example", None, abilities(location))),
        };
        let ctx = Context {
            now: UnixMillis(0),
            policy: &policy,
            mapped: Some(&mapped),
            by: Actor::Submit,
            lease: Duration::from_secs(8),
            function_timeout: Duration::from_secs(15),
            write_id: "w".to_owned(),
            random: 0,
        };
        let order = Body::parse(sample_order(ORGANIZATION, location, uid).as_bytes()).unwrap().into_order().unwrap();
        let new = New { key: key(uid).unwrap(), order: Arc::new(order), shared_id: "s".to_owned(), traceparent: None };
        let claimed = claim(new, Pinned::of(&mapped), Start::Placing, &ctx);
        let Some(placed) = placed else { return claimed };
        match advance(&claimed, Input::Placed(placed), &ctx) {
            Next::Act(row, _) | Next::End(row, _) | Next::HandOff(row, _) | Next::Park(row) => row,
            Next::Ignore(why) => panic!("{why:?}"),
        }
    }

    fn placed() -> Option<Placed> {
        Some(Placed::Done { pos_order_id: "P".to_owned() })
    }

    fn told(finals: &[(&str, &str)]) -> Told {
        let finals = finals.iter().map(|(status, id)| ((*status).to_owned(), (*id).to_owned())).collect();
        Told { uid: "u".to_owned(), location: "all:prompt".to_owned(), accepted: true, finals, wrong: Vec::new() }
    }

    fn meals(ids: &[&str]) -> BTreeMap<String, Entry> {
        let meals = ids.iter().map(|id| (*id).to_owned()).collect();
        BTreeMap::from([(format!("{CLIENT_ID}.u"), Entry { meals, ..Entry::default() })])
    }

    /// The promises that are broken.
    fn broken(told: Told, row: Option<OrderRecord>, meals: &BTreeMap<String, Entry>) -> Vec<&'static str> {
        let rows = row.map(|row| ("u".to_owned(), row)).into_iter().collect();
        let report = compare(&[told], &rows, meals);
        let broken: Vec<_> = report.broken.keys().copied().collect();
        assert_eq!(report.kept(), broken.is_empty());
        broken
    }

    #[test]
    fn an_order_that_all_agree_on_breaks_nothing() {
        assert!(broken(told(&[("placed", "P")]), Some(row("u", "all:prompt", placed())), &meals(&["P"])).is_empty());
        let refused = Some(Placed::Refused(Vec::new()));
        assert!(broken(told(&[("rejected", "")]), Some(row("u", "all:prompt", refused)), &meals(&[])).is_empty());
        let unknown = || Some(Placed::Unknown(Cause::Cut("lost".to_owned())));
        assert!(broken(told(&[]), Some(row("u", "none:lost", unknown())), &meals(&["P"])).is_empty(), "nobody can know");
    }

    #[test]
    fn each_broken_promise_is_named() {
        let right = || Some(row("u", "all:prompt", placed()));
        assert_eq!(broken(told(&[("placed", "P")]), None, &meals(&[])), [LOST]);
        assert_eq!(broken(told(&[("placed", "P")]), right(), &meals(&["P", "Q"])), [TWICE]);
        assert_eq!(broken(told(&[("errored", ""), ("placed", "P")]), right(), &meals(&["P"])), [CHANGED]);
        assert_eq!(broken(told(&[("errored", "")]), right(), &meals(&["P"])), [UNTRUE]);
        assert_eq!(broken(told(&[("placed", "P")]), right(), &meals(&[])), [MISSING]);
        let refused = Some(row("u", "all:prompt", Some(Placed::Refused(Vec::new()))));
        assert_eq!(broken(told(&[("rejected", "")]), refused, &meals(&["P"])), [UNPAID]);
        assert_eq!(broken(told(&[]), Some(row("u", "none:lost", None)), &meals(&[])), [UNTOLD]);
        assert_eq!(broken(Told { accepted: false, ..told(&[]) }, None, &meals(&[])), [NEVER]);
        assert_eq!(broken(Told { wrong: vec!["w".to_owned()], ..told(&[("placed", "P")]) }, right(), &meals(&["P"])), [WRONG]);
        let foreign = BTreeMap::from([("stranger".to_owned(), Entry::default())]);
        assert_eq!(
            broken(told(&[("rejected", "")]), Some(row("u", "all:prompt", Some(Placed::Refused(Vec::new())))), &foreign),
            [FOREIGN]
        );
        // Marked, at a POS that could be asked.
        let mut marked = row("u", "all:lost", Some(Placed::Unknown(Cause::Cut("lost".to_owned()))));
        if let State::Open(open) = &mut marked.state {
            open.person = Some(NeedsPerson::Overdue);
        }
        assert_eq!(broken(told(&[]), Some(marked), &meals(&["P"])), [LEFT]);
    }
}
