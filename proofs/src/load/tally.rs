//! What is counted while it runs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// `POST /posnext/menus`.
    Menus,
    /// `POST /posnext/order/validate`.
    Validate,
    /// `POST /posnext/order/submit`.
    Submit,
    /// `GET /posnext/orders/{orderId}`.
    Poll,
    /// No request, but a customer's whole wait: from when the order was due to its final status.
    Order,
}

impl Kind {
    /// As it is printed.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Menus => "menus",
            Self::Validate => "validate",
            Self::Submit => "submit",
            Self::Poll => "poll",
            Self::Order => "order",
        }
    }
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// In the POS.
    Placed,
    /// Final, refused.
    Rejected,
    /// Final, not made.
    Errored,
    /// Accepted, or perhaps accepted, and never seen to be final.
    NotFinal,
    /// Refused before it became an order.
    NotAccepted,
}

impl End {
    /// As it is printed.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Rejected => "rejected",
            Self::Errored => "errored",
            Self::NotFinal => "not final",
            Self::NotAccepted => "not accepted",
        }
    }
}

/// Durations, to three digits.
#[derive(Debug, Clone)]
pub(super) struct Times(pub(super) Histogram<u64>);

/// A day: longer than anything here waits.
const LONGEST_US: u64 = 86_400_000_000;

impl Times {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_US, 3)?))
    }

    fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_US));
    }
}

/// One kind's latencies and errors.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) times: Times,
    pub(super) errors: u64,
}

/// All that is counted.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) requests: BTreeMap<Kind, Requests>,
    /// What nobody should be answered, in words, and how often.
    pub(super) unexpected: BTreeMap<(Kind, String), u64>,
    pub(super) ends: BTreeMap<End, u64>,
    /// How long after it was due each request was sent.
    pub(super) behind: Times,
}

/// The counts, for many to add to.
#[derive(Debug)]
pub(super) struct Tally(Mutex<Counts>);

impl Tally {
    pub(super) fn new(kinds: &[Kind]) -> anyhow::Result<Self> {
        let mut requests = BTreeMap::new();
        for kind in kinds {
            requests.insert(*kind, Requests { times: Times::new()?, errors: 0 });
        }
        let (unexpected, ends) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self(Mutex::new(Counts { requests, unexpected, ends, behind: Times::new()? })))
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn behind(&self, late: Duration) {
        self.change(|counts| counts.behind.record(late));
    }

    /// A latency. One that ended in an error counts, too: without those, percentiles would get better as things get worse.
    pub(super) fn took(&self, kind: Kind, took: Duration) {
        self.change(|counts| {
            if let Some(requests) = counts.requests.get_mut(&kind) {
                requests.times.record(took);
            }
        });
    }

    pub(super) fn unexpected(&self, kind: Kind, what: String) {
        self.change(|counts| {
            if let Some(requests) = counts.requests.get_mut(&kind) {
                requests.errors += 1;
            }
            *counts.unexpected.entry((kind, what)).or_default() += 1;
        });
    }

    pub(super) fn ended(&self, end: End) {
        self.change(|counts| *counts.ends.entry(end).or_default() += 1);
    }

    pub(super) fn errors(&self) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.unexpected.values().sum()
    }

    pub(super) fn into_counts(self) -> Counts {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
