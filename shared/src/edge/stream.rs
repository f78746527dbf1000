//! The stream of the orders table: every change of an order, one after the other, on its way to those who want to know. Nothing here
//! can hold up an order.

use std::panic::AssertUnwindSafe;

use aws_lambda_events::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use futures_util::FutureExt;

use crate::{
    app::{
        announce::Announce,
        ports::{Clock, Directory, ListSubscribers, ListWatchers, PortError, Push, Secrets, SendDelivery},
        watch::TellWatchers,
    },
    domain::record::OrderRecord,
};

/// The order that a change has left; nothing for what is no order any more, or only a second name of one.
pub type Changed = fn(&EventRecord) -> Result<Option<OrderRecord>, PortError>;

/// The reader of the stream.
#[derive(Debug)]
pub struct Stream<L, Q, K, P, D, S, C> {
    /// How a change is read.
    pub changed: Changed,
    /// Who is told of an order's end, where anybody can be.
    pub announce: Option<Announce<L, Q, C>>,
    /// Who watches orders, where anybody can.
    pub watchers: Option<TellWatchers<K, P, D, S, C>>,
}

impl<L, Q, K, P, D, S, C> Stream<L, Q, K, P, D, S, C>
where
    L: ListSubscribers,
    Q: SendDelivery,
    K: ListWatchers,
    P: Push,
    D: Directory,
    S: Secrets,
    C: Clock,
{
    /// Works on a batch in its order, up to the first change that has to come again; Lambda sends the rest from there.
    pub async fn handle(&self, event: Event) -> DynamoDbEventResponse {
        let mut response = DynamoDbEventResponse::default();
        for record in &event.records {
            let told = match AssertUnwindSafe(self.tell(record)).catch_unwind().await {
                Ok(told) => told,
                Err(_) => {
                    tracing::error!(
                        alarm = "panic",
                        event.id = record.event_id,
                        "working on a change panicked; it is passed over"
                    );
                    Ok(())
                }
            };
            match told {
                Ok(()) => {}
                // It would be no better the next time, and all that comes after it would wait.
                Err(PortError::Corrupt(reason)) => {
                    tracing::error!(alarm = "unreadable", event.id = record.event_id, reason, "a change is passed over");
                }
                Err(PortError::Unavailable(reason)) => {
                    tracing::error!(event.id = record.event_id, reason, "a change is left to come back");
                    // Without a number Lambda sends the whole batch again, which is safe.
                    let mut failure = DynamoDbBatchItemFailure::default();
                    failure.item_identifier = Some(record.change.sequence_number.clone().unwrap_or_default());
                    response.batch_item_failures.push(failure);
                    return response;
                }
            }
        }
        response
    }

    async fn tell(&self, record: &EventRecord) -> Result<(), PortError> {
        let Some(order) = (self.changed)(record)? else { return Ok(()) };
        let announced = match &self.announce {
            Some(announce) => announce.announce(&order).await,
            None => Ok(()),
        };
        // Neither keeps the other from hearing of it.
        let told = match &self.watchers {
            Some(watchers) => watchers.tell(&order).await,
            None => Ok(()),
        };
        announced.and(told)
    }
}
