//! Carries an order from one input to where the state machine has nothing more to do now: writes each row it asks for,
//! then does what follows, in that order and never the other way round.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{
    METRICS, near_timeout,
    ports::{Aside, Clock, OrderMessage, PortError, Pos, ReadOrder, SaveOrder, SendOrder, SetAside},
};
use crate::domain::{
    ability::{Cancelled, Found, Placed},
    directory::Location,
    machine::{self, Action, Context, Ignored, Input, Next},
    policy::{ASK_LIMIT, CLOCK_SKEW, Policy},
    record::{OrderRecord, Outcome, Row, State},
    time::UnixMillis,
};

/// How long its leases are, and how long its function may live: what differs between submit and a worker.
#[derive(Debug, Clone, Copy)]
pub struct Tenure {
    /// Length of a lease.
    pub lease: Duration,
    /// After this its function has certainly been stopped, by any machine's clock: the time-out, and the skew.
    pub function_timeout: Duration,
    /// What is under way at the POS then is given up, so that the row can still be written: its lease with it.
    pub gives_up_at: Instant,
}

/// What carrying an order came to.
#[derive(Debug)]
pub enum Carried {
    /// Written: final, handed off or parked.
    Stored(Box<OrderRecord>),
    /// There was nothing to do.
    Ignored(Ignored),
    /// Somebody else wrote first; theirs counts.
    Lost,
    /// A write failed; the last row known to be stored is as open as before, and its due time brings it back.
    Unwritten(PortError),
}

/// The ports that carrying takes.
#[derive(Debug)]
pub struct Carrier<'a, O, Q, P, C> {
    /// The table.
    pub orders: &'a O,
    /// The queues.
    pub queue: &'a Q,
    /// The POS.
    pub pos: &'a P,
    /// The time.
    pub clock: &'a C,
    /// The times an order moves by.
    pub policy: &'a Policy,
    /// Lease and function time-out.
    pub tenure: Tenure,
}

