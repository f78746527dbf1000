//! What a process remembers grows old while it is frozen, though its monotonic clock stands still.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    pos::Pos,
    process::Process,
    relay::Seen,
    world::{Batch, LOCATION, World, body, submission_with},
};
use crate::support::{fresh_uid, order};

const AN_HOUR: Duration = Duration::from_hours(1);
const SECRET: &str = "posnext/pos/frozen";

/// Submits an order; the answer's HTTP status and body.
async fn submit(world: &World, function: &Process) -> (u64, Value) {
    let answer = function.invoke(world.submission(&order(&fresh_uid("aged"), LOCATION))).await;
    (answer["statusCode"].as_u64().unwrap(), body(&answer))
}

async fn places(world: &World, function: &Process) {
    let (code, body) = submit(world, function).await;
    assert_eq!((code, &body["status"]), (200, &"placed".into()), "{body}");
}

/// Freezes the process as Lambda does between two invocations, for an hour in which this happens.
async fn an_hour_passes(world: &World, process: &Process, meanwhile: impl Future<Output = ()>) {
    process.freeze();
    meanwhile.await;
    world.leap(AN_HOUR);
    process.thaw();
}

#[tokio::test]
async fn the_clocks_of_a_function_are_those_of_the_test() {
    let world = World::new(&[]).await;
    let [first, second] = [Pos::start(&world.wall).await, Pos::start(&world.wall).await];
    world.map(first.address, "sync", Value::Null).await;
    let (function, token) = (world.start("submit-order").await, world.token_for(AN_HOUR / 2));
    let again = || function.invoke(submission_with(&order(&fresh_uid("clocks"), LOCATION), &token));
    assert_eq!(again().await["statusCode"], 200);
    // The monotonic clock: what the directory said is read again.
    world.map(second.address, "sync", Value::Null).await;
    function.age(AN_HOUR);
    assert_eq!(again().await["statusCode"], 200);
    assert_eq!((first.meals(), second.meals()), (1, 1));
    // The wall clock: the token has ended.
    world.leap(AN_HOUR);
    assert_eq!(again().await["statusCode"], 401);
}

#[tokio::test]
async fn a_function_whose_clock_is_ten_seconds_off_aws_s_takes_no_lease() {
    let world = World::new(&[]).await;
    let pos = Pos::start(&world.wall).await;
    world.map(pos.address, "sync", Value::Null).await;
    let off = world.start_ahead("submit-order", Duration::from_secs(10)).await;
    let (code, body) = submit(&world, &off).await;
    assert_eq!((code, &body["errors"][0]["code"], pos.meals()), (503, &"temporarily_unavailable".into(), 0), "{body}");
    // Two seconds are no more than machines differ by.
    places(&world, &world.start_ahead("submit-order", Duration::from_secs(2)).await).await;
}

#[tokio::test]
async fn an_order_goes_to_the_pos_that_the_location_was_given_while_its_function_was_frozen() {
    let world = World::new(&[]).await;
    let [before, after] = [Pos::start(&world.wall).await, Pos::start(&world.wall).await];
    world.map(before.address, "sync", Value::Null).await;
    let function = world.start("submit-order").await;
    places(&world, &function).await;
    an_hour_passes(&world, &function, world.map(after.address, "sync", Value::Null)).await;
    places(&world, &function).await;
    assert_eq!((before.meals(), after.meals()), (1, 1), "the order went to the POS of an hour ago");
}

#[tokio::test]
async fn a_request_proves_itself_by_the_secret_that_was_put_while_its_function_was_frozen() {
    let world = World::new(&[]).await;
    let pos = Pos::start(&world.wall).await;
    pos.takes("the-secret-of-an-hour-ago");
    world.put_secret(SECRET, "the-secret-of-an-hour-ago").await;
    world.map(pos.address, "sync", json!({ "scheme": "bearer", "secret": SECRET })).await;
    let function = world.start("submit-order").await;
    places(&world, &function).await;
    an_hour_passes(&world, &function, world.put_secret(SECRET, "the-secret-of-now")).await;
    pos.takes("the-secret-of-now");
    let answer = submit(&world, &function).await;
    let codes: Vec<u16> = pos.puts().iter().map(|put| put.code).collect();
    assert_eq!(codes, [201, 201], "refused first: {:?}, then {answer:?}", pos.requests());
}

