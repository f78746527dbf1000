//! An event for everything that the functions do, as Lambda would hand it over.

use anyhow::{Context, ensure};
use http::Request;
use posnext_local::{
    local::{self, MENU_LOCATION},
    par::{Bearer, sample_order},
};
use serde_json::{Value, json};

use crate::{
    job::Job,
    stage::{ASYNC, OVER_TLS, SYNC, Stage, order_key},
};

impl Stage {
    /// So many events of a kind, each to be answered with success.
    pub(crate) async fn events(&self, job: Job, count: usize) -> anyhow::Result<Vec<String>> {
        let submit = "/posnext/order/submit";
        let mut events = Vec::with_capacity(count);
        match job {
            Job::Replay | Job::Get => {
                let uid = fresh_uid();
                let order = five_lines(SYNC, &uid);
                self.submit(&order).await?;
                let event = if job == Job::Get {
                    self.api_event("GET", &format!("/posnext/orders/{uid}"), None)?
                } else {
                    self.api_event("POST", submit, Some(&order))?
                };
                events.resize(count, event);
            }
            Job::Hello => events.resize(count, self.api_event("GET", "/", None)?),
            Job::Menu => {
                events.resize(count, self.api_event("POST", &format!("/posnext/menus?location_id={MENU_LOCATION}"), None)?);
            }
            Job::Recover => events.resize(
                count,
                json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": [] }).to_string(),
            ),
            Job::Process => {
                for _ in 0..count {
                    events.push(self.batch(ASYNC, 1).await?);
                }
            }
            Job::Submit | Job::SubmitWithMenu | Job::SubmitOverTls | Job::SubmitLater | Job::Rejected | Job::Validate => {
                for _ in 0..count {
                    let (path, order) = match job {
                        Job::Submit => (submit, five_lines(SYNC, &fresh_uid())),
                        Job::SubmitOverTls => (submit, five_lines(OVER_TLS, &fresh_uid())),
                        Job::SubmitWithMenu => (submit, sample_order(local::ORGANIZATION, MENU_LOCATION, &fresh_uid())),
                        Job::Rejected => (submit, sold_out(&fresh_uid())),
                        Job::SubmitLater => (submit, five_lines(ASYNC, &fresh_uid())),
                        _ => ("/posnext/order/validate", sample_order(local::ORGANIZATION, MENU_LOCATION, &fresh_uid())),
                    };
                    events.push(self.api_event("POST", path, Some(&order))?);
                }
            }
        }
        Ok(events)
    }

    /// An event with so many messages about orders of a location that is always accepted.
    pub(crate) async fn batch(&self, location: &str, size: usize) -> anyhow::Result<String> {
        let mut messages = Vec::with_capacity(size);
        for _ in 0..size {
            let uid = fresh_uid();
            self.submit(&five_lines(location, &uid)).await?;
            // The worker takes the order without reading it first only if the message's version is the row's.
            messages.push(message(&uid, self.record(&uid).await?.version));
        }
        Ok(json!({ "Records": messages }).to_string())
    }

    /// The key of an order that was submitted and placed, as its row has it.
    pub(crate) async fn placed(&self) -> anyhow::Result<String> {
        let uid = fresh_uid();
        self.submit(&five_lines(SYNC, &uid)).await?;
        Ok(order_key(&uid)?.to_string())
    }

    /// Submits an order beside the measurement.
    async fn submit(&self, order: &str) -> anyhow::Result<()> {
        let request = Request::post("/posnext/order/submit").header("content-type", "application/json");
        let request = request.header("authorization", self.authorization()?).header("x-pch-digest", self.par.digest(order));
        let answer = self.services.parts.submit().handle(request.body(order.to_owned())?).await;
        ensure!(answer.status().is_success(), "an order was answered {}: {}", answer.status(), answer.body());
        Ok(())
    }

    fn authorization(&self) -> anyhow::Result<String> {
        Ok(format!("Bearer {}", self.par.bearer(Bearer::Right)?.unwrap_or_default()))
    }

    /// An event of an HTTP API (AWS: "AWS Lambda proxy integrations for HTTP APIs", format 2.0).
    fn api_event(&self, method: &str, target: &str, order: Option<&str>) -> anyhow::Result<String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = json!({
            "accept": "application/json", "content-type": "application/json", "host": "abc123.execute-api.us-east-1.amazonaws.com",
            "authorization": self.authorization()?,
        });
        if let Some(order) = order {
            headers.as_object_mut().context("headers")?.insert("x-pch-digest".to_owned(), self.par.digest(order).into());
        }
        Ok(json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": {
                "accountId": "123456789012", "apiId": "abc123", "domainName": "abc123.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "abc123", "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
                "time": "15/Mar/2025:14:30:45 +0000", "timeEpoch": 1_742_049_045_123_i64,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "PAR" },
            },
            "body": order, "isBase64Encoded": false,
        })
        .to_string())
    }
}

fn fresh_uid() -> String {
    format!("bench-{}", uuid::Uuid::now_v7())
}

/// A message as the queue would hand it over.
fn message(uid: &str, version: u64) -> Value {
    let body = json!({ "v": 1, "key": { "tenant": local::CLIENT_ID, "request_uid": uid }, "version": version, "group": ASYNC });
    json!({ "messageId": uid, "receiptHandle": "x", "body": body.to_string(), "eventSource": "aws:sqs", "awsRegion": "us-east-1" })
}

/// The order that an event is about, if it is about one.
pub(crate) fn request_uid(event: &str) -> Option<String> {
    let event: Value = serde_json::from_str(event).ok()?;
    let part = |pointer| event.pointer(pointer).and_then(Value::as_str);
    let inside = |text: &str, pointer: &str| -> Option<String> {
        let inside: Value = serde_json::from_str(text).ok()?;
        Some(inside.pointer(pointer)?.as_str()?.to_owned())
    };
    part("/Records/0/body")
        .and_then(|message| inside(message, "/key/request_uid"))
        .or_else(|| inside(part("/body")?, "/request_uid"))
        .or_else(|| part("/rawPath")?.strip_prefix("/posnext/orders/").map(str::to_owned))
}

/// A family's order.
pub(crate) fn five_lines(location: &str, uid: &str) -> String {
    let mut order: Value = serde_json::from_str(&sample_order(local::ORGANIZATION, location, uid)).unwrap_or_default();
    if let Some(items) = order.pointer_mut("/order_details/items").and_then(Value::as_array_mut)
        && let Some(line) = items.first().cloned()
    {
        *items = vec![line; 5];
    }
    order.to_string()
}

/// An order of the menu, of which one item is sold out.
fn sold_out(uid: &str) -> String {
    sample_order(local::ORGANIZATION, MENU_LOCATION, uid).replace(r#""id":"4720""#, r#""id":"4111""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_an_event_is_found_wherever_it_stands() {
        let events = [
            (json!({ "Records": [message("queued", 1)] }), Some("queued")),
            (json!({ "rawPath": "/posnext/order/submit", "body": r#"{"request_uid":"submitted"}"# }), Some("submitted")),
            (json!({ "rawPath": "/posnext/orders/read", "body": null }), Some("read")),
            (json!({ "rawPath": "/posnext/menus", "body": null }), None),
        ];
        for (event, uid) in events {
            assert_eq!(request_uid(&event.to_string()).as_deref(), uid);
        }
    }
}
