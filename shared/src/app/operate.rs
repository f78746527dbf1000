//! How an operator looks at one order. What is done to it is done by process-order (`by_person`).

use std::sync::Arc;

use super::{
    ports::{Clock, Directory, PortError, ReadOrder},
    world::{Operates, World},
};
use crate::domain::{
    by_hand::{self, Earliest},
    directory::Location,
    history::Actor,
    ids::OrderKey,
    machine::Context,
    policy::{Policy, WORKER_FUNCTION_TIMEOUT},
    record::{OrderRecord, Row},
};

/// Why an order cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// No such order.
    #[error("there is no order {0}; it is the tenant, # and the request_uid, as the log lines and the list have it")]
    Unknown(OrderKey),
    /// The table failed.
    #[error("{0}; look at the order again before anything else")]
    Port(#[from] PortError),
}

/// The use case and its ports.
#[derive(Debug)]
pub struct Operate<W: World> {
    /// The table.
    pub orders: W::Orders,
    /// Where the order's location stands, with what its POS promises.
    pub directory: W::Directory,
    /// The time.
    pub clock: W::Clock,
    /// The times an order moves by.
    pub policy: Policy,
}

impl<W: Operates> Operate<W> {
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

    /// From when on a person may end an order; `None` once it is final.
    ///
    /// # Errors
    /// [`OperateError::Port`] when its location cannot be looked up.
    pub async fn earliest(&self, record: &OrderRecord) -> Result<Option<Earliest>, OperateError> {
        Ok(by_hand::earliest(record, &self.context(self.mapped(record).await?.as_deref())))
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
