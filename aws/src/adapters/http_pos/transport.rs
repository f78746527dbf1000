//! How a POS is asked: one connection a request, a limit on everything, proof of where the request comes from, and a
//! report of how far it got.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::line::{self, Answer, Broken, FRESH, Network};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{Clock, Refresh, Secrets},
    },
    domain::{
        directory::{CONTRACT, HttpAuth, HttpConnector as Settings},
        history::Cause,
        record::OrderRecord,
        time::{UnixMillis, millis},
    },
};
use sha2::Sha256;
use tokio::time::{Instant, timeout};

/// For a secret to be read.
const SECRET_LIMIT: Duration = Duration::from_secs(3);
/// The largest answer about an order that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

const CONTRACT_HEADER: &str = "posnext-contract";
pub(super) const REQUEST_HEADER: &str = "posnext-request";
const NOT_AFTER_HEADER: &str = "posnext-not-after";
const SIGNATURE_HEADER: &str = "x-posnext-signature";

/// How connections come to be, and the secrets requests prove themselves by.
#[derive(Debug)]
pub(super) struct Transport<S, C, N> {
    network: N,
    secrets: S,
    pub(super) clock: C,
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
    /// After this nothing is to be made of it.
    pub(super) not_after: Option<UnixMillis>,
    /// In bytes; a larger one counts as cut.
    pub(super) largest_answer: usize,
    /// Tells this request and its answer from any other.
    pub(super) id: String,
}

impl<'a> Ask<'a> {
    /// About an order, in the trace that it came with.
    pub(super) fn of_order(method: Method, record: &'a OrderRecord, id: String) -> Self {
        let key = record.key.pos_key();
        let path = format!("/orders/{key}");
        let idempotency_key = (method == Method::PUT).then_some(key);
        Self { idempotency_key, traceparent: record.traceparent.as_deref(), ..Self::new(method, path, id) }
    }

    /// About anything. No other request has this id.
    pub(super) fn new(method: Method, path: String, id: String) -> Self {
        Self {
            method,
            path,
            idempotency_key: None,
            body: Vec::new(),
            traceparent: None,
            not_after: None,
            largest_answer: LARGEST_ANSWER,
            id,
        }
    }
}

/// How far a request got.
#[derive(Debug)]
pub(super) enum Reply<T> {
    /// An answer, read whole.
    Answer(Answer<T>),
    /// The request can never be sent.
    Never(Cause),
    /// It certainly did not reach the POS.
    NotSent(Cause),
    /// It may have.
    Cut(Cause),
}

/// A way to a POS for one request: a connection, and what proves the request; or why there is none.
#[derive(Debug)]
pub struct Line<T>(Result<Open<T>, Cause>);

#[derive(Debug)]
struct Open<T> {
    stream: Box<T>,
    secret: Option<String>,
    at: Moment,
}

impl<S: Secrets, C: Clock, N: Network> Transport<S, C, N> {
    pub(super) fn new(secrets: S, network: N, clock: C) -> Self {
        Self { network, secrets, clock }
    }

    /// Opens a way to this POS.
    pub(super) async fn open(&self, settings: &Settings) -> Line<N::Connection> {
        Line(self.opened(settings).await)
    }

    async fn opened(&self, settings: &Settings) -> Result<Open<N::Connection>, Cause> {
        if settings.contract != CONTRACT {
            let spoken = settings.contract;
            return Err(Cause::Unsendable(format!(
                "the location is mapped for contract {spoken} of the connector, not {CONTRACT}"
            )));
        }
        let uri = address_of(settings, "")?;
        let (stream, secret) = Box::pin(async { tokio::join!(self.network.connect(uri), self.secret(settings)) }).await;
        Ok(Open { secret: secret?, stream: Box::new(stream.map_err(Cause::NoConnection)?), at: Moment::now(self.clock.now()) })
    }

    async fn secret(&self, settings: &Settings) -> Result<Option<String>, Cause> {
        let Some(auth) = &settings.auth else { return Ok(None) };
        let read = timeout(SECRET_LIMIT, self.secrets.pos_secret(auth.secret(), Refresh::No)).await;
        let read = read.map_err(|_| Cause::NoSecret(format!("not within {} ms", millis(SECRET_LIMIT))))?;
        read.map(Some).map_err(|error| Cause::NoSecret(error.to_string()))
    }

