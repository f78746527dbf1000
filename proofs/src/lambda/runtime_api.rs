//! The Runtime API of one process (AWS: "Using the Lambda runtime API for custom runtimes"): it hands out invocations and
//! takes their answers.
//!
//! AWS's page names 202, 400, 403, 413 and 500 for an answer. That one whose time has passed is answered 410 is said where
//! AWS's own runtimes take it (aws/aws-lambda-rust-runtime#1159, aws/aws-lambda-dotnet#2508): a handler goes on after its
//! time-out, and what it says then must not become the answer of a later invocation. So Lambda also names each invocation
//! in `Lambda-Runtime-Invocation-Id`, since a caller may give two of them one request id.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::hold::Hold;

/// What the function made of an event; the text of its error.
pub(super) type Answer = Result<Value, String>;

/// What a function is handed.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// The event itself.
    pub body: String,
    /// The trace header, by which a chain of invocations is known.
    pub trace: Option<String>,
}

impl From<String> for Event {
    fn from(body: String) -> Self {
        Self { body, trace: None }
    }
}

#[derive(Debug)]
struct Invocation {
    /// The request id.
    id: String,
    /// Of this invocation alone.
    nonce: String,
    event: Event,
    deadline: SystemTime,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct Invocations {
    /// One that the process has not asked for yet.
    next: Option<Invocation>,
    /// The one that it works on.
    current: Option<Invocation>,
    /// Those whose time had passed before they were answered.
    over: HashSet<String>,
    /// Answers that came for one of those.
    stale: u64,
}

/// The API as one process sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct RuntimeApi {
    invocations: Arc<Mutex<Invocations>>,
    came: Arc<Notify>,
    /// The process, to be frozen while there is nothing to do.
    pub(super) process: Arc<OnceLock<Arc<Hold>>>,
}

impl RuntimeApi {
    pub(super) fn routes(&self) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .route("/2018-06-01/runtime/init/error", post(no_start))
            .with_state(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Invocations> {
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the process an event, and thaws it; the id, and the answer. It may have to finish another one first.
    pub(super) fn hand(&self, event: Event, deadline: SystemTime) -> (String, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let [id, nonce] = [(); 2].map(|()| uuid::Uuid::new_v4().to_string());
        let mut invocations = self.lock();
        invocations.next = Some(Invocation { id: id.clone(), nonce, event, deadline, answer });
        if let Some(process) = self.process.get() {
            process.thaw();
        }
        self.came.notify_one();
        (id, answered)
    }

    /// Its time has passed: what is said of it from now on is stale.
    pub(super) fn end(&self, id: &str) {
        let mut invocations = self.lock();
        let Invocations { next, current, over, .. } = &mut *invocations;
        next.take_if(|invocation| invocation.id == id);
        if current.take_if(|invocation| invocation.id == id).is_some() {
            over.insert(id.to_owned());
        }
    }

    /// Answers that came too late.
    pub(super) fn stale(&self) -> u64 {
        self.lock().stale
    }

    fn answered(&self, id: &str, headers: &HeaderMap, answer: Answer) -> Response {
        let mut invocations = self.lock();
        let named = headers.get("lambda-runtime-invocation-id");
        let meant = |invocation: &mut Invocation| {
            invocation.id == id && named.is_none_or(|named| named.as_bytes() == invocation.nonce.as_bytes())
        };
        if let Some(invocation) = invocations.current.take_if(meant) {
            // Nobody waits for it any more where the invocation was given up.
            let _ = invocation.answer.send(answer);
            return (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response();
        }
        if invocations.over.contains(id) {
            invocations.stale += 1;
            return refused(StatusCode::GONE, "InvokeTimeout", "the invocation has timed out");
        }
        refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
    }
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, Json(json!({ "errorType": kind, "errorMessage": message }))).into_response()
}

/// Waits for an event. Without one the process is frozen: it has said that it is done by asking.
async fn next(State(api): State<RuntimeApi>) -> Response {
    loop {
        {
            // Under the lock, so that no event comes between the look and the freezing.
            let mut invocations = api.lock();
            if invocations.current.is_some() {
                return refused(StatusCode::FORBIDDEN, "InvalidStateTransition", "the invocation before is not answered");
            }
            if let Some(invocation) = invocations.next.take() {
                let handed = handed(&invocation);
                invocations.current = Some(invocation);
                return handed;
            }
            if let Some(process) = api.process.get() {
                process.rest();
            }
        }
        api.came.notified().await;
    }
}

fn handed(invocation: &Invocation) -> Response {
    let deadline = invocation.deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.id.clone()),
        ("lambda-runtime-invocation-id", invocation.nonce.clone()),
        ("lambda-runtime-deadline-ms", deadline),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:posnext".to_owned()),
    ];
    headers.extend(invocation.event.trace.clone().map(|trace| ("lambda-runtime-trace-id", trace)));
    let headers: HeaderMap =
        headers.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
    (headers, invocation.event.body.clone()).into_response()
}

async fn response(State(api): State<RuntimeApi>, Path(id): Path<String>, headers: HeaderMap, body: String) -> Response {
    let answer = serde_json::from_str(&body).map_err(|_| format!("answered no JSON: {body}"));
    api.answered(&id, &headers, answer)
}

async fn failure(State(api): State<RuntimeApi>, Path(id): Path<String>, headers: HeaderMap, body: String) -> Response {
    api.answered(&id, &headers, Err(body))
}

/// The process ends after this.
async fn no_start(State(api): State<RuntimeApi>, body: String) -> StatusCode {
    if let Some(invocation) = api.lock().next.take() {
        let _ = invocation.answer.send(Err(body));
    }
    StatusCode::ACCEPTED
}