#[tokio::test]
async fn a_client_secret_that_ended_while_the_function_was_frozen_lets_nobody_in() {
    let world = World::new(&[]).await;
    let pos = Pos::start(&world.wall).await;
    world.map(pos.address, "sync", Value::Null).await;
    let function = world.start("submit-order").await;
    places(&world, &function).await;
    an_hour_passes(&world, &function, world.put_secret("posnext/client/par-local", "a-secret-of-now-0123456789")).await;
    assert_eq!(submit(&world, &function).await.0, 401, "a token under a Client Secret that has ended");
    assert_eq!(pos.meals(), 1);
}

#[tokio::test]
async fn an_order_is_held_to_the_menu_that_was_put_while_its_function_was_frozen() {
    let world = World::new(&[]).await;
    let pos = Pos::start(&world.wall).await;
    world.map(pos.address, "sync", Value::Null).await;
    let function = world.start("submit-order").await;
    places(&world, &function).await;
    an_hour_passes(&world, &function, world.put_menu()).await;
    let (_, body) = submit(&world, &function).await;
    assert_eq!((&body["status"], pos.meals()), (&"rejected".into(), 1), "by the menu of an hour ago: {body}");
}

/// The connections of which bytes waited, because the function has used them after they had died.
fn used(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().filter(|seen| matches!(seen, Seen::Waiting(_))).collect()
}

#[tokio::test]
async fn a_submit_is_not_sent_over_a_connection_that_died_while_its_function_was_frozen() {
    let world = World::new(&[]).await;
    let (pos, tables) = (Pos::start(&world.wall).await, world.relay_to_dynamodb());
    world.map(pos.address, "sync", Value::Null).await;
    let function = world.start_behind("submit-order", &tables).await;
    places(&world, &function).await;
    // Whatever it kept leads nowhere.
    let _dead = tables.shut();
    tables.renew();
    an_hour_passes(&world, &function, async {}).await;
    places(&world, &function).await;
    assert_eq!(used(tables.seen()), [], "a connection that had died was used");
}

#[tokio::test]
async fn a_batch_does_not_come_back_for_connections_that_died_while_the_worker_was_frozen() {
    let world = World::new(&[("POSNEXT_ORDER_DEADLINE_S", "3600")]).await;
    let (pos, tables) = (Pos::start(&world.wall).await, world.relay_to_dynamodb());
    world.map(pos.address, "async", Value::Null).await;
    let (caller, worker) = (world.start("submit-order").await, world.start_behind("process-order", &tables).await);
    let accepted = async || {
        assert_eq!(submit(&world, &caller).await.0, 202);
        world.batch().await
    };
    // Worked on at once, over several connections.
    let several = [accepted().await, accepted().await, accepted().await];
    assert_eq!(worker.invoke(together(&several)).await, json!({ "batchItemFailures": [] }));
    let _dead = tables.shut();
    tables.renew();
    an_hour_passes(&world, &worker, async {}).await;
    let one = accepted().await;
    let answer = worker.invoke(one.event.clone()).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }), "dead connections took all the time there was");
    assert_eq!((pos.meals(), used(tables.seen())), (4, vec![]));
}

/// Their records in one event.
fn together(batches: &[Batch]) -> String {
    let events = batches.iter().map(|batch| serde_json::from_str::<Value>(&batch.event).unwrap());
    let records: Vec<Value> = events.flat_map(|event| event["Records"].as_array().unwrap().clone()).collect();
    json!({ "Records": records }).to_string()
}
