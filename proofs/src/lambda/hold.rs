//! A process that can be frozen and thawed, as Lambda does it with an execution environment (AWS: "Understanding the Lambda
//! execution environment lifecycle").

use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::sync::watch;

use super::clocks::{Clocks, nanoseconds};

/// A process in somebody's hand.
#[derive(Debug)]
pub struct Hold {
    pid: Pid,
    state: Mutex<State>,
    frozen: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    clocks: Option<Clocks>,
    /// Since when the process stands still.
    since: Option<Instant>,
}

impl Hold {
    pub(super) fn new(pid: Pid, clocks: Option<Clocks>) -> Self {
        Self { pid, state: Mutex::new(State { clocks, since: None }), frozen: watch::Sender::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it, and returns when it has stopped. Its clocks that only go forward stand still from now on; the wall clock
    /// goes on.
    pub fn freeze(&self) {
        self.rest();
        while !self.has_stopped() {
            std::thread::yield_now();
        }
    }

    /// The same for one that has nothing to do: it will have stopped in a moment.
    pub fn rest(&self) {
        let mut state = self.state();
        if state.since.is_none() {
            self.signal(Signal::SIGSTOP);
            state.since = Some(Instant::now());
            self.frozen.send_replace(true);
        }
    }

    /// Lets it go on, as if those clocks had stood still.
    pub fn thaw(&self) {
        let mut state = self.state();
        let Some(since) = state.since.take() else { return };
        if let Some(clocks) = &mut state.clocks {
            clocks.turn(0, -nanoseconds(since.elapsed()));
        }
        self.signal(Signal::SIGCONT);
        self.frozen.send_replace(false);
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        *self.frozen.borrow()
    }

    /// Returns once it does not stand still.
    pub async fn thawed(&self) {
        // It is never closed: it lives as long as this.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Returns once it stands still.
    pub async fn frozen(&self) {
        let _ = self.frozen.subscribe().wait_for(|frozen| *frozen).await;
    }

    /// Kills it.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Lets its wall clock go on by this, and no other.
    pub fn leap(&self, by: Duration) {
        if let Some(clocks) = &mut self.state().clocks {
            clocks.turn(nanoseconds(by), 0);
        }
    }

    /// Lets its clocks that only go forward go on by this, and no other.
    pub fn age(&self, by: Duration) {
        if let Some(clocks) = &mut self.state().clocks {
            clocks.turn(0, nanoseconds(by));
        }
    }

    /// What its wall clock shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let ahead = self.state().clocks.as_ref().map_or(0, Clocks::ahead);
        let off = Duration::from_nanos(ahead.unsigned_abs());
        if ahead < 0 { SystemTime::now() - off } else { SystemTime::now() + off }
    }

    fn signal(&self, signal: Signal) {
        // It may have died by itself.
        let _ = kill(self.pid, signal);
    }

    /// Whether each of its threads has, or is no more.
    fn has_stopped(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else { return true };
        threads.flatten().all(|thread| {
            // proc_pid_stat(5): the state comes after the name, which ends with the last parenthesis.
            let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else { return true };
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't', 'Z', 'X']))
        })
    }
}
