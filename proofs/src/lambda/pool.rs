//! The processes of one function, and how Lambda chooses among them.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use posnext_local::lambda::Account;
use serde_json::Value;

use super::{
    Clocks, Environment,
    chain::Link,
    hold::Hold,
    runtime_api::Event,
    worker::{Failure, Worker},
};

/// What a process is started with: its variables; and its clocks, if they are its own.
pub type Start = (Environment, Option<(Clocks, Environment)>);

/// What is different for each process, and what is told of it around each invocation.
pub trait Surroundings: Send + Sync {
    /// What a new process of this function is started with. `id` names the process.
    fn start(&self, function: &str, id: u64) -> impl Future<Output = anyhow::Result<Start>> + Send;
    /// The process is about to be handed an event.
    fn begins(&self, _id: u64, _process: &Arc<Hold>, _event: &str) {}
    /// It has answered.
    fn ends(&self, _id: u64) {}
    /// Its time has passed, and it is frozen where it was.
    fn is_late(&self, _id: u64) {}
    /// Whether a process that is late may be handed another event, by which it is thawed.
    fn may_go_on(&self, _id: u64) -> bool {
        true
    }
    /// Answers of a process that came too late.
    fn stale(&self, _id: u64, _answers: u64) {}
    /// It has died, or is not used again.
    fn gone(&self, _id: u64) {}
}

/// A function as it is deployed.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its own program.
    pub binary: PathBuf,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Whether it may be invoked again and again by what it sends itself (`RecursiveLoop: Allow`).
    pub may_loop: bool,
    /// Whether a process is killed when its time has passed. Lambda does not (see `runtime_api`).
    pub late_is_killed: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Refused {
    /// The account's concurrency is used up (429, `TooManyRequestsException`).
    Throttled,
    /// The function has invoked itself too often (400, `RecursiveInvocationException`).
    Looped,
    /// The function has no answer.
    Failed(Failure),
    /// No process can be started.
    NotStarted(anyhow::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled => f.write_str("the account's concurrency is used up"),
            Self::Looped => f.write_str("the function has invoked itself too often"),
            Self::Failed(failure) => failure.fmt(f),
            Self::NotStarted(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Refused {}

/// The processes of one function. They are started as they are needed.
pub struct Pool<S> {
    function: Function,
    account: Account,
    surroundings: Arc<S>,
    processes: Mutex<Processes>,
}

type Process = (u64, Worker);

#[derive(Default)]
struct Processes {
    idle: Vec<Process>,
    /// Frozen where their time had passed.
    late: Vec<Process>,
}

impl<S> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("function", &self.function).finish_non_exhaustive()
    }
}

impl<S: Surroundings> Pool<S> {
    /// Processes of this function, in an account that it may share with others.
    pub fn new(function: Function, account: Account, surroundings: Arc<S>) -> Self {
        Self { function, account, surroundings, processes: Mutex::default() }
    }

    /// What the function answers an event.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn invoke(&self, event: String) -> Result<Value, Refused> {
        let _concurrent = self.account.begin().ok_or(Refused::Throttled)?;
        let link = Link::of(&event, self.function.name);
        if link.loops() && !self.function.may_loop {
            return Err(Refused::Looped);
        }
        let (id, mut worker) = match self.free() {
            Some(process) => process,
            None => self.start().await.map_err(Refused::NotStarted)?,
        };
        self.surroundings.begins(id, worker.process(), &event);
        let before = worker.stale();
        let answer = worker.invoke(Event { body: event, trace: Some(link.trace) }, self.function.timeout).await;
        self.surroundings.stale(id, worker.stale() - before);
        match &answer {
            Ok(_) | Err(Failure::Failed(_)) => {
                self.surroundings.ends(id);
                self.processes().idle.push((id, worker));
            }
            Err(Failure::TimedOut(_)) if !self.function.late_is_killed => {
                self.surroundings.is_late(id);
                self.processes().late.push((id, worker));
            }
            Err(_) => self.surroundings.gone(id),
        }
        answer.map_err(Refused::Failed)
    }

    /// Lets those go on that are frozen past their time-out, though there is no event for them, until they have nothing to do.
    /// What is not done then is killed.
    pub async fn thaw(&self, patience: Duration) {
        let late = std::mem::take(&mut self.processes().late);
        let all = late.into_iter().map(async |(id, worker)| {
            let (process, before) = (Arc::clone(worker.process()), worker.stale());
            self.surroundings.begins(id, &process, "");
            process.thaw();
            let done = tokio::time::timeout(patience, process.frozen()).await.is_ok();
            self.surroundings.stale(id, worker.stale() - before);
            if done {
                self.surroundings.ends(id);
                self.processes().idle.push((id, worker));
            } else {
                self.surroundings.gone(id);
            }
        });
        futures_util::future::join_all(all).await;
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process that is late before any other: nobody knows which one Lambda takes.
    fn free(&self) -> Option<Process> {
        let mut processes = self.processes();
        let late = processes.late.iter().position(|(id, _)| self.surroundings.may_go_on(*id));
        late.map(|at| processes.late.remove(at)).or_else(|| processes.idle.pop())
    }

    async fn start(&self) -> anyhow::Result<Process> {
        let id = fastrand::u64(..);
        let (environment, clocks) = self.surroundings.start(self.function.name, id).await?;
        Ok((id, Worker::start_with(self.function.name, &self.function.binary, &environment, clocks).await?))
    }
}
