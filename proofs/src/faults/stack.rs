//! The stack under fire: the services in a process that can be killed and stopped, the functions' binaries in pools, and
//! what API Gateway, the event source mapping and the schedule do for them on AWS.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use nix::sys::signal::Signal;
use posnext_local::lambda::Account;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use super::chaos::{Chaos, signal};
use crate::lambda::{Environment, Function, Pool, Refused};

/// Of a thousand events for a background function, so many are delivered twice.
const DELIVERED_TWICE: u32 = 50;

/// The functions' processes.
#[derive(Debug)]
pub(super) struct Functions {
    chaos: Arc<Chaos>,
    submit: Pool<Arc<Chaos>>,
    get: Pool<Arc<Chaos>>,
    process: Pool<Arc<Chaos>>,
    recover: Pool<Arc<Chaos>>,
}

impl Functions {
    pub(super) fn new(binaries: &Path, account: &Account, chaos: &Arc<Chaos>) -> anyhow::Result<Arc<Self>> {
        let pool = |name: &'static str| {
            // As `cargo build` leaves them, or as `cargo lambda build` does.
            let candidates = [binaries.join(name).join("bootstrap"), binaries.join(name)];
            let binary = candidates.into_iter().find(|path| path.is_file()).with_context(|| {
                format!("{} holds no {name}; build the functions first, or name their folder with --binaries", binaries.display())
            })?;
            anyhow::Ok(Pool::new(Function::deployed(name, binary)?, account.clone(), Arc::new(Arc::clone(chaos))))
        };
        Ok(Arc::new(Self {
            chaos: Arc::clone(chaos),
            submit: pool("submit-order")?,
            get: pool("get-order")?,
            process: pool("process-order")?,
            recover: pool("recover-orders")?,
        }))
    }

    /// Serves the API, and Lambda's Invoke API for what triggers the background functions; the base URL.
    pub(super) async fn serve(self: &Arc<Self>) -> anyhow::Result<String> {
        let routes = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .route("/posnext/order/submit", any(submit))
            .route("/posnext/orders/{id}", any(get))
            .with_state(Arc::clone(self));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(format!("http://{address}"))
    }
}

async fn invoke(State(functions): State<Arc<Functions>>, UrlPath(name): UrlPath<String>, event: String) -> Response {
    let pool = if name == "process-order" { &functions.process } else { &functions.recover };
    if functions.chaos.chance(DELIVERED_TWICE) {
        let (functions, event) = (Arc::clone(&functions), event.clone());
        tokio::spawn(async move {
            let pool = if name == "process-order" { &functions.process } else { &functions.recover };
            let _ = pool.invoke(event).await;
        });
    }
    invoked(pool.invoke(event).await)
}

