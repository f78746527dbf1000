//! What the tests of a mapping that changes have in common: services in which no worker runs, so that each turn of an
//! order is taken when a test takes it; POS systems that note what they are sent; and the operator's commands.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use posnext_aws::{
    adapters::directory_admin::DirectoryAdmin,
    edge::queue::Consumer,
    settings::Settings,
    wiring::{Aws, Parts},
};
use posnext_local::local::{Services, start_services};
use posnext_shared::{
    app::ports::{OrderMessage, ReadOrder},
    domain::{
        directory::{Connector, HttpConnector, Location},
        ids::{OrderKey, ParId},
        policy::{Policy, WORKER_FUNCTION_TIMEOUT},
        record::{OrderRecord, Row},
    },
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::admin;
use crate::support::{digest_of, fresh_uid, hmac_hex, order, token};

pub(super) const ORGANIZATION: &str = "IA-YC-01";

/// The services, and who operates them.
pub(super) struct Stage {
    pub(super) services: Services,
}

impl Stage {
    pub(super) async fn new() -> Self {
        // Nobody listens on port 9.
        Self { services: start_services(None, "http://127.0.0.1:9").await.unwrap() }
    }

    pub(super) fn aws(&self) -> &Aws {
        &self.services.aws
    }

    /// `posnext admin`.
    pub(super) async fn admin(&self, arguments: &[&str]) -> (i32, String) {
        admin(&self.services, "http://127.0.0.1:9", arguments, "").await
    }

    /// `posnext admin location add`, unchecked.
    pub(super) async fn add(&self, id: &str, store: &str, base: &str, more: &[&str]) -> (i32, String) {
        let add = ["location", "add", ORGANIZATION, id, "--internal-id", store, "--base", base, "--no-check"];
        self.admin(&[&add[..], more].concat()).await
    }

    /// The same, which has to be done.
    pub(super) async fn added(&self, id: &str, store: &str, base: &str, more: &[&str]) -> String {
        let (code, text) = self.add(id, store, base, more).await;
        assert_eq!(code, 0, "{text}");
        text
    }

    /// The functions as they are when they start: nothing has been read.
    pub(super) async fn functions(&self) -> Parts {
        self.functions_with(Policy::default()).await
    }

    /// The same, with other times.
    pub(super) async fn functions_with(&self, policy: Policy) -> Parts {
        let settings = self.services.parts.settings().clone();
        let policy = Policy { retention: settings.policy.retention, ..policy };
        let parts = Parts::new(Settings { policy, ..settings }, self.aws());
        parts.warm_up().await;
        parts
    }

    /// Submits an order; its status and key.
    pub(super) async fn submit(&self, parts: &Parts, id: &str) -> (String, OrderKey) {
        let uid = fresh_uid("staged");
        let body = order(&uid, id);
        let json: Value = serde_json::from_str(&body).unwrap();
        let request = http::Request::post("/posnext/order/submit").header("content-type", "application/json");
        let request = request.header("x-pch-digest", digest_of(&json)).header("authorization", bearer(&token()));
        let response = parts.submit().handle(request.body(body).unwrap()).await;
        let answer: Value = serde_json::from_slice(response.body().as_ref()).unwrap();
        (answer["status"].as_str().unwrap().to_owned(), format!("par-local#{uid}").parse().unwrap())
    }

    pub(super) async fn order(&self, key: &OrderKey) -> OrderRecord {
        let Some(Row::Order(record)) = self.services.parts.orders().read(key).await.unwrap() else { panic!("{key}") };
        *record
    }

    /// One turn of a worker that has just started.
    pub(super) async fn turn(&self, parts: &Parts, key: &OrderKey) -> OrderRecord {
        let Consumer { process, .. } = parts.process();
        process.process(&OrderMessage::about(&self.order(key).await), WORKER_FUNCTION_TIMEOUT).await;
        self.order(key).await
    }

    pub(super) async fn mapped(&self, id: &str) -> Location {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws().dynamodb);
        let directory = DirectoryAdmin::new(dynamodb, "posnext-directory".to_owned());
        let (organization, id) = (ParId::new(ORGANIZATION).unwrap(), ParId::new(id).unwrap());
        directory.location(&organization, &id).await.unwrap().unwrap()
    }

    pub(super) async fn http(&self, id: &str) -> HttpConnector {
        let Connector::Http(http) = self.mapped(id).await.connector else { panic!("{id} is at the sandbox") };
        http
    }

    /// Name of the secret that a location has.
    pub(super) async fn secret_of(&self, id: &str) -> String {
        self.http(id).await.auth.unwrap().secret().to_owned()
    }

    /// The live values of a secret.
    pub(super) async fn values(&self, secret: &str) -> Vec<String> {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.aws().secrets);
        let text = secrets.get_secret_value().secret_id(secret).send().await.unwrap().secret_string.unwrap();
        let live: Value = serde_json::from_str(&text).unwrap();
        live["live"].as_array().unwrap().iter().map(|live| live["value"].as_str().unwrap().to_owned()).collect()
    }
}

