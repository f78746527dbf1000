//! One run, from its seed to what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use posnext_shared::domain::{
    history::NeedsPerson,
    record::{OrderRecord, Outcome, State},
};
use tokio::time::{Instant, sleep};

use crate::{
    aws::Services,
    callers::{Callers, Paid, pos_key},
    faults::Fault,
    fleet::Fleet,
    pos::Restaurants,
    sim::{Harm, Shared, Sim},
    world::{Desk, settings},
};

/// Orders of one run, unless it is said otherwise.
pub const ORDERS: u64 = 20;
/// Orders come within so many milliseconds.
const COME: u64 = 60_000;
/// When everything stops going wrong.
const CALM: Duration = Duration::from_secs(180);
/// How long everything has then to come to its end.
const QUIET: Duration = Duration::from_mins(40);

/// What is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number that decides everything.
    pub seed: u64,
    /// Which of the orders are sent, by their number.
    pub orders: BTreeSet<u64>,
    /// What may go wrong.
    pub faults: BTreeSet<Fault>,
    /// Whether the story is kept.
    pub told: bool,
}

impl Options {
    /// Everything of this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let faults = Fault::ALL.iter().map(|(fault, ..)| *fault).collect();
        Self { seed, orders: (0..ORDERS).collect(), faults, told: false }
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The promises that were broken.
    pub harms: BTreeSet<Harm>,
    /// What happened, if it was kept.
    pub story: String,
    /// How often each fault struck.
    pub counts: BTreeMap<Fault, u64>,
}

/// Runs it, in virtual time, on this thread.
///
/// # Errors
/// A sentence when it could not be begun.
pub fn run(options: &Options) -> anyhow::Result<Ended> {
    // The SDK's pauses, and the adapters', are of this thread's dice.
    fastrand::seed(options.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let sim = Sim::new(options.seed, options.faults.clone(), options.told);
        played(&sim, options).await?;
        Ok(Ended { harms: sim.harms(), story: sim.story(), counts: sim.counts() })
    })
}

async fn played(sim: &Shared, options: &Options) -> anyhow::Result<()> {
    let services = Services::new(sim)?;
    let restaurants = Restaurants::new(sim);
    let desk = Desk::new(sim, &services).await?;
    let fleet = Fleet::new(sim, &services, &restaurants, settings()?);
    let callers = Callers::new(sim, &fleet)?;
    tokio::spawn(Arc::clone(&fleet).consume());
    tokio::spawn(Arc::clone(&fleet).recover());
    tokio::spawn(Arc::clone(&desk).work());
    let began = Instant::now();
    let (mut paid, mut sending) = (Vec::new(), Vec::new());
    for number in &options.orders {
        let mut dice = sim.dice.part("comes", *number);
        let Some(place) = desk.place(&mut dice) else { continue };
        let order = Paid::new(*number, place.id.clone(), &mut dice);
        paid.push(Arc::clone(&order));
        let (wait, callers, decides) = (dice.millis(0..COME), Arc::clone(&callers), sim.strikes(&mut dice, Fault::Person));
        if decides {
            tokio::spawn(Arc::clone(&desk).decide(Arc::clone(&fleet), format!("o{number}"), dice.part("person", 0)));
        }
        sending.push(tokio::spawn(async move {
            sleep(wait).await;
            callers.order(order).await;
        }));
    }
    sleep(CALM.saturating_sub(began.elapsed())).await;
    sim.be_quiet();
    for order in sending {
        order.await?;
    }
    rest(&desk, &paid, &restaurants).await?;
    for order in &paid {
        for (uid, _) in order.names().iter().filter(|(_, told)| told.accepted) {
            callers.ask_again(order, uid).await;
        }
    }
    for order in &paid {
        judge(sim, &desk, order, &restaurants).await?;
    }
    foreign(sim, &paid, &restaurants);
    Ok(())
}

