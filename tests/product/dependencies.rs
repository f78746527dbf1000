//! What each function links, read from its own dependency tree: the engines are for the laptop only, and one HTTP and one
//! TLS stack is enough.

use std::process::Command;

use crate::support::ROOT;

const FUNCTIONS: [&str; 9] = [
    "submit-order",
    "validate-order",
    "get-menu",
    "process-order",
    "get-order",
    "recover-orders",
    "announce-orders",
    "deliver-webhooks",
    "watch-orders",
];

fn tree(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(ROOT)
        .args(["tree", "--locked", "--offline", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut crates: Vec<String> = text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect();
    crates.sort();
    crates.dedup();
    assert!(crates.len() > 30, "{package}: {crates:?}");
    crates
}

fn versions<'a>(crates: &'a [String], name: &str) -> Vec<&'a String> {
    crates.iter().filter(|line| line.split(' ').next() == Some(name)).collect()
}

#[test]
fn a_function_links_no_local_engine_and_no_command_line() {
    let engines = ["dynoxide", "rustack", "rusqlite", "libsqlite3", "axum", "clap", "reqwest", "utoipa", "posnext v"];
    for function in FUNCTIONS {
        let crates = tree(function);
        let found: Vec<_> = crates.iter().filter(|line| engines.iter().any(|engine| line.starts_with(engine))).collect();
        assert!(found.is_empty(), "{function}: {found:?}");
    }
    assert!(tree("posnext").iter().any(|line| line.starts_with("dynoxide")), "the check can find one");
}

#[test]
fn the_rules_and_the_use_cases_know_no_aws_no_http_and_no_log_writer() {
    let outer =
        ["aws", "lambda", "serde_dynamo", "http", "hyper", "rustls", "tower", "reqwest", "tracing-subscriber", "posnext-aws"];
    let named = |crates: &[String]| crates.iter().filter(|line| outer.iter().any(|name| line.starts_with(name))).count();
    assert_eq!(named(&tree("posnext-shared")), 0, "{:?}", tree("posnext-shared"));
    assert!(named(&tree("posnext-aws")) > 20, "the check can find one");
}

#[test]
fn the_command_that_runs_the_product_compiles_nothing_of_tests_benchmarks_or_operators() {
    let others = ["posnext-ops", "posnext-proofs", "posnext-fakes", "hdrhistogram", "svg", "indicatif", "nix", "tempfile"];
    let tools = ["utoipa", "mdbook", "proptest", "stateright", "toml", "serde_yaml_ng"];
    let crates = tree("posnext");
    let found: Vec<_> = crates.iter().filter(|line| others.iter().chain(&tools).any(|name| line.starts_with(name))).collect();
    assert!(found.is_empty(), "{found:?}");
    assert!(tree("posnext-ops").iter().any(|line| line.starts_with("hdrhistogram")), "the check can find one");
}

#[test]
fn a_function_links_one_http_and_one_tls_stack() {
    for function in FUNCTIONS {
        let crates = tree(function);
        for banned in ["aws-lc-rs", "aws-lc-sys", "openssl", "native-tls"] {
            assert!(versions(&crates, banned).is_empty(), "{function} links {banned}");
        }
        for one in ["hyper", "rustls", "ring", "hmac", "sha2", "http-body", "hyper-rustls"] {
            assert!(versions(&crates, one).len() <= 1, "{function}: {:?}", versions(&crates, one));
        }
        assert_eq!(versions(&crates, "ring").len(), 1, "{function}");
    }
}
