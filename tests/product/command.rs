//! The command line: what is done by `posnext-ops` is reached by `posnext`, and said to be missing where it is.

use std::process::{Command, Output, Stdio};

use crate::support::{in_process, order};

const OPERATED: [&str; 7] = ["smoke", "certify", "load", "faults", "simulate", "board", "admin"];

fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[test]
fn the_help_names_every_command_and_each_explains_itself() {
    let posnext = env!("CARGO_BIN_EXE_posnext");
    let (code, help) = run(posnext, &["--help"]);
    assert_eq!(code, Some(0));
    for name in ["local", "order", "pos"].iter().chain(&OPERATED) {
        assert!(help.contains(&format!("\n  {name} ")), "{name} is not in {help}");
    }
    for name in OPERATED {
        for arguments in [[name, "--help"], ["help", name]] {
            let (code, help) = run(posnext, &arguments);
            assert!(code == Some(0) && help.contains(&format!("Usage: posnext {name}")), "{arguments:?}: {help}");
        }
    }
    let (code, help) = run(posnext, &["help", "admin", "location", "add"]);
    assert!(code == Some(0) && help.contains("--idempotent-place"), "{help}");
    let (code, help) = run(posnext, &["help", "order"]);
    assert!(code == Some(0) && help.contains("Usage: posnext order"), "{help}");
}

#[test]
fn what_the_other_program_is_given_and_how_it_ends_is_passed_on() {
    let (code, said) = run(env!("CARGO_BIN_EXE_posnext"), &["certify", "--no-such-flag", "http://127.0.0.1:9"]);
    assert!(code == Some(2) && said.contains("--no-such-flag"), "{said}");
    let (code, said) = run(env!("CARGO_BIN_EXE_posnext"), &["smoke", "http://127.0.0.1:9"]);
    assert!(code == Some(2) && said.contains("posnext: "), "{said}");
}

/// The command, whose output nobody reads any more: `| head` that has had enough.
fn unread(arguments: &[&str], environment: &[(&'static str, String)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_had_enough_ends_no_command_in_a_panic() {
    let (product, caller) = in_process().await;
    assert_eq!(caller.submit(&order("unread", "PAR-LOC-12345")).await.code, 200);
    let (environment, url) = (product.services.environment(), caller.url.clone());
    for (arguments, code) in [
        (vec!["order", "submit", "--url", &url], 0),
        (vec!["order", "validate", "--url", &url], 0),
        (vec!["order", "menu", "--url", &url], 0),
        (vec!["order", "get", "unread", "--url", &url], 0),
        (vec!["order", "history", "unread", "--url", &url], 0),
        (vec!["order", "watch", "unread", "--url", &url], 0),
        (vec!["smoke", &url], 0),
        (vec!["certify", &url, "--dry"], 0),
        (vec!["load", &url, "--orders", "2", "--rate", "20"], 0),
        (vec!["admin", "orders"], 0),
        (vec!["admin", "explain", "par-local#unread"], 0),
        (vec!["admin", "location", "list"], 0),
        (vec!["admin", "location", "show", "IA-YC-01", "PAR-LOC-MENU"], 0),
        (vec!["admin", "menu", "show"], 0),
        (vec!["admin", "redrive"], 0),
        (vec!["--help"], 0),
        (vec!["help", "admin"], 0),
    ] {
        let (ended, said) = unread(&arguments, &environment);
        assert!(ended == Some(code) && !said.contains("panicked"), "{arguments:?}: {ended:?} {said}");
    }
}

#[test]
fn without_the_other_program_its_commands_say_how_to_build_it() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("posnext");
    std::fs::copy(env!("CARGO_BIN_EXE_posnext"), &alone).unwrap();
    for name in OPERATED {
        let (code, said) = run(&alone, &[name, "--whatever"]);
        assert!(
            code == Some(2) && said.contains("cargo build --bin posnext-ops") && said.contains("cargo install"),
            "{name}: {said}"
        );
    }
}
