//! The HTTP gateway before the functions. It routes and limits as API Gateway does, and no more.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{Path, Request, State},
    middleware::from_fn,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use posnext_aws::{
    adapters::sandbox::SandboxPos,
    edge::{get::GetOrder, menus::GetMenu, submit::Submit, validate::Validate},
    wiring::Production,
};
use tokio::{net::TcpListener, sync::Semaphore};

use super::{
    board::{Board, PAGE},
    guard,
    websocket::{self, Sockets},
};
use crate::lambda::Account;

/// API Gateway takes no larger body.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// Requests handled at a time; the rest wait. On Lambda each has an instance of its own; two cores are not many. Those that wait
/// run as far as the account is concerned.
const CONCURRENCY: usize = 256;

/// The API described, for people and tools; on AWS nobody serves it.
const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

/// Where the `type` of a problem leads, as text: the book itself is `mdbook serve docs`.
const ERRORS: &str = include_str!("../../../docs/errors.md");

/// The functions' own handlers.
#[derive(Debug)]
pub(super) struct Handlers {
    pub(super) account: Account,
    pub(super) submit: Submit<Production>,
    pub(super) validate: Validate<Production>,
    pub(super) menu: GetMenu<Production>,
    pub(super) get: GetOrder<Production>,
    pub(super) sandbox: SandboxPos,
    pub(super) board: Board,
    pub(super) sockets: Sockets,
}

#[derive(Debug, Clone)]
struct Gateway {
    handlers: Arc<Handlers>,
    slots: Arc<Semaphore>,
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, handlers: Handlers) {
    let sockets = Router::new()
        .route("/watch", any(websocket::connect))
        .route_layer(from_fn(guard::no_other_site))
        .merge(Router::new().route("/_local/@connections/{id}", post(websocket::post)).route_layer(from_fn(guard::own)))
        .with_state(handlers.sockets.clone());
    let gateway = Gateway { handlers: Arc::new(handlers), slots: Arc::new(Semaphore::new(CONCURRENCY)) };
    let own = Router::new()
        .route("/_local/placements", get(placements))
        .route("/board", get(async || Html(PAGE)))
        .route("/_local/board", get(board))
        .route("/_local/samples/{location}", post(sample))
        .route_layer(from_fn(guard::own))
        .with_state(gateway.clone());
    let routes = Router::new()
        // Both spellings of the path (docs/contract.md#c1).
        .route("/posnext/order/submit", any(submit))
        .route("/posnext/orders/submit", get(read).fallback(submit))
        .route("/posnext/order/validate", any(validate))
        .route("/posnext/orders/validate", get(read).fallback(validate))
        .route("/posnext/orders/{id}", any(read))
        .route("/posnext/orders/{id}/history", any(read))
        .route("/posnext/menus", any(menu))
        .route("/posnext/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], DESCRIPTION)))
        .route("/posnext/docs/errors.html", get(async || ERRORS))
        .fallback(async || (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "application/json")], r#"{"message":"Not Found"}"#))
        .with_state(gateway)
        .merge(own)
        .merge(sockets);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the gateway stopped");
    }
}

/// Serves the board of a deployed stack, and nothing else, until it is dropped.
pub async fn serve_board(listener: TcpListener, board: Board) {
    let state = async |State(board): State<Arc<Board>>| {
        told(board.state(None).await.and_then(|state| Ok(serde_json::to_string(&state)?)))
    };
    let routes = Router::new()
        .route("/", get(async || Redirect::to("/board")))
        .route("/board", get(async || Html(PAGE)))
        .route("/_local/board", get(state))
        .route_layer(from_fn(guard::own))
        .with_state(Arc::new(board));
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the board stopped");
    }
}

async fn submit(State(gateway): State<Gateway>, request: Request) -> Response {
    let (line, request) = match whole(request).await {
        Ok(whole) => whole,
        Err(refusal) => return refusal,
    };
    let Gateway { handlers, slots } = gateway;
    let account = handlers.account.clone();
    let submitted = async move {
        let answer = handlers.submit.handle(request).await;
        if answer.status().is_success() {
            handlers.board.notice(answer.body());
        }
        answer
    };
    invoked(line, &account, slots, submitted).await
}

