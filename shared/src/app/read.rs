//! Reads an order for a poll, and hands it off again if it has stopped moving. It can write nothing else.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    heal::heal,
    ports::{PortError, ReadOrder},
    world::{Reads, World},
};
use crate::domain::{
    ids::OrderKey,
    record::{Alias, OrderRecord, Row},
};

/// The use case and its ports.
#[derive(Debug)]
pub struct Read<W: World> {
    /// The table.
    pub orders: W::Orders,
    /// The queue, to hand off again.
    pub queue: W::Queue,
    /// The time.
    pub clock: W::Clock,
}

/// Between two looks at an order that is waited for. Each costs a consistent read.
const PAUSE: Duration = Duration::from_secs(1);

/// An order, and the second name it was asked for by.
pub type Found = (OrderRecord, Option<Alias>);

impl<W: Reads> Read<W> {
    /// The order under a key; `None` if there is none.
    ///
    /// # Errors
    /// [`PortError`] when nothing can be said.
    pub async fn read(&self, key: &OrderKey) -> Result<Option<Found>, PortError> {
        let found = match self.orders.read(key).await? {
            Some(Row::Order(record)) => Some((*record, None)),
            Some(Row::Alias(alias)) => match self.orders.read(&alias.owner).await? {
                Some(Row::Order(record)) => Some((*record, Some(alias))),
                _ => None,
            },
            None => None,
        };
        if let Some((record, _)) = &found
            && let Err(error) = heal(&self.orders, &self.queue, record, &self.clock).await
        {
            tracing::error!(order.key = %record.key, %error, "could not hand off again an order that had stopped");
        }
        Ok(found)
    }

    /// The order under a key once it is another than this version of it, or `limit` is over; `None` if it is gone. One that is final does
    /// not change any more.
    pub async fn changed(&self, key: &OrderKey, from: Found, limit: Duration) -> Option<Found> {
        let (began, version) = (Instant::now(), from.0.version);
        let mut found = Some(from);
        while let Some((record, _)) = &found
            && record.open().is_some()
            && record.version == version
            && began.elapsed() < limit
        {
            sleep(PAUSE.min(limit.saturating_sub(began.elapsed()))).await;
            match self.read(key).await {
                Ok(now) => found = now,
                // What was read before is an answer, too.
                Err(error) => tracing::warn!(order.key = %key, %error, "an order that is waited for could not be read"),
            }
        }
        found
    }
}
