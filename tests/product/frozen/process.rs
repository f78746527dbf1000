//! A function's own binary in a process that is frozen and thawed as Lambda does it, with the clocks of the test.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use posnext_proofs::lambda::{Clocks, Environment, Event, Failure, Hold, Worker};
use posnext_shared::domain::policy::{API_FUNCTION_TIMEOUT, WORKER_FUNCTION_TIMEOUT};
use serde_json::Value;
use tokio::{sync::Mutex as AsyncMutex, task::JoinHandle};

/// A function's process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    worker: Arc<AsyncMutex<Worker>>,
    hold: Arc<Hold>,
    timeout: Duration,
}

/// The folder of the functions' binaries; that of the command, unless the environment names another.
fn binaries() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name("");
    std::env::var_os("POSNEXT_TEST_BINARIES").map_or_else(beside, PathBuf::from)
}

impl Process {
    /// Starts a function whose wall clock is so far ahead. Its clocks are kept in `folder`.
    pub(crate) async fn start(function: &str, environment: Environment, folder: &Path, ahead: Duration) -> Self {
        let clocks = Clocks::new(&folder.join(format!("{function}-{}", uuid::Uuid::now_v7())), ahead, false).unwrap();
        let binary = binaries().join(function);
        let worker = Worker::start_with(function, &binary, &environment, Some(clocks)).await.unwrap();
        let hold = Arc::clone(worker.process());
        let timeout = if function == "process-order" { WORKER_FUNCTION_TIMEOUT } else { API_FUNCTION_TIMEOUT };
        Self { worker: Arc::new(AsyncMutex::new(worker)), hold, timeout }
    }

    /// Hands it an event, and lets the test go on; what it answers.
    pub(crate) fn begin(&self, event: String) -> JoinHandle<Value> {
        let (worker, timeout) = (Arc::clone(&self.worker), self.timeout);
        tokio::spawn(async move { worker.lock().await.invoke(event, timeout).await.unwrap() })
    }

    /// What it answers an event within this time.
    pub(crate) async fn invoke_for(&self, event: impl Into<Event>, timeout: Duration) -> Result<Value, Failure> {
        self.worker.lock().await.invoke(event, timeout).await
    }

    /// Answers of it that came too late.
    pub(crate) async fn stale(&self) -> u64 {
        self.worker.lock().await.stale()
    }

    /// Whether it is frozen.
    pub(crate) fn stands_still(&self) -> bool {
        self.hold.is_frozen()
    }

    /// What it answers an event.
    pub(crate) async fn invoke(&self, event: String) -> Value {
        super::in_time("the function's answer", self.begin(event)).await.unwrap()
    }

    /// Lets its wall clock go on by this, and no other.
    pub(crate) fn leap(&self, by: Duration) {
        self.hold.leap(by);
    }

    /// Lets its monotonic clock go on by this, and no other.
    pub(crate) fn age(&self, by: Duration) {
        self.hold.age(by);
    }

    /// Stops it. From now on its monotonic clock stands still; the wall clock goes on. Returns when it has stopped.
    pub(crate) fn freeze(&self) {
        self.hold.freeze();
    }

    /// Lets it go on, as if its monotonic clock had stood still.
    pub(crate) fn thaw(&self) {
        self.hold.thaw();
    }
}
