//! When orders are due: drawn before the first is sent, so that no answer can move what comes after it.

use std::time::Duration;

use rust_decimal::{Decimal, prelude::ToPrimitive};

/// More orders than this are no load test any more.
const MOST: usize = 1_000_000;

/// How orders arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// As customers do, who know nothing of each other.
    Poisson,
    /// Evenly.
    Constant,
}

/// Orders a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(Decimal);

/// When it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After so many orders.
    Orders(usize),
    /// After so long.
    Elapsed(Duration),
}

impl Rate {
    fn gap(self) -> Duration {
        let nanoseconds = Decimal::from(1_000_000_000).checked_div(self.0).and_then(|gap| gap.to_u64());
        Duration::from_nanos(nanoseconds.unwrap_or(u64::MAX))
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = Decimal::new(1, 3)..=Decimal::from(10_000);
        match text.parse() {
            Ok(rate) if range.contains(&rate) => Ok(Self(rate)),
            _ => Err("must be orders a second, 0.001 to 10000".to_owned()),
        }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.normalize().fmt(formatter)
    }
}

/// When each order is due, counted from the start.
pub(super) fn schedule(arrivals: Arrivals, rate: Rate, until: Until, seed: u64) -> anyhow::Result<Vec<Duration>> {
    let (gap, mut random, mut at, mut due) = (rate.gap(), fastrand::Rng::with_seed(seed), Duration::ZERO, Vec::new());
    loop {
        if arrivals == Arrivals::Poisson {
            // The gap between two events that know nothing of each other is distributed exponentially.
            at += gap.mul_f64(-(1.0 - random.f64()).ln());
        }
        let over = match until {
            Until::Orders(orders) => due.len() >= orders,
            Until::Elapsed(limit) => at >= limit,
        };
        if over {
            return Ok(due);
        }
        anyhow::ensure!(due.len() < MOST, "that would be more than {MOST} orders; lower --rate, --duration or --orders");
        due.push(at);
        if arrivals == Arrivals::Constant {
            at += gap;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Until = Until::Elapsed(Duration::from_mins(1));

    #[test]
    fn constant_arrivals_are_evenly_spaced_and_end_in_time() {
        let due = schedule(Arrivals::Constant, "2.5".parse().unwrap(), MINUTE, 1).unwrap();
        assert_eq!(
            (due.len(), due[0], due[1], due[149]),
            (150, Duration::ZERO, Duration::from_millis(400), Duration::from_millis(59_600))
        );
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_its_spread_and_a_seed_repeats_them() {
        let draw = |seed| schedule(Arrivals::Poisson, "50".parse().unwrap(), Until::Orders(20_000), seed).unwrap();
        let due = draw(7);
        let took = due[19_999].as_secs();
        assert!((388..=412).contains(&took), "20000 orders at 50 a second take about 400 s, not {took} s");
        // For an exponential distribution 1 - 1/e, 63.2 %, are shorter than the mean.
        let short = due.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(20)).count();
        assert!((12_440..=12_840).contains(&short), "{short} of 19999 gaps are shorter than the mean");
        assert_eq!((draw(7) == due, draw(8) == due), (true, false));
    }

    #[test]
    fn a_number_of_orders_is_exactly_that() {
        for arrivals in [Arrivals::Poisson, Arrivals::Constant] {
            assert_eq!(schedule(arrivals, "1000".parse().unwrap(), Until::Orders(17), 1).unwrap().len(), 17);
        }
    }

    #[test]
    fn a_rate_that_is_none_and_a_load_without_end_are_refused() {
        for text in ["0", "-1", "x", "", "10001", "1e9"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        let error =
            schedule(Arrivals::Constant, "10000".parse().unwrap(), Until::Elapsed(Duration::from_hours(1)), 1).unwrap_err();
        assert!(error.to_string().contains("lower --rate"), "{error}");
    }
}
