//! Rules and premises that are taken away: their texts stand in the sources, and what came of them stands in the book.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use posnext_simulation::{Change, Fault, Rule};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

#[test]
fn every_rule_that_is_taken_away_stands_in_the_sources_once() {
    let rules = Rule::all(&root()).unwrap();
    assert!(rules.len() >= 40, "{}", rules.len());
    let names: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names.len(), rules.len(), "two rules have one name");
    for Rule { name, change } in &rules {
        for Change { file, replace, with } in change {
            assert_eq!(read(file).matches(replace).count(), 1, "{name}: {replace:?} in {file}; see simulation/rules.toml");
            assert_ne!(replace, with, "{name}");
        }
    }
}

#[test]
fn every_premise_that_is_broken_is_one_of_the_book() {
    let page = read("docs/premises.md");
    for (_, name, _, premise) in Fault::PREMISES {
        assert!(page.contains(&format!("\n### {premise}\n")), "{name}: docs/premises.md has no heading {premise:?}");
    }
}
