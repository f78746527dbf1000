//! One run, from its seed to what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    aws::Services,
    callers::Callers,
    faults::Fault,
    fleet::Fleet,
    judge::Judge,
    paid::Paid,
    pos::Restaurants,
    sim::{Harm, Shared, Sim},
    world::{Desk, settings},
};

/// Orders of one run, unless it is said otherwise.
pub const ORDERS: u64 = 24;
/// Every so manieth of them comes on the second day.
const SECOND_DAY: u64 = 6;
/// A day's orders come within so many milliseconds.
const COME: u64 = 60_000;
/// What is mapped is seen everywhere after so many milliseconds.
const MAPPED: u64 = 1_000;
/// For how long things go wrong, on the first day and on the second.
const LOUD: [Duration; 2] = [Duration::from_secs(180), Duration::from_secs(120)];
/// How long everything has then to come to its end.
const QUIET: Duration = Duration::from_mins(40);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_secs(15);
/// Longer than a number is guarded.
const A_DAY: Duration = Duration::from_hours(25);
/// Longer than an order is kept.
const MONTHS: Duration = Duration::from_hours(62 * 24);

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
        let run = Run::new(&sim).await?;
        tokio::select! {
            played = run.played(&options.orders) => played?,
            () = sim.endless() => {}
        }
        Ok(Ended { harms: sim.harms(), story: sim.story(), counts: sim.counts() })
    })
}

/// Everything that takes part.
struct Run {
    sim: Shared,
    services: Arc<Services>,
    restaurants: Arc<Restaurants>,
    desk: Arc<Desk>,
    fleet: Arc<Fleet>,
    callers: Arc<Callers>,
    rotated: bool,
}

impl Run {
    async fn new(sim: &Shared) -> anyhow::Result<Self> {
        let mut dice = sim.dice.part("run", 0);
        let rotated = sim.strikes(&mut dice, Fault::SecretsChanged);
        let rotated_at = rotated.then(|| Instant::now() + dice.millis(10_000..150_000));
        // Those who never learn of the new secrets.
        let rotated_at = rotated_at.filter(|_| !sim.is_broken(Fault::SecretDropped));
        let services = Services::new(sim)?;
        let restaurants = Restaurants::new(sim);
        let desk = Desk::new(sim, &services, rotated).await?;
        let fleet = Fleet::new(sim, &services, &restaurants, [settings(false)?, settings(true)?]);
        let callers = Callers::new(sim, &fleet, rotated_at)?;
        tokio::spawn(Arc::clone(&desk).doubt(Arc::clone(&restaurants)));
        tokio::spawn(Arc::clone(&fleet).consume());
        tokio::spawn(Arc::clone(&fleet).recover());
        Ok(Self { sim: Arc::clone(sim), services, restaurants, desk, fleet, callers, rotated })
    }

    async fn played(&self, orders: &BTreeSet<u64>) -> anyhow::Result<()> {
        self.desk.work();
        let (second, first): (Vec<u64>, Vec<u64>) = orders.iter().partition(|number| **number % SECOND_DAY == SECOND_DAY - 1);
        let mut paid: Vec<_> = first.iter().filter_map(|number| self.paid(*number, &[])).collect();
        let sending = paid.iter().map(|order| self.sends(order)).collect();
        self.day(sending, LOUD[0], &paid).await?;

        self.sim.night(A_DAY).await;
        // A premise that is broken is broken now, too.
        self.sim.be_loud();
        self.services.tables.forget(self.sim.now().seconds());
        if self.rotated {
            self.desk.live(false, true);
        }
        let renaming = self.renaming(&paid).await?;
        let new: Vec<_> = second.iter().filter_map(|number| self.paid(*number, &paid)).collect();
        let sending = new.iter().map(|order| self.sends(order)).chain(renaming).collect();
        paid.extend(new);
        self.day(sending, LOUD[1], &paid).await?;

        for order in &paid {
            for (uid, _) in order.names().iter().filter(|(_, told)| told.accepted) {
                self.callers.ask_again(order, uid).await;
            }
        }
        let judge = self.judge();
        judge.all(&paid).await?;
        self.months_later(&paid, &judge).await
    }

