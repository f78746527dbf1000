//! Plays Lambda for one of the functions' own binaries: a Runtime API that hands out events and takes answers.
//! (`cargo build --workspace` makes the binaries; tests/run does.)

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};

use crate::support::ROOT;

/// The Lambda Runtime API (AWS: "Using the Lambda runtime API for custom runtimes") for one function.
pub(crate) struct Runtime {
    events: mpsc::Sender<String>,
    answers: mpsc::Receiver<Result<Value, String>>,
    child: Child,
}

#[derive(Clone)]
struct Api {
    events: Arc<Mutex<mpsc::Receiver<String>>>,
    answers: mpsc::Sender<Result<Value, String>>,
}

async fn next(State(api): State<Api>) -> impl IntoResponse {
    let event = api.events.lock().await.recv().await.unwrap_or_default();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(30);
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:posnext".to_owned()),
    ];
    (headers, event)
}

async fn response(State(api): State<Api>, Path(_): Path<String>, body: String) -> StatusCode {
    let _ = api.answers.send(Ok(serde_json::from_str(&body).unwrap_or(Value::Null))).await;
    StatusCode::ACCEPTED
}

async fn failure(State(api): State<Api>, body: String) -> StatusCode {
    let _ = api.answers.send(Err(body)).await;
    StatusCode::ACCEPTED
}

impl Runtime {
    pub(crate) async fn start(function: &str, environment: Vec<(&'static str, String)>) -> Self {
        let (events, queue) = mpsc::channel(1);
        let (sender, answers) = mpsc::channel(1);
        let api = Api { events: Arc::new(Mutex::new(queue)), answers: sender };
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .route("/2018-06-01/runtime/init/error", post(failure))
            .with_state(api);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

        let binary = PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name(function);
        assert!(binary.exists(), "{} is missing; run `cargo build --workspace` first", binary.display());
        let child = Command::new(binary)
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", function),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ])
            .envs(environment)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { events, answers, child }
    }

    /// What the function answers an event file.
    pub(crate) async fn invoke_file(&mut self, file: &str) -> Value {
        self.invoke(std::fs::read_to_string(format!("{ROOT}/events/{file}.json")).unwrap()).await
    }

    /// What the function answers an event.
    pub(crate) async fn invoke(&mut self, event: String) -> Value {
        self.events.send(event).await.unwrap();
        self.answers.recv().await.unwrap().unwrap_or_else(|error| panic!("the function failed: {error}"))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
