//! Plays API Gateway's WebSocket API: hands over what connections do, and sends them what the management of connections takes. What it
//! leaves out: the limits of time and size, throttling, and other stages than this one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use axum::{
    body::Bytes,
    extract::{
        Path, State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use posnext_aws::{edge::watch::WatchOrders, wiring::Production};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch,
};

/// Open connections, by their ids.
type Open = HashMap<String, UnboundedSender<String>>;

/// The WebSocket API.
#[derive(Debug, Clone)]
pub(super) struct Sockets {
    watch: Arc<WatchOrders<Production>>,
    open: Arc<Mutex<Open>>,
    followed: watch::Receiver<bool>,
}

impl Sockets {
    /// `followed`: whether changes are told already; the first connection is what they wait for.
    pub(super) fn new(watch: WatchOrders<Production>, followed: watch::Receiver<bool>) -> Self {
        Self { watch: Arc::new(watch), open: Arc::default(), followed }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn told(&self, id: &str, what: &str, headers: HeaderMap, body: Option<String>) -> StatusCode {
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.headers = headers;
        event.body = body;
        event.request_context.connection_id = Some(id.to_owned());
        event.request_context.event_type = Some(what.to_owned());
        StatusCode::from_u16(self.watch.handle(event).await.status_code).unwrap_or(StatusCode::BAD_GATEWAY)
    }

    async fn run(self, id: String, mut socket: WebSocket, mut to_it: UnboundedReceiver<String>) {
        loop {
            tokio::select! {
                pushed = to_it.recv() => {
                    if socket.send(Message::text(pushed.unwrap_or_default())).await.is_err() {
                        break;
                    }
                }
                heard = socket.recv() => match heard {
                    Some(Ok(Message::Text(text))) => {
                        self.told(&id, "MESSAGE", HeaderMap::new(), Some(text.to_string())).await;
                    }
                    Some(Err(_)) | None => break,
                    // A close is answered by the next turn.
                    Some(Ok(_)) => {}
                },
            }
        }
        self.open().remove(&id);
        self.told(&id, "DISCONNECT", HeaderMap::new(), None).await;
    }
}

/// The handshake, and the life of the connection.
pub(super) async fn connect(
    State(sockets): State<Sockets>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    let id = uuid::Uuid::now_v7().simple().to_string();
    let status = sockets.told(&id, "CONNECT", headers, None).await;
    if !status.is_success() {
        return status.into_response();
    }
    let _ = sockets.followed.clone().wait_for(|followed| *followed).await;
    let (sender, receiver) = unbounded_channel();
    sockets.open().insert(id.clone(), sender);
    upgrade.on_upgrade(move |socket| sockets.run(id, socket, receiver))
}

/// `POST /@connections/{id}`.
pub(super) async fn post(State(sockets): State<Sockets>, Path(id): Path<String>, message: Bytes) -> Response {
    let text = String::from_utf8_lossy(&message).into_owned();
    let sent = sockets.open().get(&id).is_some_and(|connection| connection.send(text).is_ok());
    match sent {
        true => StatusCode::OK.into_response(),
        false => (StatusCode::GONE, [("x-amzn-errortype", "GoneException")], "{}").into_response(),
    }
}
