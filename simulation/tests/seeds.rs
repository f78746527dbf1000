//! Seeds: the same one tells the same story; a hundred new ones, and each that ever broke a promise, break none.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{collections::BTreeSet, fs, path::Path};

use posnext_simulation::{Fault, ORDERS, Options, many, run};
use serde::Deserialize;

/// Seeds that every test run plays: so many, a tenth of them in each test, so that they are shared out over processors.
const SEEDS: u64 = 100;

fn plays(tenth: u64) {
    let first = tenth * SEEDS / 10 + 1;
    let summary = many(first..=first + SEEDS / 10 - 1, &Options::of(0), 1, false, || {}).unwrap();
    assert!(summary.harmed.is_empty(), "posnext simulate --seed N tells the story: {:#?}", summary.harmed);
    assert_eq!(summary.orders, SEEDS / 10 * ORDERS);
}

macro_rules! tenths {
    ($($name:ident $tenth:literal),*) => { $(#[test] fn $name() { plays($tenth); })* };
}

mod no_promise_is_broken_in_a_hundred_seeds {
    use super::plays;

    tenths!(a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7, i 8, j 9);
}

#[test]
fn the_same_seed_tells_the_same_story_to_the_byte() {
    for seed in 2_000..2_004 {
        let options = Options { told: true, ..Options::of(seed) };
        let (once, twice) = (run(&options).unwrap(), run(&options).unwrap());
        assert!(once.story.lines().count() > 500, "seed {seed} has a story of {} lines", once.story.lines().count());
        let differs = once.story.lines().zip(twice.story.lines()).find(|(once, twice)| once != twice);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(once, twice, "seed {seed}");
    }
}

#[test]
fn whether_the_story_is_kept_changes_nothing() {
    let options = Options::of(2_010);
    let (told, untold) = (run(&Options { told: true, ..options.clone() }).unwrap(), run(&options).unwrap());
    assert_eq!((told.counts, told.harms), (untold.counts, untold.harms));
}

#[test]
fn every_kind_of_fault_strikes_in_a_few_seeds() {
    let summary = many(3_200..=3_214, &Options::of(0), 2, false, || {}).unwrap();
    let never: Vec<_> =
        Fault::ALL.iter().filter(|(fault, ..)| !summary.counts.contains_key(fault)).map(|(_, name, _)| name).collect();
    assert!(never.is_empty(), "{never:?}");
}

#[test]
fn where_nothing_goes_wrong_no_fault_strikes() {
    let ended = run(&Options { faults: BTreeSet::new(), ..Options::of(2_020) }).unwrap();
    assert!(ended.counts.is_empty() && ended.harms.is_empty(), "{ended:?}");
}

/// A seed that broke a promise once, in a file of `simulation/seeds`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    /// What it showed, and which decision or change mended it.
    found: String,
    seed: u64,
    /// All, if none are named.
    #[serde(default)]
    orders: BTreeSet<u64>,
    #[serde(default)]
    only: Vec<String>,
}

#[test]
fn no_seed_that_ever_broke_a_promise_breaks_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        let found: Found = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let mut options = Options::of(found.seed);
        if !found.orders.is_empty() {
            options.orders = found.orders;
        }
        if !found.only.is_empty() {
            options.faults = found.only.iter().map(|name| Fault::named(name).expect("a fault of this name")).collect();
        }
        let harms = run(&options).unwrap().harms;
        assert!(harms.is_empty(), "{}: {}: {harms:#?}", file.display(), found.found);
    }
}
