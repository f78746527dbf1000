//! Ratios without floats, and the median that counts of several.

use std::{fmt, time::Duration};

/// A ratio, in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ratio(u64);

impl Ratio {
    /// So many thousandths.
    pub(crate) const fn permille(thousandths: u64) -> Self {
        Self(thousandths)
    }

    /// Of a count to another.
    pub(crate) fn of(part: u64, whole: u64) -> Self {
        Self(part.saturating_mul(1_000) / whole.max(1))
    }

    /// Of a time to another.
    pub(crate) fn of_times(part: Duration, whole: Duration) -> Self {
        Self::of(nanos(part), nanos(whole))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(thousandths) = self;
        // Of a large one the fraction says nothing.
        match thousandths {
            ..100_000 => write!(f, "{}.{:02} x", thousandths / 1_000, thousandths % 1_000 / 10),
            _ => write!(f, "{} x", thousandths / 1_000),
        }
    }
}

/// A time in nanoseconds.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The middle one, or the upper of the two in the middle.
pub(crate) fn median<T: Ord + Copy + Default>(of: impl IntoIterator<Item = T>) -> T {
    let mut sorted: Vec<T> = of.into_iter().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_cut_to_what_it_can_say() {
        assert_eq!(Ratio::of(9, 2).to_string(), "4.50 x");
        assert_eq!(Ratio::of(1_999, 1_000).to_string(), "1.99 x");
        assert_eq!(Ratio::of(1_234_567, 1_000).to_string(), "1234 x");
        assert_eq!(Ratio::of_times(Duration::from_millis(3), Duration::from_millis(2)), Ratio::permille(1_500));
    }

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        assert_eq!(median([3, 1, 900]), 3);
        assert_eq!(median::<u64>([]), 0);
    }
}