async fn validate(State(gateway): State<Gateway>, request: Request) -> Response {
    let (line, request) = match whole(request).await {
        Ok(whole) => whole,
        Err(refusal) => return refusal,
    };
    let Gateway { handlers, slots } = gateway;
    let account = handlers.account.clone();
    invoked(line, &account, slots, async move { handlers.validate.handle(request).await }).await
}

async fn menu(State(gateway): State<Gateway>, request: Request) -> Response {
    let (line, request) = match whole(request).await {
        Ok(whole) => whole,
        Err(refusal) => return refusal,
    };
    let Gateway { handlers, slots } = gateway;
    let account = handlers.account.clone();
    invoked(line, &account, slots, async move { handlers.menu.handle(request).await }).await
}

async fn read(State(gateway): State<Gateway>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let line = line(&parts);
    let Gateway { handlers, slots } = gateway;
    let account = handlers.account.clone();
    invoked(line, &account, slots, async move { handlers.get.handle(http::Request::from_parts(parts, ())).await }).await
}

/// The request with its whole body, and how it is called in the terminal.
async fn whole(request: Request) -> Result<(String, http::Request<Bytes>), Response> {
    let (parts, body) = request.into_parts();
    match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => Ok((line(&parts), http::Request::from_parts(parts, body))),
        Err(_) => {
            let body = r#"{"message":"Request Too Long"}"#;
            Err((StatusCode::PAYLOAD_TOO_LARGE, [(CONTENT_TYPE, "application/json")], body).into_response())
        }
    }
}

fn line(parts: &http::request::Parts) -> String {
    format!("{} {}", parts.method, parts.uri.path())
}

/// Runs a handler to its end, as Lambda does, even if the caller hangs up; one line for whoever watches the terminal.
async fn invoked<B>(
    line: String,
    account: &Account,
    slots: Arc<Semaphore>,
    handler: impl Future<Output = http::Response<B>> + Send + 'static,
) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    let Some(concurrent) = account.begin() else {
        // What an HTTP API says of a function that was throttled (429, TooManyRequestsException).
        let body = r#"{"message":"Service Unavailable"}"#;
        return (StatusCode::SERVICE_UNAVAILABLE, [(CONTENT_TYPE, "application/json")], body).into_response();
    };
    let invocation = tokio::spawn(async move {
        let _concurrent = concurrent;
        let _slot = slots.acquire_owned().await;
        let began = Instant::now();
        let response = handler.await;
        tracing::info!(target: "gateway", "{line} {} in {} ms", response.status().as_u16(), began.elapsed().as_millis());
        response
    });
    match invocation.await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

async fn board(State(gateway): State<Gateway>) -> Response {
    let breakers = gateway.handlers.submit.accept.limits.open();
    told(gateway.handlers.board.state(Some(breakers)).await.and_then(|state| Ok(serde_json::to_string(&state)?)))
}

async fn sample(State(gateway): State<Gateway>, headers: HeaderMap, Path(location): Path<String>) -> Response {
    // Any page can make a browser send this; only the board's own may.
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return (StatusCode::FORBIDDEN, "sample orders are sent from the board alone").into_response();
    }
    match gateway.handlers.board.sample(&location).await {
        Ok((status, body)) => axum_json(status, Ok(body)),
        Err(error) => told(Err(error)),
    }
}

fn told(body: anyhow::Result<String>) -> Response {
    match body {
        Ok(body) => axum_json(StatusCode::OK, Ok(body)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

async fn placements(State(gateway): State<Gateway>) -> Response {
    match gateway.handlers.sandbox.placements().await {
        Ok(placements) => axum_json(StatusCode::OK, serde_json::to_string(&placements)),
        Err(error) => axum_json(StatusCode::INTERNAL_SERVER_ERROR, Ok(error.to_string())),
    }
}

fn axum_json(status: StatusCode, body: serde_json::Result<String>) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.unwrap_or_default()).into_response()
}
