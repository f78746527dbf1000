//! A process of a function, during one invocation. At each point at which it waits it may die, or stand still and go on
//! later: past its time-out as well, when another invocation thaws it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use crate::{dice::Dice, faults::Fault, sim::Shared};

/// How long a process stands still, in milliseconds.
const STILL: [u64; 8] = [900, 3_000, 7_500, 12_000, 21_000, 40_000, 180_000, 1_500_000];
/// Of how many points it may be at, at which it waits, one is chosen.
const POINTS: u64 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    Dies,
    StandsStill(Duration),
}

/// What a function does with an event. It comes to nothing if its process dies.
pub(crate) struct Process<F> {
    sim: Shared,
    who: String,
    /// What it does; nothing once it has died.
    doing: Option<Pin<Box<F>>>,
    dice: Dice,
    fate: Fate,
    /// It meets its fate when it has waited so often.
    at: u64,
    waited: u64,
    until: Instant,
    overran: bool,
    still: Option<Pin<Box<Sleep>>>,
}

impl<F> Process<F> {
    /// A process whose invocation ends at this time, whatever it does then.
    pub(crate) fn new(sim: &Shared, who: String, limit: Duration, mut dice: Dice, doing: F) -> Self {
        let fate = if sim.strikes(&mut dice, Fault::Dies) {
            Fate::Dies
        } else if sim.strikes(&mut dice, Fault::StandsStill) {
            Fate::StandsStill(Duration::from_millis(dice.one_of(&STILL).copied().unwrap_or_default()))
        } else {
            Fate::Lives
        };
        let at = dice.within(1..POINTS);
        let until = Instant::now() + limit;
        let (doing, still) = (Some(Box::pin(doing)), None);
        Self { sim: std::sync::Arc::clone(sim), who, doing, dice, fate, at, waited: 0, until, overran: false, still }
    }

    fn meets(&mut self) -> Fate {
        self.waited += 1;
        if self.waited == self.at {
            return self.fate;
        }
        if self.overran || Instant::now() < self.until {
            return Fate::Lives;
        }
        // Past its time-out it goes on in a later invocation, or never.
        self.overran = true;
        if self.dice.in_a_thousand(400) {
            Fate::Dies
        } else {
            Fate::StandsStill(Duration::from_millis(self.dice.one_of(&STILL).copied().unwrap_or_default()))
        }
    }
}

impl<F: Future> Future for Process<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(still) = &mut this.still {
                if still.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.still = None;
                this.sim.tell(&this.who, || "goes on".to_owned());
            } else {
                match this.meets() {
                    Fate::Lives => {}
                    Fate::Dies => {
                        this.sim.tell(&this.who, || "dies".to_owned());
                        this.doing = None;
                        return Poll::Ready(None);
                    }
                    Fate::StandsStill(time) => {
                        this.sim.tell(&this.who, || format!("stands still for {} s", time.as_secs()));
                        this.still = Some(Box::pin(sleep(time)));
                        continue;
                    }
                }
            }
            let Some(doing) = &mut this.doing else { return Poll::Ready(None) };
            return doing.as_mut().poll(cx).map(Some);
        }
    }
}
