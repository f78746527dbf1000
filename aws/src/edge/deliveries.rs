//! The queue of deliveries to webhooks' subscribers.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

use super::queue::batch;
use posnext_shared::{
    app::{
        deliver::Deliver,
        ports::Secrets,
        process::Turn,
        world::{Delivers, World},
    },
    domain::webhook::Delivery,
};

/// The consumer.
#[derive(Debug)]
pub struct Deliveries<W: World> {
    /// What happens with a delivery.
    pub deliver: Deliver<W>,
    /// How its message is read; the reason if it can never be worked on.
    pub parse: fn(&str) -> Result<Delivery, String>,
}

impl<W: Delivers + World<Secrets: Secrets>> Deliveries<W> {
    /// Works on a batch. `remaining` is what the function's own time-out leaves.
    pub async fn handle(&self, event: SqsEvent, remaining: Duration) -> SqsBatchResponse {
        let worked = batch(&event, |record| self.turn(record, remaining));
        tokio::join!(worked, self.deliver.keys.refresh_stale()).0
    }

    async fn turn(&self, record: &SqsMessage, remaining: Duration) -> Turn {
        match (self.parse)(record.body.as_deref().unwrap_or_default()) {
            Ok(delivery) => self.deliver.deliver(&delivery, remaining).await,
            // The queue itself puts aside what comes back too often.
            Err(reason) => Turn::Retry(reason),
        }
    }
}
