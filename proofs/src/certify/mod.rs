//! PAR's integration checklist, tried against any deployment: four endpoints called as PAR calls them, and in every way in which
//! PAR's checklist says a call has to be refused.

mod bench;
mod checks;
pub(crate) mod draft;
mod exchange;
mod junit;
pub(crate) mod menu;
mod report;
mod text;
mod told;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};

use posnext_shared::domain::contract::Contract;

use bench::{Bench, Probe};
use checks::{CHECKS, Check, Judged, Need};
pub use exchange::{Endpoint, Record, Shown};
use posnext_local::par::Par;
pub use report::{CheckResult, Counts, Item, Latency, Outcome, Report};

/// Orders that are submitted at once.
const AT_ONCE: usize = 20;

/// What is tried, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// PAR's OrganizationId.
    pub organization: String,
    /// PAR's LocationId that orders are placed at; empty to place none.
    pub location: String,
    /// PAR's LocationId whose menu is fetched and where orders are validated; empty to leave that out.
    pub menu_location: String,
    /// PAR's LocationId that answers 202; empty to leave that out.
    pub async_location: String,
    /// Places no order.
    pub dry: bool,
    /// What PAR has not told us, as this deployment answers it.
    pub contract: Contract,
    /// Ids of the only checks to try; all if there are none.
    pub only: Vec<String>,
    /// Ids of checks to leave out.
    pub skip: Vec<String>,
    /// A 202 must have become final after this.
    pub timeout: Duration,
    /// The longest pause between two polls; what the answers say if there is none.
    pub poll_every: Option<Duration>,
}

impl Options {
    /// What can be tried of a location before it takes orders: everything that places none.
    #[must_use]
    pub fn dry(organization: &str, location: &str) -> Self {
        Self {
            organization: organization.to_owned(),
            location: location.to_owned(),
            menu_location: location.to_owned(),
            async_location: String::new(),
            dry: true,
            contract: Contract::default(),
            only: Vec::new(),
            skip: Vec::new(),
            timeout: Duration::from_secs(90),
            poll_every: None,
        }
    }

    fn location(&self) -> Option<&str> {
        Some(self.location.as_str()).filter(|location| !location.is_empty())
    }

    fn menu_location(&self) -> Option<&str> {
        Some(self.menu_location.as_str()).filter(|location| !location.is_empty())
    }

    fn async_location(&self) -> Option<&str> {
        Some(self.async_location.as_str()).filter(|location| !location.is_empty())
    }

    /// Why a check is not tried, if it is not.
    fn leaves_out(&self, check: &Check) -> Option<&'static str> {
        if self.skip.iter().any(|id| id == check.id) {
            return Some("left out by --skip");
        }
        if !self.only.is_empty() && !self.only.iter().any(|id| id == check.id) {
            return Some("left out by --only");
        }
        check.needs.iter().find_map(|need| match need {
            Need::Orders | Need::Asynchronous if self.dry => Some("it places an order (--dry)"),
            Need::Orders if self.location().is_none() => Some("no --location to place orders at"),
            Need::Asynchronous if self.async_location().is_none() => Some("no --async-location that answers 202"),
            Need::Validation if self.menu_location().is_none() => Some("no --menu-location to validate at"),
            _ => None,
        })
    }
}

/// The ids of all checks, in the order in which they are tried.
pub fn ids() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.id)
}

/// Tries everything that the options do not leave out. `watch` is told before each check its number, how many there are, and
/// its id.
///
/// # Errors
/// A sentence when it cannot be tried: nobody listens, or there is no such check.
pub async fn run(par: Par, options: Options, watch: &(dyn Fn(usize, usize, &str) + Sync)) -> anyhow::Result<Report> {
    for id in options.only.iter().chain(&options.skip) {
        ensure!(ids().any(|known| known == id), "there is no check {id:?}; there are: {}", ids().collect::<Vec<_>>().join(", "));
    }
    let began = Instant::now();
    let bench = Arc::new(Bench::new(par, options));
    let probe = Probe::new(&bench);
    // Nobody there: that is no finding about a deployment.
    if let Err(error) = probe.get(&probe.nowhere()).await {
        bail!("{error:#}");
    }
    let mut results = Vec::new();
    for (number, check) in CHECKS.iter().enumerate() {
        watch(number, CHECKS.len(), check.id);
        results.push(result(&bench, check).await);
    }
    Ok(Report::new(&bench, results, began.elapsed()))
}

async fn result(bench: &Arc<Bench>, check: &Check) -> CheckResult {
    let (began, probe) = (Instant::now(), Probe::new(bench));
    let judged: Judged = match bench.options.leaves_out(check) {
        Some(why) => Ok(checks::not_tried(why)),
        None => (check.run)(&probe).await,
    };
    let (outcome, reason) = match judged {
        Ok(verdict) => verdict,
        Err(error) => (Outcome::Fail, format!("{error:#}")),
    };
    CheckResult {
        id: check.id,
        item: check.item,
        what: check.what,
        outcome,
        reason,
        took: began.elapsed(),
        records: probe.records(),
    }
}
