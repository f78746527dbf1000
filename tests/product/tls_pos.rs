//! A POS over TLS, far away, that closes the connections it keeps: after a while without a request, after so many, or
//! when it starts anew.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Who is trusted: the authority of the benchmark's certificates, which everybody knows.
pub(crate) const AUTHORITY: &[u8] = include_bytes!("../bench/certificates/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("../bench/certificates/server.pem");
const KEY: &[u8] = include_bytes!("../bench/certificates/server.key");

/// From the caller to the POS, and back.
pub(crate) const ONE_WAY: Duration = Duration::from_millis(30);
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(60);

/// TLS as a POS would speak it.
pub(crate) fn acceptor() -> TlsAcceptor {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let certificate = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
        Arc::new(config.with_single_cert(certificate, PrivateKeyDer::from_pem_slice(KEY).unwrap()).unwrap())
    });
    TlsAcceptor::from(Arc::clone(&CONFIG))
}

/// When the POS closes a connection that it keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Closes {
    /// After this long without a request.
    Idle(Duration),
    /// After so many requests.
    After(u32),
    /// When it starts anew, and never else.
    OnRestart,
}

/// The POS.
pub(crate) struct TlsPos {
    /// Where it is, as its callers see it.
    pub(crate) base: String,
    restart: watch::Sender<u32>,
}

impl TlsPos {
    pub(crate) async fn start(closes: Closes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = far_away(listener.local_addr().unwrap()).await;
        let (restart, restarts) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that breaks is its caller's to notice.
                tokio::spawn(serve(stream, closes, restarts.clone()));
            }
        });
        Self { base: format!("https://{near}"), restart }
    }

    /// Closes what is idle and ends what it is at, as servers do that start anew.
    pub(crate) fn restart(&self) {
        self.restart.send_modify(|restarts| *restarts += 1);
    }
}

async fn serve(stream: TcpStream, closes: Closes, mut restarts: watch::Receiver<u32>) {
    let Ok(stream) = acceptor().accept(stream).await else { return };
    restarts.mark_unchanged();
    let (answered, requests) = (Arc::new(Notify::new()), Arc::new(Mutex::new(0)));
    let (told, counted) = (Arc::clone(&answered), Arc::clone(&requests));
    let service = service_fn(move |request: Request<Incoming>| {
        let (told, counted) = (Arc::clone(&told), Arc::clone(&counted));
        async move {
            let answer = answer(request).await;
            *counted.lock().unwrap() += 1;
            told.notify_one();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let mut idle_until = None;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = answered.notified() => match closes {
                Closes::Idle(idle) => idle_until = Some(Instant::now() + idle),
                Closes::After(most) if *requests.lock().unwrap() >= most => connection.as_mut().graceful_shutdown(),
                Closes::After(_) | Closes::OnRestart => {}
            },
            () = sleep_until(idle_until.unwrap_or_else(Instant::now)), if idle_until.is_some() => {
                idle_until = None;
                connection.as_mut().graceful_shutdown();
            }
            Ok(()) = restarts.changed() => connection.as_mut().graceful_shutdown(),
        }
    }
}

/// Placed, once it has arrived whole.
async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let key = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let whole = request.into_body().collect().await.is_ok();
    let status = if whole { "placed" } else { "not_started" };
    let body = format!(r#"{{"key":"{key}","status":"{status}","pos_order_id":"T-1"}}"#);
    Response::builder().status(if whole { 201 } else { 503 }).body(Full::from(body)).unwrap()
}

/// An address from which it takes [`ONE_WAY`] to this one, and back, whatever is sent; an end as well.
async fn far_away(pos: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                near.set_nodelay(true).unwrap();
                // The handshake of TCP takes its time, too.
                sleep(ROUND_TRIP).await;
                let Ok(far) = TcpStream::connect(pos).await else { return };
                far.set_nodelay(true).unwrap();
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::join!(late(near_in, far_out), late(far_in, near_out));
            });
        }
    });
    address
}

/// Hands on what is read, [`ONE_WAY`] later.
async fn late(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let (send, mut received) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut buffer = vec![0; 1 << 14];
        while let Ok(read) = from.read(&mut buffer).await {
            let _ = send.send((Instant::now() + ONE_WAY, buffer[..read].to_vec()));
            if read == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = received.recv().await {
            sleep_until(at).await;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                let _ = to.shutdown().await;
                return;
            }
        }
    };
    tokio::join!(read, write);
}
