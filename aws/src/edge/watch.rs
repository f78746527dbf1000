//! The WebSocket API: a connection is opened with the same token as every request, watches orders and locations, and is told of each
//! change (AWS: "Working with WebSocket APIs").

use std::panic::AssertUnwindSafe;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;

use super::headers::only_value;
use posnext_shared::{
    app::{
        METRICS,
        caller::Denied,
        ports::{Pushed, Secrets},
        watch::Watch,
        world::{Watches, World},
    },
    domain::policy::{API_FUNCTION_TIMEOUT, LAST_ANSWER},
};

/// An answer to API Gateway: of a handshake what the caller sees; of a message whether it was handled. What is said to one is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchAnswer {
    /// HTTP status.
    pub status_code: u16,
}

impl From<StatusCode> for WatchAnswer {
    fn from(status: StatusCode) -> Self {
        Self { status_code: status.as_u16() }
    }
}

/// What Lambda hands to watch-orders.
#[derive(Debug)]
pub struct WatchOrders<W: World> {
    /// Who may watch what.
    pub watch: Watch<W>,
}

impl<W: Watches> WatchOrders<W> {
    /// Handles what a connection does; never fails.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> WatchAnswer {
        let handled =
            AssertUnwindSafe(tokio::time::timeout(API_FUNCTION_TIMEOUT - LAST_ANSWER, self.handled(event))).catch_unwind();
        let (answer, ()) = tokio::join!(handled, self.watch.gate.secrets.refresh_stale());
        match answer {
            Ok(Ok(status)) => status,
            Ok(Err(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Err(_) => {
                tracing::error!(alarm = "panic", "a handler of the WebSocket API panicked");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
        .into()
    }

    async fn handled(&self, event: ApiGatewayWebsocketProxyRequest) -> StatusCode {
        let context = event.request_context;
        let Some(id) = context.connection_id else { return StatusCode::BAD_REQUEST };
        match context.event_type.as_deref() {
            Some("CONNECT") => self.open(&id, &event.headers).await,
            Some("DISCONNECT") => {
                if let Err(error) = self.watch.disconnect(&id).await {
                    tracing::warn!(%error, "a connection that was closed could not be forgotten; its rows expire");
                }
                StatusCode::OK
            }
            _ => match self.watch.message(&id, event.body.as_deref().unwrap_or_default()).await {
                Ok(Pushed::Sent) => StatusCode::OK,
                Ok(Pushed::Gone) => StatusCode::GONE,
                Ok(Pushed::Failed(reason)) => {
                    tracing::error!(reason, "a watcher could not be answered");
                    StatusCode::INTERNAL_SERVER_ERROR
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection that is gone could not be forgotten; its rows expire");
                    StatusCode::GONE
                }
            },
        }
    }

    async fn open(&self, id: &str, headers: &HeaderMap) -> StatusCode {
        let authorization = only_value(headers, &header::AUTHORIZATION).unwrap_or_default();
        match self.watch.gate.authenticate(authorization.as_deref()).await {
            Ok(client) => match self.watch.connect(id, client).await {
                Ok(()) => StatusCode::OK,
                Err(error) => {
                    tracing::error!(%error, "a connection could not be kept");
                    StatusCode::SERVICE_UNAVAILABLE
                }
            },
            Err(Denied::Unavailable(error)) => {
                tracing::error!(%error, "a connection could not be let in");
                StatusCode::SERVICE_UNAVAILABLE
            }
            Err(denied) => {
                tracing::info!(target: METRICS, TokenFailures = 1);
                tracing::warn!(reason = %denied, "a connection was not let in");
                StatusCode::UNAUTHORIZED
            }
        }
    }
}
