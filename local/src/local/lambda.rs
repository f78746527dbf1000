//! Lambda's Invoke API (AWS: "Invoke"), as far as `posnext admin` needs it: process-order, asked to do what a person wants.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{Json, Router, extract::State, http::StatusCode, middleware, routing::post};
use bytes::Bytes;
use posnext_aws::{
    edge::queue::{Answer, Invocation},
    wiring::ProcessFunction,
};
use posnext_shared::domain::policy::WORKER_FUNCTION_TIMEOUT;

use super::{guard, services::listen};

/// Serves process-order until the process ends; where.
///
/// # Errors
/// When no port is free. To be called within a runtime.
pub fn invocable(process: ProcessFunction) -> anyhow::Result<SocketAddr> {
    let listener = listen(([127, 0, 0, 1], 0).into()).context("no free port on 127.0.0.1")?;
    let address = listener.local_addr()?;
    let path = format!("/2015-03-31/functions/{PROCESS_ORDER}/invocations");
    let router = Router::new().route(&path, post(invoke)).layer(middleware::from_fn(guard::own)).with_state(Arc::new(process));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Its name.
pub(super) const PROCESS_ORDER: &str = "process-order";

/// A payload has no media type.
async fn invoke(State(process): State<Arc<ProcessFunction>>, payload: Bytes) -> Result<Json<Answer>, (StatusCode, String)> {
    let invocation: Invocation =
        serde_json::from_slice(&payload).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    process.invoke(invocation, WORKER_FUNCTION_TIMEOUT).await.map(Json).map_err(|error| (StatusCode::BAD_REQUEST, error))
}
