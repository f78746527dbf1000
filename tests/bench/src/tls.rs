//! TLS before the local services, as AWS has it: a fresh authority, a certificate for 127.0.0.1, and what comes through it
//! handed on as it is.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// An authority that the functions are told to trust.
pub(crate) struct Authority {
    acceptor: TlsAcceptor,
}

impl Authority {
    /// Makes one and writes its certificate to `file`.
    pub(crate) fn new(file: &Path) -> anyhow::Result<Self> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of another name than the certificate has: OpenSSL takes that for signed by itself.
        ca.distinguished_name.push(DnType::CommonName, "the benchmark's authority");
        let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
        std::fs::write(file, issuer.pem()).with_context(|| format!("cannot write {}", file.display()))?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The address of a TLS endpoint before this one, `http://HOST:PORT`.
    pub(crate) async fn before(&self, upstream: &str) -> anyhow::Result<String> {
        let upstream: SocketAddr = upstream.trim_start_matches("http://").trim_end_matches('/').parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = self.acceptor.clone();
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
