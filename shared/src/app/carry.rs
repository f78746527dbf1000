//! Carries an order from one input to where the state machine has nothing more to do now: writes each row it asks for,
//! then does what follows, in that order and never the other way round.

use std::{borrow::Cow, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};

use super::{
    METRICS,
    limits::Limits,
    moment::Moment,
    near_timeout,
    ports::{Aside, Attempt, Clock, OrderMessage, PortError, Pos, ReadOrder, SaveOrder, SendOrder, SetAside},
    world::{Carries, World},
};
use crate::domain::{
    ability::{Cancelled, Found, Placed},
    directory::Location,
    history::{Actor, Cause},
    machine::{self, Action, Context, Ignored, Input, Next},
    policy::{ASK_LIMIT, Policy},
    record::{OrderRecord, Outcome, Row, State},
    time::{UnixMillis, millis},
};

/// How long its leases are, and how long its function may live: what differs between submit and a worker.
#[derive(Debug, Clone, Copy)]
pub struct Tenure {
    /// Who acts.
    pub by: Actor,
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
pub struct Carrier<'a, W: World> {
    /// The table.
    pub orders: &'a W::Orders,
    /// The queues.
    pub queue: &'a W::Queue,
    /// The POS.
    pub pos: &'a W::Pos,
    /// The time.
    pub clock: &'a W::Clock,
    /// The times an order moves by.
    pub policy: &'a Policy,
    /// What this instance remembers of each location.
    pub limits: &'a Limits,
    /// Lease and function time-out.
    pub tenure: Tenure,
}

