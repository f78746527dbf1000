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
fn every_test_that_the_list_of_failure_modes_names_exists() {
    let mut names = BTreeSet::new();
    for folder in ["tests", "shared/src", "shared/tests"] {
        functions(&Path::new(ROOT).join(folder), &mut names);
    }
    let text = std::fs::read_to_string(format!("{ROOT}/docs/failure-modes.md")).unwrap();
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 2).collect();
    assert!(named.len() > 40, "{}", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn every_file_that_readme_and_the_decisions_link_to_exists() {
    for page in
        ["README.md", "docs/decisions/README.md", "docs/faults.md", "docs/fuzzing.md", "docs/menu.md", "docs/mutation-testing.md"]
    {
        let text = std::fs::read_to_string(format!("{ROOT}/{page}")).unwrap();
        let folder = Path::new(ROOT).join(page).parent().unwrap().to_owned();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.starts_with("http")) {
            assert!(folder.join(target).exists(), "{page} links to {target}, which does not exist");
        }
    }
}
