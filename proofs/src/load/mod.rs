//! Orders at a given rate, whatever becomes of those before them (an open loop), as PAR sends them; and how long each
//! answer took, from when its request was due. A generator that waits for an answer before it sends the next request
//! leaves out of its percentiles just the requests that a stall would have hurt.

mod arrivals;
mod customer;
mod picture;
mod report;
mod tally;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    orders::Orders,
    progress::{progress, step},
};
pub use arrivals::{Arrivals, Rate, Until};
use customer::Shop;
use posnext_local::par::Par;
pub use report::Report;
use tally::{Kind, Tally};

/// What is sent.
#[derive(Debug, Clone)]
pub struct Plan {
    /// PAR's OrganizationId.
    pub organization: String,
    /// PAR's LocationId.
    pub location: String,
    /// Orders a second.
    pub rate: Rate,
    /// How they arrive.
    pub arrivals: Arrivals,
    /// When it ends.
    pub until: Until,
    /// Which dice.
    pub seed: u64,
    /// Whether each order is validated first.
    pub validate: bool,
    /// Between two requests for the menu; `None` for no such requests.
    pub menus_every: Option<Duration>,
    /// An order must be final this long after it was due.
    pub timeout: Duration,
    /// Requests under way at a time, at most.
    pub connections: usize,
}

/// Sends it all, and waits for every order's end.
///
/// # Errors
/// A sentence when it could not be tried.
pub async fn run(par: Par, plan: &Plan) -> anyhow::Result<Report> {
    let due = arrivals::schedule(plan.arrivals, plan.rate, plan.until, plan.seed)?;
    let kinds = [
        plan.menus_every.map(|_| Kind::Menus),
        plan.validate.then_some(Kind::Validate),
        Some(Kind::Submit),
        Some(Kind::Poll),
        Some(Kind::Order),
    ];
    let kinds: Vec<Kind> = kinds.into_iter().flatten().collect();
    let run = uuid::Uuid::now_v7();
    // Nobody there: that is no finding about a deployment.
    par.get(&format!("load-{run}")).await?;
    let orders = Orders::of(&par, &plan.organization, &plan.location).await?;
    let shop = Arc::new(Shop {
        par,
        orders,
        organization: plan.organization.clone(),
        location: plan.location.clone(),
        validate: plan.validate,
        timeout: plan.timeout,
        connections: Semaphore::new(plan.connections.max(1)),
        tally: Tally::new(&kinds)?,
    });
    let (orders, began) = (due.len(), Instant::now());
    let bar = progress(orders, "orders");
    let menus = plan.menus_every.map(|every| tokio::spawn(menus(Arc::clone(&shop), began, due.last().copied(), every)));
    let mut customers = JoinSet::new();
    for (number, after) in due.into_iter().enumerate() {
        let due = began + after;
        sleep_until(due).await;
        let (shop, bar, uid) = (Arc::clone(&shop), bar.clone(), format!("load-{run}-{number}"));
        customers.spawn(async move {
            Arc::clone(&shop).order(uid, due).await;
            bar.set_message(format!("orders, {} unexpected answers", shop.tally.errors()));
            step(&bar);
        });
        while let Some(ended) = customers.try_join_next() {
            ended?;
        }
    }
    while let Some(ended) = customers.join_next().await {
        ended?;
    }
    if let Some(menus) = menus {
        menus.await?;
    }
    bar.finish_and_clear();
    let shop = Arc::into_inner(shop).context("a customer is still in the shop")?;
    Ok(Report::new(plan, orders, began.elapsed(), &shop.tally.into_counts()))
}

/// Asks for the menu now and then, as long as orders are due.
async fn menus(shop: Arc<Shop>, began: Instant, last: Option<Duration>, every: Duration) {
    let mut asks = JoinSet::new();
    let mut after = Duration::ZERO;
    while after <= last.unwrap_or_default() {
        sleep_until(began + after).await;
        asks.spawn(Arc::clone(&shop).menus(began + after));
        after += every;
    }
    asks.join_all().await;
}
