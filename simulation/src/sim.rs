//! What all parts of a run share: time, the story, what goes wrong, and the harm that was seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use posnext_shared::domain::time::UnixMillis;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{dice::Dice, faults::Fault};

/// When every run begins: 15 March 2025, 14:30:45 UTC.
const BEGINNING: UnixMillis = UnixMillis(1_742_049_045_000);

/// Far more calls of AWS than a run has that comes to its end: those have one or two thousand.
const MANY_CALLS: u64 = 100_000;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Harm {
    /// Which.
    pub promise: &'static str,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.seen)
    }
}

/// A line of the story.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    at: Duration,
    who: String,
    what: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.at.as_secs(), self.at.subsec_millis());
        write!(f, "{:>4}:{:02}.{millis:03}  {:<22} {}", seconds / 60, seconds % 60, self.who, self.what)
    }
}

/// One run.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) dice: Dice,
    began: Instant,
    /// Which faults there are.
    faults: BTreeSet<Fault>,
    /// Nothing goes wrong any more.
    quiet: AtomicBool,
    /// Nothing happens at all: time passes.
    night: AtomicBool,
    morning: Notify,
    counts: Mutex<BTreeMap<Fault, u64>>,
    story: Option<Mutex<Vec<Line>>>,
    harms: Mutex<BTreeSet<Harm>>,
    numbers: AtomicU64,
    calls: AtomicU64,
    endless: Notify,
}

pub(crate) type Shared = Arc<Sim>;

impl Sim {
    pub(crate) fn new(seed: u64, faults: BTreeSet<Fault>, told: bool) -> Shared {
        Arc::new(Self {
            dice: Dice::of(seed),
            began: Instant::now(),
            faults,
            quiet: AtomicBool::new(false),
            night: AtomicBool::new(false),
            morning: Notify::new(),
            counts: Mutex::default(),
            story: told.then(Mutex::default),
            harms: Mutex::default(),
            numbers: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            endless: Notify::new(),
        })
    }

    /// The right time.
    pub(crate) fn now(&self) -> UnixMillis {
        BEGINNING.plus(self.began.elapsed())
    }

    /// A number that nobody else has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Somebody calls AWS. No run that comes to its end has so many calls.
    pub(crate) fn calls(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == MANY_CALLS {
            self.harm("it goes on without end", format!("more than {MANY_CALLS} calls of AWS"));
            self.endless.notify_one();
        }
    }

    /// When there were so many calls.
    pub(crate) async fn endless(&self) {
        self.endless.notified().await;
    }

    /// Whether this goes wrong now.
    pub(crate) fn strikes(&self, dice: &mut Dice, fault: Fault) -> bool {
        let happens = dice.in_a_thousand(fault.in_a_thousand());
        let strikes = happens && self.faults.contains(&fault) && !self.is_quiet();
        if strikes {
            *lock(&self.counts).entry(fault).or_default() += 1;
        }
        strikes
    }

    /// Whether this premise does not hold at all in this run.
    pub(crate) fn is_broken(&self, premise: Fault) -> bool {
        self.faults.contains(&premise)
    }

    pub(crate) fn be_quiet(&self) {
        self.quiet.store(true, Ordering::Relaxed);
        self.tell("the world", || "nothing goes wrong any more".to_owned());
    }

    /// Lets so much time pass, in which nothing happens.
    pub(crate) async fn night(&self, time: Duration) {
        self.night.store(true, Ordering::Relaxed);
        sleep(time).await;
        self.night.store(false, Ordering::Relaxed);
        self.morning.notify_waiters();
    }

    /// By day at once, and otherwise when the night is over.
    pub(crate) async fn by_day(&self) {
        if self.night.load(Ordering::Relaxed) {
            self.morning.notified().await;
        }
    }

    /// Things go wrong again.
    pub(crate) fn be_loud(&self) {
        self.quiet.store(false, Ordering::Relaxed);
        self.tell("the world", || "things go wrong again".to_owned());
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    pub(crate) fn tell(&self, who: impl fmt::Display, what: impl FnOnce() -> String) {
        if let Some(story) = &self.story {
            lock(story).push(Line { at: self.began.elapsed(), who: who.to_string(), what: what() });
        }
    }

    pub(crate) fn harm(&self, promise: &'static str, seen: String) {
        self.tell("HARM", || format!("{promise}: {seen}"));
        lock(&self.harms).insert(Harm { promise, seen });
    }

    pub(crate) fn harms(&self) -> BTreeSet<Harm> {
        lock(&self.harms).clone()
    }

    pub(crate) fn counts(&self) -> BTreeMap<Fault, u64> {
        lock(&self.counts).clone()
    }

    pub(crate) fn story(&self) -> String {
        let lines = self.story.as_ref().map(|story| lock(story).clone()).unwrap_or_default();
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_that_calls_without_end_breaks_a_promise_and_is_ended() {
        let sim = Sim::new(1, BTreeSet::new(), false);
        (0..MANY_CALLS).for_each(|_| sim.calls());
        assert!(sim.harms().is_empty());
        sim.calls();
        sim.endless().await;
        assert_eq!(sim.harms().iter().map(|harm| harm.promise).collect::<Vec<_>>(), ["it goes on without end"]);
    }
}
