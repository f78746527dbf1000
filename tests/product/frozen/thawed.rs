//! A process that stood still while the wall clock went on: what it was about to do when it was frozen is somebody
//! else's by then.

use std::time::Duration;

use serde_json::Value;

use super::{
    given_up::{large_order, waits},
    in_time,
    pos::Pos,
    relay::{At, Relay, Seen},
    world::{LOCATION, World, body},
};
use crate::support::{fresh_uid, order};

/// An order may be placed for an hour, so that no deadline keeps a function from placing it once more.
const SETTINGS: [(&str, &str); 2] = [("POSNEXT_ORDER_DEADLINE_S", "3600"), ("POSNEXT_ANSWER_DEADLINE_MS", "5000")];
/// So long that no lease outlives it, and an attempt is settled at the POS.
const FROZEN: Duration = Duration::from_mins(40);

fn sprung(seen: &[Seen]) -> bool {
    seen.iter().any(|seen| matches!(seen, Seen::Sprung(_)))
}

/// What the function answers after its thaw.
async fn answers(answering: tokio::task::JoinHandle<Value>) -> Value {
    in_time("the function's answer after its thaw", answering).await.unwrap()
}

#[tokio::test]
async fn a_submit_frozen_while_its_claim_was_answered_places_nothing_after_its_lease() {
    let world = World::new(&SETTINGS).await;
    let (pos, tables) = (Pos::start(&world.wall).await, world.relay_to_dynamodb());
    world.map(pos.address, "sync", Value::Null).await;
    let (submit, uid) = (world.start_behind("submit-order", &tables).await, fresh_uid("thawed"));

    let gate = tables.freeze_at(At::Answer, "TransactWriteItems", &submit);
    let answering = submit.begin(world.submission(&order(&uid, LOCATION)));
    tables.has_seen("the claim's answer", sprung).await;
    assert_eq!((world.status(&uid).await.as_str(), pos.puts().len()), ("pending", 0));
    world.leap(FROZEN);
    assert_eq!(world.carried_on_by_others(&uid).await, "placed");
    assert_eq!(pos.meals(), 1, "{:?}", pos.requests());

    gate.open();
    submit.thaw();
    let answer = answers(answering).await;
    assert_eq!(pos.puts().len(), 1, "placed once more after the thaw: {:?}", pos.requests());
    assert_eq!(pos.meals(), 1);
    assert_eq!((&answer["statusCode"], &body(&answer)["status"]), (&200.into(), &"placed".into()), "{answer}");
}

#[tokio::test]
async fn a_worker_frozen_while_it_took_its_lease_places_nothing_after_it() {
    let world = World::new(&SETTINGS).await;
    let (pos, tables) = (Pos::start(&world.wall).await, world.relay_to_dynamodb());
    world.map(pos.address, "async", Value::Null).await;
    let (submit, uid) = (world.start("submit-order").await, fresh_uid("thawed"));
    assert_eq!(submit.invoke(world.submission(&order(&uid, LOCATION))).await["statusCode"], 202);

    let (worker, batch) = (world.start_behind("process-order", &tables).await, world.batch().await);
    let gate = tables.freeze_at(At::Answer, "UpdateItem", &worker);
    let answering = worker.begin(batch.event.clone());
    tables.has_seen("the answer to the taking of the lease", sprung).await;
    assert_eq!((&world.poll(&uid).await["processing"]["stage"], pos.puts().len()), (&"placing".into(), 0));
    world.leap(FROZEN);
    assert_eq!(world.carried_on_by_others(&uid).await, "placed");
    assert_eq!(pos.meals(), 1, "{:?}", pos.requests());

    gate.open();
    worker.thaw();
    batch.done(&answers(answering).await);
    assert_eq!(pos.puts().len(), 1, "placed once more after the thaw: {:?}", pos.requests());
    assert_eq!((pos.meals(), world.status(&uid).await.as_str()), (1, "placed"));
}

#[tokio::test]
async fn nothing_is_made_of_what_was_half_sent_when_its_sender_was_frozen() {
    let world = World::new(&SETTINGS).await;
    let pos = Pos::start(&world.wall).await;
    let relay = Relay::to(pos.address);
    world.map(relay.address, "sync", Value::Null).await;
    let (submit, uid) = (world.start("submit-order").await, fresh_uid("thawed"));

    let gate = relay.shut();
    let answering = submit.begin(world.submission(&large_order(&uid)));
    relay.has_seen("the first bytes of the attempt", waits).await;
    submit.freeze();
    relay.renew();
    world.leap(FROZEN);
    assert_eq!(world.carried_on_by_others(&uid).await, "placed");
    assert_eq!(pos.meals(), 1, "{:?}", pos.requests());

    gate.open();
    submit.thaw();
    answers(answering).await;
    // Its rest may arrive; a POS that is told until when it may make a meal of it makes none.
    assert_eq!(pos.meals(), 1, "a second meal: {:?}", pos.requests());
    assert_eq!(world.status(&uid).await, "placed");
}
