//! What came of it: by check, by item of PAR's checklist, by obligation.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    bench::Bench,
    exchange::{Endpoint, Exchange, Record},
};

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It holds; something beside it could be better.
    Warning,
    /// It does not hold.
    Fail,
    /// Nobody knows.
    NotTried,
}

impl Outcome {
    /// The word a person reads.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warning => "warning",
            Self::Fail => "FAIL",
            Self::NotTried => "not tried",
        }
    }
}

/// The tests of PAR's integration checklist, and what a partner wants to know besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// JWT validation.
    Jwt,
    /// Payload signature validation.
    RequestSignature,
    /// Response signature.
    ResponseSignature,
    /// Validate with a valid order.
    ValidateValid,
    /// Validate with an invalid order.
    ValidateInvalid,
    /// Submit.
    Submit,
    /// 202 and polling.
    Polling,
    /// GetOrder.
    Get,
    /// Menu sync.
    Menu,
    /// Error responses.
    Errors,
    /// Signature mismatch.
    Mismatch,
    /// PAR's ids.
    Mapping,
    /// Form and status values of answers.
    Statuses,
    /// Speed.
    Speed,
}

impl Item {
    /// PAR's eleven tests in PAR's order, then the rest.
    pub const ALL: [Self; 14] = [
        Self::Jwt,
        Self::RequestSignature,
        Self::ResponseSignature,
        Self::ValidateValid,
        Self::ValidateInvalid,
        Self::Submit,
        Self::Polling,
        Self::Get,
        Self::Menu,
        Self::Errors,
        Self::Mismatch,
        Self::Mapping,
        Self::Statuses,
        Self::Speed,
    ];

    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT validation",
            Self::RequestSignature => "Payload signature validation",
            Self::ResponseSignature => "Response signature",
            Self::ValidateValid => "Validate with a valid order",
            Self::ValidateInvalid => "Validate with an invalid order",
            Self::Submit => "Submit",
            Self::Polling => "202 and polling",
            Self::Get => "GetOrder",
            Self::Menu => "Menu sync",
            Self::Errors => "Error responses",
            Self::Mismatch => "Signature mismatch",
            Self::Mapping => "PAR's ids",
            Self::Statuses => "Form of answers",
            Self::Speed => "Speed",
        }
    }
}

/// What PAR's checklist obliges a partner to, and the items that show it.
const OBLIGATIONS: [(&str, &[Item]); 6] = [
    ("Four endpoints", &[Item::ValidateValid, Item::Submit, Item::Get, Item::Menu]),
    ("JWT validation", &[Item::Jwt]),
    ("Request signature validation", &[Item::RequestSignature, Item::Mismatch]),
    ("Response signature generation", &[Item::ResponseSignature]),
    ("PAR-id mapping", &[Item::Mapping]),
    ("Support for 202", &[Item::Polling]),
];

/// What came of one check.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// Its stable name.
    pub id: &'static str,
    /// The item it belongs to.
    pub item: Item,
    /// What has to hold.
    pub what: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// Why; may be empty for a pass.
    pub reason: String,
    /// How long it took.
    pub took: Duration,
    /// What was said.
    pub records: Vec<Arc<Record>>,
}

/// How long answers took.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// Which endpoint's; all if none.
    pub endpoint: Option<Endpoint>,
    /// How many answers.
    pub answers: usize,
    /// Half of them took no longer.
    pub p50_ms: u64,
    /// 95 of a hundred took no longer.
    pub p95_ms: u64,
}

impl Latency {
    /// That of an endpoint's answers, or of all; `None` if there are none.
    pub(crate) fn of(endpoint: Option<Endpoint>, log: &[Arc<Exchange>]) -> Option<Self> {
        let of = |exchange: &&Arc<Exchange>| endpoint.is_none_or(|endpoint| exchange.ask.endpoint == endpoint);
        let mut times: Vec<u64> = log.iter().filter(of).map(|exchange| exchange.record.ms).collect();
        times.sort_unstable();
        // The nearest rank.
        let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { endpoint, answers: times.len(), p50_ms: at(50)?, p95_ms: at(95)? })
    }
}

/// How many checks came to what.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counts {
    /// They hold.
    pub passed: usize,
    /// They hold, with a warning.
    pub warnings: usize,
    /// They do not.
    pub failed: usize,
    /// Nobody knows.
    pub not_tried: usize,
}

/// What came of all of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The deployment.
    pub url: String,
    /// PAR's OrganizationId.
    pub organization: String,
    /// Where orders were placed, where menu and validate were tried, where 202 was; empty for nowhere.
    pub locations: [String; 3],
    /// Whether no order was to be placed.
    pub dry: bool,
    /// Every check, in the order they were tried.
    pub checks: Vec<CheckResult>,
    /// Of all answers, then by endpoint.
    pub latency: Vec<Latency>,
    /// How long all took.
    pub took: Duration,
}

