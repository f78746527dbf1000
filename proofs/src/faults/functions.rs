//! The functions' binaries in pools, and what API Gateway does for them, and Lambda's Invoke API. A function may be deployed
//! in two versions at once, as by a weighted alias.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use posnext_local::lambda::Account;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::chaos::Chaos;
use crate::lambda::{Function, Pool, Refused};

/// Of a thousand events for a background function, so many are delivered twice.
const DELIVERED_TWICE: u32 = 50;
/// A process that goes on past its time-out is done after this.
const LONGEST_END: Duration = Duration::from_secs(45);

const NAMES: [&str; 4] = ["submit-order", "get-order", "process-order", "recover-orders"];

/// Processes of one version of a function.
type Version = Pool<Arc<Chaos>>;

/// The functions' processes.
#[derive(Debug)]
pub(super) struct Functions {
    chaos: Arc<Chaos>,
    newer: HashMap<&'static str, Version>,
    /// Of an older commit.
    older: HashMap<&'static str, Version>,
    /// Of a hundred invocations, so many are of the newer version where there are two.
    share: AtomicU32,
    /// Messages that a worker gave back to the queue.
    given_back: AtomicU32,
}

impl Functions {
    pub(super) fn new(newer: &Path, older: Option<&Path>, account: &Account, chaos: &Arc<Chaos>) -> anyhow::Result<Arc<Self>> {
        let pools = |folder: &Path| {
            NAMES
                .into_iter()
                .map(|name| Ok((name, pool(name, folder, account, chaos)?)))
                .collect::<anyhow::Result<HashMap<_, _>>>()
        };
        Ok(Arc::new(Self {
            chaos: Arc::clone(chaos),
            newer: pools(newer)?,
            older: older.map(pools).transpose()?.unwrap_or_default(),
            share: AtomicU32::new(100),
            given_back: AtomicU32::new(0),
        }))
    }

    /// From now on, so many of a hundred invocations are of the newer version.
    pub(super) fn shift(&self, share: u32) {
        self.share.store(share, Ordering::Relaxed);
    }

    /// Messages that a worker gave back to the queue so far.
    pub(super) fn given_back(&self) -> u32 {
        self.given_back.load(Ordering::Relaxed)
    }

    /// Runs to its end, whether or not whoever invokes still waits: Lambda goes on when its caller has gone.
    async fn run(self: &Arc<Self>, name: &str, event: String) -> Result<Value, Refused> {
        let (functions, name) = (Arc::clone(self), name.to_owned());
        let invocation = tokio::spawn(async move {
            let newer = functions.chaos.chance(functions.share.load(Ordering::Relaxed) * 10);
            let older = functions.older.get(name.as_str()).filter(|_| !newer);
            let version = older.or_else(|| functions.newer.get(name.as_str()));
            let unknown = || Refused::NotStarted(anyhow::anyhow!("there is no function {name}"));
            version.ok_or_else(unknown)?.invoke(event).await
        });
        invocation.await.unwrap_or_else(|error| Err(Refused::NotStarted(error.into())))
    }

    /// Lets every process go on that is frozen past its time-out.
    pub(super) async fn thaw(&self) {
        let versions = self.newer.values().chain(self.older.values());
        futures_util::future::join_all(versions.map(|version| version.thaw(LONGEST_END))).await;
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

fn pool(name: &'static str, folder: &Path, account: &Account, chaos: &Arc<Chaos>) -> anyhow::Result<Version> {
    // As `cargo build` leaves them, or as `cargo lambda build` does.
    let candidates: [PathBuf; 2] = [folder.join(name).join("bootstrap"), folder.join(name)];
    let binary = candidates.into_iter().find(|path| path.is_file()).with_context(|| {
        format!("{} holds no {name}; build the functions first, or name their folder with --binaries", folder.display())
    })?;
    Ok(Pool::new(Function::deployed(name, binary)?, account.clone(), Arc::new(Arc::clone(chaos))))
}

async fn invoke(State(functions): State<Arc<Functions>>, UrlPath(name): UrlPath<String>, event: String) -> Response {
    // Nobody is told of the table's changes here.
    let name = if name == "process-order" { "process-order" } else { "recover-orders" };
    // What a person wants is asked for by somebody who waits, and so is not repeated.
    if !event.contains("\"wish\"") && functions.chaos.chance(DELIVERED_TWICE) {
        let (functions, event) = (Arc::clone(&functions), event.clone());
        tokio::spawn(async move { functions.run(name, event).await });
    }
    let answer = functions.run(name, event).await;
    let failures = answer.as_ref().ok().and_then(|answer| answer.get("batchItemFailures")?.as_array().map(Vec::len));
    functions.given_back.fetch_add(u32::try_from(failures.unwrap_or_default()).unwrap_or(u32::MAX), Ordering::Relaxed);
    invoked(answer)
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
    answer(functions.run("submit-order", event(&method, &uri, &headers, &body, None)).await)
}

async fn get(
    State(functions): State<Arc<Functions>>,
    UrlPath(id): UrlPath<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    answer(functions.run("get-order", event(&method, &uri, &headers, "", Some(&id))).await)
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
