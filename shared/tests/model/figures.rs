//! What was counted, for the proofs (proven/): `POSNEXT_EXPLORED` names a file, which gets a line for each space.

use std::{fs::OpenOptions, io::Write};

use serde_json::json;

/// A space was visited whole.
pub fn visited(states: usize, depth: usize) {
    tell(&json!({ "states": states, "depth": depth }));
}

/// Without this premise, what it keeps from happening was found.
pub fn found_without(premise: &str) {
    tell(&json!({ "premise": premise }));
}

fn tell(line: &serde_json::Value) {
    if let Some(file) = std::env::var_os("POSNEXT_EXPLORED") {
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        // In one piece: tests run beside each other.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
