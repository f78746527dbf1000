//! A location is not judged by what the functions believed of it before.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::played_pos;
use crate::support::{fresh_uid, in_process, order};

#[tokio::test]
async fn a_location_that_was_asked_for_just_before_it_was_mapped_is_waited_for() {
    let ((product, caller), base) = (in_process().await, played_pos().await);
    let early = caller.send(caller.submission(&order(&fresh_uid("early"), "PAR-LOC-EARLY"))).await;
    assert_eq!(early.error(), "unknown_location", "{}", early.text);

    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.args(["admin", "location", "add", "IA-YC-01", "PAR-LOC-EARLY", "--internal-id", "N", "--base", &base]);
    command.args(["--auth", "none", "--url", &caller.url]).envs(product.services.environment());
    command.env("POSNEXT_SECRETS_PREFIX", "posnext").kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        told.push(line);
        // What it waits for is tried in its own time (ops/src/admin/location/seen.rs); here it would be half a minute.
        if told.iter().any(|line| line.contains("waiting: the functions may believe that it is not there for 32 s")) {
            return;
        }
    }
    panic!("{told:?}");
}
