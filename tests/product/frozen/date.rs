//! AWS in the time of a test: its answers have the `Date` of the test's wall clock.

use std::time::{Duration, UNIX_EPOCH};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use super::pos::Wall;

/// Where a service can be reached whose answers have that date.
pub(super) async fn dated(service: String, wall: Wall) -> String {
    let http = reqwest::Client::new();
    let forward = async move |request: Request| -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let forwarded = http.request(parts.method, format!("{service}{}", parts.uri)).headers(parts.headers).body(body);
        // One that is not answered is cut: the function has given it up, or the test is over.
        let Ok(answer) = forwarded.send().await else { return Response::default() };
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let now = UNIX_EPOCH + Duration::from_millis(wall.now());
        headers.insert("date", httpdate::fmt_http_date(now).parse().unwrap());
        (status, headers, answer.bytes().await.unwrap_or_default()).into_response()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(forward)).await.unwrap() });
    url
}
