//! How a connection comes to be: name resolution, TCP and TLS within one limit. HTTP/1.1 alone is offered.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Uri;
use hyper::rt::{Sleep, Timer};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Builder,
        connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tower_service::Service;

use super::wall_clock;
use posnext_shared::{app::moment::Ageing, domain::address::is_public};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects within a limit, to what `R` makes of a host's name.
#[derive(Debug, Clone)]
pub(super) struct Connect<R = GaiResolver> {
    https: HttpsConnector<HttpConnector<R>>,
    limit: Duration,
}

/// Resolves a host's name to those of its addresses that belong to the public internet: whatever a name leads to at the moment of
/// connecting, it is never this network.
#[derive(Debug, Clone)]
pub(super) struct PublicOnly {
    pub(super) system: GaiResolver,
    /// This machine is meant, too.
    pub(super) loopback: bool,
}

impl PublicOnly {
    /// Whether an address may be connected to.
    pub(super) fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || (self.loopback && address.is_loopback())
    }
}

impl Service<Name> for PublicOnly {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolving, this) = (self.system.call(name), self.clone());
        Box::pin(async move {
            let public: Vec<SocketAddr> = resolving.await?.filter(|address| this.permits(address.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::other("the host has no public address"));
            }
            Ok(public.into_iter())
        })
    }
}

impl Connect {
    /// Trusts these. The kernel gives a connection up of which bytes stay unacknowledged for so long.
    pub(super) fn impatient(roots: Roots, limit: Duration, unacknowledged: Duration) -> Self {
        let mut tcp = tcp(GaiResolver::new());
        tcp.set_tcp_user_timeout(Some(unacknowledged));
        Self { https: https(roots, tcp), limit }
    }

    /// Trusts these certificates (PEM).
    ///
    /// # Errors
    /// A sentence when there is none, or one that cannot be used.
    pub(super) fn trusting(roots: &[u8], limit: Duration) -> Result<Self, String> {
        Ok(Self { https: https(Roots::none().and(roots)?, tcp(GaiResolver::new())), limit })
    }
}

/// Authorities whose certificates are trusted.
#[derive(Debug, Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Those of the public web (Mozilla's list, compiled in).
    #[must_use]
    pub fn of_the_web() -> Self {
        Self(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() }))
    }

    fn none() -> Self {
        Self(Arc::new(RootCertStore::empty()))
    }

    /// These (PEM) as well.
    ///
    /// # Errors
    /// A sentence when there is none, or one that cannot be used.
    pub fn and(self, pem: &[u8]) -> Result<Self, String> {
        let (mut store, before) = (RootCertStore::clone(&self.0), self.0.len());
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("a certificate is no PEM: {error}"))?;
            store.add(certificate).map_err(|error| format!("a certificate cannot be trusted: {error}"))?;
        }
        if store.len() == before {
            return Err("there is no certificate in PEM (-----BEGIN CERTIFICATE-----) to trust".to_owned());
        }
        Ok(Self(Arc::new(store)))
    }
}

/// TLS by *ring*, to servers with these certificates; plain where the address says so. No early data is sent.
#[expect(clippy::expect_used, reason = "*ring* has what the default versions of TLS need, whatever the roots are")]
fn https(roots: Roots, tcp: HttpConnector) -> HttpsConnector<HttpConnector> {
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots.0)
        .with_no_client_auth();
    HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(tcp)
}

impl Connect<PublicOnly> {
    /// The same, to public addresses alone.
    pub(super) fn to_the_public(resolver: PublicOnly, limit: Duration) -> Self {
        let https = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1();
        Self { https: https.wrap_connector(tcp(resolver)), limit }
    }
}

/// A client that keeps its connections.
pub(super) fn client() -> Builder {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.pool_timer(BothClocks::default());
    builder
}

/// A timer whose time goes on by the larger of what the monotonic and the wall clock have done, so that a connection
/// that was kept while Lambda had frozen the process has grown old (docs/lifecycle.md#time).
#[derive(Debug, Clone)]
struct BothClocks {
    timer: TokioTimer,
    began: Instant,
    ageing: Arc<Ageing>,
}

impl Default for BothClocks {
    fn default() -> Self {
        Self { timer: TokioTimer::new(), began: Instant::now(), ageing: Arc::default() }
    }
}

impl Timer for BothClocks {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.timer.sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        // Its time may be ahead of the timer's.
        self.timer.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.began + self.ageing.time(wall_clock())
    }
}

fn tcp<R>(resolver: R) -> HttpConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp
}

impl<R> Service<Uri> for Connect<R>
where
    HttpsConnector<HttpConnector<R>>: Service<Uri, Error = BoxError, Future: Send + 'static>,
{
    type Response = <HttpsConnector<HttpConnector<R>> as Service<Uri>>::Response;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of this machine's own name.
    async fn localhost(loopback: bool) -> io::Result<Vec<SocketAddr>> {
        let mut resolver = PublicOnly { system: GaiResolver::new(), loopback };
        Ok(resolver.call("localhost".parse().unwrap()).await?.collect())
    }

    #[tokio::test]
    async fn a_name_leads_to_public_addresses_alone() {
        assert!(localhost(false).await.unwrap_err().to_string().contains("no public address"));
        assert!(localhost(true).await.unwrap().iter().all(|address| address.ip().is_loopback()));
    }
}
