//! An attempt that was given up is over: what of it has not left by then never leaves, and its connection is closed
//! before anybody reads that its outcome is unknown.

use std::time::Duration;

use serde_json::Value;

use super::{
    pos::Pos,
    relay::{At, Relay, Seen},
    world::{LOCATION, World},
};
use crate::support::{fresh_uid, order};

/// A submit is answered within two seconds, and an order may be placed for an hour.
const PATIENT: [(&str, &str); 2] = [("POSNEXT_ANSWER_DEADLINE_MS", "2000"), ("POSNEXT_ORDER_DEADLINE_S", "3600")];
/// An order may be placed for eight seconds, of which a worker gives its POS two at a time.
const HURRIED: [(&str, &str); 2] = [("POSNEXT_ANSWER_DEADLINE_MS", "2000"), ("POSNEXT_ORDER_DEADLINE_S", "8")];
/// Longer than it takes until an attempt has certainly stopped and is settled at the POS.
const SETTLED: Duration = Duration::from_secs(40);

/// An order of some 200 KB: much more than a shut relay takes in, much less than a kernel takes from a process.
pub(super) fn large_order(uid: &str) -> String {
    let note = "no onions, please. ".repeat(10_000);
    order(uid, LOCATION).replacen("{\"online_order_id\"", &format!(r#"{{"note":"{note}","online_order_id""#), 1)
}

/// Whether the function has ended each connection of which bytes waited.
fn ended(seen: &[Seen]) -> bool {
    let over = |number| seen.contains(&Seen::Reset(number)) || seen.contains(&Seen::Closed(number));
    seen.iter().filter_map(waiting).all(over)
}

fn waiting(seen: &Seen) -> Option<usize> {
    if let Seen::Waiting(number) = seen { Some(*number) } else { None }
}

pub(super) fn waits(seen: &[Seen]) -> bool {
    seen.iter().any(|seen| waiting(seen).is_some())
}

#[tokio::test]
async fn what_a_submit_has_given_up_never_leaves_when_the_network_comes_back() {
    let world = World::new(&PATIENT).await;
    let pos = Pos::start(&world.wall).await;
    let relay = Relay::to(pos.address);
    world.map(relay.address, "sync", Value::Null).await;
    let (submit, uid) = (world.start("submit-order").await, fresh_uid("given-up"));

    let gate = relay.shut();
    let answer = submit.invoke(world.submission(&large_order(&uid))).await;
    assert_eq!(answer["statusCode"], 202, "{answer}");
    assert!(waits(&relay.seen()), "the attempt was under way");
    relay.renew();
    world.leap(SETTLED);
    assert_eq!(world.carried_on_by_others(&uid).await, "placed");
    assert_eq!(pos.meals(), 1, "{:?}", pos.requests());

    gate.open();
    relay.has_seen("the end of what was given up", ended).await;
    assert_eq!(pos.meals(), 1, "a second meal: {:?}", pos.requests());
    assert_eq!(pos.puts().len(), 1, "the attempt that was given up has arrived: {:?}", pos.requests());
}

#[tokio::test]
async fn nothing_is_made_of_an_order_that_ended_errored() {
    let world = World::new(&HURRIED).await;
    let pos = Pos::start(&world.wall).await;
    let relay = Relay::to(pos.address);
    world.map(relay.address, "async", Value::Null).await;
    let (submit, uid) = (world.start("submit-order").await, fresh_uid("given-up"));
    assert_eq!(submit.invoke(world.submission(&large_order(&uid))).await["statusCode"], 202);

    let gate = relay.shut();
    let (worker, batch) = (world.start("process-order").await, world.batch().await);
    let answer = worker.invoke(batch.event.clone()).await;
    batch.done(&answer);
    assert!(waits(&relay.seen()), "the attempt was under way");
    relay.renew();
    world.leap(SETTLED);
    assert_eq!(world.carried_on_by_others(&uid).await, "errored");

    gate.open();
    relay.has_seen("the end of what was given up", ended).await;
    assert_eq!(pos.meals(), 0, "a meal of a refunded order: {:?}", pos.requests());
    assert_eq!(pos.puts(), [], "the attempt that was given up has arrived");
}

/// Freezes a function when it says what its attempt came to, and looks whether the attempt's connection is gone by
/// then.
async fn the_connection_is_gone_before_its_outcome_is_told(function: &str) {
    let world = World::new(&HURRIED).await;
    let pos = Pos::start(&world.wall).await;
    let (relay, tables) = (Relay::to(pos.address), world.relay_to_dynamodb());
    let process = world.start_behind(function, &tables).await;
    let uid = fresh_uid("order");
    let (event, _batch) = if function == "submit-order" {
        world.map(relay.address, "sync", Value::Null).await;
        (world.submission(&large_order(&uid)), None)
    } else {
        world.map(relay.address, "async", Value::Null).await;
        let submit = world.start("submit-order").await;
        assert_eq!(submit.invoke(world.submission(&large_order(&uid))).await["statusCode"], 202);
        let batch = world.batch().await;
        (batch.event.clone(), Some(batch))
    };

    relay.shut();
    let answering = process.begin(event);
    relay.has_seen("the attempt", waits).await;
    // It calls nobody while it waits for the POS: the next call is the one that tells.
    let gate = tables.freeze_at(At::Call, "DynamoDB_", &process);
    tables.has_seen("what the attempt came to", |seen| seen.iter().any(|seen| matches!(seen, Seen::Sprung(_)))).await;
    // The process can do nothing any more; what it did before is here in a moment.
    let reset = |seen: &[Seen]| seen.iter().any(|seen| matches!(seen, Seen::Reset(_)));
    assert!(relay.sees_at_once(reset).await, "the attempt's connection is still there: {:?}", relay.seen());
    assert_eq!(world.status(&uid).await, "pending");
    gate.open();
    process.thaw();
    super::in_time("the function's answer", answering).await.unwrap();
}

#[tokio::test]
async fn submit_closes_an_attempts_connection_before_it_says_that_the_outcome_is_unknown() {
    the_connection_is_gone_before_its_outcome_is_told("submit-order").await;
}

#[tokio::test]
async fn a_worker_closes_an_attempts_connection_before_it_says_that_the_outcome_is_unknown() {
    the_connection_is_gone_before_its_outcome_is_told("process-order").await;
}
