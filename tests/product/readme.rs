//! README says what is so.

use crate::support::ROOT;

#[test]
fn ci_runs_the_test_command_of_readme() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let ci = std::fs::read_to_string(format!("{ROOT}/.ci/run")).unwrap();
    assert!(readme.contains("\ntests/run\n") && ci.contains("tests/run"));
}

#[test]
fn the_licences_that_the_manifest_names_are_there() {
    let manifest: toml::Table = std::fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap().parse().unwrap();
    let named = manifest["workspace"]["package"]["license"].as_str().unwrap();
    for (licence, words) in [("MIT", "Permission is hereby granted"), ("Apache-2.0", "Version 2.0, January 2004")] {
        let file = format!("{ROOT}/LICENSE-{}", licence.split('-').next().unwrap().to_uppercase());
        assert!(named.split(" OR ").any(|name| name == licence) && std::fs::read_to_string(file).unwrap().contains(words));
    }
}
