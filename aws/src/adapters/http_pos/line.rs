//! One connection for one request. It is driven by whoever waits for the answer, in no task of its own: once that is
//! dropped, the socket is closed, and a reset discards what the kernel has not sent
//! (docs/lifecycle.md#an-attempt-that-was-given-up).

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;
use tower_service::Service;

use super::super::{
    causes,
    connect::{BoxError, Connect},
};

/// A connection, with TLS or without.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// An answer, read whole. The connection it came over is reset when it is dropped: it may have come before the request had left whole, from
/// something that stands before the POS.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    stream: Box<Stream>,
}

impl Answer {
    /// The POS itself has said this, and so has read the request whole: there is nothing left to discard, and a reset would look like a
    /// fault.
    pub(super) fn close(&self) {
        let _ = linger(&self.stream, None);
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

/// Connects. From now on the socket is reset when it is closed, and what it has not sent is discarded.
pub(super) async fn connect(connector: &Connect, uri: Uri) -> Result<Stream, String> {
    let stream = connector.clone().call(uri).await.map_err(|error| causes(error.as_ref()))?;
    linger(&stream, Some(Duration::ZERO)).map_err(|error| error.to_string())?;
    Ok(stream)
}

fn linger(stream: &Stream, time: Option<Duration>) -> io::Result<()> {
    let tcp = match stream {
        MaybeHttpsStream::Http(tcp) => tcp.inner(),
        MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner(),
    };
    SockRef::from(tcp).set_linger(time)
}

/// Sends a request and reads its answer, of which the body is at most `largest` bytes. `sending` is called right before
/// the first byte may leave.
pub(super) async fn exchange(
    stream: Stream,
    request: Request<Full<Bytes>>,
    largest: usize,
    sending: impl FnOnce(),
) -> Result<Answer, Broken> {
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::{
        super::{super::connect::Roots, transport::UNACKNOWLEDGED},
        *,
    };

    #[tokio::test]
    async fn a_connection_is_reset_when_it_is_dropped_and_given_up_when_nothing_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let connector = Connect::impatient(Roots::of_the_web(), Duration::from_secs(3), UNACKNOWLEDGED);
        let stream = connect(&connector, uri).await.unwrap();
        let MaybeHttpsStream::Http(tcp) = &stream else { panic!("TLS") };
        let socket = SockRef::from(tcp.inner());
        assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
