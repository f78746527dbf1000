//! POS systems behind HTTP that say the same to everything (docs/pos-connector.openapi.yaml).

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use tokio::net::TcpListener;

/// What a POS was sent.
pub(crate) type Seen = Arc<Mutex<Vec<(http::request::Parts, String)>>>;

/// A POS that answers every request alike, with its id and, for `$KEY`, the order's key; and what it was sent.
pub(crate) async fn answering(status: u16, body: &'static str) -> (String, Seen) {
    with_headers(status, body, |_| HeaderMap::new()).await
}

/// The same, with headers made of the request's; its id is repeated unless one of them is that.
pub(crate) async fn with_headers(
    status: u16,
    body: &'static str,
    headers: impl Fn(&HeaderMap) -> HeaderMap + Clone + Send + Sync + 'static,
) -> (String, Seen) {
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let handler = any(async move |request: Request| {
        let (parts, content) = request.into_parts();
        let content = String::from_utf8(to_bytes(content, 1 << 20).await.unwrap().to_vec()).unwrap();
        let answer = answer(status, body, &parts, headers(&parts.headers));
        kept.lock().unwrap().push((parts, content));
        answer
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/pos", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
    (base, seen)
}

fn answer(status: u16, body: &str, parts: &http::request::Parts, headers: HeaderMap) -> Response {
    let key = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let mut answer = (StatusCode::from_u16(status).unwrap(), body.replace("$KEY", key)).into_response();
    if let Some(id) = parts.headers.get("posnext-request") {
        answer.headers_mut().insert("posnext-request", id.clone());
    }
    for (name, value) in &headers {
        answer.headers_mut().insert(name, value.clone());
    }
    answer.headers_mut().insert("location", "http://127.0.0.1:9/".parse().unwrap());
    answer
}
