//! The machine's clock and randomness.

use super::wall_clock;
use posnext_shared::{app::ports::Clock, domain::time::UnixMillis};

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        wall_clock()
    }

    fn fresh_id(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}
