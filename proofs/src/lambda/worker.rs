//! One process of a function: an execution environment.

use std::{
    fmt,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use nix::unistd::Pid;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    task::JoinHandle,
};

use super::{
    Environment,
    clocks::Clocks,
    hold::Hold,
    runtime_api::{Event, RuntimeApi},
};

/// One process of a function. It is frozen while it has nothing to do.
#[derive(Debug)]
pub struct Worker {
    api: RuntimeApi,
    process: Arc<Hold>,
    child: Child,
    serving: JoinHandle<()>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The function failed with this.
    Failed(String),
    /// Its process died.
    Died(Option<ExitStatus>),
    /// Its time has passed. The process is frozen where it was, and may be handed another event: then it goes on with this
    /// one first, and what it says of it is stale.
    TimedOut(Duration),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "the function failed: {error}"),
            Self::Died(Some(status)) => write!(f, "the process died: {status}"),
            Self::Died(None) => f.write_str("the process died"),
            Self::TimedOut(timeout) => write!(f, "the function did not answer within {timeout:?}"),
        }
    }
}

impl std::error::Error for Failure {}

impl Worker {
    /// Starts the binary; `name` is the function's.
    ///
    /// # Errors
    /// A sentence when it cannot be started.
    pub async fn start(name: &str, binary: &Path, environment: &Environment) -> anyhow::Result<Self> {
        Self::start_with(name, binary, environment, None).await
    }

    /// The same with clocks of its own.
    ///
    /// # Errors
    /// A sentence when it cannot be started.
    pub async fn start_with(
        name: &str,
        binary: &Path,
        environment: &Environment,
        clocks: Option<(Clocks, Environment)>,
    ) -> anyhow::Result<Self> {
        let api = RuntimeApi::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let routes = api.routes();
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        let own = [
            ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (clocks, preloaded) = clocks.unzip();
        let mut command = Command::new(binary);
        command.env_clear().envs(own).envs(environment.iter().cloned()).envs(preloaded.into_iter().flatten());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().with_context(|| {
            format!("cannot start {}; build the functions first (`cargo build --workspace`)", binary.display())
        })?;
        let pid = Pid::from_raw(i32::try_from(child.id().context("the process has ended already")?)?);
        let process = Arc::new(Hold::new(pid, clocks));
        let _ = api.process.set(Arc::clone(&process));
        Ok(Self { api, process, child, serving })
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Arc<Hold> {
        &self.process
    }

    /// Answers that came when the time of their invocation had passed. They were refused.
    #[must_use]
    pub fn stale(&self) -> u64 {
        self.api.stale()
    }

    /// What the function answers an event. A process that has died must not be used again.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn invoke(&mut self, event: impl Into<Event>, timeout: Duration) -> Result<Value, Failure> {
        let (id, answered) = self.api.hand(event.into(), self.process.now() + timeout);
        tokio::select! {
            answer = answered => match answer {
                Ok(answer) => answer.map_err(Failure::Failed),
                Err(_) => Err(Failure::Died(None)),
            },
            status = self.child.wait() => Err(Failure::Died(status.ok())),
            () = tokio::time::sleep(timeout) => {
                self.process.freeze();
                self.api.end(&id);
                Err(Failure::TimedOut(timeout))
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
