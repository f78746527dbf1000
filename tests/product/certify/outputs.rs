//! The command: its exit codes, and that its three outputs say the same and no secret.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use super::broken::Broken;
use crate::support::{CLIENT_SECRET, SHARED_ID, in_process};

fn posnext(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.arg("certify").args(arguments).env_remove("POSNEXT_URL").env("SHORT", "short");
    command.output().unwrap()
}

async fn run(arguments: Vec<String>) -> Output {
    let run = move || posnext(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn arguments(words: &[&str], folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    words.iter().map(|word| word.replace("DIR", folder)).collect()
}

/// Each check's id and outcome, in order of the id.
fn of_json(report: &Value) -> Vec<(String, String)> {
    let checks = report["items"].as_array().unwrap().iter().flat_map(|item| item["checks"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    sorted(checks.map(|check| (text(&check["id"]), text(&check["outcome"]))).collect())
}

fn of_junit(xml: &str) -> Vec<(String, String)> {
    let case = |part: &str| {
        let name = part.split("name=\"").nth(2).unwrap().split('"').next().unwrap().to_owned();
        let outcome = [("<failure", "fail"), ("<skipped", "not_tried"), ("<system-out", "warning")];
        let outcome = outcome.iter().find(|(tag, _)| part.contains(tag)).map_or("pass", |(_, outcome)| outcome);
        (name, outcome.to_owned())
    };
    sorted(xml.split("<testcase ").skip(1).map(|part| case(&format!(" {part}"))).collect())
}

fn of_text(text: &str) -> Vec<(String, String)> {
    let words = [("pass", "pass"), ("warning", "warning"), ("FAIL", "fail"), ("not tried", "not_tried")];
    let checks = text.split("\nThe checks\n").nth(1).unwrap().split("\nanswers ").next().unwrap();
    let line = |line: &str| {
        let line = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?;
        let (word, outcome) = words.iter().find(|(word, _)| line.starts_with(word))?;
        Some((line[word.len()..].split_whitespace().next()?.to_owned(), (*outcome).to_owned()))
    };
    sorted(checks.lines().filter_map(line).collect())
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

/// Neither credentials nor the digest key nor a token, of which each starts with the same letters.
fn no_secrets(text: &str) {
    for secret in [CLIENT_SECRET, SHARED_ID, &SHARED_ID[..10], "Bearer ey", "eyJ"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(!text.contains("Bearer no-token"), "{text}");
}

#[tokio::test]
async fn all_outputs_say_the_same_of_a_deployment_that_passes_and_of_one_that_does_not() {
    let (_product, caller) = in_process().await;
    let folder = tempfile::tempdir().unwrap();
    // It even says the token and the secrets back.
    let tells_all = Broken::new().after(|sent, back| {
        if back.code == 409 {
            let told = format!("{:?} {CLIENT_SECRET} {SHARED_ID}", sent.headers.get("authorization"));
            back.headers.insert("x-told", told.parse().unwrap());
            back.body = told;
            back.code = 500;
        }
    });
    let broken = tells_all.start(&caller.url).await;
    for (url, code) in [(&caller.url, 0), (&broken, 1)] {
        let words = [url.as_str(), "--json", "DIR/r.json", "--junit", "DIR/r.xml", "--skip", "menu-limits", "--verbose"];
        let output = run(arguments(&words, folder.path())).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(code), true), "{text}");
        let json = std::fs::read_to_string(folder.path().join("r.json")).unwrap();
        let xml = std::fs::read_to_string(folder.path().join("r.xml")).unwrap();
        [&text, &json, &xml].into_iter().for_each(|text| no_secrets(text));
        assert!(text.contains("> authorization: Bearer <token>"), "{text}");
        let report: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((of_text(&text), of_junit(&xml)), (of_json(&report), of_json(&report)));
        assert_eq!((report["passed"].as_bool(), report["counts"]["not_tried"].as_i64()), (Some(code == 0), Some(1)));
        assert!(xml.contains(r#"<skipped message="left out by --skip"/>"#));
    }
}

#[tokio::test]
async fn standard_output_belongs_to_the_machine_that_asked_for_it() {
    let (_product, caller) = in_process().await;
    let words = [caller.url.as_str(), "--json", "-", "--only", "submit-placed,menu-served"];
    let output = run(words.map(str::to_owned).into()).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), report["counts"]["passed"].as_i64()), (Some(0), Some(2)));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing failed: 2 passed"));
}

#[tokio::test]
async fn what_cannot_be_tried_is_exit_code_2_with_a_word_on_what_to_do() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        (vec![format!("http://{free}")], "nothing answers at"),
        (vec!["nonsense".to_owned()], "is no URL"),
        (vec![format!("http://{free}"), "--only".to_owned(), "nothing".to_owned()], "there is no check \"nothing\""),
        (vec![format!("http://{free}"), "--json=-".to_owned(), "--junit=-".to_owned()], "cannot both"),
        (vec![format!("http://{free}"), "--shared-id-from=env:SHORT".to_owned()], "at least 10 characters"),
    ];
    for (words, told) in cases {
        let output = run(words.clone()).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(told) && output.stdout.is_empty(), "{words:?}: {error}");
    }
}
