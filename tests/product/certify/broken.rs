//! A deployment that is broken in one way: the product behind a proxy that changes what is asked or what is answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde_json::Value;

use crate::support::{Caller, SHARED_ID, hmac_hex, now, token};

/// A request under way to the product.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// How many requests were under way when it came, itself included.
    pub(crate) under_way: usize,
}

/// Its answer under way back.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

type Before = Arc<dyn Fn(&mut Sent) + Send + Sync>;
type After = Arc<dyn Fn(&Sent, &mut Back) + Send + Sync>;

/// What is broken.
#[derive(Clone)]
pub(crate) struct Broken {
    before: Before,
    after: After,
    delay: Duration,
}

impl Broken {
    pub(crate) fn new() -> Self {
        Self { before: Arc::new(|_| {}), after: Arc::new(|_, _| {}), delay: Duration::ZERO }
    }

    /// Changes requests.
    pub(crate) fn before(mut self, before: impl Fn(&mut Sent) + Send + Sync + 'static) -> Self {
        self.before = Arc::new(before);
        self
    }

    /// Changes answers.
    pub(crate) fn after(mut self, after: impl Fn(&Sent, &mut Back) + Send + Sync + 'static) -> Self {
        self.after = Arc::new(after);
        self
    }

    /// Takes its time.
    pub(crate) fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Serves on a free port; its URL.
    pub(crate) async fn start(self, product: &str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Proxy { broken: self, product: Caller::new(product.to_owned()), under_way: Arc::default() };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(forward).with_state(proxy)).await });
        url
    }
}

#[derive(Clone)]
struct Proxy {
    broken: Broken,
    product: Caller,
    under_way: Arc<AtomicUsize>,
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let under_way = proxy.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let original = Sent { method: parts.method, path, headers: parts.headers, body, under_way };
    let mut sent = original.clone();
    (proxy.broken.before)(&mut sent);
    for name in ["host", "content-length"] {
        sent.headers.remove(name);
    }
    let request = proxy.product.http.request(sent.method, format!("{}{}", proxy.product.url, sent.path));
    let answer = proxy.product.send(request.headers(sent.headers).body(sent.body)).await;
    let mut back = Back { code: answer.code, headers: answer.headers, body: answer.text };
    (proxy.broken.after)(&original, &mut back);
    tokio::time::sleep(proxy.broken.delay).await;
    proxy.under_way.fetch_sub(1, Ordering::SeqCst);
    for name in ["content-length", "transfer-encoding"] {
        back.headers.remove(name);
    }
    let mut response = Response::new(Body::from(back.body));
    *response.status_mut() = back.code.try_into().unwrap();
    *response.headers_mut() = back.headers;
    response
}

impl Sent {
    pub(crate) fn is(&self, endpoint: &str) -> bool {
        match endpoint {
            "get" => self.method == Method::GET,
            other => self.path.ends_with(other),
        }
    }

    /// The order it is about, by its path or its body.
    pub(crate) fn uid(&self) -> String {
        match self.is("get") {
            true => self.path.rsplit('/').next().unwrap().to_owned(),
            false => self.json()["request_uid"].as_str().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The parts of the token, decoded; `None` without one.
    pub(crate) fn token(&self) -> Option<(Value, Value)> {
        let token = self.headers.get("authorization")?.to_str().unwrap().strip_prefix("Bearer ")?;
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let mut part = || serde_json::from_slice(&parts.next()??).ok();
        Some((part()?, part()?))
    }

    /// Whether the token has expired.
    pub(crate) fn is_expired(&self) -> bool {
        self.token().is_some_and(|(_, claims)| claims["exp"].as_i64().is_some_and(|exp| exp < now()))
    }

    pub(crate) fn right_token(&mut self) {
        self.headers.insert("authorization", format!("Bearer {}", token()).parse().unwrap());
    }

    pub(crate) fn right_digest(&mut self) {
        let json = self.json();
        if json.is_object() {
            self.headers.insert("x-pch-digest", header(&digest(&json, cents)));
        }
    }
}

impl Back {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> String {
        self.json()["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it is an answer about an order, by its body.
    pub(crate) fn is_order(&self) -> bool {
        self.code < 300 && self.json()["order_details"].is_object()
    }

    /// Changes the body and signs it anew.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Value)) {
        let mut json = self.json();
        edit(&mut json);
        self.body = json.to_string();
        self.sign(&json, cents);
    }

    /// Signed over a body, cents made in some way.
    pub(crate) fn sign(&mut self, json: &Value, cents: impl Fn(&Value) -> i64) {
        self.headers.insert("x-pch-digest", header(&digest(json, cents)));
    }
}

fn header(text: &str) -> HeaderValue {
    text.parse().unwrap()
}

/// The recipe of docs/contract.md#signature.
fn digest(body: &Value, cents: impl Fn(&Value) -> i64) -> String {
    let details = &body["order_details"];
    let text = |value: &Value| value.as_str().unwrap_or("0").to_owned();
    let seconds = body["request_datetime"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let message = [
        text(&body["request_uid"]),
        text(&body["location_id"]),
        text(&details["online_order_id"]),
        cents(&details["grand_total"]).to_string(),
        cents(&details["subtotal"]).to_string(),
        seconds.map_or(0, jiff::Timestamp::as_second).to_string(),
    ];
    hmac_hex(&SHARED_ID[..10], &message.join("|"))
}

/// Whole cents of an amount, by its text.
pub(crate) fn cents(amount: &Value) -> i64 {
    if amount.is_null() {
        return 0;
    }
    let text = amount.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}
