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
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;
use tower_service::Service;

use crate::{
    app::ports::Secrets,
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

#[derive(Deserialize, Default)]
struct Answer {
    #[serde(default)]
    status: String,
    #[serde(default)]
    pos_order_id: Option<String>,
    #[serde(default)]
    errors: Vec<PosError>,
    #[serde(default)]
    started: Option<bool>,
}

#[derive(Deserialize)]
struct PosError {
    message: String,
    #[serde(default)]
    field: Option<String>,
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
        let mut request = match self.request(settings, method, key, body, traceparent).await {
            Ok(request) => request,
            Err(reply) => return reply,
        };
        let connected = capture_connection(&mut request);
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await?.to_bytes();
            Ok::<_, BoxError>(Reply::Answer { status, retry_after: retry_after.map(Duration::from_secs), body })
        };
        let outcome = tokio::time::timeout(limit, exchange).await;
        let reached = connected.connection_metadata().is_some();
        let reason = match outcome {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => chain(error.as_ref()),
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
            self.secrets.pos_secret(name).await.map_err(|error| Reply::NotSent(format!("the POS secret cannot be read: {error}")))
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
        (200 | 201, "placed", Some(pos_order_id)) if !pos_order_id.is_empty() => Placed::Done { pos_order_id },
        (200 | 422, "rejected", _) => Placed::Refused(refusal(answer.errors)),
        (410, ..) => Placed::Cancelled,
        // 401 and 403: a secret that is being rotated mends itself before the deadline.
        (401 | 403 | 429, ..) => Placed::NotStarted { reason, retry_after },
        (503, ..) if answer.started == Some(false) => Placed::NotStarted { reason, retry_after },
        (300..=407 | 409..=499, ..) => Placed::Permanent(reason),
        _ => Placed::Unknown(reason),
    }
}

fn parse(body: &[u8]) -> Answer {
    serde_json::from_slice(body).unwrap_or_default()
}

fn refusal(errors: Vec<PosError>) -> Vec<OrderError> {
    let refused =
        |message: &str, field| OrderError { code: ErrorCode::PosRefused, message: message.chars().take(256).collect(), field };
    if errors.is_empty() {
        return vec![refused("the POS refused the order without a reason", None)];
    }
    errors.into_iter().take(20).map(|error| refused(&error.message, error.field)).collect()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
        assert_eq!(class(410, ""), Placed::Cancelled);
        for status in [301, 302, 400, 404, 405, 409, 415, 422] {
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
            (408, ""),
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
