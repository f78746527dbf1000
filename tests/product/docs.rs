//! Documents that name tests name tests that exist.

use std::{collections::BTreeSet, path::Path};

use crate::support::ROOT;

fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(str::trim).map(|line| line.strip_prefix("async ").unwrap_or(line));
            names.extend(lines.filter_map(|line| Some(line.strip_prefix("fn ")?.split(['(', '<']).next()?.to_owned())));
        }
    }
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut names = BTreeSet::new();
    for folder in ["tests", "shared", "aws", "local", "proofs", "ops", "cli", "fakes", "fuzz/src"] {
        functions(&Path::new(ROOT).join(folder), &mut names);
    }
    for (page, least) in [("failure-modes", 40), ("security", 40), ("changing", 30), ("architecture", 5)] {
        let text = std::fs::read_to_string(format!("{ROOT}/docs/{page}.md")).unwrap();
        let is_test = |word: &&str| word.matches('_').count() > 2 && !word.contains(|letter: char| letter.is_ascii_uppercase());
        let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_test).collect();
        assert!(named.len() > least, "{page}: {}", named.len());
        // With `…` at its end it stands for all that begin so.
        let exists = |name: &str| match name.strip_suffix('…') {
            Some(beginning) => names.range(beginning.to_owned()..).next().is_some_and(|name| name.starts_with(beginning)),
            None => names.contains(name),
        };
        let missing: Vec<_> = named.iter().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "{page} names no such tests: {missing:?}");
    }
}

/// What stands at the root and everything in docs, by path.
fn pages() -> Vec<String> {
    let mut pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned).to_vec();
    for folder in ["docs", "docs/decisions"] {
        let files = std::fs::read_dir(format!("{ROOT}/{folder}")).unwrap().map(|file| file.unwrap().file_name());
        let names = files.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".md"));
        pages.extend(names.map(|name| format!("{folder}/{name}")));
    }
    pages
}

#[test]
fn every_file_that_a_page_links_to_exists() {
    for page in pages() {
        let text = std::fs::read_to_string(format!("{ROOT}/{page}")).unwrap();
        let folder = Path::new(ROOT).join(&page).parent().unwrap().to_owned();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.starts_with("http")) {
            assert!(folder.join(target).exists(), "{page} links to {target}, which does not exist");
        }
    }
}
