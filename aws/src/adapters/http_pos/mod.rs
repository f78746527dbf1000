//! A POS behind HTTP: `PUT`, `GET` and `DELETE {base}/orders/{key}` (docs/pos-connector.openapi.yaml). What matters most is
//! to report how far a request got, and to believe an answer only if the POS itself gave it, to this request.

mod answer;
pub mod line;
mod offer;
pub mod sockets;
mod transport;

use std::time::Duration;

use http::{HeaderMap, Method, header};
use serde::Serialize;
use serde_json::value::RawValue;

use super::clock::SystemClock;
use answer::{Head, Said};
use line::{Answer, Connection, Network};
use posnext_shared::{
    app::{
        METRICS,
        ports::{Attempt, Clock, Secrets},
    },
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{HttpConnector as Settings, Location},
        history::{Cause, Lack, PosStatus},
        record::OrderRecord,
    },
};
use sockets::Sockets;
pub use transport::Line;
use transport::{Ask, Reply, Transport, address, repeats};

/// Whether requests can be sent to a POS at this base. A browser takes more than that.
///
/// # Errors
/// What is wrong with it, in words.
pub fn can_be_asked(base: &str) -> Result<(), String> {
    address(base, "/orders/key").map(|_| ())
}

/// A POS behind HTTP.
#[derive(Debug)]
pub struct HttpPos<S, C = SystemClock, N = Sockets> {
    transport: Transport<S, C, N>,
}

#[derive(Serialize)]
struct PlaceBody<'a> {
    key: &'a str,
    location_id: &'a str,
    order: &'a RawValue,
}

impl<S: Secrets, C: Clock, N: Network> HttpPos<S, C, N> {
    /// A POS that is reached over this network.
    #[must_use]
    pub fn new(secrets: S, network: N, clock: C) -> Self {
        Self { transport: Transport::new(secrets, network, clock) }
    }

    fn clock(&self) -> &C {
        &self.transport.clock
    }

    /// Opens a way to this POS, for one placement.
    pub async fn open(&self, settings: &Settings) -> Line<N::Connection> {
        self.transport.open(settings).await
    }

    /// Places an order.
    pub async fn place(
        &self,
        line: Option<Line<N::Connection>>,
        settings: &Settings,
        location: &Location,
        record: &OrderRecord,
        attempt: Attempt,
    ) -> Placed {
        let key = record.key.pos_key();
        // A POS is in any language, and many refuse half a surrogate pair, and the whole order with it.
        let order = record.order.readable_text();
        let body = serde_json::from_str(&order)
            .and_then(|order| serde_json::to_vec(&PlaceBody { key: &key, location_id: &location.internal_id, order }));
        let body = match body {
            Ok(body) => body,
            Err(error) => return Placed::Permanent(Cause::Unsendable(error.to_string())),
        };
        let ask =
            Ask { body, not_after: Some(attempt.not_after()), ..Ask::of_order(Method::PUT, record, self.clock().fresh_id()) };
        let may_begin = |left| attempt.may_begin(left, self.clock().now());
        let answer = match self.transport.send(settings, line, &ask, attempt.limit, may_begin).await {
            Reply::Never(cause) => return Placed::Permanent(cause),
            Reply::NotSent(cause) => return Placed::NotStarted { cause, retry_after: None },
            Reply::Cut(cause) => return Placed::Unknown(cause),
            Reply::Answer(answer) => answer,
        };
        match said(&answer, &ask, settings, record) {
            Ok(said) => placed(said, answer.status.as_u16(), retry_after(&answer.headers)),
            Err(cause) => Placed::Unknown(cause),
        }
    }

    /// Asks for an order.
    pub async fn find(&self, settings: &Settings, record: &OrderRecord, limit: Duration) -> Found {
        let Said { status, pos_order_id, errors } = match self.ask(Method::GET, settings, record, limit, |_| true).await {
            Ok(said) => said,
            Err(cause) => return Found::Unknown(cause),
        };
        match (status, pos_order_id) {
            (PosStatus::Placed, Some(pos_order_id)) => Found::Placed { pos_order_id },
            (PosStatus::Placed, None) => Found::NoNumber,
            (PosStatus::Rejected, _) => Found::Refused(errors),
            (PosStatus::Cancelled, _) => Found::Cancelled,
            _ => Found::Absent,
        }
    }

