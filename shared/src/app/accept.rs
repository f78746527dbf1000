//! Accepts an order: claims its row, places it while the caller waits, and hands it off when the POS cannot answer in
//! time (docs/lifecycle.md#the-claim). A retry of an order that is known already is answered from its row.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::future::maybe_done;
use tokio::time::Instant;

use super::{
    carry::{Carried, Carrier, Tenure, answered},
    heal::heal,
    limits::{Limits, Permit},
    moment::Moment,
    ports::{ClaimOrder, Claimed, Clock, NudgeOrder, PortError, Pos, ReadOrder, SaveOrder, SendOrder, SetAside},
};
use crate::domain::{
    ability::Placed,
    directory::{Location, Mode},
    guard::{Former, Guard, Verdict, guard_key, judge},
    history::{Actor, Cause},
    ids::OrderKey,
    machine::{self, Input, New, Start},
    order::Order,
    pinned::Pinned,
    policy::{API_FUNCTION_TIMEOUT, CLOCK_SKEW, NEAR_TIMEOUT, Policy},
    record::{Alias, OrderRecord, Row},
    status::OrderError,
};

/// How long a retry waits for the attempt it has met.
const ATTACH: Duration = Duration::from_millis(1500);
/// How often it looks.
const ATTACH_STEP: Duration = Duration::from_millis(100);
/// How often a claim is tried against contention.
const CLAIM_TRIES: u32 = 6;
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
pub struct Accept<O, Q, P, C> {
    /// The table.
    pub orders: O,
    /// The queues.
    pub queue: Q,
    /// The POS.
    pub pos: P,
    /// The time.
    pub clock: C,
    /// The times an order moves by.
    pub policy: Policy,
    /// What this instance remembers of each location.
    pub limits: Arc<Limits>,
    /// Orders a second that one location may send to this instance.
    pub location_rate: u32,
}

enum Claim {
    Ours(Box<OrderRecord>),
    Answer(Accepted),
}

