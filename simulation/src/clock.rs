//! The clock of one machine: off by its own few seconds, or far off, and told so by AWS's `Date`.

use std::{
    sync::Arc,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use posnext_aws::adapters::clock;
use posnext_shared::{app::ports::Clock, domain::time::UnixMillis};

use crate::{
    dice::Dice,
    faults::Fault,
    sim::{Shared, lock},
};

/// A clock, and the ids that its machine makes.
#[derive(Debug, Clone)]
pub(crate) struct MachineClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sim: Shared,
    machine: u64,
    /// Milliseconds.
    ahead: i64,
    off: AtomicU64,
    ids: AtomicU64,
    dice: Mutex<Dice>,
}

impl MachineClock {
    /// A clock that is right.
    pub(crate) fn right(sim: &Shared) -> Self {
        Self::ahead_by(sim, 0)
    }

    fn ahead_by(sim: &Shared, ahead: i64) -> Self {
        let machine = sim.number();
        let dice = Mutex::new(sim.dice.part("machine", machine));
        let (off, ids) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { sim: Arc::clone(sim), machine, ahead, off, ids, dice }))
    }

    /// The clock of a new machine of ours.
    pub(crate) fn new(sim: &Shared) -> Self {
        let mut dice = sim.dice.part("clock", sim.number());
        let ahead = if sim.strikes(&mut dice, Fault::ClockFarOff) {
            dice.within(0..60_000) as i64 - 30_000
        } else if sim.strikes(&mut dice, Fault::ClockOff) {
            // Two of them differ by 3 s at most.
            dice.within(0..3_000) as i64 - 1_500
        } else {
            0
        };
        Self::ahead_by(sim, ahead)
    }

    /// How far it is ahead of the right time, in milliseconds.
    pub(crate) fn ahead(&self) -> i64 {
        self.0.ahead
    }

    /// AWS said what the time is, in an answer to a request that was sent at `sent`.
    pub(crate) fn heard(&self, date: UnixMillis, sent: UnixMillis) {
        let second = UnixMillis(date.0 - date.0.rem_euclid(1_000));
        let off = clock::off(time(second), time(sent), time(self.now()));
        self.0.off.store(off.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn time(at: UnixMillis) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.0.try_into().unwrap_or_default())
}

impl Clock for MachineClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.sim.now().0 + self.0.ahead)
    }

    fn off(&self) -> Duration {
        Duration::from_millis(self.0.off.load(Ordering::Relaxed))
    }

    fn fresh_id(&self) -> String {
        format!("{:016x}{:016x}", self.0.machine, self.0.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn random(&self) -> u64 {
        lock(&self.0.dice).within(0..u64::MAX)
    }
}
