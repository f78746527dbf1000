//! Documents that name tests name tests that exist, and what the code cites is a heading of a page.

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
    for (page, least) in [("failure-modes", 40), ("security", 40), ("changing", 30), ("architecture", 5), ("premises", 50)] {
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

#[test]
fn every_premise_says_who_holds_it_where_it_is_enforced_what_takes_it_away_and_what_happens_then() {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/premises.md")).unwrap();
    let premises: Vec<&str> = text.split("\n### ").skip(1).collect();
    assert!(premises.len() > 30, "{}", premises.len());
    for premise in premises {
        let (name, rest) = premise.split_once('\n').unwrap();
        let own = rest.split("\n## ").next().unwrap();
        let told: Vec<(&str, &str)> = own.split("\n- **").skip(1).filter_map(|item| item.split_once("**:")).collect();
        let labels: Vec<&str> = told.iter().map(|(label, _)| *label).collect();
        assert_eq!(labels, ["Held by", "Enforced", "Taken away by", "Then"], "{name}");
        for (label, said) in told {
            assert!(said.trim().len() > 3, "{name}: {label}: {said:?}");
        }
        let by = own.split("**Taken away by**:").nth(1).unwrap().split("- **Then**").next().unwrap();
        assert!(by.matches('`').count() >= 2, "{name} names no test");
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

/// Every text file of the repository that people write, by its path, but for this one.
fn written() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "node_modules", ".git", ".aws-sam", "corpus"].contains(&name.as_str()) {
                    walk(&path, found);
                }
            } else if !path.ends_with("tests/product/docs.rs") {
                let path = path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned();
                // What is not text cites nothing.
                found.extend(std::fs::read_to_string(Path::new(ROOT).join(&path)).ok().map(|text| (path, text)));
            }
        }
    }
    // The folders that are ours: others may stand beside them in a checkout.
    let ours = [".ci", "aws", "cli", "docs", "events", "fakes", "functions", "fuzz", "local", "ops", "proofs", "shared", "tests"];
    let mut found = Vec::new();
    for folder in ours {
        walk(&Path::new(ROOT).join(folder), &mut found);
    }
    for file in ["Cargo.toml", "template.yaml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        found.push((file.to_owned(), std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap()));
    }
    found
}

/// The ids of a page's headings, as mdBook makes them.
fn headings(page: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/{page}")).unwrap_or_default();
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |c: &char| c.is_alphanumeric() || ['-', '_', ' '].contains(c);
    headings.map(|heading| heading.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()).collect()
}

/// What a text cites as `docs/PAGE.md#HEADING`.
fn citations(text: &str) -> Vec<(&str, &str)> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "-_/.".contains(c));
    let cited = text.split("docs/").skip(1).filter_map(|rest| rest.split_once(".md#"));
    let cited = cited.filter(|(page, rest)| !page.contains(ends) && !rest.starts_with(ends));
    cited.map(|(page, rest)| (page, rest.split(ends).next().unwrap().trim_end_matches('.'))).collect()
}

#[test]
fn what_the_code_cites_is_a_heading_of_a_page() {
    let (mut missing, mut cited) = (Vec::new(), 0);
    for (file, text) in written() {
        for (page, heading) in citations(&text) {
            cited += 1;
            if !headings(&format!("{page}.md")).contains(heading) {
                missing.push(format!("{file}: docs/{page}.md#{heading}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(cited > 60, "{cited}");
    assert_eq!(citations("as docs/contract.md#u99, says"), [("contract", "u99")]);
    assert!(!headings("contract.md").contains("u99"), "one that leads nowhere is noticed");
}

#[test]
fn nothing_is_cited_that_is_not_in_the_repository() {
    let lost = [
        "design section",
        "design.md",
        "contract section",
        "contract U",
        "contract C1",
        "contract C2",
        "design's section",
        "contract's section",
        "the design's",
    ];
    for (file, text) in written() {
        for words in lost {
            assert!(!text.to_lowercase().contains(&words.to_lowercase()), "{file} cites {words:?}");
        }
    }
}

#[test]
fn every_open_question_and_every_contradiction_has_a_heading_and_a_default() {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/contract.md")).unwrap();
    let headings = headings("contract.md");
    for number in 1..=38 {
        assert!(headings.contains(&format!("u{number}")), "U{number}");
        let section = text.split(&format!("\n### U{number}\n")).nth(1).unwrap().split("\n### ").next().unwrap();
        assert!(section.contains("**Default**") && section.to_lowercase().contains("setting"), "U{number}: {section}");
    }
    assert!((1..=10).all(|number| headings.contains(&format!("c{number}"))));
}

/// What a page names in backticks as a file or folder of the repository.
fn paths(text: &str) -> Vec<&str> {
    let roots =
        ["aws/", "cli/", "docs/", "events/", "fakes/", "functions/", "fuzz/", "local/", "ops/", "proofs/", "shared/", "tests/"];
    let is_path =
        |word: &&str| roots.iter().any(|root| word.starts_with(root)) && !word.contains(['*', '{', ' ', '$', '<', '…', '#']);
    text.split('`').skip(1).step_by(2).filter(is_path).collect()
}

#[test]
fn every_file_and_folder_that_a_page_names_exists() {
    let (mut missing, mut named) = (Vec::new(), 0);
    for page in pages() {
        let text = std::fs::read_to_string(format!("{ROOT}/{page}")).unwrap();
        for path in paths(&text) {
            named += 1;
            if !Path::new(ROOT).join(path).exists() && !path.contains("NAME") {
                missing.push(format!("{page}: {path}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(named > 60, "{named}");
}
