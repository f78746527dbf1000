//! Webhooks by the Standard Webhooks scheme (<https://www.standardwebhooks.com>): who is told of which ends of orders, how it is signed,
//! and when it is tried again.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ids::{OrderKey, ParId, SubscriberId},
    record::{OrderRecord, Outcome, State},
    status::OrderError,
    time::{UnixMillis, millis},
};

/// What subscribers are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// An order is in the POS.
    #[serde(rename = "order.placed")]
    Placed,
    /// An order was refused.
    #[serde(rename = "order.rejected")]
    Rejected,
    /// An order was not placed, because of us or the POS.
    #[serde(rename = "order.errored")]
    Errored,
    /// Nothing has happened: an operator tries a subscriber.
    #[serde(rename = "webhook.test")]
    Test,
}

impl EventKind {
    /// Those of orders.
    pub const OF_ORDERS: [Self; 3] = [Self::Placed, Self::Rejected, Self::Errored];

    /// The name, as `type` of the payload has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "order.placed",
            Self::Rejected => "order.rejected",
            Self::Errored => "order.errored",
            Self::Test => "webhook.test",
        }
    }
}

/// Who is told, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Whose orders it is told of.
    pub organization_id: ParId,
    /// Its name.
    pub id: SubscriberId,
    /// Where it is told: https.
    pub url: String,
    /// Name of the secret that holds the live keys; each of them signs.
    pub secret: String,
    /// What it is told of.
    pub events: Vec<EventKind>,
    /// `false`: it is told nothing.
    pub enabled: bool,
    /// Why it was switched off, if that was not a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_because: Option<String>,
    /// Since when no delivery to it has succeeded, if the last one has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<UnixMillis>,
    /// The first event whose delivery was given up since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
}

impl Subscriber {
    /// Whether it is told of such events.
    #[must_use]
    pub fn wants(&self, kind: EventKind) -> bool {
        kind == EventKind::Test || self.events.contains(&kind)
    }
}

/// What happened, the same for every subscriber and every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `webhook-id`: by which a receiver knows that it has it already.
    pub id: String,
    /// What kind.
    pub kind: EventKind,
    /// The payload, to the byte.
    pub body: String,
}

#[derive(Serialize)]
struct Payload<'a, T> {
    r#type: EventKind,
    timestamp: String,
    data: &'a T,
}

/// What is said of an order: ids and the outcome, nothing of its customer.
#[derive(Serialize)]
struct OrderData<'a> {
    request_uid: &'a str,
    tenant: &'a str,
    organization_id: &'a ParId,
    location_id: &'a ParId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pos_order_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [OrderError],
    accepted_at: String,
    attempts: u32,
}

impl Event {
    /// The event of an order's end; `None` while it is open. Made twice it is the same.
    #[must_use]
    pub fn of(record: &OrderRecord) -> Option<Self> {
        let State::Final(end) = &record.state else { return None };
        let (kind, pos_order_id, errors): (_, _, &[OrderError]) = match &end.outcome {
            Outcome::Placed { pos_order_id } => (EventKind::Placed, Some(pos_order_id.as_str()), &[]),
            Outcome::Rejected(errors) => (EventKind::Rejected, None, errors),
            Outcome::Errored(errors) => (EventKind::Errored, None, errors),
        };
        let OrderKey { tenant, request_uid } = &record.key;
        let data = OrderData {
            request_uid: request_uid.as_str(),
            tenant: tenant.as_str(),
            organization_id: record.order.organization_id(),
            location_id: record.order.location_id(),
            status: record.status().as_str(),
            pos_order_id,
            errors,
            accepted_at: record.accepted_at.rfc3339(),
            attempts: record.attempts,
        };
        let at = record.history.last().map_or(record.accepted_at, |change| change.at);
        Some(Self::new(&format!("{}|{}", record.key, kind.as_str()), kind, at, &data))
    }

