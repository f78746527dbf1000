//! The book is built from docs/, every link in it leads somewhere, and its page of errors is about every code there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use mdbook_driver::MDBook;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::ROOT;

/// Path under the book's folder, and text.
type Pages = BTreeMap<PathBuf, String>;

fn built() -> (TempDir, Pages) {
    let folder = tempfile::tempdir().unwrap();
    let mut book = MDBook::load(format!("{ROOT}/docs")).unwrap();
    book.config.build.build_dir = folder.path().to_owned();
    book.build().unwrap();
    let mut pages = Pages::new();
    html(folder.path(), folder.path(), &mut pages);
    (folder, pages)
}

fn html(root: &Path, folder: &Path, pages: &mut Pages) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            html(root, &path, pages);
        } else if path.extension().is_some_and(|extension| extension == "html") {
            pages.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn attributes<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!(" {name}=\"");
    text.match_indices(&opening)
        .map(move |(at, opening)| text[at + opening.len()..].split('"').next().unwrap())
        .collect::<Vec<_>>()
        .into_iter()
}

/// A relative path with its `..` taken away.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." { assert!(normal.pop(), "{} leaves the book", path.display()) } else { normal.push(part) }
    }
    normal
}

/// Where a link of a page leads nowhere.
fn broken(folder: &Path, pages: &Pages) -> Vec<String> {
    let mut broken = Vec::new();
    for (page, text) in pages {
        let links = attributes(text, "href").chain(attributes(text, "src"));
        for link in links.filter(|link| !link.contains(':') && !link.is_empty()) {
            let (path, fragment) = link.split_once('#').map_or((link, None), |(path, fragment)| (path, Some(fragment)));
            let target = if path.is_empty() { page.clone() } else { normal(&page.parent().unwrap().join(path)) };
            let there = match (folder.join(&target).exists(), fragment) {
                (true, Some(fragment)) if !fragment.is_empty() => {
                    pages.get(&target).is_some_and(|text| attributes(text, "id").any(|id| id == fragment))
                }
                (exists, _) => exists,
            };
            if !there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    broken
}

fn description() -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{ROOT}/docs/openapi.json")).unwrap()).unwrap()
}

fn enumerated(description: &Value, schema: &str) -> Vec<String> {
    let values = description["components"]["schemas"][schema]["enum"].as_array().unwrap();
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_link_of_the_book_leads_somewhere() {
    let (folder, mut pages) = built();
    assert!(pages.len() > 40, "{:?}", pages.keys());
    assert_eq!(broken(folder.path(), &pages), Vec::<String>::new());

    let faq = pages.get_mut(Path::new("faq.html")).unwrap();
    faq.push_str(r#"<a href="nowhere.html"></a><a href="polling.html#nowhere"></a><a href="polling.html#polling"></a>"#);
    assert_eq!(
        broken(folder.path(), &pages),
        ["faq.html: nowhere.html", "faq.html: polling.html#nowhere"],
        "one that leads nowhere is noticed"
    );
}

#[test]
fn every_page_is_in_the_book() {
    let summary = std::fs::read_to_string(format!("{ROOT}/docs/SUMMARY.md")).unwrap();
    for folder in ["", "decisions/"] {
        for file in std::fs::read_dir(format!("{ROOT}/docs/{folder}")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") && name != "SUMMARY.md" {
                assert!(summary.contains(&format!("({folder}{name})")), "docs/SUMMARY.md lacks {folder}{name}");
            }
        }
    }
}

#[test]
fn the_type_of_every_problem_is_a_heading_of_the_book() {
    let (_folder, pages) = built();
    let text = description().to_string();
    let types: BTreeSet<&str> =
        text.split(r#""type":"/posnext/docs/"#).skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(types.len() > 20, "{types:?}");
    for url in types {
        let (page, heading) = url.split_once('#').unwrap();
        let text = &pages[Path::new(page)];
        assert!(text.contains(&format!("<h3 id=\"{heading}\">")), "{url} is no heading");
    }
}

/// Cells of the rows of a page's tables whose first one is a link to a heading of the same page.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| [`"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// HTTP statuses with which a code is answered, and its title, as the code describes them.
fn answered(description: &Value) -> BTreeMap<String, (BTreeSet<String>, String)> {
    let mut found: BTreeMap<String, (BTreeSet<String>, String)> = BTreeMap::new();
    for operation in description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()) {
        for (status, response) in
            operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.as_str() >= "400")
        {
            for line in response["description"].as_str().unwrap().lines() {
                if let Some((code, title)) = line.strip_prefix('`').and_then(|line| line.split_once("`: ")) {
                    let entry = found.entry(code.to_owned()).or_default();
                    entry.0.insert(status.clone());
                    entry.1 = title.to_owned();
                }
            }
        }
    }
    found
}

#[test]
fn the_page_of_errors_is_about_every_code_and_says_what_the_code_says() {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/errors.md")).unwrap();
    let description = description();
    let codes = enumerated(&description, "ErrorCode");
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(headings, codes);
    let answered = answered(&description);
    let rows = rows(&text);
    assert_eq!(
        rows.iter().map(|row| row[0].to_owned()).collect::<Vec<_>>(),
        codes.iter().map(|code| format!("[`{code}`](#{code})")).collect::<Vec<_>>()
    );
    for (row, code) in rows.iter().zip(&codes) {
        assert!(row.len() == 7 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let numbers: BTreeSet<String> =
            row[2].split([' ', ',']).filter(|word| word.parse::<u16>().is_ok()).map(str::to_owned).collect();
        let (statuses, title) = answered.get(code).cloned().unwrap_or_else(|| (BTreeSet::new(), row[1].to_owned()));
        assert_eq!((numbers, row[1]), (statuses, title.as_str()), "{code}");
        let section = text.split(&format!("\n### {code}\n")).nth(1).unwrap().split("\n#").next().unwrap();
        for said in [
            title,
            format!("*The caller*: {}.", row[4]),
            format!("*The operator*: {}.", row[5]),
            format!("*Support*: {}.", row[6]),
        ] {
            assert!(section.contains(&said), "the heading {code} does not say what the table says: {said}");
        }
    }
    let ends = ends(&description);
    assert!(ends.len() > 10, "{ends:?}");
    for (code, status) in ends {
        let row = rows.iter().find(|row| row[0] == format!("[`{code}`](#{code})")).unwrap();
        assert!(row[2].contains(&format!("`{status}`")), "{code} ends an order {status}");
    }
}

/// Codes of orders that have ended, with the status, from the answers that were received.
fn ends(description: &Value) -> BTreeSet<(String, String)> {
    let operations = description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let contents =
        operations.filter_map(|operation| operation["responses"]["200"]["content"]["application/json"]["examples"].as_object());
    let bodies = contents.flat_map(|examples| examples.values()).map(|example| &example["value"]);
    bodies
        .flat_map(|body| {
            let status = body["status"].as_str().unwrap_or_default();
            let errors = body["errors"].as_array().into_iter().flatten();
            errors.map(move |error| (error["code"].as_str().unwrap().to_owned(), status.to_owned()))
        })
        .collect()
}

#[test]
fn the_picture_of_the_lifecycle_shows_every_status_and_every_stage() {
    let picture = std::fs::read_to_string(format!("{ROOT}/docs/lifecycle.svg")).unwrap();
    let description = description();
    for word in enumerated(&description, "OrderStatus").iter().chain(&enumerated(&description, "Stage")) {
        assert!(picture.contains(word.as_str()), "docs/lifecycle.svg lacks {word}");
    }
}
