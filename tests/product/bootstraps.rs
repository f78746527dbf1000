//! The functions' own binaries, as Lambda runs them: against a Runtime API that hands out events and takes answers, and the
//! local services over the wire. (`cargo build --workspace` makes the binaries; tests/run does.)

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
use posnext_local::local::Product;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};

use crate::support::{ROOT, digest_of, in_process};

/// The Lambda Runtime API (AWS: "Using the Lambda runtime API for custom runtimes") for one function.
struct Runtime {
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
    async fn start(function: &str, product: &Product) -> Self {
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
        let (settings, aws) = (product.services.parts.settings(), &product.services.aws);
        let child = Command::new(binary)
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", function),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("AWS_SESSION_TOKEN", "local"),
                ("AWS_ENDPOINT_URL_DYNAMODB", aws.dynamodb.endpoint_url().unwrap()),
                ("AWS_ENDPOINT_URL_SQS", aws.sqs.endpoint_url().unwrap()),
                ("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.secrets.endpoint_url().unwrap()),
                ("POSNEXT_ORDERS_TABLE", &settings.orders_table),
                ("POSNEXT_DIRECTORY_TABLE", &settings.directory_table),
                ("POSNEXT_SANDBOX_TABLE", &settings.sandbox_table),
                ("POSNEXT_QUEUE_URL", &settings.queue_url),
                ("POSNEXT_DLQ_URL", &settings.dead_letter_queue_url),
                ("POSNEXT_ALLOW_SANDBOX", "true"),
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { events, answers, child }
    }

    async fn invoke(&mut self, file: &str) -> Value {
        let event = std::fs::read_to_string(format!("{ROOT}/events/{file}.json")).unwrap();
        self.events.send(event).await.unwrap();
        self.answers.recv().await.unwrap().unwrap_or_else(|error| panic!("{file}: {error}"))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn every_function_does_its_work_as_lambda_runs_it() {
    let (product, caller) = in_process().await;
    let mut submit = Runtime::start("submit-order", &product).await;
    let placed = submit.invoke("submit-order/200-placed").await;
    assert_eq!((&placed["statusCode"], &body(&placed)["status"]), (&200.into(), &"placed".into()), "{placed}");
    assert_eq!(placed["headers"]["x-pch-digest"], digest_of(&body(&placed)));
    let base64 = submit.invoke("submit-order/200-placed-base64").await;
    assert_eq!((&base64["statusCode"], &body(&base64)["status"]), (&200.into(), &"placed".into()));
    assert_eq!(submit.invoke("submit-order/202-async").await["statusCode"], 202);
    assert_eq!(submit.invoke("submit-order/412-wrong-digest").await["statusCode"], 412);

    let mut get = Runtime::start("get-order", &product).await;
    let read = get.invoke("get-order/200-placed").await;
    assert_eq!((&read["statusCode"], &read["body"]), (&200.into(), &placed["body"]));
    assert_eq!(get.invoke("get-order/304-not-modified").await["statusCode"], 304);
    assert_eq!(get.invoke("get-order/404-unknown").await["statusCode"], 404);

    let mut process = Runtime::start("process-order", &product).await;
    for file in ["process-order/order", "process-order/poison-among-good", "process-order/final-order"] {
        assert_eq!(process.invoke(file).await, serde_json::json!({ "batchItemFailures": [] }), "{file}");
    }
    assert_eq!(caller.final_answer("event-async", Duration::from_secs(20)).await.status(), "placed");

    let mut recover = Runtime::start("recover-orders", &product).await;
    assert_eq!(recover.invoke("recover-orders/schedule").await, Value::Null);
}

#[test]
fn a_function_that_is_not_set_up_says_what_is_missing() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name("submit-order");
    let output = Command::new(binary).env_clear().output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("\nPOSNEXT_QUEUE_URL must be set: URL of the work queue"), "{text}");
}