    /// An event by which a subscriber is tried.
    #[must_use]
    pub fn test(fresh_id: &str, subscriber: &Subscriber, now: UnixMillis) -> Self {
        #[derive(Serialize)]
        struct TestData<'a> {
            organization_id: &'a ParId,
            subscriber: &'a SubscriberId,
        }
        let data = TestData { organization_id: &subscriber.organization_id, subscriber: &subscriber.id };
        Self::new(fresh_id, EventKind::Test, now, &data)
    }

    /// `about` makes the id. That holds no full stop, which ends it in what is signed.
    fn new(about: &str, kind: EventKind, at: UnixMillis, data: &impl Serialize) -> Self {
        let hash = hex::encode(Sha256::digest(about));
        let body = serde_json::to_string(&Payload { r#type: kind, timestamp: at.rfc3339(), data }).unwrap_or_default();
        // What a POS says may hold these, JSON takes them as they are, and SQS refuses them (AWS: SendMessage).
        let body = body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        Self { id: format!("msg_{}", hash.get(..32).unwrap_or_default()), kind, body }
    }
}

/// A key that signs (Standard Webhooks: symmetric).
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKey(Vec<u8>);

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey")
    }
}

impl WebhookKey {
    /// What stands before the base64 of a key.
    pub const PREFIX: &str = "whsec_";

    /// A key as it is handed out: `whsec_` and the base64 of 24 to 64 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(Self::PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// `v1,` and the base64 of HMAC-SHA256 over id, time and body.
    fn sign(&self, id: &str, seconds: i64, body: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// `webhook-signature`: one signature of each live key, so that a receiver may change from one to the next when it likes.
#[must_use]
pub fn signatures(keys: &[WebhookKey], event: &Event, now: UnixMillis) -> String {
    let signed: Vec<String> = keys.iter().filter_map(|key| key.sign(&event.id, now.seconds(), &event.body)).collect();
    signed.join(" ")
}

/// One event on its way to one subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What happened.
    pub event: Event,
    /// Whose subscriber.
    pub organization_id: ParId,
    /// Which.
    pub subscriber: SubscriberId,
    /// The attempt that comes next, from 1.
    pub attempt: u32,
    /// When it may be made.
    pub due_at: UnixMillis,
    /// When the first was made; before that, when it was due.
    pub first_at: UnixMillis,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It has it: 2xx.
    Taken,
    /// It wants nothing any more: 410.
    Gone,
    /// Anything else.
    Failed {
        /// Why, without a word of what was answered.
        reason: String,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
}

/// The pauses between the attempts: nine in a day. Each is shortened by up to a fifth at random, so that what failed together does not
/// come back together.
pub const PAUSES: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(4),
    Duration::from_hours(8),
    Duration::from_hours(9),
];

/// No attempt is made later than this after the first; of pauses that are not shortened it is the sum, and a little.
pub const LAST_ATTEMPT: Duration = Duration::from_hours(24);

impl Delivery {
    /// The first delivery of an event.
    #[must_use]
    pub fn first(event: Event, subscriber: &Subscriber, now: UnixMillis) -> Self {
        let Subscriber { organization_id, id, .. } = subscriber;
        let (organization_id, subscriber) = (organization_id.clone(), id.clone());
        Self { event, organization_id, subscriber, attempt: 1, due_at: now, first_at: now }
    }

    /// The attempt after the one that has just failed; `None` if that was the last. A `Retry-After` that is longer than the pause counts,
    /// up to the end of the day.
    #[must_use]
    pub fn again(&self, now: UnixMillis, retry_after: Option<Duration>, random: u64) -> Option<Self> {
        let pause = PAUSES.get(usize::try_from(self.attempt).ok()?.checked_sub(1)?)?;
        let shorter = millis(*pause) / 5 * i64::try_from(random % 1_000).unwrap_or(0) / 1_000;
        // The day begins with the first attempt, however long that has waited.
        let first_at = if self.attempt == 1 { now } else { self.first_at };
        let (soonest, latest) = (now.plus(*pause).0 - shorter, first_at.plus(LAST_ATTEMPT));
        let asked = retry_after.map_or(soonest, |asked| now.plus(asked).0);
        let due_at = UnixMillis(soonest.max(asked)).min(latest);
        (due_at > now).then(|| Self { attempt: self.attempt + 1, due_at, first_at, ..self.clone() })
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