    /// Sends one request and reads its answer, all within `limit`. `may_begin` is asked with what is left of that,
    /// right before the first byte leaves.
    pub(super) async fn send(
        &self,
        settings: &Settings,
        line: Option<Line<N::Connection>>,
        ask: &Ask<'_>,
        limit: Duration,
        may_begin: impl Fn(Duration) -> bool + Send + Sync,
    ) -> Reply<N::Connection> {
        let (until, sent) = (Instant::now() + limit, AtomicBool::new(false));
        let may_begin = || may_begin(until.saturating_duration_since(Instant::now()));
        // On the heap: a connection and what is read over it are too large to be part of every future around them.
        let exchange = Box::pin(self.exchange(settings, line, ask, &sent, may_begin));
        let reply = match tokio::time::timeout_at(until, exchange).await {
            Ok(reply) => reply,
            Err(_) if sent.load(Ordering::Relaxed) => Reply::Cut(Cause::NoAnswer(millis(limit).unsigned_abs())),
            Err(_) => Reply::NotSent(Cause::NoConnection(format!("none within {} ms", millis(limit)))),
        };
        if let (Reply::Answer(answer), Some(auth)) = (&reply, &settings.auth)
            && matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        {
            // A secret that was replaced: the next try finds the new one.
            let _ = tokio::time::timeout_at(until, self.secrets.pos_secret(auth.secret(), Refresh::Mismatch)).await;
        }
        reply
    }

    async fn exchange(
        &self,
        settings: &Settings,
        line: Option<Line<N::Connection>>,
        ask: &Ask<'_>,
        sent: &AtomicBool,
        may_begin: impl Fn() -> bool,
    ) -> Reply<N::Connection> {
        let line = line.filter(|line| line.0.as_ref().map_or(true, |open| open.at.age(self.clock.now()) < FRESH));
        let mut opened = match line {
            Some(line) => line.0,
            None => self.opened(settings).await,
        };
        let mut tries = 0;
        loop {
            let (stream, request) =
                match opened.and_then(|open| Ok((open.stream, self.request(settings, ask, open.secret.as_deref())?))) {
                    Ok(ready) => ready,
                    Err(cause @ Cause::Unsendable(_)) => return Reply::Never(cause),
                    Err(cause) => return Reply::NotSent(cause),
                };
            if !may_begin() {
                return Reply::NotSent(Cause::NoTimeLeft);
            }
            match line::exchange(*stream, request, ask.largest_answer, || sent.store(true, Ordering::Relaxed)).await {
                Ok(answer) => return Reply::Answer(answer),
                Err(Broken::Cut(why)) => return Reply::Cut(Cause::Cut(why)),
                Err(Broken::Unsent) if tries > 0 => {
                    return Reply::NotSent(Cause::NoConnection("the POS closed it before anything was sent".to_owned()));
                }
                Err(Broken::Unsent) => {}
            }
            // It was closed while it waited for its request: once more.
            sent.store(false, Ordering::Relaxed);
            tries += 1;
            opened = self.opened(settings).await;
        }
    }

