//! Secrets, rotated by the operator while the product runs.

use std::{cell::Cell, future::Future};

use futures_util::future::join_all;
use posnext_aws::wiring::Parts;
use serde_json::Value;

use super::{PAR_CLIENT_SECRET, PAR_SHARED_ID, fresh, location, played_pos, pos_secret, revealed, submit, token_by};
use crate::support::{CLIENT_SECRET, SHARED_ID, in_process, order, token};

const ROTATE: [&str; 3] = ["rotate-secret", "IA-YC-01", "PAR-LOC-12345"];

#[tokio::test]
async fn while_a_shared_id_is_rotated_both_are_taken_and_at_the_end_the_new_one_alone() {
    let (product, caller) = in_process().await;
    let rotate = async |more: &[&str]| location(&product, &[&ROTATE[..], &["shared-id"], more].concat(), "").await;
    let (code, text) = rotate(&["--finish"]).await;
    assert!(code == 1 && text.contains("only one value") && text.contains("--from SOURCE"), "{text}");

    let (code, text) = rotate(&["--from", "generate"]).await;
    let new = revealed(&text, "new value of the SharedId of organization IA-YC-01 and all its locations");
    assert!(code == 0 && text.matches(&new).count() == 1 && text.contains("Wait 5 minutes"), "{text}");
    assert!(!text.contains(SHARED_ID), "{text}");
    // The functions that are running: one with the new value makes them read it.
    for shared_id in [SHARED_ID, new.as_str(), SHARED_ID] {
        let (code, body, signed) = submit(&product.services.parts, "IA-YC-01", "PAR-LOC-12345", &token(), shared_id).await;
        assert_eq!((code, body["status"].as_str(), signed), (200, Some("placed"), true), "{body}");
    }
    // What nobody has signed is signed with the old one, which PAR knows for certain.
    let wrong = caller.bare_submission(&order("x", "PAR-LOC-12345")).header("x-pch-digest", "0".repeat(64));
    let refusal = caller.send(wrong.bearer_auth(token())).await.signed();
    assert_eq!(refusal.code, 412, "{}", refusal.text);

    let (code, text) = rotate(&["--from", "env:PAR_SHARED_ID"]).await;
    assert!(code == 1 && text.contains("has begun already") && text.contains("--finish"), "{text}");
    let (_, text) = location(&product, &["show", "IA-YC-01", "PAR-LOC-12345"], "").await;
    assert!(text.contains("BEING ROTATED") && !text.contains(&new) && !text.contains(SHARED_ID), "{text}");

    let (code, text) = rotate(&["--finish"]).await;
    assert!(code == 0 && text.contains("within 5 minutes"), "{text}");
    let submitted = async |parts: &Parts, shared_id| submit(parts, "IA-YC-01", "PAR-LOC-12345", &token(), shared_id).await.0;
    let fresh = fresh(&product).await;
    assert_eq!((submitted(&fresh, SHARED_ID).await, submitted(&fresh, &new).await), (412, 200));
    // Functions that have read both forget the old one within five minutes.
    assert_eq!(submitted(&product.services.parts, SHARED_ID).await, 200);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_mins(5)).await;
    tokio::time::resume();
    submitted(&product.services.parts, &new).await;
    assert_eq!((submitted(&product.services.parts, SHARED_ID).await, submitted(&product.services.parts, &new).await), (412, 200));
}

#[tokio::test]
async fn a_client_secret_is_rotated_and_a_rotation_can_be_abandoned() {
    let product = in_process().await.0;
    let rotate = async |more: &[&str], input| location(&product, &[&ROTATE[..], &["client"], more].concat(), input).await;
    let code = async |token: String| submit(&fresh(&product).await, "IA-YC-01", "PAR-LOC-12345", &token, SHARED_ID).await.0;
    let (done, text) = rotate(&["--from", "-"], "a-client-secret-that-was-piped\n").await;
    assert!(done == 0 && text.contains("the Client Secret of par-local") && !text.contains("piped"), "{text}");
    let piped = || token_by("a-client-secret-that-was-piped");
    assert_eq!((code(token()).await, code(piped()).await), (200, 200));
    assert_eq!(rotate(&["--abandon"], "").await.0, 0);
    assert_eq!((code(token()).await, code(piped()).await), (200, 401));
    assert_eq!(rotate(&["--from", "env:PAR_CLIENT_SECRET"], "").await.0, 0);
    assert_eq!(rotate(&["--finish"], "").await.0, 0);
    assert_eq!((code(token()).await, code(token_by(PAR_CLIENT_SECRET)).await), (401, 200));
    let (done, text) = rotate(&["--from", "env:PAR_CLIENT_SECRET"], "").await;
    assert!(done == 1 && text.contains("is no other than the one that is live"), "{text}");
    let (done, text) = rotate(&[], "").await;
    assert!(done == 2 && text.contains("--from"), "{text}");
}

