//! The machine's clock and randomness, and how far that clock is off AWS's.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, header::DATE};
use posnext_shared::{app::ports::Clock, domain::time::UnixMillis};

use super::wall_clock;

/// A `Date` names a second, and not when in it.
const SECOND: Duration = Duration::from_secs(1);

/// Milliseconds that the clock is off, by the last answer of AWS. A machine has one clock.
static OFF: AtomicU64 = AtomicU64::new(0);

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        wall_clock()
    }

    fn off(&self) -> Duration {
        Duration::from_millis(OFF.load(Ordering::Relaxed))
    }

    fn fresh_id(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// Compares the clock with the `Date` of an answer to a request that was sent at `sent`.
pub(super) fn heard(answer: &HeaderMap, sent: SystemTime) {
    let Some(date) = answer.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok()) else { return };
    let off = off(date, sent, SystemTime::now());
    OFF.store(off.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// How far a clock is off, at least, that said `sent` before and `received` after the other machine said `date`. However
/// long an answer takes, and however long the process stood still meanwhile, that says nothing against the clock.
#[must_use]
pub fn off(date: SystemTime, sent: SystemTime, received: SystemTime) -> Duration {
    let behind = date.duration_since(received).unwrap_or_default();
    let ahead = sent.duration_since(date + SECOND).unwrap_or_default();
    behind.max(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_no_delay_explains() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (date, sent, received, expected) in [
            (100, 100, 100, 0),
            (100, 98, 103, 0),
            // It stood still for an hour while the answer was on its way.
            (100, 100, 3_700, 0),
            (3_700, 100, 3_700, 0),
            // The second that the date names.
            (100, 101, 101, 0),
            (100, 104, 105, 3),
            (100, 90, 96, 4),
        ] {
            assert_eq!(off(at(date), at(sent), at(received)).as_secs(), expected, "{date} {sent} {received}");
        }
    }

    #[test]
    fn an_answer_without_a_date_or_with_none_that_can_be_read_says_nothing() {
        let (mut headers, now) = (HeaderMap::new(), SystemTime::now());
        let hour = Duration::from_hours(1);
        headers.insert(DATE, httpdate::fmt_http_date(now - hour).parse().unwrap());
        heard(&headers, now);
        assert!(SystemClock.off() > hour - Duration::from_secs(3));
        heard(&HeaderMap::new(), now);
        headers.insert(DATE, "soon".parse().unwrap());
        heard(&headers, now);
        assert!(SystemClock.off() > hour - Duration::from_secs(3));
        headers.insert(DATE, httpdate::fmt_http_date(now).parse().unwrap());
        heard(&headers, now);
        assert_eq!(SystemClock.off(), Duration::ZERO);
    }
}
