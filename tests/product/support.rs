//! The product under test, and callers of it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use posnext_local::local::{self, Product};
use posnext_shared::domain::{
    directory::{Connector, Location, Mode},
    ids::ParId,
};
use reqwest::RequestBuilder;
use serde_json::Value;

#[path = "par.rs"]
mod par;

pub(crate) use par::*;

/// A location of the local organization.
pub(crate) fn location(id: &str, connector: Connector) -> Location {
    Location {
        organization_id: ParId::new("IA-YC-01").unwrap(),
        location_id: ParId::new(id).unwrap(),
        internal_id: "YC-LC-100".to_owned(),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector,
    }
}

/// A caller of one deployment.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

impl Caller {
    pub(crate) fn new(url: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        // RFC 6761 section 6.3: names under localhost are this machine.
        if let Some(host) = reqwest::Url::parse(&url).unwrap().host_str().filter(|host| host.ends_with(".localhost")) {
            http = http.resolve(host, ([127, 0, 0, 1], 0).into());
        }
        Self { url, http: http.build().unwrap() }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer { code, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    /// A submit with everything right, to be made wrong.
    pub(crate) fn submission(&self, body: &str) -> RequestBuilder {
        let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        self.bare_submission(body).header("x-pch-digest", digest_of(&json)).bearer_auth(token())
    }

    pub(crate) fn bare_submission(&self, body: &str) -> RequestBuilder {
        let url = format!("{}/posnext/order/submit", self.url);
        self.http.post(url).header("content-type", "application/json").body(body.to_owned())
    }

    pub(crate) async fn submit(&self, body: &str) -> Answer {
        self.send(self.submission(body)).await.signed()
    }

    pub(crate) async fn validate(&self, body: &str) -> Answer {
        let json: Value = serde_json::from_str(body).unwrap();
        let url = format!("{}/posnext/order/validate", self.url);
        let request = self.http.post(url).header("content-type", "application/json").body(body.to_owned());
        self.send(request.header("x-pch-digest", digest_of(&json)).bearer_auth(token())).await.signed()
    }

    pub(crate) async fn menu(&self, location: &str) -> Answer {
        let request = self.http.post(format!("{}/posnext/menus?location_id={location}", self.url));
        self.send(request.bearer_auth(token())).await
    }

    /// A GET whose answer may be an error.
    pub(crate) async fn get_any(&self, uid: &str) -> Answer {
        self.send(self.http.get(format!("{}/posnext/orders/{uid}", self.url)).bearer_auth(token())).await
    }

    pub(crate) async fn get(&self, uid: &str) -> Answer {
        self.get_any(uid).await.signed()
    }

    /// Polls as PAR does, until the order is final.
    pub(crate) async fn final_answer(&self, uid: &str, limit: Duration) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.get(uid).await;
            assert_eq!(answer.code, 200, "{}", answer.text);
            if answer.status() != "pending" {
                return answer;
            }
            assert!(began.elapsed() < limit, "{uid} is still pending after {limit:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn placements(&self, uid: &str) -> Vec<Value> {
        let answer = self.send(self.http.get(format!("{}/_local/placements", self.url))).await;
        answer.json.as_array().unwrap().iter().filter(|placement| placement["order_id"] == *uid).cloned().collect()
    }
}

/// The real binary, ended by its id when it is dropped.
#[derive(Debug)]
pub(crate) struct Binary {
    child: Child,
    pub(crate) caller: Caller,
}

impl Binary {
    pub(crate) fn start(settings: &[(&str, &str)], data: Option<&Path>) -> Self {
        Self::start_with(settings, data, &[])
    }

    /// The same, with these arguments besides.
    pub(crate) fn start_with(settings: &[(&str, &str)], data: Option<&Path>, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posnext"));
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(more)
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_else(|| panic!("said {line:?}"));
        Self { child, caller: Caller::new(url.to_owned()) }
    }
}

impl Binary {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Binary {
    /// SIGKILL: nothing gets a chance to tidy up.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(limit: Duration, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A POS that sells: it hands out this menu, and says that these are sold out.
pub(crate) async fn selling_pos(menu: Arc<Mutex<String>>, sold_out: &'static [&'static str]) -> String {
    let routes = axum::Router::new()
        .route("/menus/{location}", axum::routing::get(async move || menu.lock().unwrap().clone()))
        .route("/availability", axum::routing::post(async move || axum::Json(serde_json::json!({ "unavailable": sold_out }))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    base
}

/// The product in this process, with a look behind the API.
pub(crate) async fn in_process() -> (Product, Caller) {
    let product = local::start("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let caller = Caller::new(format!("http://{}", product.address));
    (product, caller)
}

/// Rows of a table.
pub(crate) async fn rows(product: &Product, table: &str) -> i32 {
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    dynamodb.scan().table_name(table).consistent_read(true).send().await.unwrap().count()
}

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