impl<O, Q, P, C> Accept<O, Q, P, C>
where
    O: ClaimOrder + ReadOrder + SaveOrder + NudgeOrder,
    Q: SendOrder + SetAside,
    P: Pos,
    C: Clock,
{
    /// Accepts one order. The answer tells only what is stored.
    pub async fn accept(&self, submission: Submission) -> Accepted {
        let Submission { new, location, refusals, prefer_async, arrived } = submission;
        let carrier = self.carrier(arrived);
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

    fn carrier(&self, arrived: Instant) -> Carrier<'_, O, Q, P, C> {
        let tenure = Tenure {
            by: Actor::Submit,
            lease: self.policy.submit_lease(),
            function_timeout: API_FUNCTION_TIMEOUT + CLOCK_SKEW,
            gives_up_at: arrived + API_FUNCTION_TIMEOUT - NEAR_TIMEOUT,
        };
        let (orders, queue, pos, clock, policy) = (&self.orders, &self.queue, &self.pos, &self.clock, &self.policy);
        Carrier { orders, queue, pos, clock, policy, limits: &self.limits, tenure }
    }

    async fn claim(&self, new: &New, start: Start, location: &Location, arrived: Instant) -> Claim {
        let carrier = self.carrier(arrived);
        let ctx = carrier.context(Some(location));
        let mut record = machine::claim(new.clone(), Pinned::of(location), start, &ctx);
        let mut guard = guard_key(&new.key.tenant, &new.order).map(|key| Guard {
            key,
            owner: new.key.clone(),
            former: None,
            holds_until: ctx.now.plus(self.policy.guard),
            expires_at: ctx.now.plus(self.policy.guard + self.policy.retention),
        });
        for _ in 0..CLAIM_TRIES {
            match self.orders.claim(&record, guard.as_ref()).await {
                Ok(Claimed::Ours) => return Claim::Ours(Box::new(record)),
                Ok(Claimed::Exists(row)) => return Claim::Answer(self.replay(*row, &new.order, arrived).await),
                Ok(Claimed::Guarded { owner, holds_until }) => {
                    let stored = match self.order_at(&owner).await {
                        Ok(stored) => stored,
                        Err(answer) => return Claim::Answer(answer),
                    };
                    let holds = self.clock.now() < holds_until;
                    match (judge(stored.as_ref(), new.order.fingerprint(), holds), stored) {
                        (Verdict::Alias, Some(stored)) => return Claim::Answer(self.alias(new, stored, arrived).await),
                        (Verdict::Conflict, _) => return Claim::Answer(Accepted::GuardConflict),
                        (_, stored) => {
                            // The owner may be an order whose claim is not to be seen yet: the transaction has to find
                            // it as it was read.
                            let former = Former { owner, version: stored.map(|stored| stored.version) };
                            guard = guard.map(|guard| Guard { former: Some(former), ..guard });
                        }
                    }
                    // Another claim than before, so another token: a token stands for identical parameters.
                    record.write_id = self.clock.fresh_id();
                }
                Ok(Claimed::Contended) => {
                    // Whose it was is read again.
                    guard = guard.map(|guard| Guard { former: None, ..guard });
                    record.write_id = self.clock.fresh_id();
                    self.pause().await;
                }
                Ok(Claimed::InProgress) => self.pause().await,
                Err(error) => return self.claim_unknown(record, new, arrived, &error.to_string()).await,
            }
        }
        self.claim_unknown(record, new, arrived, "other requests for the same order keep getting in the way").await
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(10 + self.clock.random() % 90)).await;
    }

    /// Whether the claim was written is unknown: one consistent read decides.
    async fn claim_unknown(&self, record: OrderRecord, new: &New, arrived: Instant, why: &str) -> Claim {
        Claim::Answer(match self.orders.read(&new.key).await {
            Ok(Some(Row::Order(stored))) if stored.write_id == record.write_id => return Claim::Ours(Box::new(record)),
            Ok(Some(row)) => self.replay(row, &new.order, arrived).await,
            Ok(None) => Accepted::Unavailable(format!("the claim was not written: {why}")),
            Err(error) => Accepted::Unavailable(format!("the claim is unknown: {why}; {error}")),
        })
    }

    async fn alias(&self, new: &New, owner: OrderRecord, arrived: Instant) -> Accepted {
        let alias = Alias {
            key: new.key.clone(),
            owner: owner.key.clone(),
            request_datetime: new.order.request_datetime().to_owned(),
            fingerprint: new.order.fingerprint().clone(),
            expires_at: self.clock.now().plus(self.policy.retention + self.policy.guard),
        };
        match self.orders.claim_alias(&alias).await {
            Ok(true) => self.attach(owner, Some(alias), arrived).await,
            Ok(false) => match self.orders.read(&new.key).await {
                Ok(Some(row)) => self.replay(row, &new.order, arrived).await,
                Ok(None) => Accepted::Unavailable("the order's row came and went".to_owned()),
                Err(error) => Accepted::Unavailable(error.to_string()),
            },
            Err(error) => Accepted::Unavailable(error.to_string()),
        }
    }

    /// The key is taken: the same content gets the order as it stands, other content a conflict, in every state.
    async fn replay(&self, row: Row, order: &Order, arrived: Instant) -> Accepted {
        let (record, fingerprint, alias) = match row {
            Row::Order(record) => {
                let fingerprint = record.order.fingerprint().clone();
                (*record, fingerprint, None)
            }
            Row::Alias(alias) => match self.order_at(&alias.owner).await {
                Ok(Some(owner)) => (owner, alias.fingerprint.clone(), Some(alias)),
                Ok(None) => return Accepted::Unavailable("the order behind this id is gone".to_owned()),
                Err(answer) => return answer,
            },
        };
        if fingerprint != *order.fingerprint() {
            return Accepted::Conflict { record: Box::new(record), alias };
        }
        self.attach(record, alias, arrived).await
    }

    /// Waits briefly for an attempt that is running, and hands off again what has stopped.
    async fn attach(&self, mut record: OrderRecord, alias: Option<Alias>, arrived: Instant) -> Accepted {
        let until = (Instant::now() + ATTACH).min(arrived + self.policy.answer_deadline - self.policy.final_write());
        while record.has_live_lease(self.clock.now()) && Instant::now() + ATTACH_STEP <= until {
            tokio::time::sleep(ATTACH_STEP).await;
            match self.order_at(&record.key).await {
                Ok(Some(stored)) => record = stored,
                Ok(None) | Err(_) => break,
            }
        }
        if let Err(error) = heal(&self.orders, &self.queue, &record, self.clock.now()).await {
            tracing::error!(order.key = %record.key, %error, "could not hand off again an order that had stopped");
        }
        Accepted::Stored { record: Box::new(record), replay: true, alias }
    }

    async fn order_at(&self, key: &OrderKey) -> Result<Option<OrderRecord>, Accepted> {
        match self.orders.read(key).await {
            Ok(Some(Row::Order(record))) => Ok(Some(*record)),
            Ok(_) => Ok(None),
            Err(error) => Err(Accepted::Unavailable(error.to_string())),
        }
    }

    async fn place(
        &self,
        opening: impl Future<Output = P::Line> + Send,
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
