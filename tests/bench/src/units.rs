//! Counts what a function asks of AWS: calls by their names, and the capacity units that DynamoDB says they consumed.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;

/// The largest request of the functions: a message or a row.
const LARGEST: usize = 1 << 20;

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Calls by service and operation.
    pub(crate) calls: BTreeMap<String, u32>,
    /// Thousandths of write units (1 KB written, twice in a transaction).
    pub(crate) write_milliunits: u64,
    /// Thousandths of read units (4 KB read consistently).
    pub(crate) read_milliunits: u64,
}

impl Asked {
    /// What this is more than another.
    pub(crate) fn less(self, other: &Self) -> Self {
        let calls = self.calls.into_iter().filter_map(|(call, count)| {
            let more = count.saturating_sub(other.calls.get(&call).copied().unwrap_or_default());
            (more > 0).then_some((call, more))
        });
        Self {
            calls: calls.collect(),
            write_milliunits: self.write_milliunits.saturating_sub(other.write_milliunits),
            read_milliunits: self.read_milliunits.saturating_sub(other.read_milliunits),
        }
    }
}

impl Asked {
    /// The calls, as `2 dynamodb:PutItem, 1 sqs:SendMessage`.
    pub(crate) fn calls(&self) -> String {
        let calls: Vec<String> = self.calls.iter().map(|(call, count)| format!("{count} {call}")).collect();
        calls.join(", ")
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {} WRU, {} RRU", self.calls(), units(self.write_milliunits), units(self.read_milliunits))
    }
}

/// Thousandths of units as `1.5`.
pub(crate) fn units(milliunits: u64) -> String {
    format!("{}.{}", milliunits / 1_000, milliunits % 1_000 / 100)
}

/// Counts; what is counted is taken away when it is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<Mutex<Asked>>);

impl Counter {
    /// What was counted since the last time.
    pub(crate) fn take(&self) -> Asked {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The address of a counter before this service.
    pub(crate) async fn before(&self, upstream: String) -> anyhow::Result<String> {
        let (counter, http) = (self.clone(), reqwest::Client::new());
        let handler = any(async move |request: Request| {
            counter
                .pass(&http, &upstream, request)
                .await
                .unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error.to_string()).into_response())
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Ok(format!("http://{address}"))
    }

    async fn pass(&self, http: &reqwest::Client, upstream: &str, request: Request) -> anyhow::Result<Response> {
        let (parts, body) = request.into_parts();
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
        let mut headers = parts.headers;
        headers.remove(http::header::CONTENT_LENGTH);
        let body = asking_for_capacity(&target, to_bytes(body, LARGEST).await?)?;
        let request = http.request(parts.method, format!("{upstream}{}", parts.uri)).headers(headers).body(body.clone());
        let answer = request.send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        // The clock of a function that is counted is slowed down: by a date it would be off, and take no lease.
        headers.insert(http::header::DATE, HeaderValue::from_static("-"));
        let answer = answer.bytes().await?;
        self.note(&target, &body, &answer);
        Ok((status, headers, answer).into_response())
    }

    fn note(&self, target: &str, request: &Bytes, answer: &Bytes) {
        let operation = target.rsplit('.').next().unwrap_or_default();
        let service = if target.starts_with("DynamoDB") {
            "dynamodb"
        } else if target.starts_with("AmazonSQS") {
            "sqs"
        } else {
            "secrets"
        };
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *asked.calls.entry(format!("{service}:{operation}")).or_default() += 1;
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        asked.write_milliunits += refused(request, &answer);
        let consumed = answer.get("ConsumedCapacity").cloned().unwrap_or_default();
        let many = consumed.as_array().cloned().unwrap_or_else(|| vec![consumed]);
        let reads = matches!(operation, "GetItem" | "Query" | "Scan");
        for one in many {
            let milliunits = one.get("CapacityUnits").map_or(0, thousandths);
            if reads { asked.read_milliunits += milliunits } else { asked.write_milliunits += milliunits }
        }
    }
}

/// Thousandths of write units of a write whose condition does not hold: DynamoDB charges it as if it did (AWS: "DynamoDB read and write operations"),
/// and the engine does not say so. Each item that it is about is taken to be of at most 1 KiB.
fn refused(request: &Bytes, answer: &Value) -> u64 {
    let error = answer.get("__type").and_then(Value::as_str).unwrap_or_default();
    if error.ends_with("ConditionalCheckFailedException") {
        1_000
    } else if error.ends_with("TransactionCanceledException") {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let items = request.get("TransactItems").and_then(Value::as_array).map_or(0, Vec::len);
        items as u64 * 2_000
    } else {
        0
    }
}

/// A JSON number in thousandths, exactly.
fn thousandths(number: &Value) -> u64 {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{:0<3.3}", fraction).parse().unwrap_or(0)
}

fn asking_for_capacity(target: &str, body: Bytes) -> anyhow::Result<Bytes> {
    if !target.starts_with("DynamoDB") {
        return Ok(body);
    }
    let mut request: serde_json::Map<String, Value> = serde_json::from_slice(&body)?;
    request.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
    Ok(Value::Object(request).to_string().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refused_write_is_charged_as_one_that_was_made() {
        let request = Bytes::from(json!({ "TransactItems": [{}, {}] }).to_string());
        let units = |error: &str| refused(&request, &json!({ "__type": error }));
        assert_eq!(units("com.amazonaws.dynamodb.v20120810#TransactionCanceledException"), 4_000);
        assert_eq!(units("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"), 1_000);
        assert_eq!(units("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"), 0);
        assert_eq!(refused(&request, &json!({ "ConsumedCapacity": [] })), 0);
    }

    #[test]
    fn units_are_read_exactly() {
        assert_eq!([thousandths(&json!(7)), thousandths(&json!(0.5)), thousandths(&json!(12.0))], [7_000, 500, 12_000]);
    }
}
