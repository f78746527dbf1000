//! The claim of an order's row, and what a request meets whose row, or whose online order id, is taken already.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        heal::heal,
        ports::{ClaimOrder, Claimed, Clock, ReadOrder},
        world::Accepts,
    },
    Accept, Accepted,
};
use crate::domain::{
    directory::Location,
    guard::{Former, Guard, MOST_EARLIER, Verdict, guard_key, judge},
    ids::OrderKey,
    machine::{self, New, Start},
    order::Order,
    pinned::Pinned,
    record::{Alias, OrderRecord, Row, State},
    time::UnixMillis,
};

/// How long a retry waits for the attempt it has met.
const ATTACH: Duration = Duration::from_millis(1500);
/// How often it looks.
const ATTACH_STEP: Duration = Duration::from_millis(100);
/// How often a claim is tried against contention.
const CLAIM_TRIES: u32 = 6;

/// What a claim came to.
pub(super) enum Claim {
    /// The row is ours.
    Ours(Box<OrderRecord>),
    /// It was there already, or cannot be claimed: this is answered.
    Answer(Accepted),
}

/// What becomes of an order whose online order id is owned already.
enum Judged {
    /// It takes the guard over, whose owners before it these are.
    TakeOver(Former, Vec<OrderKey>),
    /// It is a second name of this order.
    Alias(Box<OrderRecord>),
    /// It is another order under the same id.
    Conflict,
}

impl<W: Accepts> Accept<W> {
    pub(super) async fn claim(&self, new: &New, start: Start, location: &Location, arrived: Instant) -> Claim {
        let carrier = self.carrier(arrived);
        let ctx = carrier.context(Some(location));
        let mut record = machine::claim(new.clone(), Pinned::of(location), start, &ctx);
        let mut guard = guard_key(&new.key.tenant, &new.order).map(|key| Guard {
            key,
            owner: new.key.clone(),
            former: None,
            earlier: Vec::new(),
            holds_until: ctx.now.plus(self.policy.guard),
            expires_at: ctx.now.plus(self.policy.guard + self.policy.retention),
        });
        for _ in 0..CLAIM_TRIES {
            match self.orders.claim(&record, guard.as_ref()).await {
                Ok(Claimed::Ours) => return Claim::Ours(Box::new(record)),
                Ok(Claimed::Exists(row)) => return Claim::Answer(self.replay(*row, &new.order, arrived).await),
                Ok(Claimed::Guarded { owner, holds_until, earlier }) => {
                    match self.judged(new, owner, holds_until, earlier).await {
                        Ok(Judged::TakeOver(former, earlier)) => {
                            guard = guard.map(|guard| Guard { former: Some(former), earlier, ..guard });
                        }
                        Ok(Judged::Alias(stored)) => return Claim::Answer(self.alias(new, *stored, arrived).await),
                        Ok(Judged::Conflict) => return Claim::Answer(Accepted::GuardConflict),
                        Err(answer) => return Claim::Answer(answer),
                    }
                    // Another claim than before, so another token: a token stands for identical parameters.
                    record.write_id = self.clock.fresh_id();
                }
                Ok(Claimed::Contended) => {
                    // Whose it was is read again.
                    guard = guard.map(|guard| Guard { former: None, earlier: Vec::new(), ..guard });
                    record.write_id = self.clock.fresh_id();
                    self.pause().await;
                }
                Ok(Claimed::InProgress) => self.pause().await,
                Err(error) => return self.claim_unknown(record, new, arrived, &error.to_string()).await,
            }
        }
        self.claim_unknown(record, new, arrived, "other requests for the same order keep getting in the way").await
    }

    /// What becomes of an order whose online order id is owned: by the owner, and by those before it that are open.
    async fn judged(
        &self,
        new: &New,
        owner: OrderKey,
        holds_until: UnixMillis,
        earlier: Vec<OrderKey>,
    ) -> Result<Judged, Accepted> {
        let mut open = Vec::new();
        for key in earlier {
            let Some(stored) = self.order_at(&key).await?.filter(|stored| stored.open().is_some()) else { continue };
            if stored.order.fingerprint() == new.order.fingerprint() {
                return Ok(Judged::Alias(Box::new(stored)));
            }
            open.push(key);
        }
        let stored = self.order_at(&owner).await?;
        let holds = self.clock.now() < holds_until;
        match (judge(stored.as_ref(), new.order.fingerprint(), holds), stored) {
            (Verdict::Alias, Some(stored)) => Ok(Judged::Alias(Box::new(stored))),
            (Verdict::Conflict, _) => Ok(Judged::Conflict),
            (_, stored) => {
                if stored.as_ref().is_some_and(|stored| stored.open().is_some()) {
                    open.push(owner.clone());
                }
                let open = open.split_off(open.len().saturating_sub(MOST_EARLIER));
                // The owner may be an order whose claim is not to be seen yet: the transaction has to find it as it was
                // read.
                Ok(Judged::TakeOver(Former { owner, version: stored.map(|stored| stored.version) }, open))
            }
        }
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
            // Not longer than its owner, which it is nothing without.
            expires_at: match &owner.state {
                State::Final(end) => end.expires_at,
                State::Open(_) => self.clock.now().plus(self.policy.retention),
            },
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
    pub(super) async fn replay(&self, row: Row, order: &Order, arrived: Instant) -> Accepted {
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
        if let Err(error) = heal(&self.orders, &self.queue, &record, &self.clock).await {
            tracing::error!(order.key = %record.key, %error, "could not hand off again an order that had stopped");
        }
        Accepted::Stored { record: Box::new(record), replay: true, alias }
    }

    pub(super) async fn order_at(&self, key: &OrderKey) -> Result<Option<OrderRecord>, Accepted> {
        match self.orders.read(key).await {
            Ok(Some(Row::Order(record))) => Ok(Some(*record)),
            Ok(_) => Ok(None),
            Err(error) => Err(Accepted::Unavailable(error.to_string())),
        }
    }
}
