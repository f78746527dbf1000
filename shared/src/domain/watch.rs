//! Watching over a WebSocket: what can be watched, and what a watcher says and is told.

use serde::{Deserialize, Serialize};

use super::{
    ids::{ParId, RequestUid, Tenant},
    json_text::{readable, without_mark},
    record::OrderRecord,
    status::OrderStatus,
};

/// Topics of one connection.
pub const MOST_TOPICS: usize = 100;

/// What is sent to a connection is one frame, and API Gateway passes none of more than 32 KB; an order that would make one is read by GET.
const LARGEST_ORDER: usize = 28 * 1024;

/// What can be watched, as a watcher names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Topic {
    /// One order.
    Order {
        /// PAR's id of it. It need not be there yet.
        order: RequestUid,
    },
    /// All orders of a location.
    Location {
        /// PAR's OrganizationId.
        organization_id: ParId,
        /// PAR's LocationId.
        location_id: ParId,
    },
}

impl Topic {
    /// The name under which those who watch it for a tenant are found. A tenant holds no `#`.
    #[must_use]
    pub fn name(&self, tenant: &Tenant) -> String {
        match self {
            Self::Order { order } => format!("order#{tenant}#{order}"),
            Self::Location { organization_id, location_id } => format!("location#{tenant}#{organization_id}|{location_id}"),
        }
    }

    /// The topics that an order belongs to.
    #[must_use]
    pub fn of(record: &OrderRecord) -> [Self; 2] {
        let location = Self::Location {
            organization_id: record.order.organization_id().clone(),
            location_id: record.order.location_id().clone(),
        };
        [Self::Order { order: record.key.request_uid.clone() }, location]
    }
}

/// What a watcher says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Tell me of it.
    Subscribe(Topic),
    /// Tell me no more.
    Unsubscribe(Topic),
    /// Are you there? Any message keeps a connection open.
    Ping,
}

impl Wish {
    /// Reads a message.
    ///
    /// # Errors
    /// A sentence that says what a message must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        const SHAPE: &str = r#"send {"action":"subscribe","order":"..."} or {"action":"subscribe","organization_id":"...","location_id":"..."}, "unsubscribe" likewise, or {"action":"ping"}"#;
        let mut message: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&readable(without_mark(text))).map_err(|_| SHAPE.to_owned())?;
        let action = message.remove("action");
        let topic = || serde_json::from_value(message.into()).map_err(|_| SHAPE.to_owned());
        match action.as_ref().and_then(|action| action.as_str()) {
            Some("subscribe") => Ok(Self::Subscribe(topic()?)),
            Some("unsubscribe") => Ok(Self::Unsubscribe(topic()?)),
            Some("ping") => Ok(Self::Ping),
            _ => Err(SHAPE.to_owned()),
        }
    }
}

/// An order as it stands, as a watcher is told.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    request_uid: RequestUid,
    organization_id: ParId,
    location_id: ParId,
    status: OrderStatus,
    /// Grows with each change; one that comes late, or again, is known by it.
    version: u64,
    /// The body of a GET, unless it is too large for a message. A reader that takes no half of a surrogate pair must
    /// not miss the change: such is U+FFFD in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Box<serde_json::value::RawValue>>,
    /// `x-pch-digest` of that GET.
    digest: String,
}

impl Change {
    /// `answer`: the body of a GET of this order; `digest`: its signature.
    #[must_use]
    pub fn new(record: &OrderRecord, answer: String, digest: String) -> Self {
        let order = Some(readable(&answer).into_owned()).filter(|answer| answer.len() <= LARGEST_ORDER);
        Self {
            request_uid: record.key.request_uid.clone(),
            organization_id: record.order.organization_id().clone(),
            location_id: record.order.location_id().clone(),
            status: record.status(),
            version: record.version,
            order: order.and_then(|answer| serde_json::value::RawValue::from_string(answer).ok()),
            digest,
        }
    }
}

/// What a watcher is told.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Said {
    /// Each change from now on is told; this is how it stands.
    Subscribed {
        /// Of what.
        topic: Topic,
        /// The order as it stands, where one was asked for and is there.
        #[serde(skip_serializing_if = "Option::is_none")]
        change: Option<Change>,
    },
    /// No change is told any more.
    Unsubscribed {
        /// Of what.
        topic: Topic,
    },
    /// Yes.
    Pong,
    /// An order has changed.
    Change(Change),
    /// It was not done.
    Error {
        /// Why, and what to do.
        message: String,
    },
}

impl Said {
    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Topic {
        Topic::Order { order: RequestUid::new("u-1").unwrap() }
    }

    fn location() -> Topic {
        Topic::Location { organization_id: ParId::new("O").unwrap(), location_id: ParId::new("L #1").unwrap() }
    }

    #[test]
    fn a_wish_names_an_order_or_a_location() {
        for (text, wish) in [
            (r#"{"action":"subscribe","order":"u-1"}"#, Wish::Subscribe(order())),
            (r#"{"action":"subscribe","organization_id":"O","location_id":"L #1"}"#, Wish::Subscribe(location())),
            (r#"{"action":"unsubscribe","order":"u-1"}"#, Wish::Unsubscribe(order())),
            (r#"{"action":"ping"}"#, Wish::Ping),
            ("\u{feff}{\"action\":\"ping\",\"note\":\"\\ud83d\"}", Wish::Ping),
        ] {
            assert_eq!(Wish::parse(text), Ok(wish), "{text}");
        }
        for bad in [
            "",
            "[]",
            "ping",
            r#"{"action":"dance"}"#,
            r#"{"action":"subscribe"}"#,
            r#"{"action":"subscribe","order":"a/b"}"#,
            r#"{"action":"subscribe","order":"u-1","location_id":"L"}"#,
            r#"{"action":"subscribe","location_id":"L"}"#,
            r#"{"action":"subscribe","organization_id":"O|P","location_id":"L"}"#,
        ] {
            assert!(Wish::parse(bad).unwrap_err().starts_with(r#"send {"action":"subscribe""#), "{bad}");
        }
    }

    #[test]
    fn a_topic_is_one_tenants() {
        let (one, other) = (Tenant::new("t").unwrap(), Tenant::new("t2").unwrap());
        assert_eq!(order().name(&one), "order#t#u-1");
        assert_eq!(location().name(&one), "location#t#O|L #1");
        assert_ne!(order().name(&one), order().name(&other));
    }

    #[test]
    fn what_is_said_has_a_type() {
        assert_eq!(Said::Pong.to_json(), r#"{"type":"pong"}"#);
        assert_eq!(Said::Unsubscribed { topic: order() }.to_json(), r#"{"type":"unsubscribed","topic":{"order":"u-1"}}"#);
        assert_eq!(Said::Error { message: "no".to_owned() }.to_json(), r#"{"type":"error","message":"no"}"#);
        let subscribed = Said::Subscribed { topic: location(), change: None }.to_json();
        assert_eq!(subscribed, r#"{"type":"subscribed","topic":{"organization_id":"O","location_id":"L #1"}}"#);
    }
}
