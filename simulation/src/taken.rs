//! What came of a rule that was taken away.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{ORDERS, Summary};

/// What a search found, for a program to read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// Seeds that were run.
    pub seeds: u64,
    /// Orders that were sent in them.
    pub orders: u64,
    /// How often something went wrong.
    pub faults: u64,
    /// Orders that were played in a second, on all processors.
    pub orders_a_second: u64,
    /// The promises that were broken, by the seed.
    pub harmed: BTreeMap<u64, BTreeSet<String>>,
}

impl Found {
    /// What came of these seeds, which took so long.
    #[must_use]
    pub fn new(summary: &Summary, took: Duration) -> Self {
        let promises = |harms: &BTreeSet<crate::Harm>| harms.iter().map(|harm| harm.promise.to_owned()).collect();
        let harmed = summary.harmed.iter().map(|(seed, harms)| (*seed, promises(harms))).collect();
        let rate = u128::from(summary.orders) * 1_000 / took.as_millis().max(1);
        Self {
            seeds: summary.seeds,
            orders: summary.orders,
            faults: summary.counts.values().sum(),
            orders_a_second: u64::try_from(rate).unwrap_or(u64::MAX),
            harmed,
        }
    }

    /// The first seed that did harm, counted from this one.
    #[must_use]
    pub fn first(self, from: u64) -> Search {
        match self.harmed.into_iter().next() {
            Some((seed, harms)) => Search { seed: Some(seed), orders: (seed - from + 1) * ORDERS, harms },
            None => Search { seed: None, orders: self.orders, harms: BTreeSet::new() },
        }
    }
}

/// One search for harm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Search {
    /// The seed that did it, if one did.
    pub seed: Option<u64>,
    /// Orders until then, those of that seed included.
    pub orders: u64,
    /// The promises that it broke.
    pub harms: BTreeSet<String>,
}

/// What came of a rule, or of a premise, that was taken away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken {
    /// The rule; or the name of what breaks the premise.
    pub name: String,
    /// The premise's heading in docs/premises.md.
    pub premise: Option<String>,
    /// The searches.
    pub searches: Vec<Search>,
}

impl Taken {
    /// Orders until harm was seen: that of the search in the middle. `None` if most found nothing.
    #[must_use]
    pub fn median(&self) -> Option<u64> {
        let mut orders: Vec<_> = self.searches.iter().map(|search| search.seed.map_or(u64::MAX, |_| search.orders)).collect();
        orders.sort_unstable();
        orders.get(orders.len() / 2).copied().filter(|orders| *orders != u64::MAX)
    }

    /// The promises that were seen broken.
    #[must_use]
    pub fn harms(&self) -> Vec<&str> {
        let harms: BTreeSet<&str> = self.searches.iter().flat_map(|search| &search.harms).map(String::as_str).collect();
        harms.into_iter().collect()
    }
}
