//! The Lambda Runtime API with a clock at its edges: when a process asks for its next event, when it answers, and how much
//! processor time it had used by then.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::signal::{Signal, kill},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    process::{Child, Command},
    sync::Notify,
};

/// What is run, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) events: Vec<String>,
    /// Under callgrind, which counts instructions; nothing else means anything then.
    pub(crate) count: bool,
}

/// Wall and processor time of a stretch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// From just before exec to the first request for an event.
    pub(crate) init: Span,
    /// From an event handed out to the next one asked for; the wall ends with the answer.
    pub(crate) invocations: Vec<Span>,
    /// Peak resident memory, in KiB.
    pub(crate) peak_kib: u64,
    /// Instructions in user space, init and all.
    pub(crate) instructions: u64,
    pub(crate) answers: Vec<Value>,
}

#[derive(Debug)]
struct Book {
    pid: Option<Pid>,
    started: Instant,
    left: std::vec::IntoIter<String>,
    handed: Option<(Instant, Duration)>,
    answered: Option<Instant>,
    run: Run,
}

#[derive(Debug, Clone)]
struct Api {
    book: Arc<Mutex<Book>>,
    over: Arc<Notify>,
}

impl Api {
    fn book<T>(&self, with: impl FnOnce(&mut Book) -> T) -> T {
        with(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Processor time of all threads of the process so far.
fn cpu(pid: Option<Pid>) -> Duration {
    let clock = pid.and_then(|pid| ClockId::pid_cpu_clock_id(pid).ok());
    clock.and_then(|clock| clock_gettime(clock).ok()).map_or(Duration::ZERO, Duration::from)
}

async fn next(State(api): State<Api>) -> Result<impl IntoResponse, StatusCode> {
    let event = api.book(|book| {
        let (now, used) = (Instant::now(), cpu(book.pid));
        match book.handed.take() {
            None => book.run.init = Span { wall: now - book.started, cpu: used },
            Some((handed, used_before)) => {
                let wall = book.answered.take().unwrap_or(now) - handed;
                book.run.invocations.push(Span { wall, cpu: used.saturating_sub(used_before) });
            }
        }
        let event = book.left.next();
        if event.is_some() {
            book.handed = Some((Instant::now(), cpu(book.pid)));
        }
        event
    });
    let Some(event) = event else {
        api.over.notify_one();
        std::future::pending::<()>().await;
        return Err(StatusCode::GONE);
    };
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(30);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", uuid::Uuid::new_v4().to_string()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:posnext".to_owned()),
    ];
    Ok((headers, event))
}

async fn response(State(api): State<Api>, body: String) -> StatusCode {
    api.book(|book| {
        book.answered = Some(Instant::now());
        book.run.answers.push(serde_json::from_str(&body).unwrap_or(Value::String(body)));
    });
    StatusCode::ACCEPTED
}

async fn failure(State(api): State<Api>, body: String) -> StatusCode {
    api.book(|book| book.run.answers.push(Value::String(format!("failed: {body}"))));
    StatusCode::ACCEPTED
}

/// Runs a function through its events to the end.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Run> {
    let book = Book {
        pid: None,
        started: Instant::now(),
        left: plan.events.clone().into_iter(),
        handed: None,
        answered: None,
        run: Run::default(),
    };
    let api = Api { book: Arc::new(Mutex::new(book)), over: Arc::new(Notify::new()) };
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
        .route("/2018-06-01/runtime/init/error", post(failure))
        .with_state(api.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });

    let mut command = command(plan);
    command.env("AWS_LAMBDA_RUNTIME_API", address.to_string());
    api.book(|book| book.started = Instant::now());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", plan.binary.display()))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    api.book(|book| book.pid = pid);
    if let (Some(pid), false) = (pid, plan.count) {
        pin(pid);
    }
    tokio::select! {
        () = api.over.notified() => {}
        status = child.wait() => bail!("{} died: {}; {}", plan.binary.display(), status?, said(&mut child).await),
        () = tokio::time::sleep(Duration::from_secs(300)) => bail!("{} hangs", plan.binary.display()),
    }
    let peak_kib = pid.map_or(0, peak_kib);
    let instructions = if plan.count { instructions(&mut child, pid).await? } else { 0 };
    let _ = child.kill().await;
    serving.abort();
    let run = api.book(|book| std::mem::take(&mut book.run));
    Ok(Run { peak_kib, instructions, ..run })
}

fn command(plan: &Plan) -> Command {
    let mut command = if plan.count {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&plan.binary);
        valgrind
    } else {
        Command::new(&plan.binary)
    };
    let own = [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        // As long as Lambda's: it is signed with every call.
        ("AWS_SESSION_TOKEN", "t".repeat(700)),
    ];
    command.args(&plan.arguments).env_clear().envs(own).envs(plan.environment.iter().cloned());
    command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// The function on the last core; the harness keeps to the others by itself.
fn pin(pid: Pid) {
    let mut cores = CpuSet::new();
    let last = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) - 1;
    if cores.set(last).is_ok() {
        let _ = sched_setaffinity(pid, &cores);
    }
}

fn peak_kib(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

async fn said(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(stderr) = child.stderr.as_mut() {
        let _ = stderr.read_to_string(&mut text).await;
    }
    text
}

/// Callgrind tells its count when the process ends.
async fn instructions(child: &mut Child, pid: Option<Pid>) -> anyhow::Result<u64> {
    if let Some(pid) = pid {
        kill(pid, Signal::SIGTERM)?;
    }
    let text = said(child).await;
    let count = text.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    count.with_context(|| format!("callgrind did not tell its count:\n{text}"))
}
