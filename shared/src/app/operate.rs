//! What an operator does to one order: looks at it, or ends it by hand.

use std::sync::Arc;

use super::ports::{Clock, Directory, PortError, ReadOrder, SaveOrder};
use crate::domain::{
    by_hand::{self, Decision, Refusal},
    directory::Location,
    history::Actor,
    ids::OrderKey,
    machine::Context,
    policy::{Policy, WORKER_FUNCTION_TIMEOUT},
    record::{OrderRecord, Row},
};

/// Why an operator's command did nothing, or not all.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// No such order.
    #[error("there is no order {0}; it is the tenant, # and the request_uid, as the log lines and the list have it")]
    Unknown(OrderKey),
    /// The rules forbid it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Somebody else wrote first.
    #[error("somebody else wrote to the order at the same time; look at it again")]
    Lost,
    /// The table failed.
    #[error("{0}; look at the order again before anything else")]
    Port(#[from] PortError),
}

/// The use case and its ports.
#[derive(Debug)]
pub struct Operate<O, D, C> {
    /// The table.
    pub orders: O,
    /// Where the order's location stands, with what its POS promises.
    pub directory: D,
    /// The time.
    pub clock: C,
    /// The times an order moves by.
    pub policy: Policy,
}

impl<O: ReadOrder + SaveOrder, D: Directory, C: Clock> Operate<O, D, C> {
    /// The order behind a key; of a second name, its owner.
    ///
    /// # Errors
    /// [`OperateError::Unknown`], or what the table says.
    pub async fn order(&self, key: &OrderKey) -> Result<OrderRecord, OperateError> {
        let row = match self.orders.read(key).await? {
            Some(Row::Alias(alias)) => self.orders.read(&alias.owner).await?,
            row => row,
        };
        match row {
            Some(Row::Order(record)) => Ok(*record),
            _ => Err(OperateError::Unknown(key.clone())),
        }
    }

    /// What would happen next to an order.
    ///
    /// # Errors
    /// [`OperateError::Port`] when its location cannot be looked up.
    pub async fn outlook(&self, record: &OrderRecord) -> Result<String, OperateError> {
        Ok(by_hand::outlook(record, &self.context(self.mapped(record).await?.as_deref())))
    }

    /// Ends an order as a person has decided: takes the lease, then writes the end under it.
    ///
    /// # Errors
    /// [`OperateError`]; where it is not `Lost` or `Port`, nothing was written.
    pub async fn end(&self, key: &OrderKey, decision: Decision, reason: &str) -> Result<OrderRecord, OperateError> {
        let record = self.order(key).await?;
        let mapped = self.mapped(&record).await?;
        let taken = by_hand::take_over(&record, &decision, reason, &self.context(mapped.as_deref()))?;
        if !self.orders.save(&taken).await? {
            return Err(OperateError::Lost);
        }
        let ended = by_hand::decide(&taken, decision, reason, &self.context(mapped.as_deref()));
        if !self.orders.save(&ended).await? {
            return Err(OperateError::Lost);
        }
        tracing::warn!(order.key = %ended.key, order.status = ended.status().as_str(), reason, "an order was ended by a person");
        Ok(ended)
    }

    async fn mapped(&self, record: &OrderRecord) -> Result<Option<Arc<Location>>, PortError> {
        self.directory.location(record.order.organization_id(), record.order.location_id()).await
    }

    fn context<'c>(&'c self, mapped: Option<&'c Location>) -> Context<'c> {
        Context {
            now: self.clock.now(),
            policy: &self.policy,
            mapped,
            by: Actor::Person,
            lease: self.policy.worker_lease(),
            function_timeout: WORKER_FUNCTION_TIMEOUT,
            write_id: self.clock.fresh_id(),
            random: self.clock.random(),
        }
    }
}