    /// An order of this number, or another day's with a number that one of these has.
    fn paid(&self, number: u64, before: &[Arc<Paid>]) -> Option<Arc<Paid>> {
        let mut dice = self.sim.dice.part("comes", number);
        let order = Paid::new(number, self.desk.place(&mut dice)?, &mut dice);
        // No two of one day have the same number.
        let reused = usize::try_from(number / SECOND_DAY).ok().and_then(|number| before.get(number));
        let reused = reused.filter(|before| before.online_order_id.is_some());
        match reused {
            Some(before) if self.sim.strikes(&mut dice, Fault::NumberReused) => Some(before.of_another_day(number)),
            _ => Some(order),
        }
    }

    /// Sends an order within the day; a person may want it ended.
    fn sends(&self, order: &Arc<Paid>) -> JoinHandle<()> {
        let mut dice = self.sim.dice.part("sends", order.number);
        let (wait, callers, order) = (dice.millis(MAPPED..COME), Arc::clone(&self.callers), Arc::clone(order));
        if self.sim.strikes(&mut dice, Fault::Person) {
            let uid = format!("o{}", order.number);
            tokio::spawn(Arc::clone(&self.desk).decide(Arc::clone(&self.fleet), uid, dice.part("person", 0)));
        }
        tokio::spawn(async move {
            sleep(wait).await;
            callers.order(order).await;
        })
    }

    /// Callers who send what is still open under another name.
    async fn renaming(&self, paid: &[Arc<Paid>]) -> anyhow::Result<Vec<JoinHandle<()>>> {
        let mut renaming = Vec::new();
        for order in paid.iter().filter(|order| order.online_order_id.is_some() && !order.was_changed()) {
            let mut dice = self.sim.dice.part("renames", order.number);
            let mut open = false;
            for (uid, _) in order.names() {
                open |= self.desk.stored(&uid).await?.is_some_and(|record| record.open().is_some());
            }
            if self.sim.strikes(&mut dice, if open { Fault::RenamedLater } else { Fault::RenamedAfterHours }) {
                renaming.push(tokio::spawn(Arc::clone(&self.callers).rename(Arc::clone(order))));
            }
        }
        Ok(renaming)
    }

    /// Things go wrong for so long, and then no more, until everything has come to its end.
    async fn day(&self, sending: Vec<JoinHandle<()>>, loud: Duration, paid: &[Arc<Paid>]) -> anyhow::Result<()> {
        sleep(loud).await;
        self.sim.be_quiet();
        for order in sending {
            order.await?;
        }
        self.rest(paid).await
    }

    fn judge(&self) -> Judge<'_> {
        Judge { sim: &self.sim, desk: &self.desk, restaurants: &self.restaurants }
    }

    /// Until every order is final, or waits for a person for a reason.
    async fn rest(&self, paid: &[Arc<Paid>]) -> anyhow::Result<()> {
        let until = Instant::now() + QUIET;
        let mut moving: BTreeSet<String> = paid.iter().flat_map(|order| order.names()).map(|(uid, _)| uid).collect();
        while Instant::now() < until {
            let mut still = BTreeSet::new();
            for uid in moving {
                let record = self.desk.stored(&uid).await?.filter(|record| record.open().is_some());
                if let Some(record) = record
                    && !self.judge().may_wait(&record).await?
                {
                    still.insert(uid);
                }
            }
            if still.is_empty() && !self.restaurants.is_landing() {
                return Ok(());
            }
            moving = still;
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Orders are forgotten, and callers send some of them again: nothing is made of them.
    async fn months_later(&self, paid: &[Arc<Paid>], judge: &Judge<'_>) -> anyhow::Result<()> {
        self.sim.be_loud();
        let again =
            |order: &&Arc<Paid>| self.sim.strikes(&mut self.sim.dice.part("months", order.number), Fault::SentMonthsLater);
        let again: Vec<_> = paid.iter().filter(again).collect();
        self.sim.be_quiet();
        if again.is_empty() {
            return Ok(());
        }
        let then = self.sim.now().rfc3339();
        self.sim.night(MONTHS).await;
        self.services.tables.forget(self.sim.now().seconds());
        for order in again {
            let before = judge.meals(order);
            for (uid, told) in order.names() {
                // An order that waits for a person is kept.
                if told.accepted && self.desk.stored(&uid).await?.is_none() {
                    self.callers.send_again(order, &uid, then.clone()).await;
                }
            }
            sleep(LOOK).await;
            if judge.meals(order) != before {
                self.sim.harm("an order that was forgotten is made again", format!("order {}", order.number));
            }
        }
        Ok(())
    }
}
