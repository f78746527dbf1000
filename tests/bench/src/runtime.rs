//! The Lambda Runtime API with a clock at its edges: when a process asks for its next event, when it answers, and how much
//! processor time it had used by then.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
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
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// An invocation that takes longer hangs; under cachegrind it takes seconds.
const PATIENCE: Duration = Duration::from_mins(5);

/// What is run, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) events: Vec<String>,
    /// Under cachegrind, which counts instructions; nothing else means anything then.
    pub(crate) count: bool,
    /// Its clock is not slowed while it is counted.
    pub(crate) true_clock: bool,
    /// Where its standard output goes; nowhere if nobody reads it.
    pub(crate) output: Option<PathBuf>,
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

/// Runs a function through its events to the end.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Run> {
    let mut function = Function::start(plan).await?;
    let mut run = Run { init: function.init, ..Run::default() };
    for event in &plan.events {
        let (span, answer) = function.invoke(event.clone()).await?;
        run.invocations.push(span);
        run.answers.push(answer);
    }
    run.peak_kib = function.peak_kib();
    run.instructions = function.end().await?;
    Ok(run)
}

/// A function between its init and its end.
#[derive(Debug)]
pub(crate) struct Function {
    /// From just before exec to the first request for an event.
    pub(crate) init: Span,
    plan: Plan,
    child: Child,
    pid: Pid,
    events: mpsc::UnboundedSender<String>,
    seen: mpsc::UnboundedReceiver<Seen>,
    _serving: JoinSet<std::io::Result<()>>,
}

/// What the clocks say at an edge.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    cpu: Duration,
}

/// What the Runtime API sees, in the order in which it happens.
#[derive(Debug)]
enum Seen {
    Asked(Reading),
    Handed(Reading),
    Answered(Instant, Value),
}

#[derive(Debug, Clone)]
struct Api {
    pid: Arc<OnceLock<Pid>>,
    events: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl Function {
    /// Starts it and waits until its init is over. The plan's events are left to the caller.
    pub(crate) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let (events, events_inside) = mpsc::unbounded_channel();
        let (seen_inside, seen) = mpsc::unbounded_channel();
        let api = Api { pid: Arc::default(), events: Arc::new(Mutex::new(events_inside)), seen: seen_inside };
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .route("/2018-06-01/runtime/init/error", post(failure))
            .with_state(api.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await });

        let mut command = command(plan)?;
        command.env("AWS_LAMBDA_RUNTIME_API", address.to_string());
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", plan.binary.display()))?;
        let id = child.id().context("it has ended already")?;
        let pid = Pid::from_raw(i32::try_from(id)?);
        let _ = api.pid.set(pid);
        if !plan.count {
            pin(pid);
        }
        let init = Span::default();
        let mut function = Self { init, plan: plan.clone(), child, pid, events, seen, _serving: serving };
        match function.see().await? {
            Seen::Asked(asked) => function.init = Span { wall: asked.at - started, cpu: asked.cpu },
            other => bail!("{} does not start: {other:?}", plan.binary.display()),
        }
        Ok(function)
    }

    /// Hands it an event and waits until it asks for the next one.
    pub(crate) async fn invoke(&mut self, event: String) -> anyhow::Result<(Span, Value)> {
        self.events.send(event)?;
        let (mut handed, mut answered) = (None, None);
        let asked = loop {
            match self.see().await? {
                Seen::Handed(reading) => handed = Some(reading),
                Seen::Answered(at, answer) => answered = Some((at, answer)),
                Seen::Asked(reading) => break reading,
            }
        };
        let (Some(handed), Some((at, answer))) = (handed, answered) else {
            bail!("{} asks for an event and has not answered the last", self.plan.binary.display());
        };
        Ok((Span { wall: at - handed.at, cpu: asked.cpu.saturating_sub(handed.cpu) }, answer))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Peak resident memory so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }

    /// Ends it; the instructions if they are counted.
    pub(crate) async fn end(mut self) -> anyhow::Result<u64> {
        let instructions = if self.plan.count { instructions(&mut self.child, self.pid).await? } else { 0 };
        self.child.kill().await?;
        Ok(instructions)
    }

    async fn see(&mut self) -> anyhow::Result<Seen> {
        let binary = self.plan.binary.display();
        tokio::select! {
            seen = self.seen.recv() => seen.context("the Runtime API has ended"),
            status = self.child.wait() => bail!("{binary} died: {}; {}", status?, said(&mut self.child).await),
            () = tokio::time::sleep(PATIENCE) => bail!("{binary} hangs"),
        }
    }
}