impl Report {
    pub(crate) fn new(bench: &Bench, checks: Vec<CheckResult>, took: Duration) -> Self {
        let log = bench.log();
        let endpoints = std::iter::once(None).chain(Endpoint::ALL.map(Some));
        Self {
            url: bench.par.url().to_owned(),
            organization: bench.options.organization.clone(),
            locations: [&bench.options.location, &bench.options.menu_location, &bench.options.async_location].map(String::clone),
            dry: bench.options.dry,
            checks,
            latency: endpoints.filter_map(|endpoint| Latency::of(endpoint, &log)).collect(),
            took,
        }
    }

    /// Whether nothing failed. What was not tried has not failed; it has not passed either.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.counts().failed == 0
    }

    /// The ids of the checks that came to this.
    #[must_use]
    pub fn ids(&self, outcome: Outcome) -> Vec<&'static str> {
        self.checks.iter().filter(|check| check.outcome == outcome).map(|check| check.id).collect()
    }

    /// How many checks came to what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |outcome| self.checks.iter().filter(|check| check.outcome == outcome).count();
        Counts {
            passed: count(Outcome::Pass),
            warnings: count(Outcome::Warning),
            failed: count(Outcome::Fail),
            not_tried: count(Outcome::NotTried),
        }
    }

    /// The checks of an item.
    pub fn of(&self, item: Item) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(move |check| check.item == item)
    }

    /// What came of an item, and a line about it: it has passed only where nothing of it was left out.
    #[must_use]
    pub fn item(&self, item: Item) -> (Outcome, String) {
        let with = |outcome| self.of(item).filter(|check| check.outcome == outcome).collect::<Vec<_>>();
        let left_out = with(Outcome::NotTried);
        let about = |checks: &[&CheckResult]| {
            let first = checks.first().map(|check| format!("{}: {}", check.id, check.reason)).unwrap_or_default();
            if checks.len() > 1 { format!("{first} (and {} more)", checks.len() - 1) } else { first }
        };
        let (failed, warned, passed) = (with(Outcome::Fail), with(Outcome::Warning), with(Outcome::Pass).len());
        if !failed.is_empty() {
            return (Outcome::Fail, about(&failed));
        }
        match (passed + warned.len(), left_out.len()) {
            (0, _) => (Outcome::NotTried, about(&left_out)),
            (tried, left) if left > 0 => {
                (Outcome::NotTried, format!("in part: {tried} tried without a failure, {left} not: {}", about(&left_out)))
            }
            _ if !warned.is_empty() => (Outcome::Warning, about(&warned)),
            (1, _) => (Outcome::Pass, "1 check".to_owned()),
            (tried, _) => (Outcome::Pass, format!("{tried} checks")),
        }
    }

    /// PAR's obligations and what came of each: one whose items were not all tried is not shown.
    #[must_use]
    pub fn obligations(&self) -> Vec<(&'static str, Outcome, String)> {
        let shown = OBLIGATIONS.iter().map(|(name, items)| {
            let all = || items.iter().map(|item| (*item, self.item(*item).0));
            let worst = [Outcome::Fail, Outcome::NotTried, Outcome::Warning];
            let worst = worst.into_iter().find(|outcome| all().any(|(_, of)| of == *outcome)).unwrap_or(Outcome::Pass);
            let named: Vec<_> = all().filter(|(_, of)| *of == worst).map(|(item, _)| item.name()).collect();
            let reason = if worst == Outcome::Pass { String::new() } else { named.join(", ") };
            (*name, worst, reason)
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[(Item, Outcome)]) -> Report {
        let check = |(item, outcome): &(Item, Outcome)| CheckResult {
            id: "some-check",
            item: *item,
            what: "something",
            outcome: *outcome,
            reason: "because".to_owned(),
            took: Duration::ZERO,
            records: Vec::new(),
        };
        Report {
            url: String::new(),
            organization: String::new(),
            locations: [const { String::new() }; 3],
            dry: false,
            checks: outcomes.iter().map(check).collect(),
            latency: Vec::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn what_was_not_tried_is_no_pass_of_an_item_or_an_obligation() {
        use Outcome::{Fail, NotTried, Pass, Warning};
        let item =
            |outcomes: &[Outcome]| report(&outcomes.iter().map(|of| (Item::Jwt, *of)).collect::<Vec<_>>()).item(Item::Jwt).0;
        assert_eq!([item(&[]), item(&[NotTried]), item(&[Pass, NotTried])], [NotTried, NotTried, NotTried]);
        assert_eq!([item(&[Pass]), item(&[Pass, Warning]), item(&[Warning, Fail, Pass])], [Pass, Warning, Fail]);
        let report = report(&[(Item::Submit, Pass), (Item::Get, Pass), (Item::Menu, Pass), (Item::Jwt, Pass)]);
        let obligations = report.obligations();
        assert_eq!(obligations[0], ("Four endpoints", NotTried, "Validate with a valid order".to_owned()));
        assert_eq!(obligations[1].1, Pass);
        assert!(report.passed());
    }
}
