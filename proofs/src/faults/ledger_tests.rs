use std::{sync::Arc, time::Duration};

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
pub(in crate::faults) fn row(uid: &str, location: &str, placed: Option<Placed>) -> OrderRecord {
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

pub(in crate::faults) fn told(finals: &[(&str, &str)]) -> Told {
    let finals = finals.iter().map(|(status, id)| ((*status).to_owned(), (*id).to_owned())).collect();
    Told { uid: "u".to_owned(), location: "all:prompt".to_owned(), accepted: true, finals, wrong: Vec::new() }
}

fn meals(ids: &[&str]) -> BTreeMap<String, Entry> {
    let meals = ids.iter().map(|id| (*id).to_owned()).collect();
    BTreeMap::from([(format!("{CLIENT_ID}.u"), Entry { meals, ..Entry::default() })])
}

/// The promises that are broken.
pub(in crate::faults) fn broken(told: Told, row: Option<OrderRecord>, meals: &BTreeMap<String, Entry>) -> Vec<&'static str> {
    let rows = row.map(|row| ("u".to_owned(), row)).into_iter().collect();
    let report = compare(&[told], &rows, meals, &BTreeSet::new());
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
    let unnumbered = || Some(row("u", "all:nameless", Some(Placed::NoNumber)));
    assert_eq!(broken(told(&[]), unnumbered(), &meals(&[])), [UNHELD]);
    assert!(broken(told(&[]), unnumbered(), &meals(&["P"])).is_empty(), "a person has to tell its number");
}
