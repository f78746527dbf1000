//! What a person wants done with an order, done by the worker, which has the way to the POS and its secret: the lease is
//! taken and marked, the POS is asked, and only what it does not contradict is written (docs/lifecycle.md#a-person).

use std::{sync::Arc, time::Duration};

use super::{
    METRICS,
    carry::{Carried, Carrier},
    in_step::out_of_step,
    moment::Moment,
    ports::{Clock, Directory, PortError, ReadOrder, SaveOrder},
    process::Process,
    world::Processes,
};
use crate::domain::{
    ability::{Cancelled, Found},
    by_hand::{self, Decision, Granted, Judged, Refusal, Wish},
    directory::Location,
    history::{Actor, Cause},
    ids::OrderKey,
    machine::{Action, Input},
    policy::STORAGE_LIMIT,
    record::{OrderRecord, Row},
};

/// What stops a wish on its way.
struct Stopped(Granted);

impl From<PortError> for Stopped {
    fn from(error: PortError) -> Self {
        Self(Granted::Failed(error.to_string()))
    }
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self(Granted::Refused(refusal))
    }
}

impl<W: Processes> Process<W> {
    /// Does what a person wants. `remaining` is what the function's own time-out leaves.
    pub async fn grant(&self, wish: Wish, remaining: Duration) -> Granted {
        if remaining < STORAGE_LIMIT + self.policy.worker_budget() {
            return Granted::Failed("not enough of the function's time is left; try again".to_owned());
        }
        let granted = match wish {
            Wish::Ask { key } => self.ask(&key, remaining).await,
            Wish::End { key, decision, reason, asking } => {
                if let Some(why) = out_of_step(&self.clock) {
                    return Granted::Failed(why);
                }
                let why = if asking { Cause::Person(reason) } else { Cause::WithoutAsking(reason) };
                self.end(&key, decision, why, remaining).await
            }
        };
        granted.unwrap_or_else(|Stopped(granted)| granted)
    }

    /// A question changes nothing, so it needs no lease.
    async fn ask(&self, key: &OrderKey, remaining: Duration) -> Result<Granted, Stopped> {
        let (record, location) = self.with_location(key).await?;
        Ok(Granted::Told(self.carrier(Actor::Person, remaining).found(&record, location.as_deref()).await))
    }

    async fn end(&self, key: &OrderKey, decision: Decision, why: Cause, remaining: Duration) -> Result<Granted, Stopped> {
        let (before, location) = self.with_location(key).await?;
        let (location, carrier) = (location.as_deref(), self.carrier(Actor::Person, remaining));
        let mut taken = by_hand::take_over(&before, &decision, why.clone(), &carrier.context(location))?;
        self.save(&taken).await?;
        if let Cause::WithoutAsking(reason) = &why {
            tracing::info!(target: METRICS, EndedWithoutAsking = 1);
            tracing::error!(alarm = "ended_without_asking", order.key = %taken.key, reason, "an order is ended without asking its POS");
        } else {
            let found = carrier.found(&taken, location).await;
            match by_hand::judge(&taken, &decision, found, &carrier.context(location)) {
                Judged::Confirmed => {}
                Judged::Cancel => taken = self.cancelled(&carrier, taken, location).await?,
                Judged::Refused(refusal) => {
                    let back = by_hand::give_back(&taken, &before, &refusal, &carrier.context(location));
                    self.save(&back).await?;
                    // The message that waited is about an earlier version.
                    carrier.hand_off(&back, by_hand::resumed_in(&back, &carrier.context(location))).await;
                    return Err(refusal.into());
                }
            }
        }
        let ended = by_hand::decide(&taken, decision, why, &carrier.context(location));
        self.save(&ended).await?;
        tracing::warn!(order.key = %ended.key, order.status = ended.status().as_str(), "an order was ended by a person");
        Ok(Granted::Ended(ended.status()))
    }

    /// The order, once it is cancelled at the POS for certain. Anything else the POS says decides it as ever.
    async fn cancelled(
        &self,
        carrier: &Carrier<'_, W>,
        taken: OrderRecord,
        location: Option<&Location>,
    ) -> Result<OrderRecord, Stopped> {
        let lease_taken = Moment::now(self.clock.now());
        let cancelling = by_hand::cancelling(&taken, &carrier.context(location));
        self.save(&cancelling).await?;
        let input = carrier.act(&cancelling, Action::Cancel, location, lease_taken).await;
        let granted = match &input {
            Input::Cancelled(Cancelled::Done) => return Ok(cancelling),
            Input::Cancelled(Cancelled::WillNot { pos_order_id }) => {
                Granted::AsThePosSays(Found::Placed { pos_order_id: pos_order_id.clone() })
            }
            Input::Cancelled(Cancelled::NoNumber) => Granted::AsThePosSays(Found::NoNumber),
            Input::Cancelled(Cancelled::Refused(errors)) => Granted::AsThePosSays(Found::Refused(errors.clone())),
            Input::Cancelled(Cancelled::Unknown(cause)) => Granted::Cancelling(cause.clone()),
            _ => Granted::Cancelling(Cause::GivenUp),
        };
        match carrier.carry(cancelling, input, location).await {
            Carried::Stored(_) | Carried::Ignored(_) => Err(Stopped(granted)),
            Carried::Lost => Err(Stopped(Granted::Lost)),
            Carried::Unwritten(error) => Err(error.into()),
        }
    }

    /// The order behind a key, of a second name its owner, and where its location is mapped.
    async fn with_location(&self, key: &OrderKey) -> Result<(OrderRecord, Option<Arc<Location>>), Stopped> {
        let row = match self.orders.read(key).await? {
            Some(Row::Alias(alias)) => self.orders.read(&alias.owner).await?,
            row => row,
        };
        let Some(Row::Order(record)) = row else { return Err(Stopped(Granted::NoOrder)) };
        let location = self.directory.location(record.order.organization_id(), record.order.location_id()).await?;
        Ok((*record, location))
    }

    async fn save(&self, record: &OrderRecord) -> Result<(), Stopped> {
        if self.orders.save(record).await? { Ok(()) } else { Err(Stopped(Granted::Lost)) }
    }
}
