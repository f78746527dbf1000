//! What process-order is invoked with. SQS batches: each record is parsed and worked on alone, all at once, and only what
//! failed comes back. And what a person wants done with one order.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{FutureExt, future::join_all};
use serde::{Deserialize, Serialize};

use posnext_shared::{
    app::{
        ports::{Aside, OrderMessage, Secrets},
        process::{Process, Turn},
        world::{Processes, World},
    },
    domain::by_hand::{Granted, Wish},
};

/// A batch of the queue, or what a person wants: Lambda's event source mapping sends the one, `posnext admin` the other.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Invocation {
    /// The batch.
    #[serde(rename = "Records", skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<SqsMessage>>,
    /// What a person wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
}

/// What either is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// What failed of the batch.
    Batch(SqsBatchResponse),
    /// What came of the wish.
    Granted(Granted),
}

/// Reads a message's body; the reason if it can never be worked on.
pub type Parse = fn(&str) -> Result<OrderMessage, String>;

/// The consumer.
#[derive(Debug)]
pub struct Consumer<W: World> {
    /// What happens with a message.
    pub process: Process<W>,
    /// How it is read.
    pub parse: Parse,
    /// What the POS knows us by, kept fresh.
    pub secrets: W::Secrets,
}

impl<W: Processes + World<Secrets: Secrets>> Consumer<W> {
    /// Does what it is invoked for. `remaining` is what the function's own time-out leaves.
    ///
    /// # Errors
    /// A sentence where it is neither a batch nor a wish.
    pub async fn invoke(&self, invocation: Invocation, remaining: Duration) -> Result<Answer, String> {
        match invocation {
            // On the heap: a batch would carry the room for it as well.
            Invocation { wish: Some(wish), .. } => Ok(Answer::Granted(Box::pin(self.process.grant(wish, remaining)).await)),
            Invocation { records: Some(records), wish: None } => {
                let mut event = SqsEvent::default();
                event.records = records;
                Ok(Answer::Batch(self.handle(event, remaining).await))
            }
            Invocation { records: None, wish: None } => Err("the event is neither a batch of messages nor a wish".to_owned()),
        }
    }

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
