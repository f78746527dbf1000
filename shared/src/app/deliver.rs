//! Delivers one event to one subscriber: at least once, tried again for a day, and to nobody who has had enough.

use std::time::Duration;

use super::{
    METRICS,
    ports::{Clock, KeepSubscriber, PortError, SendDelivery, TellSubscriber, WebhookKeys},
    process::Turn,
    world::{Delivers, World},
};
use crate::domain::{
    policy::{DELIVERY_SEND_LIMIT, STORAGE_LIMIT},
    time::UnixMillis,
    webhook::{Delivery, Subscriber, Told},
};

/// How long a subscriber may take to answer.
pub const TELL_LIMIT: Duration = Duration::from_secs(10);
/// Once a second event is given up, a subscriber that has taken nothing for so long is switched off: one that it will never take, while
/// nothing else happens, is no reason.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(12);
/// What a turn may take: the subscriber and its keys read, the attempt, a note, a message.
const TURN: Duration = Duration::from_millis(
    TELL_LIMIT.as_millis() as u64 + 3 * STORAGE_LIMIT.as_millis() as u64 + DELIVERY_SEND_LIMIT.as_millis() as u64,
);

/// Why an attempt has failed.
struct Failure {
    reason: String,
    retry_after: Option<Duration>,
    /// The subscriber's doing, and not ours.
    theirs: bool,
}

/// The use case and its ports.
#[derive(Debug)]
pub struct Deliver<W: World> {
    /// The subscribers.
    pub subscribers: W::Subscribers,
    /// What they know us by.
    pub keys: W::Secrets,
    /// The queue of deliveries.
    pub queue: W::Deliveries,
    /// How they are told.
    pub tell: W::Webhooks,
    /// The time, and randomness.
    pub clock: W::Clock,
}

impl<W: Delivers> Deliver<W> {
    /// Takes one turn at a delivery. `remaining` is what the function's own time-out leaves.
    pub async fn deliver(&self, delivery: &Delivery, remaining: Duration) -> Turn {
        if remaining < TURN {
            return Turn::Retry("not enough of the function's time is left for a turn".to_owned());
        }
        // A message that comes back is at worst delivered twice; one that is deleted too early is lost.
        match self.turn(delivery).await {
            Ok(()) => Turn::Acknowledge,
            Err(error) => Turn::Retry(error.to_string()),
        }
    }

    async fn turn(&self, delivery: &Delivery) -> Result<(), PortError> {
        let Delivery { organization_id, subscriber: id, .. } = delivery;
        let wanted = |found: &Subscriber| found.enabled && found.wants(delivery.event.kind);
        let Some(subscriber) = self.subscribers.subscriber(organization_id, id).await?.filter(wanted) else {
            let event = &delivery.event.id;
            tracing::info!(webhook.id = event, organization.id = %organization_id, subscriber.id = %id, "dropped: its subscriber is gone, switched off, or not told of such");
            return Ok(());
        };
        let now = self.clock.now();
        if delivery.due_at > now {
            return self.queue.send_delivery(delivery, now).await;
        }
        let keys = self.keys.webhook_keys(&subscriber.secret).await;
        let told = match &keys {
            Ok(keys) => self.tell.tell(&subscriber, &delivery.event, keys, now, TELL_LIMIT).await,
            Err(error) => Told::Failed { reason: format!("its key cannot be read: {error}"), retry_after: None },
        };
        self.log(delivery, &told);
        match told {
            Told::Taken if subscriber.failing_since.is_some() => self.subscribers.works(&subscriber).await,
            Told::Taken => Ok(()),
            Told::Gone => self.switch_off(&subscriber, "it answered 410 Gone", None).await,
            Told::Failed { reason, retry_after } => {
                self.failed(delivery, &subscriber, Failure { reason, retry_after, theirs: keys.is_ok() }).await
            }
        }
    }

    async fn failed(&self, delivery: &Delivery, subscriber: &Subscriber, failure: Failure) -> Result<(), PortError> {
        let Failure { reason, retry_after, theirs } = failure;
        let now = self.clock.now();
        let again = delivery.again(now, retry_after, self.clock.random());
        let given_up = again.is_none().then_some(&delivery.event);
        // A fault of ours is none of the subscriber's: who is told of it is the log, and an alarm once a delivery is given up.
        if theirs && (subscriber.failing_since.is_none() || given_up.is_some()) {
            self.subscribers.failing(subscriber, now, given_up).await?;
        }
        if let Some(again) = again {
            return self.queue.send_delivery(&again, now).await;
        }
        tracing::info!(target: METRICS, WebhooksGivenUp = 1);
        let Subscriber { organization_id, id, .. } = subscriber;
        tracing::error!(
            webhook.id = delivery.event.id,
            organization.id = %organization_id,
            subscriber.id = %id,
            reason,
            "a delivery is given up"
        );
        let another = subscriber.given_up.as_ref().is_some_and(|event| *event != delivery.event.id);
        match subscriber.failing_since {
            Some(since) if theirs && another && now.since(since) >= GIVEN_UP_AFTER => {
                let because = format!("every delivery since {} has failed; the last: {reason}", since.rfc3339());
                self.switch_off(subscriber, &because, Some(since)).await
            }
            _ => Ok(()),
        }
    }

    async fn switch_off(&self, subscriber: &Subscriber, because: &str, since: Option<UnixMillis>) -> Result<(), PortError> {
        if self.subscribers.switch_off(subscriber, because, since).await? {
            tracing::info!(target: METRICS, WebhooksSwitchedOff = 1);
            let Subscriber { organization_id, id, .. } = subscriber;
            tracing::error!(
                alarm = "webhook_off",
                organization.id = %organization_id,
                subscriber.id = %id,
                because,
                "a subscriber is switched off"
            );
        }
        Ok(())
    }

    fn log(&self, delivery: &Delivery, told: &Told) {
        let Delivery { event, organization_id, subscriber, attempt, .. } = delivery;
        match told {
            Told::Taken => {
                tracing::info!(target: METRICS, WebhooksDelivered = 1);
                tracing::info!(webhook.id = event.id, organization.id = %organization_id, subscriber.id = %subscriber, attempt, "delivered");
            }
            Told::Gone => {
                tracing::info!(webhook.id = event.id, organization.id = %organization_id, subscriber.id = %subscriber, attempt, "answered 410");
            }
            Told::Failed { reason, .. } => {
                tracing::info!(target: METRICS, WebhooksFailed = 1);
                tracing::warn!(webhook.id = event.id, organization.id = %organization_id, subscriber.id = %subscriber, attempt, reason, "not delivered");
            }
        }
    }
}
