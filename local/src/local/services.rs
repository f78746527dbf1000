//! The engines: dynoxide (DynamoDB on SQLite), rustack (SQS, Secrets Manager), each on a free loopback port.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use super::{secrets::Secrets, stream::Engine};
use crate::private;
use anyhow::{Context, anyhow};
use aws_config::{Region, SdkConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use hyper::{
    Request,
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use posnext_aws::{adapters::aws, wiring::Aws};
use rustack_secretsmanager_http::service::{SecretsManagerHttpConfig, SecretsManagerHttpService};
use rustack_sqs_core::{config::SqsConfig, handler::RustackSqsHandler, provider::RustackSqs};
use rustack_sqs_http::{
    body::SqsResponseBody,
    dispatch::SqsHandler,
    service::{SqsHttpConfig, SqsHttpService},
};
use rustack_sqs_model::{error::SqsError, operations::SqsOperation};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};

pub(super) const REGION: &str = "us-east-1";
/// Key id and secret; the engines check neither.
pub(super) const CREDENTIAL: &str = "local";

/// Where each service listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoints {
    dynamodb: SocketAddr,
    sqs: SocketAddr,
    secrets: SocketAddr,
}

impl Endpoints {
    /// The SDK's configuration for each service, as a function has it but for the addresses.
    pub(super) fn config(&self) -> anyhow::Result<Aws> {
        let base = base()?;
        let at = |address: SocketAddr| base.to_builder().endpoint_url(format!("http://{address}")).build();
        Ok(Aws { dynamodb: at(self.dynamodb), sqs: at(self.sqs), secrets: at(self.secrets) })
    }

    /// The same for another process, as the SDK's own variables.
    pub(super) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb),
            ("AWS_ENDPOINT_URL_SQS", self.sqs),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets),
        ]
        .map(|(name, address)| (name, format!("http://{address}")))
    }

    /// SQS without the functions' short time-outs, for long polls.
    pub(super) fn patient_sqs(&self) -> anyhow::Result<SdkConfig> {
        let builder = base()?.to_builder().endpoint_url(format!("http://{}", self.sqs));
        Ok(builder.timeout_config(TimeoutConfig::disabled()).build())
    }
}

/// The functions' configuration but for one thing: here all of AWS shares a few cores with them, so under a flood a table
/// may take longer than AWS's ever does, and gets the time.
fn base() -> anyhow::Result<SdkConfig> {
    let patience = Duration::from_secs(10);
    let timeouts = TimeoutConfig::builder().operation_timeout(patience).build();
    let credentials = Credentials::new(CREDENTIAL, CREDENTIAL, None, None, "posnext");
    // Not what the environment says of AWS: the variables of another product, or of AWS itself, would be written to.
    let config = aws::fixed(Region::from_static(REGION), SharedCredentialsProvider::new(credentials), None, patience);
    Ok(config.map_err(|error| anyhow!(error))?.to_builder().timeout_config(timeouts).build())
}

/// Starts the engines. With `data`, DynamoDB and Secrets Manager keep their files there.
pub(super) async fn start(data: Option<PathBuf>) -> anyhow::Result<(Endpoints, Engine, Vec<JoinHandle<()>>)> {
    let database = match &data {
        None => dynoxide::Database::memory(),
        Some(folder) => dynoxide::Database::new(&database_in(folder)?.to_string_lossy()),
    }
    .map_err(|error| anyhow!("cannot open the database: {error:?}"))?;
    let free = || listen((Ipv4Addr::LOCALHOST, 0).into()).context("no free port on 127.0.0.1");
    let (dynamodb, sqs, secrets) = (free()?, free()?, free()?);
    let endpoints = Endpoints { dynamodb: dynamodb.local_addr()?, sqs: sqs.local_addr()?, secrets: secrets.local_addr()? };

    let config = SqsConfig { host: "127.0.0.1".to_owned(), port: endpoints.sqs.port(), ..SqsConfig::default() };
    let sqs_handler = StandardQueues(Arc::new(RustackSqsHandler::new(Arc::new(RustackSqs::new(config)))));
    let sqs_service = SqsHttpService::new(Arc::new(sqs_handler), SqsHttpConfig::default());
    let secrets_handler = Secrets::open(data.as_deref()).await?;
    let secrets_service = SecretsManagerHttpService::new(Arc::new(secrets_handler), SecretsManagerHttpConfig::default());
    let tasks = vec![
        tokio::spawn(dynoxide::server::serve_on(dynamodb, database.clone())),
        tokio::spawn(serve(sqs, sqs_service)),
        tokio::spawn(serve(secrets, secrets_service)),
    ];
    Ok((endpoints, Engine(database), tasks))
}

/// The file of the database, in a folder that is there then: this user's alone, with the files that SQLite puts beside it
/// (they get its permissions).
fn database_in(folder: &Path) -> anyhow::Result<PathBuf> {
    private::folder(folder).with_context(|| format!("cannot make the data folder {}", folder.display()))?;
    let database = folder.join("dynamodb.sqlite");
    for beside in ["-wal", "-shm"] {
        let beside = folder.join(format!("dynamodb.sqlite{beside}"));
        if beside.exists() {
            private::file(&beside).with_context(|| format!("cannot open {}", beside.display()))?;
        }
    }
    private::file(&database).with_context(|| format!("cannot open {}", database.display()))?;
    Ok(database)
}

/// Listens with room for a crowd that connects at the same moment; the usual 128 places would reset the rest.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

async fn serve<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        tokio::spawn(async move {
            let traced = service_fn(|request: Request<Incoming>| {
                let trace = request.headers().get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok()).map(str::to_owned);
                TRACE.scope(trace, service.call(request))
            });
            let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is its client's to notice.
            let _ = connection.serve_connection(TokioIo::new(stream), traced).await;
        });
    }
}

tokio::task_local! {
    /// The trace header of the request that is handled.
    static TRACE: Option<String>;
}

/// SQS keeps the trace header of who sends a message as a system attribute of this name (AWS: "Amazon SQS message system
/// attributes"). The engine keeps attributes of the sender's own alone, so it is one of those here.
pub(super) const TRACE_ATTRIBUTE: &str = "AWSTraceHeader";

/// SQS takes a MessageGroupId on a standard queue since 2025 (fair queues); the engine still refuses it. It is taken out
/// here, so that the functions send what they send on AWS; what is lost locally is the fairness between stores.
#[derive(Debug)]
struct StandardQueues(Arc<RustackSqsHandler>);

type Handled = Pin<Box<dyn Future<Output = Result<http::Response<SqsResponseBody>, SqsError>> + Send>>;

impl SqsHandler for StandardQueues {
    fn handle_operation(&self, op: SqsOperation, body: Bytes) -> Handled {
        let body = match op {
            SqsOperation::SendMessage => as_kept(&body).unwrap_or(body),
            _ => body,
        };
        self.0.handle_operation(op, body)
    }
}

/// Without the group, and with the trace header.
fn as_kept(body: &[u8]) -> Option<Bytes> {
    let mut request: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    request.remove("MessageGroupId");
    if let Some(trace) = TRACE.try_with(Clone::clone).ok().flatten() {
        let attributes = request.entry("MessageAttributes").or_insert_with(|| json!({})).as_object_mut()?;
        attributes.insert(TRACE_ATTRIBUTE.to_owned(), json!({ "DataType": "String", "StringValue": trace }));
    }
    Some(serde_json::to_vec(&request).ok()?.into())
}