/// A request that a POS was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) store: Option<String>,
    authorization: Option<String>,
    signature: Option<String>,
    /// What the signature is over, behind its time.
    signed: String,
}

impl Sent {
    /// Whether it is proved by an HMAC with this secret.
    pub(super) fn is_proved_by(&self, secret: &str) -> bool {
        let Some((time, signature)) = self.signature.as_deref().and_then(|header| header.split_once(",v2=")) else {
            return false;
        };
        signature == hmac_hex(secret, &format!("{}.{}", &time[2..], self.signed))
    }

    pub(super) fn is_proved_by_bearer(&self, secret: &str) -> bool {
        self.authorization == Some(bearer(secret))
    }
}

/// A POS that keeps what it promises, and notes what it is sent. It may have several addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Pos {
    sent: Arc<Mutex<Vec<Sent>>>,
    /// It takes an order, and something before it answers in its place.
    hidden: Arc<AtomicBool>,
}

impl Pos {
    /// A POS, and its address.
    pub(super) async fn start() -> (Self, String) {
        let pos = Self::default();
        let base = pos.listen().await;
        (pos, base)
    }

    /// One more address of it.
    pub(super) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let pos = self.clone();
        let handler = any(async move |request: Request| pos.answer(request).await);
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
        base
    }

    /// From now on its answers are lost on the way, or no longer.
    pub(super) fn hide(&self, hidden: bool) {
        self.hidden.store(hidden, Ordering::Relaxed);
    }

    /// What it was sent since it was asked last.
    pub(super) fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// The same, as `METHOD` or `METHOD store`.
    pub(super) fn asked(&self) -> Vec<String> {
        let line = |sent: Sent| sent.store.map_or(sent.method.clone(), |store| format!("{} {store}", sent.method));
        self.sent().into_iter().map(line).collect()
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let (id, path) = (header("posnext-request").unwrap(), parts.uri.path());
        let not_after = header("posnext-not-after").unwrap_or_default();
        let sent: Value = serde_json::from_str(&body).unwrap_or_default();
        self.sent.lock().unwrap().push(Sent {
            method: parts.method.to_string(),
            host: header("host").unwrap(),
            store: sent["location_id"].as_str().map(str::to_owned),
            authorization: header("authorization"),
            signature: header("x-posnext-signature"),
            signed: format!("{}.{path}.2.{id}.{not_after}.{body}", parts.method),
        });
        if self.hidden.load(Ordering::Relaxed) {
            return (StatusCode::BAD_GATEWAY, "bad gateway").into_response();
        }
        let key = path.rsplit('/').next().unwrap();
        let answer = match parts.method {
            Method::DELETE => json!({ "key": key, "status": "cancelled" }),
            _ => json!({ "key": key, "status": "placed", "pos_order_id": "P-1" }),
        };
        ([("posnext-request", id)], axum::Json(answer)).into_response()
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Times by which an order is at its end after six seconds.
pub(super) fn short() -> Policy {
    Policy::new(Duration::from_secs(6), Duration::from_secs(2))
}
