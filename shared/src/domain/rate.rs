//! A cap on how many orders a second one location may submit: the generic cell rate algorithm (ITU-T I.371), which needs
//! one number a location. It caps one instance; the stage's throttle caps the whole API.

use std::time::Duration;

use super::time::UnixMillis;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What one location has used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// When the requests so far would have arrived at an even pace, in nanoseconds of Unix time.
    paid_until: u64,
}

impl Rate {
    /// Lets one request in, if there are at most `per_second` of them in any second; else says how long to wait.
    ///
    /// # Errors
    /// The time after which there is room again.
    pub fn admit(&mut self, now: UnixMillis, per_second: u32) -> Result<(), Duration> {
        let now = u64::try_from(now.0).unwrap_or_default().saturating_mul(1_000_000);
        let each = NANOS_PER_SECOND / u64::from(per_second.max(1));
        // A clock that was set back must not keep anybody waiting for longer than a second.
        let paid_until = self.paid_until.clamp(now, now + NANOS_PER_SECOND) + each;
        match (paid_until - now).checked_sub(NANOS_PER_SECOND) {
            None | Some(0) => {
                self.paid_until = paid_until;
                Ok(())
            }
            Some(over) => Err(Duration::from_nanos(over)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_let_in_at_once_and_so_many_in_every_second_after() {
        for per_second in [1, 3, 1000] {
            let (mut rate, start) = (Rate::default(), 1_700_000_000_000);
            for second in 0..3 {
                let now = UnixMillis(start + second * 1000);
                let admitted = (0..per_second * 2).filter(|_| rate.admit(now, per_second).is_ok()).count();
                assert_eq!(admitted, per_second as usize, "second {second}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_waiting() {
        let mut rate = Rate::default();
        assert_eq!(rate.admit(UnixMillis(1_700_000_060_000), 10), Ok(()));
        assert!(rate.admit(UnixMillis(1_700_000_000_000), 10).unwrap_err() <= Duration::from_millis(100));
    }

    #[test]
    fn the_wait_it_names_is_long_enough() {
        let (mut rate, now) = (Rate::default(), UnixMillis(1_700_000_000_000));
        while rate.admit(now, 7).is_ok() {}
        let wait = rate.admit(now, 7).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1));
        assert!(rate.admit(now.plus(wait + Duration::from_millis(1)), 7).is_ok());
    }

    #[test]
    fn an_even_pace_below_the_cap_is_never_refused() {
        let mut rate = Rate::default();
        for step in 0..5_000 {
            assert_eq!(rate.admit(UnixMillis(1_700_000_000_000 + step), 1_000), Ok(()));
        }
    }
}
