//! Accepts an order: claims its row, places it while the caller waits, and hands it off when the POS cannot answer in
//! time (docs/lifecycle.md#the-claim). A retry of an order that is known already is answered from its row.

mod claim;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::future::maybe_done;
use tokio::time::Instant;

use claim::Claim;

use super::{
    carry::{Carried, Carrier, Tenure, answered},
    in_step::out_of_step,
    limits::{Limits, Permit},
    moment::Moment,
    ports::{Clock, PortError, Pos, ReadOrder},
    world::{Accepts, World},
};
use crate::domain::{
    ability::Placed,
    directory::{Location, Mode},
    history::{Actor, Cause},
    ids::OrderKey,
    machine::{Input, New, Start},
    order::Order,
    policy::{API_FUNCTION_TIMEOUT, CLOCK_SKEW, NEAR_TIMEOUT, Policy},
    record::{Alias, OrderRecord},
    status::OrderError,
};

/// Less than this is not enough to ask a POS.
const SHORTEST_PLACE: Duration = Duration::from_millis(20);

/// A verified order.
#[derive(Debug)]
pub struct Submission {
    /// The order and who sends it.
    pub new: New,
    /// Where it goes.
    pub location: Arc<Location>,
    /// Why the location cannot take it (`domain::check`); nothing if it can.
    pub refusals: Vec<OrderError>,
    /// The caller asks for 202 (`Prefer: respond-async`).
    pub prefer_async: bool,
    /// When the request arrived: the answer deadline counts from here.
    pub arrived: Instant,
}

/// What a submit is answered with.
#[derive(Debug)]
pub enum Accepted {
    /// The order as it is stored.
    Stored {
        /// Its row.
        record: Box<OrderRecord>,
        /// The row was there before this request.
        replay: bool,
        /// The request is a second name of it.
        alias: Option<Alias>,
    },
    /// The `request_uid` is taken by other content.
    Conflict {
        /// The order that is stored.
        record: Box<OrderRecord>,
        /// The `request_uid` is a second name of it.
        alias: Option<Alias>,
    },
    /// The online order is known with other content, under another `request_uid`. Nothing is stored under this one.
    GuardConflict,
    /// It is not known, and its date does not tell that it is new (docs/contract.md#u22).
    MayBeForgotten(OrderError),
    /// The location has used up its rate; there is room again after this.
    TooMany(Duration),
    /// Nothing can be promised.
    Unavailable(String),
}

impl Accepted {
    /// The stored order of the same organization that refuses this one: its answer is given, and signed for it.
    #[must_use]
    pub fn stands_in_the_way_of(&self, order: &Order) -> Option<&OrderRecord> {
        match self {
            Self::Conflict { record, .. } if record.order.organization_id() == order.organization_id() => Some(record),
            _ => None,
        }
    }
}

/// The use case and its ports.
#[derive(Debug)]
pub struct Accept<W: World> {
    /// The table.
    pub orders: W::Orders,
    /// The queues.
    pub queue: W::Queue,
    /// The POS.
    pub pos: W::Pos,
    /// The time.
    pub clock: W::Clock,
    /// The times an order moves by.
    pub policy: Policy,
    /// What this instance remembers of each location.
    pub limits: Arc<Limits>,
    /// Orders a second that one location may send to this instance.
    pub location_rate: u32,
}