    fn request(&self, settings: &Settings, ask: &Ask<'_>, secret: Option<&str>) -> Result<Request<Full<Bytes>>, Cause> {
        let uri = address_of(settings, &ask.path)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let unsendable = |error: http::Error| Cause::Unsendable(error.to_string());
        let mut request = Request::builder().method(&ask.method).uri(path).header(header::HOST, host(&uri));
        let headers = [
            (header::ACCEPT.as_str(), Some("application/json".to_owned())),
            (header::ACCEPT_ENCODING.as_str(), Some("identity".to_owned())),
            (header::CONNECTION.as_str(), Some("close".to_owned())),
            (header::CONTENT_TYPE.as_str(), (!ask.body.is_empty()).then(|| "application/json".to_owned())),
            ("idempotency-key", ask.idempotency_key.clone()),
            ("traceparent", ask.traceparent.map(str::to_owned)),
            (CONTRACT_HEADER, Some(CONTRACT.to_string())),
            (REQUEST_HEADER, Some(ask.id.clone())),
            (NOT_AFTER_HEADER, ask.not_after.map(|at| at.0.to_string())),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        match (&settings.auth, secret) {
            (Some(HttpAuth::Bearer { .. }), Some(secret)) => {
                let proof = HeaderValue::try_from(format!("Bearer {secret}"));
                let proof = proof.map_err(|_| Cause::NoSecret("it holds characters that no header can".to_owned()))?;
                request = request.header(header::AUTHORIZATION, proof);
            }
            (Some(HttpAuth::Hmac { .. }), Some(secret)) => {
                let seconds = self.clock.now().seconds();
                request = request.header(SIGNATURE_HEADER, sign(secret, seconds, path, ask).map_err(Cause::Unsendable)?);
            }
            _ => {}
        }
        request.body(Full::new(ask.body.clone().into())).map_err(unsendable)
    }
}

/// Where a request goes.
///
/// # Errors
/// What is wrong with the base, in words.
pub(super) fn address(base: &str, path: &str) -> Result<Uri, String> {
    let base = base.trim_end_matches('/');
    let uri: Uri = format!("{base}{path}").parse().map_err(|error| format!("the connector cannot use it: {error}"))?;
    let loopback = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if uri.scheme_str() != Some("https") && !(uri.scheme_str() == Some("http") && loopback) {
        return Err("must be https, unless its host is this machine".to_owned());
    }
    Ok(uri)
}

/// The same, of a mapped POS.
fn address_of(settings: &Settings, path: &str) -> Result<Uri, Cause> {
    address(&settings.base, path).map_err(|why| Cause::Unsendable(format!("the base of the POS: {why}")))
}

/// The `Host` of an address: without a port that is its scheme's own.
fn host(uri: &Uri) -> String {
    let own = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let name = uri.host().unwrap_or_default();
    uri.port_u16().filter(|port| *port != own).map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Whether an answer repeats the id of its request, and nothing else.
pub(super) fn repeats(headers: &HeaderMap, ask: &Ask<'_>) -> bool {
    let mut ids = headers.get_all(REQUEST_HEADER).iter().peekable();
    ids.peek().is_some() && ids.all(|id| id.as_bytes() == ask.id.as_bytes())
}

/// `t=<Unix seconds>,v2=<hex HMAC-SHA256 of "{t}.{METHOD}.{path}.{contract}.{request}.{not-after}.{body}">`, where a
/// header that is not there is empty.
fn sign(secret: &str, seconds: i64, path: &str, ask: &Ask<'_>) -> Result<String, String> {
    let Ask { method, id, body, .. } = ask;
    let not_after = ask.not_after.map(|at| at.0.to_string()).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|error| error.to_string())?;
    mac.update(format!("{seconds}.{method}.{path}.{CONTRACT}.{id}.{not_after}.").as_bytes());
    mac.update(body);
    Ok(format!("t={seconds},v2={}", hex::encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Ask<'static> {
        let not_after = Some(UnixMillis(7));
        Ask { body: b"{}".to_vec(), not_after, ..Ask::new(Method::PUT, "/orders/k".to_owned(), "r".to_owned()) }
    }

    #[test]
    fn a_signature_covers_time_method_path_headers_and_body() {
        let one = sign("s", 1, "/orders/k", &ask()).unwrap();
        assert!(one.starts_with("t=1,v2=") && one.len() == 7 + 64);
        let others = [
            sign("x", 1, "/orders/k", &ask()),
            sign("s", 2, "/orders/k", &ask()),
            sign("s", 1, "/orders/l", &ask()),
            sign("s", 1, "/orders/k", &Ask { method: Method::GET, ..ask() }),
            sign("s", 1, "/orders/k", &Ask { body: b"{ }".to_vec(), ..ask() }),
            sign("s", 1, "/orders/k", &Ask { id: "q".to_owned(), ..ask() }),
            sign("s", 1, "/orders/k", &Ask { not_after: Some(UnixMillis(8)), ..ask() }),
            sign("s", 1, "/orders/k", &Ask { not_after: None, ..ask() }),
        ];
        assert!(others.into_iter().all(|other| other.unwrap() != one));
    }

    #[test]
    fn an_answer_must_repeat_the_id_of_its_request_alone() {
        let answered = |ids: &[&str]| {
            let mut headers = HeaderMap::new();
            for id in ids {
                headers.append(REQUEST_HEADER, id.parse().unwrap());
            }
            repeats(&headers, &ask())
        };
        assert!(answered(&["r"]) && answered(&["r", "r"]));
        assert!(!answered(&[]) && !answered(&["q"]) && !answered(&["r", "q"]) && !answered(&["r, r"]) && !answered(&[""]));
    }

    #[test]
    fn a_host_is_told_as_its_address_has_it() {
        for (base, expected) in [
            ("https://pos.example/v1", "pos.example"),
            ("https://pos.example:443", "pos.example"),
            ("https://pos.example:8443", "pos.example:8443"),
            ("http://127.0.0.1:80", "127.0.0.1"),
            ("http://[::1]:3100/x", "[::1]:3100"),
        ] {
            assert_eq!(host(&base.parse().unwrap()), expected);
        }
    }
}
