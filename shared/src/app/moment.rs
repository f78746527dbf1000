//! Ages, on two clocks. Lambda freezes a process between invocations: its monotonic clock may stand still while the wall clock goes on. And
//! a wall clock may be set back. So an age is the larger of both, and what seems to be younger than nothing has expired.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::time::UnixMillis;

/// A point in time on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    monotonic: Instant,
    wall: UnixMillis,
}

impl Moment {
    /// This moment; `wall` is what the wall clock says now.
    #[must_use]
    pub fn now(wall: UnixMillis) -> Self {
        Self { monotonic: Instant::now(), wall }
    }

    /// What the wall clock said.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        self.wall
    }

    /// How long ago it was, by the clock that says more; the longest span there is if the wall clock was set back.
    #[must_use]
    pub fn age(&self, wall: UnixMillis) -> Duration {
        if wall < self.wall { Duration::MAX } else { self.monotonic.elapsed().max(wall.since(self.wall)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: UnixMillis = UnixMillis(1_000_000);

    #[tokio::test(start_paused = true)]
    async fn an_age_is_the_larger_of_both_clocks_and_a_negative_one_has_expired() {
        let moment = Moment::now(WALL);
        let second = Duration::from_secs(1);
        assert_eq!((moment.age(WALL), moment.wall()), (Duration::ZERO, WALL));
        // The process stood still.
        assert_eq!(moment.age(WALL.plus(second)), second);
        tokio::time::advance(3 * second).await;
        // The wall clock was slowed down, or set back.
        assert_eq!(moment.age(WALL.plus(second)), 3 * second);
        assert_eq!(moment.age(WALL.minus(Duration::from_millis(1))), Duration::MAX);
    }
}