impl<W: Accepts> Accept<W> {
    /// Accepts one order. The answer tells only what is stored.
    pub async fn accept(&self, submission: Submission) -> Accepted {
        let Submission { new, location, refusals, prefer_async, arrived } = submission;
        let carrier = self.carrier(arrived);
        if let Some(why) = out_of_step(&self.clock) {
            return Accepted::Unavailable(why);
        }
        if let Err(wait) = self.limits.count(&location, self.clock.now(), self.location_rate) {
            return Accepted::TooMany(wait);
        }
        if let Err(error) = self.policy.would_be_known(&new.order, self.clock.now()) {
            let known = self.known(&new.key, &new.order, arrived).await;
            return known
                .unwrap_or_else(|error| Some(Accepted::Unavailable(error.to_string())))
                .unwrap_or(Accepted::MayBeForgotten(error));
        }
        let waits = prefer_async || location.mode == Mode::Async;
        let permit = if waits { None } else { self.limits.admit(&location, self.clock.now()) };
        let start = if !refusals.is_empty() {
            Start::Rejected(refusals)
        } else if permit.is_none() {
            Start::Queued
        } else {
            Start::Placing
        };
        let lease_taken = Moment::now(self.clock.now());
        // The line to the POS is opened while the claim is written: a fresh one for each placement costs no time that
        // way.
        let placing = matches!(start, Start::Placing);
        let mut opening = pin!(maybe_done(async { if placing { Some(self.pos.open(&location).await) } else { None } }));
        let record = match beside(self.claim(&new, start.clone(), &location, arrived), opening.as_mut()).await {
            Claim::Ours(record) => *record,
            Claim::Answer(answer) => return answer,
        };
        match (start, permit) {
            (Start::Placing, Some(permit)) => {
                let opened = async {
                    opening.as_mut().await;
                    match opening.as_mut().take_output().flatten() {
                        Some(line) => line,
                        None => self.pos.open(&location).await,
                    }
                };
                return self.place(opened, record, &location, arrived, lease_taken, permit).await;
            }
            (Start::Queued, _) => carrier.hand_off(&record, Duration::ZERO).await,
            _ => {}
        }
        Accepted::Stored { record: Box::new(record), replay: false, alias: None }
    }

    /// The answer of an order that is known already, when a new one could not be taken now: what was accepted stands,
    /// whatever has happened to the menu since, and however old it is.
    ///
    /// # Errors
    /// [`PortError`] when that cannot be told.
    pub async fn known(&self, key: &OrderKey, order: &Order, arrived: Instant) -> Result<Option<Accepted>, PortError> {
        match self.orders.read(key).await? {
            Some(row) => Ok(Some(self.replay(row, order, arrived).await)),
            None => Ok(None),
        }
    }

    fn carrier(&self, arrived: Instant) -> Carrier<'_, W> {
        let tenure = Tenure {
            by: Actor::Submit,
            lease: self.policy.submit_lease(),
            function_timeout: API_FUNCTION_TIMEOUT + CLOCK_SKEW,
            gives_up_at: arrived + API_FUNCTION_TIMEOUT - NEAR_TIMEOUT,
        };
        let (orders, queue, pos, clock, policy) = (&self.orders, &self.queue, &self.pos, &self.clock, &self.policy);
        Carrier { orders, queue, pos, clock, policy, limits: &self.limits, tenure }
    }

    async fn place(
        &self,
        opening: impl Future<Output = <W::Pos as Pos>::Line> + Send,
        record: OrderRecord,
        location: &Location,
        arrived: Instant,
        lease_taken: Moment,
        permit: Permit<'_>,
    ) -> Accepted {
        // The POS gets what the claim has left of the answer deadline, less the final write.
        let answer = self.policy.answer_deadline.saturating_sub(arrived.elapsed() + self.policy.final_write());
        let limit = answer.min(record.deadline.since(self.clock.now()));
        let placed = if limit < SHORTEST_PLACE {
            Placed::NotStarted { cause: Cause::NoTimeLeft, retry_after: None }
        } else {
            let carrier = self.carrier(arrived);
            let placed = carrier.place(opening, location, &record, carrier.attempt(limit, lease_taken)).await;
            // Of less than half the usual time, no POS can be blamed.
            let fair = limit * 2 >= self.policy.answer_deadline.saturating_sub(self.policy.final_write());
            if answered(&placed) {
                permit.answered();
            } else if fair {
                permit.failed(self.clock.now());
            } else {
                drop(permit);
            }
            placed
        };
        let record = match self.carrier(arrived).carry(record.clone(), Input::Placed(placed), Some(location)).await {
            Carried::Stored(stored) => *stored,
            Carried::Lost => self.order_at(&record.key).await.ok().flatten().unwrap_or(record),
            Carried::Ignored(_) => record,
            Carried::Unwritten(error) => {
                // The claim is durable and its due time brings it back, so 202 is true.
                tracing::error!(order.key = %record.key, %error, "the result of a placement could not be written");
                record
            }
        };
        Accepted::Stored { record: Box::new(record), replay: false, alias: None }
    }
}

/// What `main` comes to, while `aside` goes on beside it as far as it gets.
async fn beside<T>(main: impl Future<Output = T>, mut aside: Pin<&mut impl Future<Output = ()>>) -> T {
    let mut main = pin!(main);
    poll_fn(|cx| {
        let _ = aside.as_mut().poll(cx);
        main.as_mut().poll(cx)
    })
    .await
}
