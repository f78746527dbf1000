//! A function's own binary in a process that is frozen and thawed as Lambda does it, with the clocks of the test.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use posnext_proofs::lambda::{Environment, Worker};
use posnext_shared::domain::policy::{API_FUNCTION_TIMEOUT, WORKER_FUNCTION_TIMEOUT};
use serde_json::Value;
use tokio::{sync::Mutex as AsyncMutex, task::JoinHandle};

/// How far a process's clocks are ahead of the machine's, in the file that its library reads.
#[derive(Debug)]
struct Clocks {
    file: File,
    /// Nanoseconds.
    wall: i64,
    /// Nanoseconds.
    monotonic: i64,
    /// Since when the process stands still.
    held: Option<Instant>,
}

impl Clocks {
    fn write(&self) {
        self.file.write_all_at(&[self.wall.to_ne_bytes(), self.monotonic.to_ne_bytes()].concat(), 0).unwrap();
    }
}

/// A function's process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    worker: Arc<AsyncMutex<Worker>>,
    pid: Pid,
    clocks: Arc<Mutex<Clocks>>,
    timeout: Duration,
}

/// The folder of the functions' binaries; that of the command, unless the environment names another.
fn binaries() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name("");
    std::env::var_os("POSNEXT_TEST_BINARIES").map_or_else(beside, PathBuf::from)
}

impl Process {
    /// Starts a function whose wall clock is so far ahead. Its clocks are kept in `folder`.
    pub(crate) async fn start(function: &str, mut environment: Environment, folder: &Path, ahead: Duration) -> Self {
        let library = PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name("libposnext_frozen_clock.so");
        assert!(library.is_file(), "{} is missing; build it: cargo build --workspace", library.display());
        let path = folder.join(format!("{function}-{}", uuid::Uuid::now_v7()));
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&path).unwrap();
        let clocks = Clocks { file, wall: nanoseconds(ahead), monotonic: 0, held: None };
        clocks.write();
        let own = [("LD_PRELOAD", library), ("POSNEXT_FROZEN_CLOCK", path)];
        environment.extend(own.map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned())));
        let worker = Worker::start(function, &binaries().join(function), &environment).await.unwrap();
        let pid = Pid::from_raw(worker.pid().unwrap().try_into().unwrap());
        let timeout = if function == "process-order" { WORKER_FUNCTION_TIMEOUT } else { API_FUNCTION_TIMEOUT };
        Self { worker: Arc::new(AsyncMutex::new(worker)), pid, clocks: Arc::new(Mutex::new(clocks)), timeout }
    }

    /// Hands it an event, and lets the test go on; what it answers.
    pub(crate) fn begin(&self, event: String) -> JoinHandle<Value> {
        let ahead = Duration::from_nanos(self.clocks.lock().unwrap().wall.try_into().unwrap());
        let (worker, timeout) = (Arc::clone(&self.worker), self.timeout);
        tokio::spawn(async move {
            let deadline = SystemTime::now() + ahead + timeout;
            worker.lock().await.invoke_until(event, deadline, timeout).await.unwrap()
        })
    }

    /// What it answers an event.
    pub(crate) async fn invoke(&self, event: String) -> Value {
        super::in_time("the function's answer", self.begin(event)).await.unwrap()
    }

    /// Lets its wall clock go on by this, and no other.
    pub(crate) fn leap(&self, by: Duration) {
        let mut clocks = self.clocks.lock().unwrap();
        clocks.wall += nanoseconds(by);
        clocks.write();
    }

    /// Lets its monotonic clock go on by this, and no other.
    pub(crate) fn age(&self, by: Duration) {
        let mut clocks = self.clocks.lock().unwrap();
        clocks.monotonic += nanoseconds(by);
        clocks.write();
    }

    /// Stops it. From now on its monotonic clock stands still; the wall clock goes on. Returns when it has stopped.
    pub(crate) fn freeze(&self) {
        kill(self.pid, Signal::SIGSTOP).unwrap();
        while !self.has_stopped() {
            std::thread::yield_now();
        }
        self.clocks.lock().unwrap().held = Some(Instant::now());
    }

    /// Lets it go on, as if its monotonic clock had stood still.
    pub(crate) fn thaw(&self) {
        let mut clocks = self.clocks.lock().unwrap();
        let held = clocks.held.take().expect("a frozen process");
        clocks.monotonic -= nanoseconds(held.elapsed());
        clocks.write();
        kill(self.pid, Signal::SIGCONT).unwrap();
    }

    /// Whether each of its threads has.
    fn has_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).unwrap();
        threads.flatten().all(|thread| {
            // proc_pid_stat(5): the state comes after the name, which ends with the last parenthesis.
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't']))
        })
    }
}

fn nanoseconds(time: Duration) -> i64 {
    time.as_nanos().try_into().unwrap()
}
