//! Plays Lambda for a function's own binary: a Runtime API that hands out events and takes answers (AWS: "Using the Lambda
//! runtime API for custom runtimes"), a time-out that kills, and a new process where one has died.

use std::{
    fmt,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow, bail};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex as AsyncMutex, Semaphore, mpsc},
    task::JoinHandle,
};

/// Variables of a process.
pub type Environment = Vec<(String, String)>;
/// What the function made of an event; the text of its error.
type Answer = Result<Value, String>;

/// One process of a function.
#[derive(Debug)]
pub struct Worker {
    events: mpsc::Sender<Event>,
    answers: mpsc::Receiver<Answer>,
    child: Child,
    api: JoinHandle<()>,
}

#[derive(Debug)]
struct Event {
    body: String,
    deadline: SystemTime,
}

#[derive(Debug, Clone)]
struct Api {
    events: Arc<AsyncMutex<mpsc::Receiver<Event>>>,
    answers: mpsc::Sender<Answer>,
}

async fn next(State(api): State<Api>) -> Result<impl IntoResponse, StatusCode> {
    let event = api.events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let deadline = event.deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", uuid::Uuid::new_v4().to_string()),
        ("lambda-runtime-deadline-ms", deadline),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:posnext".to_owned()),
    ];
    Ok((headers, event.body))
}

async fn response(State(api): State<Api>, body: String) -> StatusCode {
    let _ = api.answers.send(serde_json::from_str(&body).map_err(|_| format!("answered no JSON: {body}"))).await;
    StatusCode::ACCEPTED
}

async fn failure(State(api): State<Api>, body: String) -> StatusCode {
    let _ = api.answers.send(Err(body)).await;
    StatusCode::ACCEPTED
}

impl Worker {
    /// Starts the binary; `name` is the function's.
    ///
    /// # Errors
    /// A sentence when it cannot be started.
    pub async fn start(name: &str, binary: &PathBuf, environment: &Environment) -> anyhow::Result<Self> {
        let (events, queue) = mpsc::channel(1);
        let (sender, answers) = mpsc::channel(1);
        let api = Api { events: Arc::new(AsyncMutex::new(queue)), answers: sender };
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .route("/2018-06-01/runtime/init/error", post(failure))
            .with_state(api);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let api = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        let own = [
            ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut command = Command::new(binary);
        command.env_clear().envs(own).envs(environment.iter().cloned()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().with_context(|| {
            format!("cannot start {}; build the functions first (`cargo build --workspace`)", binary.display())
        })?;
        Ok(Self { events, answers, child, api })
    }

    /// The process's id, while it lives.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What the function answers an event. After an error the process must not be used again.
    ///
    /// # Errors
    /// What the function failed with, or how it died.
    pub async fn invoke(&mut self, body: String, timeout: Duration) -> anyhow::Result<Value> {
        self.invoke_until(body, SystemTime::now() + timeout, timeout).await
    }

    /// The same for a process whose wall clock is another: `end` is what it is told of the end of its time.
    ///
    /// # Errors
    /// What the function failed with, or how it died.
    pub async fn invoke_until(&mut self, body: String, end: SystemTime, timeout: Duration) -> anyhow::Result<Value> {
        self.events.send(Event { body, deadline: end }).await?;
        tokio::select! {
            answer = self.answers.recv() => match answer {
                Some(Ok(answer)) => Ok(answer),
                Some(Err(error)) => bail!("the function failed: {error}"),
                None => bail!("the Runtime API is gone"),
            },
            status = self.child.wait() => Err(anyhow!("the process died: {}", status?)),
            () = tokio::time::sleep(timeout) => {
                let _ = self.child.kill().await;
                bail!("the function did not answer within {timeout:?} and was killed")
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.api.abort();
    }
}

/// What is different for each process: its variables; and what is told of it around each invocation.
pub trait Surroundings: Send + Sync {
    /// Variables of a new process of this function. `id` names the process.
    fn environment(&self, function: &str, id: u64) -> impl Future<Output = anyhow::Result<Environment>> + Send;
    /// The process is about to be handed an event.
    fn begins(&self, _id: u64, _pid: Option<u32>, _event: &str) {}
    /// It has answered.
    fn ends(&self, _id: u64) {}
    /// It has died, or is not used again.
    fn gone(&self, _id: u64) {}
}

/// The processes of one function. They are started as they are needed, and one that fails is not used again.
pub struct Pool<S> {
    name: &'static str,
    binary: PathBuf,
    timeout: Duration,
    surroundings: Arc<S>,
    idle: Mutex<Vec<(u64, Worker)>>,
    slots: Semaphore,
}

impl<S> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S: Surroundings> Pool<S> {
    /// At most `size` processes of the binary.
    pub fn new(name: &'static str, binary: PathBuf, size: usize, timeout: Duration, surroundings: Arc<S>) -> Self {
        Self { name, binary, timeout, surroundings, idle: Mutex::default(), slots: Semaphore::new(size) }
    }

    /// What the function answers an event; waits for a free process.
    ///
    /// # Errors
    /// What the function failed with, or how its process died.
    pub async fn invoke(&self, event: String) -> anyhow::Result<Value> {
        let _slot = self.slots.acquire().await?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (id, mut worker) = match idle {
            Some(worker) => worker,
            None => {
                let id = fastrand::u64(..);
                let environment = self.surroundings.environment(self.name, id).await?;
                (id, Worker::start(self.name, &self.binary, &environment).await?)
            }
        };
        self.surroundings.begins(id, worker.pid(), &event);
        let answer = worker.invoke(event, self.timeout).await;
        if answer.is_ok() {
            self.surroundings.ends(id);
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((id, worker));
        } else {
            self.surroundings.gone(id);
        }
        answer
    }
}
