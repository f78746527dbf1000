//! How a POS is asked: one HTTP client, a limit on everything, proof of where the request comes from, and a report of how
//! far it got.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::{Client, connect::capture_connection};
use sha2::Sha256;
use tokio::time::Instant;

use super::super::{
    causes,
    connect::{self, BoxError, Connect},
};
use posnext_shared::{
    app::ports::{Refresh, Secrets},
    domain::{
        directory::{HttpAuth, HttpConnector as Settings},
        record::OrderRecord,
    },
};

/// Name resolution, TCP and TLS together.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// A kept connection is not trusted longer: one that the other side has closed costs an unknown outcome.
const POOL_IDLE: Duration = Duration::from_secs(5);
/// The largest answer about an order that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A client, and the secrets it proves itself by.
#[derive(Debug)]
pub(super) struct Transport<S> {
    client: Client<Connect, Full<Bytes>>,
    secrets: S,
}

/// One request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// After the base.
    pub(super) path: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) traceparent: Option<&'a str>,
    /// In bytes; a larger one counts as cut.
    pub(super) largest_answer: usize,
}

impl<'a> Ask<'a> {
    /// About an order, in the trace that it came with.
    pub(super) fn of_order(method: Method, record: &'a OrderRecord) -> Self {
        let key = record.key.pos_key();
        let path = format!("/orders/{key}");
        let idempotency_key = (method == Method::PUT).then_some(key);
        Self { idempotency_key, traceparent: record.traceparent.as_deref(), ..Self::new(method, path) }
    }

    /// About anything.
    pub(super) fn new(method: Method, path: String) -> Self {
        Self { method, path, idempotency_key: None, body: Vec::new(), traceparent: None, largest_answer: LARGEST_ANSWER }
    }
}

/// How far a request got.
pub(super) enum Reply {
    /// An answer, read whole.
    Answer { status: StatusCode, retry_after: Option<Duration>, body: Bytes },
    /// The request can never be sent.
    Never(String),
    /// It certainly did not reach the POS.
    NotSent(String),
    /// It may have.
    Cut(String),
}

impl<S: Secrets> Transport<S> {
    /// A client of its own pool; certificates of the public web are trusted (Mozilla's list, compiled in).
    pub(super) fn new(secrets: S) -> Self {
        let client = connect::client().pool_idle_timeout(POOL_IDLE).build(Connect::trusting_the_web(CONNECT_LIMIT));
        Self { client, secrets }
    }

    /// Sends one request and reads its answer, all within `limit`.
    pub(super) async fn send(&self, settings: &Settings, ask: Ask<'_>, limit: Duration) -> Reply {
        let began = Instant::now();
        let largest = ask.largest_answer;
        let prepared = tokio::time::timeout(limit, self.request(settings, ask)).await;
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
            let body = Limited::new(response.into_body(), largest).collect().await?.to_bytes();
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

    async fn request(&self, settings: &Settings, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, Reply> {
        let Ask { method, path, idempotency_key, body, traceparent, .. } = ask;
        let uri: Uri = format!("{}{path}", settings.base.trim_end_matches('/'))
            .parse()
            .map_err(|error| Reply::Never(format!("the POS address is no URL: {error}")))?;
        let loopback = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if uri.scheme_str() != Some("https") && !(uri.scheme_str() == Some("http") && loopback) {
            return Err(Reply::Never("the POS address must be https".to_owned()));
        }
        let mut request = Request::builder().method(method.clone()).uri(&uri).header(header::ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
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

#[cfg(test)]
mod tests {
    use super::*;

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
