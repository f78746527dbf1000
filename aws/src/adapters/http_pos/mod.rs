//! A POS behind HTTP: `PUT`, `GET` and `DELETE {base}/orders/{key}` (docs/pos-connector.openapi.yaml). What matters most is
//! to report how far a request got: only a POS that was certainly not reached may be asked again without thought.

mod offer;
mod transport;

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use posnext_shared::{
    app::ports::Secrets,
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{HttpConnector as Settings, Location},
        record::OrderRecord,
        status::{ErrorCode, OrderError},
    },
};
use transport::{Ask, Reply, Transport};

const NO_REASON: &str = "the POS refused the order without a reason";

/// A POS behind HTTP.
#[derive(Debug)]
pub struct HttpPos<S> {
    transport: Transport<S>,
}

#[derive(Serialize)]
struct PlaceBody<'a> {
    key: &'a str,
    location_id: &'a str,
    order: &'a RawValue,
}

/// What is read of an answer, each member alone: one that is odd must not hide the others.
#[derive(Default)]
struct Answer {
    status: String,
    pos_order_id: Option<String>,
    errors: Vec<OrderError>,
    started: Option<bool>,
}

impl<S: Secrets> HttpPos<S> {
    /// A client of its own pool; certificates of the public web are trusted (Mozilla's list, compiled in).
    #[must_use]
    pub fn new(secrets: S) -> Self {
        Self { transport: Transport::new(secrets) }
    }

    /// Places an order.
    pub async fn place(&self, settings: &Settings, location: &Location, record: &OrderRecord, limit: Duration) -> Placed {
        let key = record.key.pos_key();
        let body = serde_json::from_str(record.order.text())
            .and_then(|order| serde_json::to_vec(&PlaceBody { key: &key, location_id: &location.internal_id, order }));
        let body = match body {
            Ok(body) => body,
            Err(error) => return Placed::Permanent(error.to_string()),
        };
        match self.transport.send(settings, Ask { body, ..Ask::of_order(Method::PUT, record) }, limit).await {
            Reply::Never(reason) => Placed::Permanent(reason),
            Reply::NotSent(reason) => Placed::NotStarted { reason, retry_after: None },
            Reply::Cut(reason) => Placed::Unknown(reason),
            Reply::Answer { status, retry_after, body } => placed(status, retry_after, &body),
        }
    }

    /// Asks for an order.
    pub async fn find(&self, settings: &Settings, record: &OrderRecord, limit: Duration) -> Found {
        match self.transport.send(settings, Ask::of_order(Method::GET, record), limit).await {
            Reply::Never(reason) | Reply::NotSent(reason) | Reply::Cut(reason) => Found::Unknown(reason),
            Reply::Answer { status, body, .. } => {
                let answer = parse(&body);
                match (status.as_u16(), answer.status.as_str(), answer.pos_order_id) {
                    (200, "placed", Some(pos_order_id)) => Found::Placed { pos_order_id },
                    (200, "rejected", _) => Found::Refused(refusal(answer.errors)),
                    (404, ..) => Found::Absent,
                    (410, ..) => Found::Cancelled,
                    _ => Found::Unknown(format!("answered {status} to a find")),
                }
            }
        }
    }

    /// Cancels an order.
    pub async fn cancel(&self, settings: &Settings, record: &OrderRecord, limit: Duration) -> Cancelled {
        match self.transport.send(settings, Ask::of_order(Method::DELETE, record), limit).await {
            Reply::Never(reason) | Reply::NotSent(reason) | Reply::Cut(reason) => Cancelled::Unknown(reason),
            Reply::Answer { status, body, .. } => match (status.as_u16(), parse(&body).pos_order_id) {
                (200 | 204 | 410, _) => Cancelled::Done,
                (409, Some(pos_order_id)) => Cancelled::WillNot { pos_order_id },
                _ => Cancelled::Unknown(format!("answered {status} to a cancel")),
            },
        }
    }
}

