//! A POS behind HTTP: `PUT`, `GET` and `DELETE {base}/orders/{key}` (docs/pos-connector.openapi.yaml). What matters most is
//! to report how far a request got: only a POS that was certainly not reached may be asked again without thought.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use sha2::Sha256;
use tokio::time::Instant;
use tower_service::Service;

use super::causes;
use crate::{
    app::ports::{Refresh, Secrets},
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{HttpAuth, HttpConnector as Settings, Location},
        ids::OrderKey,
        record::OrderRecord,
        status::{ErrorCode, OrderError},
    },
};

/// Name resolution, TCP and TLS together.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// A kept connection is not trusted longer: one that the other side has closed costs an unknown outcome.
const POOL_IDLE: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

const NO_REASON: &str = "the POS refused the order without a reason";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects within a limit, the TLS handshake included.
#[derive(Debug, Clone)]
struct Connect(HttpsConnector<HttpConnector>);

impl Service<Uri> for Connect {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { tokio::time::timeout(CONNECT_LIMIT, connecting).await? })
    }
}

/// A POS behind HTTP.
#[derive(Debug)]
pub struct HttpPos<S> {
    client: Client<Connect, Full<Bytes>>,
    secrets: S,
}

/// How far a request got.
enum Reply {
    /// An answer, read whole.
    Answer { status: StatusCode, retry_after: Option<Duration>, body: Bytes },
    /// The request can never be sent.
    Never(String),
    /// It certainly did not reach the POS.
    NotSent(String),
    /// It may have.
    Cut(String),
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
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(Connect(https));
        Self { client, secrets }
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
        let traceparent = record.traceparent.as_deref();
        match self.send(settings, Method::PUT, &key, body, traceparent, limit).await {
            Reply::Never(reason) => Placed::Permanent(reason),
            Reply::NotSent(reason) => Placed::NotStarted { reason, retry_after: None },
            Reply::Cut(reason) => Placed::Unknown(reason),
            Reply::Answer { status, retry_after, body } => placed(status, retry_after, &body),
        }
    }

    /// Asks for an order.
    pub async fn find(&self, settings: &Settings, key: &OrderKey, limit: Duration) -> Found {
        match self.send(settings, Method::GET, &key.pos_key(), Vec::new(), None, limit).await {
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
    pub async fn cancel(&self, settings: &Settings, key: &OrderKey, limit: Duration) -> Cancelled {
        match self.send(settings, Method::DELETE, &key.pos_key(), Vec::new(), None, limit).await {
            Reply::Never(reason) | Reply::NotSent(reason) | Reply::Cut(reason) => Cancelled::Unknown(reason),
            Reply::Answer { status, body, .. } => match (status.as_u16(), parse(&body).pos_order_id) {
                (200 | 204 | 410, _) => Cancelled::Done,
                (409, Some(pos_order_id)) => Cancelled::WillNot { pos_order_id },
                _ => Cancelled::Unknown(format!("answered {status} to a cancel")),
            },
        }
    }

    async fn send(
        &self,
        settings: &Settings,
        method: Method,
        key: &str,
        body: Vec<u8>,
        traceparent: Option<&str>,
        limit: Duration,
    ) -> Reply {
        let began = Instant::now();
        let prepared = tokio::time::timeout(limit, self.request(settings, method, key, body, traceparent)).await;
        let mut request = match prepared {
            Ok(Ok(request)) => request,
            Ok(Err(reply)) => return reply,
            Err(_) => return Reply::NotSent("the POS secret could not be read in time".to_owned()),
        };
        let connected = capture_connection(&mut request);
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await?.to_bytes();
            Ok::<_, BoxError>(Reply::Answer { status, retry_after: retry_after.map(Duration::from_secs), body })
        };
        let outcome = tokio::time::timeout(limit.saturating_sub(began.elapsed()), exchange).await;
        let reached = connected.connection_metadata().is_some();
        let reason = match outcome {
            Ok(Ok(answer)) => {
                if let (Reply::Answer { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. }, Some(auth)) =
                    (&answer, &settings.auth)
                {
                    // A rotated secret: the next try finds the new one.
                    let left = limit.saturating_sub(began.elapsed());
                    let _ = tokio::time::timeout(left, self.secrets.pos_secret(auth.secret(), Refresh::Mismatch)).await;
                }
                return answer;
            }
            Ok(Err(error)) => causes(error.as_ref()),
            Err(_) => format!("no answer within {} ms", limit.as_millis()),
        };
        if reached { Reply::Cut(reason) } else { Reply::NotSent(format!("could not connect: {reason}")) }
    }

    async fn request(
        &self,
        settings: &Settings,
        method: Method,
        key: &str,
        body: Vec<u8>,
        traceparent: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, Reply> {
        let uri: Uri = format!("{}/orders/{key}", settings.base.trim_end_matches('/'))
            .parse()
            .map_err(|error| Reply::Never(format!("the POS address is no URL: {error}")))?;
        let loopback = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if uri.scheme_str() != Some("https") && !(uri.scheme_str() == Some("http") && loopback) {
            return Err(Reply::Never("the POS address must be https".to_owned()));
        }
        let mut request = Request::builder().method(method.clone()).uri(&uri).header(header::ACCEPT, "application/json");
        if method == Method::PUT {
            request = request.header(header::CONTENT_TYPE, "application/json").header("idempotency-key", key);
        }
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let secret = async |name: &str| {
            self.secrets
                .pos_secret(name, Refresh::No)
                .await
                .map_err(|error| Reply::NotSent(format!("the POS secret cannot be read: {error}")))
        };
        match &settings.auth {
            None => {}
            Some(HttpAuth::Bearer { secret: name }) => {
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", secret(name).await?));
            }
            Some(HttpAuth::Hmac { secret: name }) => {
                let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let signature = sign(&secret(name).await?, seconds, &method, uri.path(), &body).map_err(Reply::Never)?;
                request = request.header("x-posnext-signature", signature);
            }
        }
        request.body(Full::new(body.into())).map_err(|error| Reply::Never(error.to_string()))
    }
}

/// `t=<Unix seconds>,v1=<hex HMAC-SHA256 of "{t}.{METHOD}.{path}.{body}">`
fn sign(secret: &str, seconds: u64, method: &Method, path: &str, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|error| error.to_string())?;
    mac.update(format!("{seconds}.{method}.{path}.").as_bytes());
    mac.update(body);
    Ok(format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes())))
}

/// The classes of design section 3.
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

    #[test]
    fn a_signature_covers_time_method_path_and_body() {
        let one = sign("s", 1, &Method::PUT, "/orders/k", b"{}").unwrap();
        assert!(one.starts_with("t=1,v1=") && one.len() == 7 + 64);
        for other in [
            sign("x", 1, &Method::PUT, "/orders/k", b"{}"),
            sign("s", 1, &Method::GET, "/orders/k", b"{}"),
            sign("s", 1, &Method::PUT, "/orders/l", b"{}"),
            sign("s", 1, &Method::PUT, "/orders/k", b"{ }"),
        ] {
            assert_ne!(other.unwrap(), one);
        }
    }
}