impl Api {
    fn read(&self) -> Reading {
        let clock = self.pid.get().and_then(|pid| ClockId::pid_cpu_clock_id(*pid).ok());
        // Processor time of all threads so far.
        let cpu = clock.and_then(|clock| clock_gettime(clock).ok()).map_or(Duration::ZERO, Duration::from);
        Reading { at: Instant::now(), cpu }
    }

    fn saw(&self, seen: Seen) {
        // Nobody looks any more when the function is being ended.
        let _ = self.seen.send(seen);
    }
}

async fn next(State(api): State<Api>) -> Result<impl IntoResponse, StatusCode> {
    api.saw(Seen::Asked(api.read()));
    let event = api.events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(30);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", uuid::Uuid::new_v4().to_string()),
        // The runtime sends it back with the answer. None is stale here: the next event waits for the answer.
        ("lambda-runtime-invocation-id", uuid::Uuid::new_v4().to_string()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:posnext".to_owned()),
    ];
    api.saw(Seen::Handed(api.read()));
    Ok((headers, event))
}

async fn response(State(api): State<Api>, body: String) -> StatusCode {
    let at = Instant::now();
    api.saw(Seen::Answered(at, serde_json::from_str(&body).unwrap_or(Value::String(body))));
    StatusCode::ACCEPTED
}

async fn failure(State(api): State<Api>, body: String) -> StatusCode {
    api.saw(Seen::Answered(Instant::now(), Value::String(format!("failed: {body}"))));
    StatusCode::ACCEPTED
}

fn command(plan: &Plan) -> anyhow::Result<Command> {
    let mut command = Command::new(if plan.count { Path::new("valgrind") } else { &plan.binary });
    command.env_clear();
    if plan.count {
        command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]).arg(&plan.binary);
        if !plan.true_clock {
            command.env("LD_PRELOAD", slow_clock()?).envs(SLOWED);
        }
    }
    let own = [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        // As long as CloudFormation makes it: it is in every line of metrics.
        ("AWS_LAMBDA_FUNCTION_NAME", "posnext-production-SubmitOrder-AbCdEfGhIjKl".to_owned()),
        // As the template sets it.
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=127".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        // As long as Lambda's: it is signed with every call.
        ("AWS_SESSION_TOKEN", "t".repeat(700)),
    ];
    command.args(&plan.arguments).envs(own).envs(plan.environment.iter().cloned());
    let output = plan.output.as_ref().map(File::create).transpose()?;
    command.stdout(output.map_or_else(Stdio::null, Stdio::from)).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// libfaketime, by which a second of the function's is a hundred of ours: under cachegrind a handshake takes longer than a function waits,
/// and what is given up and done again would be counted, or not, by chance.
const SLOWED: [(&str, &str); 2] = [("FAKETIME", "+0 x0.01"), ("FAKETIME_DONT_RESET", "1")];

/// Where Debian puts it.
fn slow_clock() -> anyhow::Result<PathBuf> {
    let mut folders =
        std::fs::read_dir("/usr/lib")?.filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketime.so.1")));
    folders
        .find(|library| library.is_file())
        .context("libfaketime slows the clock of what is counted, and is not installed: apt-get install faketime")
}

/// The function on the last core; the harness keeps to the others by itself.
fn pin(pid: Pid) {
    let mut cores = CpuSet::new();
    let last = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) - 1;
    if cores.set(last).is_ok() {
        let _ = sched_setaffinity(pid, &cores);
    }
}

async fn said(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(stderr) = child.stderr.as_mut() {
        let _ = stderr.read_to_string(&mut text).await;
    }
    text
}

/// Cachegrind tells its count when the process ends.
async fn instructions(child: &mut Child, pid: Pid) -> anyhow::Result<u64> {
    kill(pid, Signal::SIGTERM)?;
    let text = said(child).await;
    let count = text.lines().find_map(|line| line.split("I   refs:").nth(1)?.trim().replace(',', "").parse().ok());
    count.with_context(|| format!("cachegrind did not tell its count:\n{text}"))
}
