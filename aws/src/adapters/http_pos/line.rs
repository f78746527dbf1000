//! One connection for one request. It is driven by whoever waits for the answer, in no task of its own: once that is
//! dropped, the socket is closed, and a reset discards what the kernel has not sent
//! (docs/lifecycle.md#an-attempt-that-was-given-up).

use std::{
    fmt::Debug,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1,
    rt::{Read, Write},
};

use super::super::{causes, connect::BoxError};

/// How a POS is reached. Besides the clock it is all that the simulation has otherwise than the product
/// (docs/decisions/0032).
pub trait Network: Debug + Send + Sync {
    /// What bytes go over.
    type Connection: Connection;
    /// Connects to the host of an address.
    ///
    /// # Errors
    /// What stands in the way, in words.
    fn connect(&self, uri: Uri) -> impl Future<Output = Result<Self::Connection, String>> + Send;
}

/// A connection. Dropped, it is reset, and what it has not sent is discarded.
pub trait Connection: Read + Write + Debug + Send + Sync + Unpin + 'static {
    /// From now on it is closed when it is dropped, and not reset.
    fn close_in_peace(&self);
}

/// An answer, read whole. The connection it came over is reset when it is dropped: it may have come before the request had left whole, from
/// something that stands before the POS.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    stream: Box<T>,
}

impl<T: Connection> Answer<T> {
    /// The POS itself has said this, and so has read the request whole: there is nothing left to discard, and a reset would look like a
    /// fault.
    pub(super) fn close(&self) {
        self.stream.close_in_peace();
    }
}

/// How an exchange went wrong.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection was closed before a byte of the request was written.
    Unsent,
    /// Later than that.
    Cut(String),
}

/// Sends a request and reads its answer, of which the body is at most `largest` bytes. `sending` is called right before
/// the first byte may leave.
pub(super) async fn exchange<T: Connection>(
    stream: T,
    request: Request<Full<Bytes>>,
    largest: usize,
    sending: impl FnOnce(),
) -> Result<Answer<T>, Broken> {
    let cut = |error: hyper::Error| Broken::Cut(causes(&error));
    let (mut sender, mut connection) = http1::handshake(stream).await.map_err(cut)?;
    sending();
    let answering = sender.try_send_request(request);
    let mut answer = pin!(async {
        match answering.await {
            Ok(response) => whole(response, largest).await.map_err(|error| Broken::Cut(causes(error.as_ref()))),
            Err(mut error) => match error.take_message() {
                Some(_) => Err(Broken::Unsent),
                None => Err(Broken::Cut(causes(error.error()))),
            },
        }
    });
    let mut open = true;
    let whole = poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        if open && Pin::new(&mut connection).poll(cx).is_ready() {
            open = false;
        }
        // The connection may just have read what is waited for.
        answer.as_mut().poll(cx)
    })
    .await;
    let ((status, headers), body) = whole?;
    Ok(Answer { status, headers, body, stream: Box::new(connection.into_parts().io) })
}

async fn whole(response: Response<Incoming>, largest: usize) -> Result<((StatusCode, HeaderMap), Bytes), BoxError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, largest).collect().await?.to_bytes();
    Ok(((head.status, head.headers), body))
}

/// How long a connection may wait for its request: less than any POS waits for one.
pub(super) const FRESH: Duration = Duration::from_millis(500);