    /// Cancels an order.
    pub async fn cancel(&self, settings: &Settings, record: &OrderRecord, attempt: Attempt) -> Cancelled {
        // One whose lease is over would meet what somebody else has decided since.
        let may_begin = |left| attempt.may_begin(left, self.clock().now());
        let asked = self.ask(Method::DELETE, settings, record, attempt.limit, may_begin).await;
        let Said { status, pos_order_id, errors } = match asked {
            Ok(said) => said,
            Err(cause) => return Cancelled::Unknown(cause),
        };
        match (status, pos_order_id) {
            (PosStatus::Placed, Some(pos_order_id)) => Cancelled::WillNot { pos_order_id },
            (PosStatus::Placed, None) => Cancelled::NoNumber,
            (PosStatus::Rejected, _) => Cancelled::Refused(errors),
            _ => Cancelled::Done,
        }
    }

    /// What the POS says of an order, if that settles anything.
    async fn ask(
        &self,
        method: Method,
        settings: &Settings,
        record: &OrderRecord,
        limit: Duration,
        may_begin: impl Fn(Duration) -> bool + Send + Sync,
    ) -> Result<Said, Cause> {
        let ask = Ask::of_order(method, record, self.clock().fresh_id());
        match self.transport.send(settings, None, &ask, limit, may_begin).await {
            Reply::Never(cause) | Reply::NotSent(cause) | Reply::Cut(cause) => Err(cause),
            Reply::Answer(answer) => match said(&answer, &ask, settings, record)? {
                Said { status: status @ (PosStatus::InProgress | PosStatus::NotStarted | PosStatus::Invalid), .. } => {
                    Err(Cause::Answered(answer.status.as_u16(), status))
                }
                said => Ok(said),
            },
        }
    }
}

/// The classes of docs/lifecycle.md#what-an-attempt-comes-to.
fn placed(said: Said, http: u16, retry_after: Option<Duration>) -> Placed {
    let cause = Cause::Answered(http, said.status);
    match (said.status, said.pos_order_id) {
        (PosStatus::Placed, Some(pos_order_id)) => Placed::Done { pos_order_id },
        (PosStatus::Placed, None) => Placed::NoNumber,
        (PosStatus::Rejected, _) => Placed::Refused(said.errors),
        (PosStatus::Cancelled, _) => Placed::Cancelled,
        (PosStatus::Invalid, _) => Placed::Permanent(cause),
        (PosStatus::NotStarted, _) => Placed::NotStarted { cause, retry_after },
        (PosStatus::InProgress | PosStatus::Unknown, _) => Placed::Unknown(cause),
    }
}

/// What an answer says of the order, if it counts.
fn said<T: Connection>(answer: &Answer<T>, ask: &Ask<'_>, settings: &Settings, record: &OrderRecord) -> Result<Said, Cause> {
    let (status, headers) = (answer.status.as_u16(), &answer.headers);
    let (repeats_request, aged) = (repeats(headers, ask), headers.contains_key(header::AGE));
    let says_the_same_again = record.pos.abilities().idempotent_place && settings.abilities.idempotent_place;
    let refused_anew = record.attempts > 1 && !says_the_same_again;
    let head = Head { method: &ask.method, status, repeats_request, aged, refused_anew };
    let said = answer::read(head, &answer.body, &record.key.pos_key()).inspect(|_| answer.close());
    said.map_err(|lacks| {
        if lacks == Lack::ThisKey {
            tracing::info!(target: METRICS, AnswerOfAnotherOrder = 1);
            tracing::error!(alarm = "answer_of_another_order", order.key = %record.key, status,
                "the POS, or what stands before it, gave another order's answer");
        }
        Cause::NotOwn { status, media_type: media_type(headers), lacks }
    })
}

/// The media type of an answer, short and in plain characters; and how it is compressed, which explains why it cannot be
/// read.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let named = headers.get(header::CONTENT_TYPE).and_then(|named| named.to_str().ok());
    let named = named.map(|named| short(named.split(';').next().unwrap_or_default()));
    match (named, coding(headers)) {
        (named, None) => named,
        (named, Some(coding)) => Some(format!("{} in {coding}", named.unwrap_or_default()).trim().to_owned()),
    }
}

/// How an answer is compressed, although every request asks for it as it is.
fn coding(headers: &HeaderMap) -> Option<String> {
    let named = headers.get(header::CONTENT_ENCODING)?.to_str().map_or_else(|_| "an unknown coding".to_owned(), short);
    Some(named).filter(|named| !named.is_empty() && !named.eq_ignore_ascii_case("identity"))
}

fn short(text: &str) -> String {
    text.trim().chars().take(60).collect()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
