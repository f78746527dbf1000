//! SQS batches: each record is parsed and worked on alone, all at once, and only what failed comes back.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{FutureExt, future::join_all};

use posnext_shared::app::{
    ports::{Aside, Clock, Directory, OrderMessage, Pos, ReadOrder, SaveOrder, Secrets, SendOrder, SetAside, TakeOrder},
    process::{Process, Turn},
};

/// Reads a message's body; the reason if it can never be worked on.
pub type Parse = fn(&str) -> Result<OrderMessage, String>;

/// The consumer.
#[derive(Debug)]
pub struct Consumer<O, Q, P, D, S, C> {
    /// What happens with a message.
    pub process: Process<O, Q, P, D, C>,
    /// How it is read.
    pub parse: Parse,
    /// What the POS knows us by, kept fresh.
    pub secrets: S,
}

impl<O, Q, P, D, S, C> Consumer<O, Q, P, D, S, C>
where
    O: ReadOrder + SaveOrder + TakeOrder,
    Q: SendOrder + SetAside,
    P: Pos,
    D: Directory,
    S: Secrets,
    C: Clock,
{
    /// Works on a batch. `remaining` is what the function's own time-out leaves.
    pub async fn handle(&self, event: SqsEvent, remaining: Duration) -> SqsBatchResponse {
        let worked = batch(&event, |record| self.turn(record, remaining));
        tokio::join!(worked, self.secrets.refresh_stale()).0
    }

    async fn turn(&self, record: &SqsMessage, remaining: Duration) -> Turn {
        let body = record.body.as_deref().unwrap_or_default();
        match (self.parse)(body) {
            Ok(message) => self.process.process(&message, remaining).await,
            Err(reason) => {
                tracing::error!(alarm = "poison", message.id = record.message_id, reason, "a message is put aside");
                self.process.aside(Aside::Body(body), &reason).await
            }
        }
    }
}

/// Works on each message of a batch by itself, all at once; what failed is left to come back.
pub(super) async fn batch<'a, F: Future<Output = Turn>>(
    event: &'a SqsEvent,
    turn: impl Fn(&'a SqsMessage) -> F,
) -> SqsBatchResponse {
    let turns = event.records.iter().map(|record| {
        let turn = AssertUnwindSafe(turn(record)).catch_unwind();
        async move {
            match turn.await {
                Ok(Turn::Acknowledge | Turn::SetAside) => None,
                Ok(Turn::Retry(reason)) => {
                    tracing::error!(message.id = record.message_id, reason, "a message is left to come back");
                    Some(record)
                }
                Err(_) => {
                    tracing::error!(alarm = "panic", message.id = record.message_id, "working on a message panicked");
                    Some(record)
                }
            }
        }
    });
    let mut response = SqsBatchResponse::default();
    for failed in join_all(turns).await.into_iter().flatten() {
        // An empty id makes Lambda retry the whole batch, which is safe, if a record should ever come without one.
        response.add_failure(failed.message_id.clone().unwrap_or_default());
    }
    response
}
