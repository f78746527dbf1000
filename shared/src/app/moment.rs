//! Ages, on two clocks. Lambda freezes a process between invocations: its monotonic clock may stand still while the
//! wall clock goes on. And a wall clock may be set back. So an age is the larger of both, and what seems to be younger
//! than nothing has expired.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

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

/// A time of its own that goes on by what the clock that says more has done. A wall clock that was set back lets it go
/// on by an hour, so that what was to last a while is over.
#[derive(Debug, Default)]
pub struct Ageing(Mutex<Option<(Moment, Duration)>>);

impl Ageing {
    const SET_BACK: Duration = Duration::from_hours(1);
    const OUT_OF_TURN: Duration = Duration::from_secs(1);
    /// Steps that are added up are not shorter, or the wall clock's milliseconds would add up to too much.
    const STEP: Duration = Duration::from_millis(10);

    /// How far it has gone since it was first asked.
    #[must_use]
    pub fn time(&self, wall: UnixMillis) -> Duration {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (moment, before) = last.get_or_insert_with(|| (Moment::now(wall), Duration::ZERO));
        // Two threads may come in the other order than they looked at their clock.
        let out_of_turn = wall < moment.wall && moment.wall.since(wall) < Self::OUT_OF_TURN;
        let age = if out_of_turn { Duration::ZERO } else { moment.age(wall) };
        let now = before.saturating_add(if age == Duration::MAX { Self::SET_BACK } else { age });
        if age >= Self::STEP {
            *last = Some((Moment::now(wall), now));
        }
        now
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

    #[tokio::test(start_paused = true)]
    async fn ageing_goes_on_by_the_clock_that_says_more_and_never_back() {
        let (ageing, second) = (Ageing::default(), Duration::from_secs(1));
        assert_eq!(ageing.time(WALL), Duration::ZERO);
        tokio::time::advance(second).await;
        assert_eq!(ageing.time(WALL.plus(second)), second);
        // The process stood still for an hour; then the wall clock stands still.
        assert_eq!(ageing.time(WALL.plus(3_601 * second)), 3_601 * second);
        tokio::time::advance(2 * second).await;
        assert_eq!(ageing.time(WALL.plus(3_601 * second)), 3_603 * second);
        assert_eq!(ageing.time(WALL), 7_203 * second);
        assert_eq!(ageing.time(WALL.plus(second)), 7_204 * second);
        assert_eq!(ageing.time(WALL.plus(second / 2)), 7_204 * second, "out of turn");
        // Many short steps add up to what they are.
        for _ in 0..1_000 {
            tokio::time::advance(Duration::from_micros(10)).await;
            let _ = ageing.time(WALL.plus(second));
        }
        assert_eq!(ageing.time(WALL.plus(second)), 7_204 * second + Duration::from_millis(10));
    }
}