/// What Lambda answers who invokes a function and waits (AWS: "Invoke").
fn invoked(answer: Result<Value, Refused>) -> Response {
    let refused = |status, kind: &str, error: &Refused| {
        (status, [("x-amzn-errortype", kind.to_owned())], format!("{error}")).into_response()
    };
    match answer {
        Ok(answer) => answer.to_string().into_response(),
        Err(Refused::Failed(failure)) => ([("x-amz-function-error", "Unhandled")], failure.to_string()).into_response(),
        Err(error @ Refused::Throttled) => refused(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", &error),
        Err(error @ Refused::Looped) => refused(StatusCode::BAD_REQUEST, "RecursiveInvocationException", &error),
        Err(error @ Refused::NotStarted(_)) => refused(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", &error),
    }
}

async fn submit(State(functions): State<Arc<Functions>>, method: Method, uri: Uri, headers: HeaderMap, body: String) -> Response {
    answer(functions.submit.invoke(event(&method, &uri, &headers, &body, None)).await)
}

async fn get(
    State(functions): State<Arc<Functions>>,
    UrlPath(id): UrlPath<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    answer(functions.get.invoke(event(&method, &uri, &headers, "", Some(&id))).await)
}

/// A request as an HTTP API hands it over (AWS: payload format 2.0).
fn event(method: &Method, uri: &Uri, headers: &HeaderMap, body: &str, id: Option<&str>) -> String {
    let headers: HashMap<&str, &str> =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let route = if id.is_some() { "ANY /posnext/orders/{orderId}" } else { "ANY /posnext/order/submit" };
    json!({
        "version": "2.0", "routeKey": route, "rawPath": uri.path(), "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "faults", "domainName": "localhost", "domainPrefix": "localhost",
            "http": { "method": method.as_str(), "path": uri.path(), "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "PAR" },
            "requestId": "faults", "routeKey": route, "stage": "$default", "time": "15/Mar/2025:14:30:45 +0000", "timeEpoch": 0,
        },
        "pathParameters": id.map(|id| json!({ "orderId": id })),
        "body": body, "isBase64Encoded": false,
    })
    .to_string()
}

fn answer(answer: Result<Value, Refused>) -> Response {
    // As an HTTP API answers for a function that failed, or was not run (docs/errors.md).
    let answer = match answer {
        Ok(answer) => answer,
        Err(Refused::Throttled) => {
            return (StatusCode::SERVICE_UNAVAILABLE, r#"{"message":"Service Unavailable"}"#).into_response();
        }
        Err(_) => return (StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"Internal Server Error"}"#).into_response(),
    };
    let reply: Reply = serde_json::from_value(answer).unwrap_or_default();
    let code = StatusCode::from_u16(reply.status_code).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (code, reply.body).into_response();
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What a function answers an HTTP API.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reply {
    status_code: u16,
    headers: HashMap<String, String>,
    body: String,
}

/// DynamoDB, SQS and Secrets Manager, in a process that can be killed and stopped. DynamoDB's rows outlive it, SQS's
/// messages do not.
#[derive(Debug)]
pub(super) struct Services {
    folder: PathBuf,
    invoke: String,
    child: Child,
}

impl Services {
    pub(super) async fn start(folder: &Path, invoke: &str, chaos: &Chaos) -> anyhow::Result<Self> {
        let child = spawn(folder, invoke).await?;
        let services = Self { folder: folder.to_owned(), invoke: invoke.to_owned(), child };
        services.tell(chaos)?;
        Ok(services)
    }

    /// The environment of a function that uses the services directly.
    fn environment(&self) -> anyhow::Result<Environment> {
        let text = std::fs::read_to_string(self.folder.join("local.env"))?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// One of its variables.
    pub(super) fn value(&self, name: &str) -> anyhow::Result<String> {
        let variable = self.environment()?.into_iter().find(|(variable, _)| variable == name);
        Ok(variable.with_context(|| format!("the services did not say {name}"))?.1)
    }

    /// SIGKILL, and started anew.
    pub(super) async fn restart(&mut self, chaos: &Chaos) -> anyhow::Result<()> {
        self.child.kill().await?;
        self.child = spawn(&self.folder, &self.invoke).await?;
        self.tell(chaos)
    }

    /// Stopped for a while: calls hang.
    pub(super) async fn pause(&self, time: Duration) {
        let Some(pid) = self.child.id() else { return };
        signal(pid, Signal::SIGSTOP);
        tokio::time::sleep(time).await;
        signal(pid, Signal::SIGCONT);
    }

    /// Tells the proxies where the services are now. The functions' variables stay what they were at first.
    fn tell(&self, chaos: &Chaos) -> anyhow::Result<()> {
        let mut upstreams = chaos.upstreams.write().unwrap_or_else(PoisonError::into_inner);
        upstreams.dynamodb = self.value("AWS_ENDPOINT_URL_DYNAMODB")?;
        upstreams.sqs = self.value("AWS_ENDPOINT_URL_SQS")?;
        upstreams.secrets = self.value("AWS_ENDPOINT_URL_SECRETS_MANAGER")?;
        if upstreams.first_sqs.is_empty() {
            upstreams.first_sqs = upstreams.sqs.clone();
            *chaos.settings.write().unwrap_or_else(PoisonError::into_inner) = self.environment()?;
        }
        Ok(())
    }
}

/// The `posnext` command, which is beside this program.
fn posnext() -> anyhow::Result<Command> {
    let program = std::env::current_exe()?.with_file_name("posnext");
    ensure!(program.exists(), "{} is missing; build it: cargo build --workspace", program.display());
    Ok(Command::new(program))
}

async fn spawn(folder: &Path, invoke: &str) -> anyhow::Result<Child> {
    let mut command = posnext()?;
    command.args(["local", "--services-only", "--lambda-endpoint", invoke, "--data"]).arg(folder.join("data"));
    command.arg("--env-file").arg(folder.join("local.env"));
    ready(command, "are up").await
}

/// The played POS, in a process of its own that is left alone.
pub(super) async fn start_pos() -> anyhow::Result<(Child, String)> {
    let mut command = posnext()?;
    command.args(["pos", "--listen", "127.0.0.1:0"]);
    let (child, line) = said(command, "http://").await?;
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).context("the POS did not say where it listens")?;
    Ok((child, url.to_owned()))
}

async fn ready(command: Command, word: &str) -> anyhow::Result<Child> {
    said(command, word).await.map(|(child, _)| child)
}

/// Starts a process and waits until it says a line with this in it.
async fn said(mut command: Command, word: &str) -> anyhow::Result<(Child, String)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        if line.contains(word) {
            // What it says later is of no interest, but it must find somebody who reads it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((child, line));
        }
    }
    bail!("a process ended before it was ready: {:?}", child.wait().await?)
}
