//! Makes a delivery for each subscriber of an order that has ended. It knows the order from the table's stream: off the path of every
//! answer.

use super::{
    METRICS,
    ports::{Clock, ListSubscribers, PortError, SendDelivery},
    world::{Announces, World},
};
use crate::domain::{
    record::OrderRecord,
    webhook::{Delivery, Event, Subscriber},
};

/// The use case and its ports.
#[derive(Debug)]
pub struct Announce<W: World> {
    /// Who is told.
    pub subscribers: W::Subscribers,
    /// The queue of deliveries.
    pub queue: W::Deliveries,
    /// The time.
    pub clock: W::Clock,
}

impl<W: Announces> Announce<W> {
    /// Sends a delivery to each subscriber that wants it. A change that is announced again is delivered again, under the same id.
    ///
    /// # Errors
    /// [`PortError`]: the change must be announced again.
    pub async fn announce(&self, record: &OrderRecord) -> Result<(), PortError> {
        let Some(event) = Event::of(record) else { return Ok(()) };
        let now = self.clock.now();
        for subscriber in self.subscribers.subscribers(record.order.organization_id()).await? {
            if subscriber.enabled && subscriber.wants(event.kind) {
                self.queue.send_delivery(&Delivery::first(event.clone(), &subscriber, now), now).await?;
                tracing::info!(target: METRICS, WebhooksAnnounced = 1);
                let Subscriber { organization_id, id, .. } = &subscriber;
                tracing::info!(order.key = %record.key, webhook.id = event.id, organization.id = %organization_id, subscriber.id = %id, "an end is announced");
            }
        }
        Ok(())
    }
}