/// The classes of docs/lifecycle.md#what-an-attempt-comes-to.
fn placed(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Placed {
    let answer = parse(body);
    let reason = format!("answered {status}");
    match (status.as_u16(), answer.status.as_str(), answer.pos_order_id) {
        (200 | 201, "placed", Some(pos_order_id)) => Placed::Done { pos_order_id },
        (200 | 422, "rejected", _) => Placed::Refused(refusal(answer.errors)),
        (410, ..) => Placed::Cancelled,
        // 401 and 403: a secret that is being rotated mends itself before the deadline.
        (401 | 403 | 429, ..) => Placed::NotStarted { reason, retry_after },
        (503, ..) if answer.started == Some(false) => Placed::NotStarted { reason, retry_after },
        // Said of the request, before anything was done with it. What is not named here may come from a proxy that sent the
        // order twice (a 409, say), and proves nothing.
        (301 | 302 | 307 | 308 | 400 | 404 | 405 | 406 | 411 | 413 | 414 | 415 | 422, ..) => Placed::Permanent(reason),
        _ => Placed::Unknown(reason),
    }
}

fn parse(body: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.chars().take(256).collect::<String>()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let member = |name: &str| body.get(name).and_then(text);
    let error = |error: &Value| OrderError {
        code: ErrorCode::PosRefused,
        message: ["message", "code"]
            .iter()
            .find_map(|name| error.get(name).and_then(text))
            .unwrap_or_else(|| NO_REASON.to_owned()),
        field: error.get("field").and_then(text),
    };
    let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    Answer {
        status: member("status").unwrap_or_default(),
        pos_order_id: member("pos_order_id"),
        errors: errors.take(20).map(error).collect(),
        started: body.get("started").and_then(Value::as_bool),
    }
}

fn refusal(errors: Vec<OrderError>) -> Vec<OrderError> {
    if errors.is_empty() { vec![OrderError::new(ErrorCode::PosRefused, NO_REASON)] } else { errors }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> Placed {
        placed(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(7)), body.as_bytes())
    }

    #[test]
    fn answers_fall_into_their_classes() {
        assert_eq!(class(200, r#"{"status":"placed","pos_order_id":"P"}"#), Placed::Done { pos_order_id: "P".into() });
        assert!(
            matches!(class(422, r#"{"status":"rejected","errors":[{"message":"86"}]}"#), Placed::Refused(e) if e[0].message == "86")
        );
        assert!(matches!(class(200, r#"{"status":"rejected"}"#), Placed::Refused(e) if e.len() == 1));
        // Odd members do not hide the rest.
        let odd = r#"{"status":"placed","pos_order_id":77,"errors":null,"started":"x"}"#;
        assert_eq!(class(200, odd), Placed::Done { pos_order_id: "77".into() });
        assert!(
            matches!(class(422, r#"{"status":"rejected","errors":[{"code":"86"},7]}"#), Placed::Refused(e) if e[0].message == "86" && e.len() == 2)
        );
        assert_eq!(class(410, ""), Placed::Cancelled);
        for status in [301, 302, 400, 404, 405, 415, 422] {
            assert!(matches!(class(status, ""), Placed::Permanent(_)), "{status}");
        }
        for status in [401, 403, 429] {
            assert!(matches!(class(status, ""), Placed::NotStarted { retry_after: Some(_), .. }), "{status}");
        }
        assert!(matches!(class(503, r#"{"started":false}"#), Placed::NotStarted { .. }));
        for (status, body) in [
            (503, ""),
            (503, r#"{"started":true}"#),
            (500, ""),
            (502, ""),
            (504, ""),
            (303, ""),
            (408, ""),
            (409, ""),
            (425, ""),
            (451, ""),
            (200, "<html>"),
            (200, r#"{"status":"placed"}"#),
            (200, r#"{"status":"placed","pos_order_id":""}"#),
            (202, r#"{"status":"pending"}"#),
        ] {
            assert!(matches!(class(status, body), Placed::Unknown(_)), "{status} {body}");
        }
    }
}