#[tokio::test]
async fn a_pos_secret_is_rotated_where_there_is_one() {
    let (product, base) = (in_process().await.0, played_pos().await);
    let (code, text) = location(&product, &[&ROTATE[..], &["pos", "--from", "generate"]].concat(), "").await;
    assert!(code == 1 && text.contains("there is no secret to rotate"), "{text}");
    let add = ["add", "IA-YC-01", "PAR-LOC-POS", "--internal-id", "N", "--base", &base, "--auth", "hmac", "--no-check"];
    let (_, text) = location(&product, &[&add[..], &["--pos-secret-from", "generate"]].concat(), "").await;
    let old = revealed(&text, "POS secret");
    let rotate = ["rotate-secret", "IA-YC-01", "PAR-LOC-POS", "pos"];
    let (code, text) = location(&product, &[&rotate[..], &["--from", "generate"]].concat(), "").await;
    let new = revealed(&text, "new value of the POS secret of location PAR-LOC-POS of IA-YC-01");
    assert!(code == 0 && text.contains("1. Let the POS take both values."), "{text}");
    let live = async || {
        let text = pos_secret(&product, "IA-YC-01", "PAR-LOC-POS").await;
        let live: Value = serde_json::from_str(&text).unwrap();
        live["live"].as_array().unwrap().iter().map(|live| live["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The first is the one that requests are proved by.
    assert_eq!(live().await, [old, new.clone()]);
    assert_eq!(location(&product, &[&rotate[..], &["--finish"]].concat(), "").await.0, 0);
    assert_eq!(live().await, [new]);
}

/// Four instances submit without a pause while `meanwhile` runs, and five orders more each; every one is placed, its answer signed
/// as it was.
async fn under_load<T>(instances: &[Parts], callers: &[(&str, &str)], meanwhile: impl Future<Output = T>) -> T {
    let over = Cell::new(false);
    let load = join_all(instances.iter().map(async |parts| {
        let mut left = 5;
        for (client_secret, shared_id) in callers.iter().cycle() {
            let answer = Box::pin(submit(parts, "IA-YC-01", "PAR-LOC-12345", &token_by(client_secret), shared_id)).await;
            assert_eq!((answer.0, answer.1["status"].as_str(), answer.2), (200, Some("placed"), true), "{answer:?}");
            left -= i32::from(over.get());
            if left == 0 {
                return;
            }
        }
    }));
    let meanwhile = async {
        let result = meanwhile.await;
        over.set(true);
        result
    };
    tokio::join!(meanwhile, load).0
}

#[tokio::test]
async fn under_load_both_secrets_are_rotated_and_nothing_is_refused_or_restarted() {
    let (product, _) = in_process().await;
    let mut instances = Vec::new();
    for _ in 0..4 {
        instances.push(fresh(&product).await);
    }
    let (old, new) = ((CLIENT_SECRET, SHARED_ID), (PAR_CLIENT_SECRET, PAR_SHARED_ID));
    let rotate = async |kind: &'static str, value: &'static [&'static str]| {
        let (code, text) = location(&product, &[&ROTATE[..], &[kind], value].concat(), "").await;
        assert_eq!(code, 0, "{text}");
    };
    let begin = async {
        rotate("client", &["--from", "env:PAR_CLIENT_SECRET"]).await;
        rotate("shared-id", &["--from", "env:PAR_SHARED_ID"]).await;
    };
    under_load(&instances, &[old], begin).await;
    // PAR's systems change one after the other.
    under_load(&instances, &[old, new, (old.0, new.1), (new.0, old.1)], async {}).await;
    let finish = async {
        rotate("client", &["--finish"]).await;
        rotate("shared-id", &["--finish"]).await;
    };
    under_load(&instances, &[new], finish).await;
    let fresh = fresh(&product).await;
    assert_eq!(submit(&fresh, "IA-YC-01", "PAR-LOC-12345", &token_by(old.0), new.1).await.0, 401, "the old one has ended");
}
