//! docs/settings.md is made of the list the functions read their settings by, and of the template's parameters.
//!
//! `UPDATE_DOCS=1 cargo test -p posnext --test product the_page_of_settings` writes it anew.

use std::fmt::Write;

use posnext_aws::settings::{GROUPS, Group, Setting, settings};
use serde_yaml_ng::Value;

use crate::{
    support::ROOT,
    template::{parameter_of, template, text},
};

const INTRODUCTION: &str = "# Settings

<!-- Made of aws/src/settings/list.rs and template.yaml by: UPDATE_DOCS=1 cargo test -p posnext --test product the_page_of_settings -->

A function reads its settings once, when it starts; a wrong one stops the start with its name and what it may be. On AWS they are set by
the stack's parameters (`parameter_overrides` in `samconfig.toml`). `cargo run` takes the same variables, with local values for where
things are, and sandboxes allowed. Region, credentials and endpoints are the AWS SDK's own variables; those of the `posnext` command stand
in its `--help`. The last column is the [open question of PAR's interface](contract.md#open-questions) that the setting answers.
";

fn code(text: &str) -> String {
    if text.is_empty() { "empty".to_owned() } else { format!("`{text}`") }
}

fn variable(template: &Value, setting: &Setting) -> String {
    let Setting { name, default, allowed, meaning, contract } = setting;
    let set_by = match (parameter_of(template, name), default) {
        (Some((parameter, _)), _) => code(parameter),
        (None, Some("")) if !name.ends_with("_TABLE") => "none".to_owned(),
        (None, _) => "the stack itself".to_owned(),
    };
    let default = default.map_or_else(|| "required".to_owned(), code);
    let question =
        if contract.is_empty() { String::new() } else { format!("[{contract}](contract.md#{})", contract.to_lowercase()) };
    format!("| `{name}` | {set_by} | {default} | {allowed} | {meaning} | {question} |\n")
}

fn parameter(name: &str, parameter: &Value) -> String {
    let allowed = match (parameter["AllowedValues"].as_sequence(), &parameter["MinValue"], &parameter["MaxValue"]) {
        (Some(values), ..) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        (None, Value::Null, Value::Null) if parameter["Type"] == "Number" => "a number".to_owned(),
        (None, Value::Null, Value::Null) => "a text".to_owned(),
        (None, least, most) => format!("{} to {}", text(least), text(most)),
    };
    let meaning = parameter["Description"].as_str().unwrap_or_else(|| panic!("the parameter {name} has no description"));
    format!("| `{name}` | {} | {allowed} | {meaning} |\n", code(&text(&parameter["Default"])))
}

fn page() -> String {
    let template = template();
    let mut page = INTRODUCTION.to_owned();
    for Group { title, settings } in GROUPS {
        let head = "| variable | parameter | default | may be | meaning | question |\n|---|---|---|---|---|---|\n";
        write!(page, "\n## {title}\n\n{head}").unwrap();
        page.extend(settings.iter().map(|setting| variable(&template, setting)));
    }
    let head = "\n## Of the stack alone\n\n| parameter | default | may be | meaning |\n|---|---|---|---|\n";
    page.push_str(head);
    let named: Vec<&str> = settings().filter_map(|setting| parameter_of(&template, setting.name)).map(|(name, _)| name).collect();
    let all = template["Parameters"].as_mapping().unwrap().iter().map(|(name, value)| (name.as_str().unwrap(), value));
    page.extend(all.filter(|(name, _)| !named.contains(name)).map(|(name, value)| parameter(name, value)));
    page
}

#[test]
fn the_page_of_settings_says_what_the_code_and_the_template_say() {
    let path = format!("{ROOT}/docs/settings.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == page,
        "docs/settings.md is not what the code says; UPDATE_DOCS=1 cargo test -p posnext --test product the_page_of_settings writes it anew"
    );
}

#[test]
fn readme_points_to_the_page_of_settings_and_keeps_no_table_of_its_own() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    assert!(readme.contains("(docs/settings.md)") && !readme.contains("| `POSNEXT_"));
}
