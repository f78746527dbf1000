//! The HTTP client under the AWS SDK: the hyper and rustls that reach a POS. `aws-smithy-http-client` is the same over HTTP/2
//! as well, which no service we call speaks, and which was, with its proxies, a megabyte of every function (docs/decisions/0017).

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::config::{
    RuntimeComponents, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_runtime_api::client::{
    connection::{CaptureSmithyConnection, ConnectionMetadata},
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    result::ConnectorError,
};
use aws_smithy_types::{body::SdkBody, retry::ErrorKind};
use hyper_util::client::legacy::{
    Client,
    connect::{CaptureConnection, capture_connection},
};
use tokio::time::error::Elapsed;

use super::{
    clock,
    connect::{BoxError, Connect, client},
};

/// One pool of connections for all services. How long connecting may take is the pool's own; the SDK's time-outs of an attempt
/// and of an operation stand around every call.
#[derive(Debug)]
struct Pool(Client<Connect, SdkBody>);

/// What one SDK client calls over.
#[derive(Debug)]
struct Http {
    client: Client<Connect, SdkBody>,
    /// To the head of an answer, where the SDK sets a limit of its own: where it looks for credentials.
    limit: Option<Duration>,
}

/// A client over these connections.
pub(super) fn http_client(connect: Connect) -> SharedHttpClient {
    SharedHttpClient::new(Pool(client().build(connect)))
}

impl HttpClient for Pool {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let limit = settings.read_timeout().map(|read| settings.connect_timeout().unwrap_or_default() + read);
        SharedHttpConnector::new(Http { client: self.0.clone(), limit })
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let captured = capture_connection(&mut request);
        // The SDK has a connection closed over which an attempt went wrong.
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || connection(&captured));
        }
        let (client, limit, sent) = (self.client.clone(), self.limit.unwrap_or(Duration::MAX), SystemTime::now());
        HttpConnectorFuture::new(async move {
            let answered = tokio::time::timeout(limit, client.request(request)).await;
            let response =
                answered.map_err(|late| ConnectorError::timeout(late.into()))?.map_err(|error| classified(error.into()))?;
            clock::heard(response.headers(), sent);
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn connection(captured: &CaptureConnection) -> Option<ConnectionMetadata> {
    captured.connection_metadata().as_ref()?;
    let captured = captured.clone();
    let poison = move || {
        if let Some(connected) = captured.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

/// What the SDK is told of a failure: by it, it retries.
fn classified(error: BoxError) -> ConnectorError {
    if cause::<Elapsed>(error.as_ref()).is_some() {
        return ConnectorError::timeout(error);
    }
    let hyper = cause::<hyper::Error>(error.as_ref());
    if hyper.is_some_and(hyper::Error::is_incomplete_message) {
        return ConnectorError::other(error, Some(ErrorKind::TransientError));
    }
    let refused = cause::<hyper_util::client::legacy::Error>(error.as_ref()).is_some_and(|error| error.is_connect());
    let closed = hyper.is_some_and(|error| error.is_closed() || error.is_canceled());
    if refused || closed || cause::<std::io::Error>(error.as_ref()).is_some() {
        return ConnectorError::io(error);
    }
    ConnectorError::other(error, None)
}

fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    const ROOTS: &[u8] = include_bytes!("amazon_roots.pem");
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    fn connector() -> SharedHttpConnector {
        connector_with(&HttpConnectorSettings::default())
    }

    fn connector_with(settings: &HttpConnectorSettings) -> SharedHttpConnector {
        let client = http_client(Connect::trusting(ROOTS, Duration::from_millis(400)).unwrap());
        let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
        client.http_connector(settings, &components)
    }

    /// Says `answer` to everything that comes over a connection, and counts the connections.
    async fn service(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, answer));
            }
        });
        (address, connections)
    }

    async fn serve(mut stream: TcpStream, answer: &[u8]) {
        let mut request = [0; 1024];
        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            if answer.is_empty() {
                return;
            }
            stream.write_all(answer).await.unwrap();
        }
    }

    async fn call(
        connector: &SharedHttpConnector,
        url: String,
        capture: CaptureSmithyConnection,
    ) -> Result<String, ConnectorError> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).unwrap();
        request.add_extension(capture);
        let body = connector.call(request).await?.into_body();
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn calls_one_after_the_other_take_one_connection() {
        let (address, connections) = service(OK).await;
        let connector = connector();
        for _ in 0..20 {
            assert_eq!(call(&connector, format!("http://{address}/"), CaptureSmithyConnection::new()).await.unwrap(), "{}");
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_connection_that_went_wrong_is_not_used_again() {
        let (address, connections) = service(OK).await;
        let connector = connector();
        let capture = CaptureSmithyConnection::new();
        call(&connector, format!("http://{address}/"), capture.clone()).await.unwrap();
        capture.get().unwrap().poison();
        call(&connector, format!("http://{address}/"), CaptureSmithyConnection::new()).await.unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_sdk_is_told_what_kind_of_failure_it_was() {
        let connector = connector();
        let failed = async |url| call(&connector, url, CaptureSmithyConnection::new()).await.unwrap_err();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(failed(format!("http://{closed}/")).await.is_io());
        let (cut, _) = service(b"").await;
        assert_eq!(failed(format!("http://{cut}/")).await.as_other(), Some(ErrorKind::TransientError));
        let (no_tls, _) = service(OK).await;
        assert!(failed(format!("https://{no_tls}/")).await.is_io());
        assert!(failed("/of-no-host".to_owned()).await.is_other());
    }

    #[tokio::test]
    async fn a_handshake_that_is_not_answered_is_a_time_out() {
        // It takes the connection, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", silent.local_addr().unwrap());
        let error = call(&connector(), url, CaptureSmithyConnection::new()).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    }

    #[tokio::test]
    async fn a_limit_that_the_sdk_sets_is_kept() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = HttpConnectorSettings::builder().read_timeout(Duration::from_millis(20)).build();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let error = call(&connector_with(&settings), url, CaptureSmithyConnection::new()).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    }

    #[test]
    fn roots_that_are_none_are_refused_with_a_sentence() {
        for (roots, said) in [(&b""[..], "no certificate"), (b"-----BEGIN CERTIFICATE-----\n!\n", "no PEM")] {
            let error = Connect::trusting(roots, Duration::from_secs(1)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
