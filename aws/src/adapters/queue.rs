//! The work queue and its dead-letter queue.

use std::time::Duration;

use aws_sdk_sqs::{Client, operation::send_message::SendMessageError, types::MessageAttributeValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::unavailable;
use posnext_shared::{
    app::ports::{Aside, OrderMessage, PortError, SendDelivery, SendOrder, SetAside},
    domain::{
        ids::{OrderKey, ParId},
        policy::MAX_DELAY,
        time::UnixMillis,
        webhook::Delivery,
    },
};

/// The version of the message format.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Body {
    v: u32,
    key: OrderKey,
    version: u64,
    group: ParId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

/// Reads a message's body.
///
/// # Errors
/// A sentence that says why it can never be worked on.
pub fn parse_message(body: &str) -> Result<OrderMessage, String> {
    let body: Body = serde_json::from_str(body).map_err(|error| format!("not an order message: {error}"))?;
    if body.v != FORMAT {
        return Err(format!("message format {} is not {FORMAT}", body.v));
    }
    Ok(OrderMessage { key: body.key, version: body.version, group: body.group, traceparent: body.traceparent })
}

/// Writes a message's body.
///
/// # Errors
/// [`PortError::Corrupt`] when it cannot be written down.
pub fn body_of(message: &OrderMessage) -> Result<String, PortError> {
    serde_json::to_string(&Body {
        v: FORMAT,
        key: message.key.clone(),
        version: message.version,
        group: message.group.clone(),
        traceparent: message.traceparent.clone(),
    })
    .map_err(|error| PortError::Corrupt(error.to_string()))
}

/// The two queues.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    work: String,
    dead: String,
}

impl Queues {
    /// The queues by their URLs.
    #[must_use]
    pub fn new(client: Client, work: String, dead: String) -> Self {
        Self { client, work, dead }
    }

    /// Opens the connection, so that the first order that is handed off finds it. A failure is left to that order.
    pub async fn warm_up(&self) {
        let _ = self.client.get_queue_attributes().queue_url(&self.work).send().await;
    }
}

impl SendOrder for Queues {
    async fn send(&self, message: &OrderMessage, delay: Duration) -> Result<(), PortError> {
        let body = body_of(message)?;
        self.client
            .send_message()
            .queue_url(&self.work)
            .message_body(body)
            .message_group_id(group_id(message.group.as_str()))
            .delay_seconds(i32::try_from(delay.as_secs()).unwrap_or(900).min(900))
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        Ok(())
    }
}

impl SetAside for Queues {
    async fn set_aside(&self, what: Aside<'_>, reason: &str) -> Result<(), PortError> {
        let body = match what {
            Aside::Order(message) => body_of(message)?,
            Aside::Body(body) => body.to_owned(),
        };
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(reason.chars().take(256).filter(|c| !c.is_control()).collect::<String>())
            .build()
            .map_err(|error| PortError::Corrupt(error.to_string()))?;
        self.client
            .send_message()
            .queue_url(&self.dead)
            .message_body(body)
            .message_attributes("reason", value)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        Ok(())
    }
}

/// The queue of deliveries to webhooks' subscribers.
#[derive(Debug, Clone)]
pub struct DeliveryQueue {
    client: Client,
    url: String,
}

#[derive(Serialize, Deserialize)]
struct DeliveryBody<D> {
    v: u32,
    delivery: D,
}

/// Reads a delivery's message.
///
/// # Errors
/// A sentence that says why it can never be worked on.
pub fn parse_delivery(body: &str) -> Result<Delivery, String> {
    let no_delivery = |error: serde_json::Error| format!("not a delivery: {error}");
    let body: DeliveryBody<&RawValue> = serde_json::from_str(body).map_err(no_delivery)?;
    if body.v != FORMAT {
        return Err(format!("message format {} is not {FORMAT}", body.v));
    }
    // The place that the error names is within this member.
    serde_json::from_str(body.delivery.get()).map_err(|error| format!("not a delivery: in `delivery`, {error}"))
}

impl DeliveryQueue {
    /// The queue by its URL.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl SendDelivery for DeliveryQueue {
    async fn send_delivery(&self, delivery: &Delivery, now: UnixMillis) -> Result<(), PortError> {
        let body = serde_json::to_string(&DeliveryBody { v: FORMAT, delivery });
        // Rounded up: a message that comes back too early is only sent on.
        let delay = delivery.due_at.since(now).min(MAX_DELAY).as_millis().div_ceil(1_000);
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body.map_err(|error| PortError::Corrupt(error.to_string()))?)
            .message_group_id(group_id(&format!("{}/{}", delivery.organization_id, delivery.subscriber)))
            .delay_seconds(delay.try_into().unwrap_or(900))
            .send()
            .await
            .map_err(|error| match error.as_service_error().is_some_and(SendMessageError::is_invalid_message_contents) {
                // It would be refused again.
                true => PortError::Corrupt("a delivery has characters that SQS does not take".to_owned()),
                false => unavailable(&error),
            })?;
        Ok(())
    }
}

/// A MessageGroupId holds 1 to 128 letters, digits and punctuation (AWS: SendMessage).
fn group_id(location: &str) -> String {
    location.chars().take(128).map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_says_why() {
        for (body, why) in [
            ("", "not an order message"),
            ("{}", "not an order message"),
            (r#"{"v":1,"key":{"tenant":"t","request_uid":".."},"version":1,"group":"L"}"#, "path segment"),
            (r#"{"v":2,"key":{"tenant":"t","request_uid":"u"},"version":1,"group":"L"}"#, "format 2"),
        ] {
            let error = parse_message(body).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
    }

    #[test]
    fn what_is_no_delivery_says_why() {
        for (body, why) in [
            ("", "not a delivery"),
            (r#"{"v":1,"delivery":{}}"#, "not a delivery: in `delivery`, missing field"),
            (r#"{"v":2,"delivery":7}"#, "format 2"),
        ] {
            let error = parse_delivery(body).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
    }

    #[test]
    fn a_group_id_holds_only_what_sqs_allows() {
        assert_eq!(group_id("Café #1"), "Caf__#1");
    }
}
