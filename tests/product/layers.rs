//! The layers inside the crates, held to by reading the sources: an inner layer names nothing of an outer one. That the rules
//! and the use cases know no AWS and no HTTP is held by what their crate depends on (`dependencies.rs`).

use std::path::{Path, PathBuf};

use crate::support::ROOT;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Lines of code (no comments) of a layer, a folder of the repository, that name one of these.
fn offences(layer: &str, forbidden: &[&str]) -> Vec<String> {
    let folder = Path::new(ROOT).join(layer);
    let files = sources(&folder);
    assert!(!files.is_empty(), "{}", folder.display());
    files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let code: Vec<String> = text.lines().map(|line| line.split("//").next().unwrap().to_owned()).collect();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            code.into_iter()
                .enumerate()
                .filter(|(_, line)| forbidden.iter().any(|word| line.contains(word)))
                .map(move |(number, line)| format!("{layer}/{name}:{}: {}", number + 1, line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

const CLOCK: [&str; 4] = ["SystemTime", "Instant::now", "Timestamp::now", "std::env"];

#[test]
fn the_domain_knows_no_clock_environment_runtime_log_or_use_case() {
    let outer = ["crate::app", "tokio", "tracing"];
    assert_eq!(offences("shared/src/domain", &[&CLOCK[..], &outer[..]].concat()), Vec::<String>::new());
}

#[test]
fn the_use_cases_know_no_wall_clock_and_no_environment() {
    assert_eq!(offences("shared/src/app", &["SystemTime", "Timestamp::now", "std::env"]), Vec::<String>::new());
}

/// What stood at a thing of the world itself, every use case could do.
#[test]
fn the_world_gives_no_privilege_to_every_use_case() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("shared/src/app/world.rs")).unwrap();
    let body = text.split_once("\npub trait World: Debug {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    let things: Vec<&str> = body.lines().map(str::trim).filter(|line| !line.starts_with("///")).collect();
    let more: Vec<&&str> = things
        .iter()
        .filter(|thing| {
            thing.split_once(": ").is_none_or(|(name, held)| !name.starts_with("type ") || held != "Debug + Send + Sync;")
        })
        .collect();
    assert!(!things.is_empty() && more.is_empty(), "{more:?}");
}

#[test]
fn the_edge_knows_no_adapter_and_no_aws_client() {
    let outer = ["crate::adapters", "crate::wiring", "aws_sdk", "aws_config", "serde_dynamo", "std::env"];
    assert_eq!(offences("aws/src/edge", &outer), Vec::<String>::new());
}

#[test]
fn adapters_do_not_know_each_other_the_edge_or_what_lambda_hands_it() {
    let modules = [
        "connections",
        "directory",
        "http_pos",
        "menu_table",
        "orders",
        "push",
        "queue",
        "sandbox",
        "secrets",
        "subscribers",
        "webhooks",
    ];
    let outer = ["crate::edge", "crate::wiring", "crate::settings", "crate::adapters", "aws_lambda_events", "lambda_http"];
    let mut found = offences("aws/src/adapters", &outer);
    for module in modules {
        let adapters = Path::new(ROOT).join("aws/src/adapters");
        let folder = adapters.join(module);
        let files = if folder.is_dir() { sources(&folder) } else { vec![adapters.join(format!("{module}.rs"))] };
        let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let others = modules.iter().filter(|other| **other != module && text.contains(&format!("super::{other}")));
        found.extend(others.map(|other| format!("{module} names {other}")));
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_layer_that_breaks_the_rule_is_found() {
    assert!(!offences("aws/src/adapters", &["aws_sdk"]).is_empty());
}
