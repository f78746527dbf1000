//! A circuit breaker before one location's POS: when the POS keeps failing, a submit stops waiting for it and answers 202 at
//! once; the queue's workers go on trying. After a pause one submit tries again for all.

use std::time::Duration;

use super::{policy::API_FUNCTION_TIMEOUT, time::UnixMillis};

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// The first pause; it doubles with every trial that fails.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// What a POS has done lately, as one instance of a function has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// The POS is asked.
    Closed {
        /// Failures since the last answer.
        failures: u32,
    },
    /// It is not.
    Open {
        /// Until then.
        until: UnixMillis,
        /// Length of this pause.
        pause: Duration,
    },
    /// One caller asks for all.
    HalfOpen {
        /// From then on that caller is dead.
        until: UnixMillis,
        /// Length of the pause before.
        pause: Duration,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a caller may ask the POS now. `true` from a breaker that is not closed makes that caller its trial: it must
    /// report how it went, or [`abandon`](Self::abandon) it.
    pub fn admits(&mut self, now: UnixMillis) -> bool {
        match *self {
            Self::Closed { .. } => true,
            // A clock that was set back must not lengthen the pause.
            Self::Open { until, pause } if now < until && until <= now.plus(pause) => false,
            Self::HalfOpen { until, .. } if now < until && until <= now.plus(API_FUNCTION_TIMEOUT) => false,
            Self::Open { pause, .. } | Self::HalfOpen { pause, .. } => {
                *self = Self::HalfOpen { until: now.plus(API_FUNCTION_TIMEOUT), pause };
                true
            }
        }
    }

    /// The POS answered, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// The POS could not be reached or did not answer in time.
    pub fn failed(&mut self, now: UnixMillis) {
        *self = match *self {
            Self::Closed { failures } if failures + 1 < FAILURES => Self::Closed { failures: failures + 1 },
            Self::Closed { .. } => Self::Open { until: now.plus(PAUSE), pause: PAUSE },
            Self::HalfOpen { pause, .. } => {
                let pause = (pause * 2).min(LONGEST_PAUSE);
                Self::Open { until: now.plus(pause), pause }
            }
            // A caller that had been let in before it opened.
            open @ Self::Open { .. } => open,
        };
    }

    /// The caller that was let in did not ask the POS after all; the next may.
    pub fn abandon(&mut self, now: UnixMillis) {
        if let Self::HalfOpen { pause, .. } = *self {
            *self = Self::Open { until: now, pause };
        }
    }

    /// Whether callers are kept from the POS.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.admits(NOW));
            breaker.failed(NOW);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(NOW);
            breaker.failed(NOW);
            breaker.answered();
        }
        assert!(breaker.admits(NOW) && !breaker.is_open());
        assert!(open().is_open() && !open().admits(NOW));
    }

    #[test]
    fn after_the_pause_one_caller_tries_for_all() {
        let mut breaker = open();
        assert!(!breaker.admits(NOW.plus(PAUSE).minus(Duration::from_millis(1))));
        assert!(breaker.admits(NOW.plus(PAUSE)) && !breaker.admits(NOW.plus(PAUSE)));
        breaker.answered();
        assert!(breaker.admits(NOW.plus(PAUSE)) && !breaker.is_open());
    }

    #[test]
    fn a_trial_that_fails_doubles_the_pause_up_to_its_limit() {
        let (mut breaker, mut now) = (open(), NOW);
        for pause in [10, 20, 40, 80, 120, 120] {
            let pause = Duration::from_secs(pause);
            assert!(!breaker.admits(now.plus(pause).minus(Duration::from_millis(1))));
            now = now.plus(pause);
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
    }

    #[test]
    fn a_trial_that_was_abandoned_or_died_leaves_the_next_its_turn() {
        let mut breaker = open();
        let now = NOW.plus(PAUSE);
        assert!(breaker.admits(now));
        breaker.abandon(now);
        assert!(breaker.admits(now) && !breaker.admits(now));
        assert!(breaker.admits(now.plus(API_FUNCTION_TIMEOUT)));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_the_pause() {
        assert!(open().admits(NOW.minus(Duration::from_mins(5))));
    }

    #[test]
    fn late_failures_do_not_lengthen_the_pause() {
        let mut breaker = open();
        breaker.failed(NOW.plus(PAUSE / 2));
        assert!(breaker.admits(NOW.plus(PAUSE)));
    }
}
