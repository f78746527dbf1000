//! TLS before the local services, as AWS has it: always the same authority and certificate, so that a handshake's instructions
//! repeat, and what comes through handed on as it is.

use std::{net::SocketAddr, sync::Arc};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// The authority that the functions are told to trust; README beside it tells why it is fixed, and that it is worth nothing.
pub(crate) const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/certificates/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("../certificates/server.pem");
const KEY: &[u8] = include_bytes!("../certificates/server.key");

/// TLS as a service on AWS would speak it.
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from_pem_slice(CERTIFICATE)?], PrivateKeyDer::from_pem_slice(KEY)?)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The address of a TLS endpoint before this one, `http://HOST:PORT`.
    pub(crate) async fn before(&self, upstream: &str) -> anyhow::Result<String> {
        let upstream: SocketAddr = upstream.trim_start_matches("http://").trim_end_matches('/').parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = self.0.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that breaks is its client's to notice.
                tokio::spawn(hand_on(acceptor.clone(), stream, upstream));
            }
        });
        Ok(format!("https://{address}"))
    }
}

async fn hand_on(acceptor: TlsAcceptor, stream: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut inside = acceptor.accept(stream).await?;
    let mut outside = TcpStream::connect(upstream).await?;
    outside.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await.map(|_| ())
}
