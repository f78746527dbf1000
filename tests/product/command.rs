//! The command line: what is done by `posnext-ops` is reached by `posnext`, and said to be missing where it is.

use std::process::{Command, Output};

const OPERATED: [&str; 6] = ["smoke", "certify", "load", "faults", "board", "admin"];

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
