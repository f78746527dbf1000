//! The local Lambda's manners, with the functions' own binaries: a process is frozen while it has nothing to do and past its
//! time-out, and what it says of an invocation that is over is refused.

use std::time::Duration;

use posnext_proofs::lambda::{Event, Failure};
use serde_json::Value;

use super::{
    pos::Pos,
    relay::{At, Seen},
    world::{LOCATION, World, body},
};
use crate::support::{fresh_uid, order, until};

/// Much less than a function has.
const SHORT: Duration = Duration::from_millis(700);

#[tokio::test]
async fn a_function_stands_still_while_it_has_nothing_to_do() {
    let world = World::new(&[]).await;
    let pos = Pos::start(&world.wall).await;
    world.map(pos.address, "sync", Value::Null).await;
    let submit = world.start("submit-order").await;
    for _ in 0..2 {
        assert_eq!(submit.invoke(world.submission(&order(&fresh_uid("still"), LOCATION))).await["statusCode"], 200);
        until(Duration::from_secs(10), "it stands still", async || submit.stands_still().then_some(())).await;
    }
}

#[tokio::test]
async fn what_a_late_function_says_when_it_is_thawed_is_not_the_answer_of_the_next_order() {
    let world = World::new(&[]).await;
    let (pos, tables) = (Pos::start(&world.wall).await, world.relay_to_dynamodb());
    world.map(pos.address, "sync", Value::Null).await;
    let submit = world.start_behind("submit-order", &tables).await;
    let [late, next] = [fresh_uid("late"), fresh_uid("next")];
    let gate = tables.freeze_at(At::Answer, "TransactWriteItems", &submit);
    let answer = submit.invoke_for(world.submission(&order(&late, LOCATION)), SHORT).await;
    assert!(matches!(answer, Err(Failure::TimedOut(_))), "{answer:?}");
    assert!(tables.seen().iter().any(|seen| matches!(seen, Seen::Sprung(_))) && submit.stands_still());
    gate.open();
    // Handed another order, it finishes the late one first.
    let answer = submit.invoke_for(world.submission(&order(&next, LOCATION)), Duration::from_secs(15)).await.unwrap();
    assert_eq!((&answer["statusCode"], &body(&answer)["request_uid"]), (&200.into(), &next.as_str().into()), "{answer}");
    assert_eq!((submit.stale().await, world.status(&late).await.as_str()), (1, "placed"));
    assert_eq!(pos.meals(), 2);
}

#[tokio::test]
async fn a_message_carries_the_chain_of_who_sent_it_to_the_function_that_it_invokes() {
    let world = World::new(&[]).await;
    let pos = Pos::start(&world.wall).await;
    world.map(pos.address, "async", Value::Null).await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=a87bd80c:1|68fd508a:5";
    let submit = world.start("submit-order").await;
    let event = Event { trace: Some(trace.to_owned()), ..world.submission(&order(&fresh_uid("chain"), LOCATION)).into() };
    assert_eq!(submit.invoke_for(event, Duration::from_secs(15)).await.unwrap()["statusCode"], 202);
    let event: Value = serde_json::from_str(&world.batch().await.event).unwrap();
    assert_eq!(event["Records"][0]["attributes"]["AWSTraceHeader"], trace, "{event}");
}
