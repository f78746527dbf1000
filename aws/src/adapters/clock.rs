//! The machine's clock and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use posnext_shared::{app::ports::Clock, domain::time::UnixMillis};

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn fresh_id(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}
