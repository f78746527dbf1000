//! Connections to POS systems over TCP, with TLS or without.

use std::{io, time::Duration};

use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;
use tower_service::Service;

use super::{
    super::{causes, connect::Connect},
    line::{Connection, Network},
};

pub use super::super::connect::Roots;

/// Name resolution, TCP and TLS together.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// For this long bytes may stay unacknowledged before the kernel gives the connection up. An attempt that was given up
/// has reset it by then; this is for a machine that stood still in between.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// The network of this machine.
#[derive(Debug, Clone)]
pub struct Sockets(Connect);

impl Sockets {
    /// POS systems whose certificates these authorities have signed can be reached.
    #[must_use]
    pub fn trusting(roots: Roots) -> Self {
        Self(Connect::impatient(roots, CONNECT_LIMIT, UNACKNOWLEDGED))
    }
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Network for Sockets {
    type Connection = Stream;

    async fn connect(&self, uri: Uri) -> Result<Stream, String> {
        let stream = self.0.clone().call(uri).await.map_err(|error| causes(error.as_ref()))?;
        linger(&stream, Some(Duration::ZERO)).map_err(|error| error.to_string())?;
        Ok(stream)
    }
}

impl Connection for Stream {
    fn close_in_peace(&self) {
        let _ = linger(self, None);
    }
}

fn linger(stream: &Stream, time: Option<Duration>) -> io::Result<()> {
    let tcp = match stream {
        MaybeHttpsStream::Http(tcp) => tcp.inner(),
        MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner(),
    };
    SockRef::from(tcp).set_linger(time)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_reset_when_it_is_dropped_and_given_up_when_nothing_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let stream = Sockets::trusting(Roots::of_the_web()).connect(uri).await.unwrap();
        let MaybeHttpsStream::Http(tcp) = &stream else { panic!("TLS") };
        let socket = SockRef::from(tcp.inner());
        assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
