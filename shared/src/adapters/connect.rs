//! How a connection comes to be: name resolution, TCP and TLS within one limit. HTTP/1.1 alone is offered.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Builder, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tower_service::Service;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects within a limit.
#[derive(Debug, Clone)]
pub(super) struct Connect {
    https: HttpsConnector<HttpConnector>,
    limit: Duration,
}

impl Connect {
    /// Trusts the certificates of the public web (Mozilla's list, compiled in).
    pub(super) fn trusting_the_web(limit: Duration) -> Self {
        Self {
            https: HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(tcp()),
            limit,
        }
    }

    /// Trusts these certificates (PEM).
    ///
    /// # Errors
    /// A sentence when there is none, or one that cannot be used.
    pub(super) fn trusting(roots: &[u8], limit: Duration) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(roots) {
            let certificate = certificate.map_err(|error| format!("a certificate is no PEM: {error}"))?;
            store.add(certificate).map_err(|error| format!("a certificate cannot be trusted: {error}"))?;
        }
        if store.is_empty() {
            return Err("there is no certificate in PEM (-----BEGIN CERTIFICATE-----) to trust".to_owned());
        }
        let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp());
        Ok(Self { https, limit })
    }
}

/// A client that keeps its connections.
pub(super) fn client() -> Builder {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new());
    builder
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp
}

impl Service<Uri> for Connect {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        let limit = self.limit;
        Box::pin(async move { tokio::time::timeout(limit, connecting).await? })
    }
}