/// Until every order is final or waits for a person.
async fn rest(desk: &Desk, paid: &[Arc<Paid>], restaurants: &Restaurants) -> anyhow::Result<()> {
    let until = Instant::now() + QUIET;
    while Instant::now() < until {
        let mut moving = restaurants.is_landing();
        for order in paid {
            for (uid, _) in order.names() {
                if let Some(record) = desk.stored(&uid).await? {
                    moving |= record.open().is_some_and(|open| open.person.is_none());
                }
            }
        }
        if !moving {
            return Ok(());
        }
        sleep(desk.pause()).await;
    }
    Ok(())
}

/// Whether an order's end is what was promised.
async fn judge(sim: &Shared, desk: &Desk, paid: &Paid, restaurants: &Restaurants) -> anyhow::Result<()> {
    let names = paid.names();
    let meals: Vec<String> = names.iter().flat_map(|(uid, _)| restaurants.meals(&pos_key(uid))).collect();
    let number = paid.number;
    if meals.len() > 1 {
        sim.harm("two meals of one order", format!("order {number} at {}: {meals:?}", paid.location));
    }
    let mut kept = false;
    for (uid, told) in &names {
        let Some(record) = desk.stored(uid).await? else {
            if told.accepted {
                sim.harm("an accepted order is lost", format!("{uid} of order {number}"));
            }
            continue;
        };
        kept = true;
        let status = record.status().as_str().to_owned();
        let stored = match &record.state {
            State::Final(end) => match &end.outcome {
                Outcome::Placed { pos_order_id } => Some((status, pos_order_id.clone())),
                _ => Some((status, String::new())),
            },
            State::Open(_) => None,
        };
        if let Some(untrue) = told.finals.iter().find(|told| Some(*told) != stored.as_ref()) {
            sim.harm("what was told is not what is stored", format!("{uid}: {untrue:?}, and {stored:?}"));
        }
        match stored {
            Some((status, id)) if status == "placed" => {
                // An id that a person has given is the person's own.
                if !meals.contains(&id) && id != "POS-1" {
                    sim.harm("placed, and there is no meal", format!("{uid} of order {number} at {}: {id}", paid.location));
                }
            }
            Some((status, _)) if !meals.is_empty() => {
                sim.harm(
                    "refunded, and there is a meal",
                    format!("{uid} of order {number} at {}: {status}, {meals:?}", paid.location),
                );
            }
            Some(_) => {}
            None if !may_wait(desk, &record).await? => {
                let history: Vec<_> = record.history.iter().map(ToString::to_string).collect();
                sim.harm(
                    "an order is left open",
                    format!("{uid} of order {number} at {}: {}", paid.location, history.join("; ")),
                );
            }
            None => {}
        }
    }
    if !kept && !meals.is_empty() {
        sim.harm("a meal of no order that is stored", format!("order {number}: {meals:?}"));
    }
    Ok(())
}

/// Whether an open order may wait for a person: at a POS that can neither be asked nor cancelled, or for its number.
async fn may_wait(desk: &Desk, record: &OrderRecord) -> anyhow::Result<bool> {
    let Some(person) = record.open().and_then(|open| open.person) else { return Ok(false) };
    let (then, now) = (record.pos.abilities(), desk.promised(record).await?);
    let unaskable = (then.find.is_none() || now.find.is_none()) && !(then.cancel && now.cancel);
    Ok(unaskable || person == NeedsPerson::NoNumber)
}

fn foreign(sim: &Shared, paid: &[Arc<Paid>], restaurants: &Restaurants) {
    let keys: BTreeSet<String> = paid.iter().flat_map(|order| order.names()).map(|(uid, _)| pos_key(&uid)).collect();
    for ledger in restaurants.ledgers() {
        for (key, entry) in ledger {
            if !keys.contains(&key) && !entry.meals.is_empty() {
                sim.harm("a meal of no order that was sent", key);
            }
        }
    }
}