impl<O, Q, P, C> Carrier<'_, O, Q, P, C>
where
    O: ReadOrder + SaveOrder,
    Q: SendOrder + SetAside,
    P: Pos,
    C: Clock,
{
    /// What the state machine may know now. `None` stands for a location that is no longer mapped: its POS promises nothing.
    pub fn context(&self, location: Option<&Location>) -> Context<'_> {
        Context {
            now: self.clock.now(),
            policy: self.policy,
            abilities: location.map(|location| location.connector.abilities()).unwrap_or_default(),
            lease: self.tenure.lease,
            function_timeout: self.tenure.function_timeout,
            write_id: self.clock.fresh_id(),
            random: self.clock.random(),
        }
    }

    /// Carries on an order whose lease for a placement has been taken, at the earliest at `lease_taken`.
    pub async fn carry_taken(&self, record: OrderRecord, location: Option<&Location>, lease_taken: Instant) -> Carried {
        let input = self.act(&record, Action::Place, location, lease_taken).await;
        self.carry(record, input, location).await
    }

    /// Carries the order on from `input`.
    pub async fn carry(&self, mut record: OrderRecord, mut input: Input, location: Option<&Location>) -> Carried {
        loop {
            let lease_taken = Instant::now();
            let placed = matches!(input, Input::Placed(Placed::Done { .. }));
            match machine::advance(&record, input, &self.context(location)) {
                Next::Ignore(why) => return Carried::Ignored(why),
                Next::Act(write, action) => {
                    match self.orders.save(&write).await {
                        Ok(true) => record = write,
                        Ok(false) => return Carried::Lost,
                        Err(error) => return Carried::Unwritten(error),
                    }
                    input = self.act(&record, action, location, lease_taken).await;
                }
                Next::End(write, aside) => {
                    if let Some(reason) = aside
                        && let Err(error) = self.queue.set_aside(Aside::Order(&OrderMessage::about(&record)), &reason).await
                    {
                        return Carried::Unwritten(error);
                    }
                    let mut saved = self.orders.save(&write).await;
                    if let Err(error) = &saved {
                        // The result may be all that is known of a meal, and the same write is safe to repeat.
                        let status = write.status().as_str();
                        tracing::error!(order.key = %record.key, order.status = status, %error, "a result was not written; trying again");
                        saved = self.orders.save(&write).await;
                    }
                    if placed && matches!(saved, Ok(false)) {
                        self.placed_too_late(&record, location).await;
                    }
                    return stored(write, saved);
                }
                Next::HandOff(write, delay) => {
                    tell_a_person(&record, &write);
                    let saved = self.orders.save(&write).await;
                    if matches!(saved, Ok(true)) {
                        self.hand_off(&write, delay).await;
                    }
                    return stored(write, saved);
                }
                Next::Park(write) => {
                    tell_a_person(&record, &write);
                    let saved = self.orders.save(&write).await;
                    return stored(write, saved);
                }
            }
        }
    }

    /// Sends the message of a row that was just written. A failure is no failure of the order: the row is the outbox.
    pub async fn hand_off(&self, record: &OrderRecord, delay: Duration) {
        if let Err(error) = self.queue.send(&OrderMessage::about(record), delay).await {
            tracing::error!(order.key = %record.key, %error, "hand-off message not sent; the order's due time brings it back");
        }
    }

    async fn act(&self, record: &OrderRecord, action: Action, location: Option<&Location>, lease_taken: Instant) -> Input {
        let Some(location) = location else { return unmapped(action, self.clock.now()) };
        match action {
            Action::Place => {
                let limit = self.policy.pos_limit;
                // On the monotonic clock: the write that took the lease may have been slow (docs/lifecycle.md#leases).
                // Another machine may see the lease end that much earlier.
                let in_time = self.clock.now().plus(limit) <= record.deadline;
                let would_be_cut = Instant::now() + limit > self.tenure.gives_up_at;
                if lease_taken.elapsed() + limit + CLOCK_SKEW > self.tenure.lease || would_be_cut || !in_time {
                    let reason = "taking the lease left no time to place it".to_owned();
                    return Input::Placed(Placed::NotStarted { reason, retry_after: None });
                }
                Input::Placed(self.place(location, record, limit).await)
            }
            Action::Find => {
                let began_at = self.clock.now();
                let found = self.in_time(record, self.pos.find(location, record, ASK_LIMIT)).await;
                Input::Found { found: found.unwrap_or_else(Found::Unknown), began_at }
            }
            Action::Cancel => {
                let cancelled = self.in_time(record, self.pos.cancel(location, record, ASK_LIMIT)).await;
                Input::Cancelled(cancelled.unwrap_or_else(Cancelled::Unknown))
            }
        }
    }

    /// One placement attempt, whose lease is held.
    pub async fn place(&self, location: &Location, record: &OrderRecord, limit: Duration) -> Placed {
        self.in_time(record, self.pos.place(location, record, limit)).await.unwrap_or_else(Placed::Unknown)
    }

    /// A limit does not hold where the process stood still, or an adapter forgets it. What is given up here is unknown, and the write
    /// that says so gives the lease back: the order is worked on again at once and not when the lease has run out.
    async fn in_time<T>(&self, record: &OrderRecord, asking: impl Future<Output = T>) -> Result<T, String> {
        timeout_at(self.tenure.gives_up_at, asking).await.map_err(|_| {
            near_timeout(Some(&record.key), "asking the POS was given up");
            "the time-out of the function was near".to_owned()
        })
    }

    /// The POS holds an order whose row somebody else has moved on. If that ended it `errored`, the meal must not be
    /// made: it is cancelled and a person is told (docs/lifecycle.md#the-deadline).
    async fn placed_too_late(&self, record: &OrderRecord, location: Option<&Location>) {
        let ended = match self.orders.read(&record.key).await {
            Ok(Some(Row::Order(stored))) => {
                matches!(&stored.state, State::Final(end) if matches!(end.outcome, Outcome::Errored(_)))
            }
            _ => return,
        };
        if !ended {
            return;
        }
        let cancelled = match location {
            Some(location) if location.connector.abilities().cancel => self.pos.cancel(location, record, ASK_LIMIT).await,
            _ => Cancelled::Unknown("this POS cannot cancel".to_owned()),
        };
        tracing::info!(target: METRICS, PlacedAfterErrored = 1);
        tracing::error!(alarm = "placed_after_errored", order.key = %record.key, ?cancelled,
            "the POS placed an order that had ended errored; check that it is cancelled there");
    }
}

/// The alarm of an order that has just been marked for a person.
fn tell_a_person(before: &OrderRecord, after: &OrderRecord) {
    let reason = |record: &OrderRecord| record.open().and_then(|open| open.person.clone());
    if let (None, Some(reason)) = (reason(before), reason(after)) {
        tracing::error!(alarm = "needs_person", order.key = %after.key, reason, "an order needs a person");
    }
}

fn stored(write: OrderRecord, saved: Result<bool, PortError>) -> Carried {
    match saved {
        Ok(true) => Carried::Stored(Box::new(write)),
        Ok(false) => Carried::Lost,
        Err(error) => Carried::Unwritten(error),
    }
}

fn unmapped(action: Action, now: UnixMillis) -> Input {
    let reason = "the location is no longer mapped".to_owned();
    match action {
        Action::Place => Input::Placed(Placed::Permanent(reason)),
        Action::Find => Input::Found { found: Found::Unknown(reason), began_at: now },
        Action::Cancel => Input::Cancelled(Cancelled::Unknown(reason)),
    }
}