impl<W: Carries> Carrier<'_, W> {
    /// What the state machine may know now. `None` stands for a location that is no longer mapped: its POS promises nothing.
    pub fn context<'c>(&'c self, location: Option<&'c Location>) -> Context<'c> {
        Context {
            now: self.clock.now(),
            policy: self.policy,
            mapped: location,
            by: self.tenure.by,
            lease: self.tenure.lease,
            function_timeout: self.tenure.function_timeout,
            write_id: self.clock.fresh_id(),
            random: self.clock.random(),
        }
    }

    /// Carries on an order whose lease for a placement has been taken, at the earliest at `lease_taken`.
    pub async fn carry_taken(&self, mut record: OrderRecord, location: Option<&Location>, lease_taken: Moment) -> Carried {
        if let Some(write) = machine::follow(&record, &self.context(location)) {
            match self.orders.save(&write).await {
                Ok(true) => record = write,
                Ok(false) => return Carried::Lost,
                Err(error) => return Carried::Unwritten(error),
            }
        }
        let input = self.act(&record, Action::Place, location, lease_taken).await;
        self.carry(record, input, location).await
    }

    /// Carries the order on from `input`.
    pub async fn carry(&self, mut record: OrderRecord, mut input: Input, location: Option<&Location>) -> Carried {
        loop {
            let lease_taken = Moment::now(self.clock.now());
            let made = says_made(&input);
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
                    if let Some(cause) = aside
                        && let Err(error) =
                            self.queue.set_aside(Aside::Order(&OrderMessage::about(&record)), &cause.to_string()).await
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
                    if made && matches!(saved, Ok(false)) {
                        self.placed_too_late(&record, location).await;
                    }
                    tell_of_an_error(&write);
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
                    if made && matches!(saved, Ok(false)) {
                        self.placed_too_late(&record, location).await;
                    }
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

    /// What the POS says of an order now. Nothing is written, so no lease is needed.
    pub(super) async fn found(&self, record: &OrderRecord, location: Option<&Location>) -> Found {
        match self.act(record, Action::Find, location, Moment::now(self.clock.now())).await {
            Input::Found { found, .. } => found,
            _ => Found::Unknown(Cause::GivenUp),
        }
    }

    /// Does one thing at the POS; for a placement and a cancel its lease is held.
    pub(super) async fn act(
        &self,
        record: &OrderRecord,
        action: Action,
        location: Option<&Location>,
        lease_taken: Moment,
    ) -> Input {
        let Some(mapped) = location else { return unmapped(action, self.clock.now()) };
        // One of which nothing was attempted goes where its location is mapped now.
        let location = &*if record.attempts == 0 { Cow::Borrowed(mapped) } else { record.pos.target(mapped) };
        match action {
            Action::Place => {
                let attempt = self.attempt(self.policy.pos_limit, lease_taken);
                let placed = self.place(self.pos.open(location), location, record, attempt).await;
                // An order may belong to a POS that the location had before.
                if answered(&placed) && record.pos.is_where(mapped) {
                    self.limits.answered(mapped);
                }
                Input::Placed(placed)
            }
            Action::Find => {
                let began_at = self.clock.now();
                let found = self.in_time(record, self.pos.find(location, record, ASK_LIMIT)).await;
                Input::Found { found: found.unwrap_or(Found::Unknown(Cause::GivenUp)), began_at }
            }
            Action::Cancel => {
                let cancelled =
                    self.in_time(record, self.pos.cancel(location, record, self.attempt(ASK_LIMIT, lease_taken))).await;
                Input::Cancelled(cancelled.unwrap_or(Cancelled::Unknown(Cause::GivenUp)))
            }
        }
    }

    /// A placement attempt under a lease of this function's.
    pub fn attempt(&self, limit: Duration, lease_taken: Moment) -> Attempt {
        Attempt { limit, lease_taken, lease: self.tenure.lease }
    }

    /// Makes a placement attempt, whose lease is held: on the line that `opening` comes to, which may be on its way
    /// already.
    pub async fn place(
        &self,
        opening: impl Future<Output = <W::Pos as Pos>::Line> + Send,
        location: &Location,
        record: &OrderRecord,
        attempt: Attempt,
    ) -> Placed {
        let not_started = |cause| Placed::NotStarted { cause, retry_after: None };
        let (began, now) = (Instant::now(), self.clock.now());
        let in_time = now.plus(attempt.limit) <= record.deadline;
        let would_be_cut = began + attempt.limit > self.tenure.gives_up_at;
        // The write that took the lease may have been slow.
        if !in_time || would_be_cut || !attempt.may_begin(attempt.limit, now) {
            return not_started(Cause::NoTimeLeft);
        }
        let Ok(line) = timeout(attempt.limit, opening).await else {
            return not_started(Cause::NoConnection(format!("none within {} ms", millis(attempt.limit))));
        };
        let attempt = Attempt { limit: attempt.limit.saturating_sub(began.elapsed()), ..attempt };
        let placed = self.in_time(record, self.pos.place(line, location, record, attempt)).await;
        placed.unwrap_or(Placed::Unknown(Cause::GivenUp))
    }

    /// A limit does not hold where the process stood still, or an adapter forgets it. What is given up here is unknown, and the write
    /// that says so gives the lease back: the order is worked on again at once and not when the lease has run out.
    async fn in_time<T>(&self, record: &OrderRecord, asking: impl Future<Output = T>) -> Result<T, GivenUp> {
        timeout_at(self.tenure.gives_up_at, asking).await.map_err(|_| {
            near_timeout(Some(&record.key), "asking the POS was given up");
            GivenUp
        })
    }

    /// The POS holds an order whose row somebody else has moved on. If that ended it otherwise, PAR refunds and the
    /// meal must not be made: it is cancelled and a person is told (docs/lifecycle.md#the-deadline).
    async fn placed_too_late(&self, record: &OrderRecord, location: Option<&Location>) {
        let ended = match self.orders.read(&record.key).await {
            Ok(Some(Row::Order(stored))) => {
                matches!(&stored.state, State::Final(end) if !matches!(end.outcome, Outcome::Placed { .. }))
            }
            _ => return,
        };
        if !ended {
            return;
        }
        let target: Option<Cow<'_, Location>> = location.map(|location| record.pos.target(location));
        let cancelled = match target {
            // The order has ended, so that nobody's lease counts any more.
            Some(target) if machine::promises(record, &self.context(location)).cancel => {
                let attempt = self.attempt(ASK_LIMIT, Moment::now(self.clock.now()));
                Some(self.pos.cancel(&target, record, attempt).await)
            }
            _ => None,
        };
        tracing::info!(target: METRICS, PlacedAfterErrored = 1);
        tracing::error!(alarm = "placed_after_errored", order.key = %record.key, ?cancelled,
            "the POS placed an order that had ended otherwise; check that it is cancelled there");
    }
}

/// What was under way was given up, since the time-out of the function was near.
struct GivenUp;

/// Whether the POS answered an attempt in time, whatever it said of the order.
pub fn answered(placed: &Placed) -> bool {
    !matches!(placed, Placed::NotStarted { .. } | Placed::Unknown(_))
}

/// Whether the POS says that it holds the order.
fn says_made(input: &Input) -> bool {
    matches!(
        input,
        Input::Placed(Placed::Done { .. } | Placed::NoNumber)
            | Input::Found { found: Found::Placed { .. } | Found::NoNumber, .. }
            | Input::Cancelled(Cancelled::WillNot { .. } | Cancelled::NoNumber)
    )
}

/// A line about an order that ends `errored`, with the cause of it.
fn tell_of_an_error(record: &OrderRecord) {
    if let (State::Final(end), Some(last)) = (&record.state, record.history.last())
        && matches!(end.outcome, Outcome::Errored(_))
    {
        tracing::error!(order.key = %record.key, reason = %last, "an order ends errored");
    }
}

/// The alarm of an order that has just been marked for a person.
fn tell_a_person(before: &OrderRecord, after: &OrderRecord) {
    let reason = |record: &OrderRecord| record.open().and_then(|open| open.person);
    if let (None, Some(reason)) = (reason(before), reason(after)) {
        tracing::error!(alarm = "needs_person", order.key = %after.key, %reason, "an order needs a person");
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
    match action {
        Action::Place => Input::Placed(Placed::Permanent(Cause::NotMapped)),
        Action::Find => Input::Found { found: Found::Unknown(Cause::NotMapped), began_at: now },
        Action::Cancel => Input::Cancelled(Cancelled::Unknown(Cause::NotMapped)),
    }
}
