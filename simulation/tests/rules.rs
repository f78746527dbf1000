//! Rules and premises that are taken away: their texts stand in the sources, and what came of them stands in the book.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use posnext_simulation::{Change, Fault, Rule, Taken};

const BEGINS: &str =
    "<!-- rules: made of simulation/rules.json by: UPDATE_DOCS=1 cargo test -p posnext-simulation --test rules -->\n";
const ENDS: &str = "<!-- end of rules -->\n";

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
    for Rule { name, change, .. } in &rules {
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

#[test]
fn every_premise_of_the_book_is_broken_or_met_or_left_to_its_own_tests() {
    let (premises, page) = (read("docs/premises.md"), read("docs/simulation.md"));
    let headings: Vec<_> = premises.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let (_, table) = page.split_once("| premise | broken by `--break` | met in every run |\n|---|---|---|\n").unwrap();
    let rows: Vec<Vec<_>> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), headings);
    for row in rows {
        let broken = Fault::PREMISES.iter().filter(|(.., premise)| *premise == row[0]).map(|(_, name, ..)| format!("`{name}`"));
        assert_eq!(broken.collect::<Vec<_>>().join(", "), row[1], "{}", row[0]);
        for name in row[2].split('`').skip(1).step_by(2) {
            assert!(Fault::ALL.iter().any(|(_, known, _)| *known == name), "{}: nothing is called {name:?}", row[0]);
        }
    }
}

/// The decision that brought the rule of this name, as a link.
fn mends(name: &str) -> String {
    let rules = Rule::all(&root()).unwrap();
    let Some(decision) = rules.into_iter().find(|rule| rule.name == name).and_then(|rule| rule.mends) else {
        return String::new();
    };
    let files = fs::read_dir(root().join("docs/decisions")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let file = files.into_iter().find(|file| file.starts_with(&decision)).unwrap_or_else(|| panic!("{name}: no {decision}"));
    format!(" ([{decision}](decisions/{file}))")
}

fn rows(taken: &[Taken], of: impl Fn(&Taken) -> String) -> String {
    let mut rows = String::new();
    for taken in taken {
        let orders = taken.median().map_or("not found".to_owned(), |orders| orders.to_string());
        let seed = taken.searches.iter().find_map(|search| search.seed).map_or_else(String::new, |seed| seed.to_string());
        writeln!(rows, "| {} | {orders} | {seed} | {} |", of(taken), taken.harms().join("; ")).unwrap();
    }
    rows
}

fn table() -> String {
    // It is not there before the proof has been run (proven/).
    let Ok(text) = fs::read_to_string(root().join("simulation/rules.json")) else { return "\nNot run yet.\n\n".to_owned() };
    let taken: Vec<Taken> = serde_json::from_str(&text).unwrap();
    let (premises, rules): (Vec<_>, Vec<_>) = taken.into_iter().partition(|taken| taken.premise.is_some());
    let columns = "orders | a seed | promises that were seen broken |\n|---|---|---|---|\n";
    let premise = |taken: &Taken| format!("{}: `{}`", taken.premise.as_deref().unwrap_or_default(), taken.name);
    format!(
        "\n| the rule that is taken away | {columns}{}\n| the premise that is broken | {columns}{}\n",
        rows(&rules, |taken| taken.name.clone() + &mends(&taken.name)),
        rows(&premises, premise)
    )
}

#[test]
fn the_page_of_the_simulation_has_what_was_found_without_each_rule() {
    let page = read("docs/simulation.md");
    let (before, rest) = page.split_once(BEGINS).unwrap();
    let (_, after) = rest.split_once(ENDS).unwrap();
    let wanted = format!("{before}{BEGINS}{}{ENDS}{after}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join("docs/simulation.md"), &wanted).unwrap();
        return;
    }
    assert!(page == wanted, "docs/simulation.md is not what simulation/rules.json says; UPDATE_DOCS=1 writes it anew");
}
