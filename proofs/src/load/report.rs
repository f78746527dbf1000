//! What came of it.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde::Serialize;

use super::{
    Plan, picture,
    tally::{Counts, End, Kind, Times},
};

/// What came of a load. Times are microseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    location: String,
    arrivals: String,
    rate: String,
    seed: u64,
    /// From the first order to the end of the last.
    elapsed_us: u64,
    /// Orders that were due; every one of them was sent.
    pub orders: usize,
    /// How they ended.
    ends: BTreeMap<End, u64>,
    /// How long after it was due a request was sent: the generator's own delay, which its latency includes.
    behind: Percentiles,
    requests: Vec<Line>,
    unexpected: Vec<Unexpected>,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    p50_us: u64,
    p90_us: u64,
    p95_us: u64,
    p99_us: u64,
    max_us: u64,
}

/// One kind of request.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) count: u64,
    errors: u64,
    #[serde(flatten)]
    percentiles: Percentiles,
    pub(super) buckets: Vec<picture::Bucket>,
}

#[derive(Debug, Serialize)]
struct Unexpected {
    kind: Kind,
    answer: String,
    count: u64,
}

impl Percentiles {
    fn of(times: &Times) -> Self {
        let at = |percent| times.0.value_at_percentile(percent);
        Self { p50_us: at(50.0), p90_us: at(90.0), p95_us: at(95.0), p99_us: at(99.0), max_us: times.0.max() }
    }

    fn all(&self) -> [u64; 5] {
        [self.p50_us, self.p90_us, self.p95_us, self.p99_us, self.max_us]
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, orders: usize, elapsed: Duration, counts: &Counts) -> Self {
        let line = |(kind, requests): (&Kind, &super::tally::Requests)| Line {
            kind: *kind,
            count: requests.times.0.len(),
            errors: requests.errors,
            percentiles: Percentiles::of(&requests.times),
            buckets: picture::buckets(&requests.times),
        };
        let unexpected = counts.unexpected.iter();
        Self {
            location: plan.location.clone(),
            arrivals: format!("{:?}", plan.arrivals).to_lowercase(),
            rate: plan.rate.to_string(),
            seed: plan.seed,
            elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            orders,
            ends: counts.ends.clone(),
            behind: Percentiles::of(&counts.behind),
            requests: counts.requests.iter().map(line).collect(),
            unexpected: unexpected
                .map(|((kind, answer), count)| Unexpected { kind: *kind, answer: answer.clone(), count: *count })
                .collect(),
        }
    }

    /// Whether every answer was right and every order placed.
    #[must_use]
    pub fn held(&self) -> bool {
        let placed = self.ends.get(&End::Placed).copied().unwrap_or_default();
        self.unexpected.is_empty() && usize::try_from(placed).is_ok_and(|placed| placed == self.orders)
    }

    /// For a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let ends: Vec<_> = self.ends.iter().map(|(end, count)| format!("{count} {}", end.as_str())).collect();
        writeln!(text, "{}: {}, in {}\n", self.title(), ends.join(", "), time(self.elapsed_us))?;
        writeln!(
            text,
            "{:<8}  {:>8}  {:>6}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
            "REQUEST", "COUNT", "ERRORS", "P50", "P90", "P95", "P99", "MAX"
        )?;
        for line in &self.requests {
            write!(text, "{:<8}  {:>8}  {:>6}", line.kind.as_str(), line.count, line.errors)?;
            for value in line.percentiles.all() {
                let value = if line.count == 0 { "-".to_owned() } else { time(value) };
                write!(text, "  {value:>9}")?;
            }
            writeln!(text)?;
        }
        writeln!(text, "\nTimes run from when a request was due. An order's runs to its final status.")?;
        let [p50, .., p99, max] = self.behind.all();
        writeln!(text, "This generator was behind by {} (p50), {} (p99), {} (max).\n", time(p50), time(p99), time(max))?;
        self.requests.iter().for_each(|line| picture::draw(text, line));
        for unexpected in &self.unexpected {
            writeln!(text, "UNEXPECTED  {:>6} x {}: {}", unexpected.count, unexpected.kind.as_str(), unexpected.answer)?;
        }
        let verdict = if self.held() {
            "every answer was right, every order placed"
        } else {
            "NOT every answer was right and every order placed"
        };
        writeln!(text, "{verdict}")
    }

    fn title(&self) -> String {
        format!("{} orders to {}, {} a second ({}, seed {})", self.orders, self.location, self.rate, self.arrivals, self.seed)
    }

    /// For a program.
    ///
    /// # Errors
    /// None that is known.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The pictures, for a page.
    #[must_use]
    pub fn svg(&self) -> String {
        picture::svg(&self.title(), &self.requests)
    }
}

/// Microseconds, for a person.
pub(super) fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        100_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_suits_them() {
        let said: Vec<_> = [0, 999, 1_000, 12_345, 123_456, 1_000_000, 12_345_678].into_iter().map(time).collect();
        assert_eq!(said, ["0 µs", "999 µs", "1.0 ms", "12.3 ms", "123 ms", "1.00 s", "12.34 s"]);
    }
}
