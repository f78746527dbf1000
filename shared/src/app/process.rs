//! Carries on an order that was handed off: one queue message, one turn.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    METRICS,
    carry::{Carried, Carrier, Tenure},
    in_step::out_of_step,
    limits::Limits,
    moment::Moment,
    ports::{Aside, Clock, Directory, OrderMessage, PortError, SetAside, TakeOrder, Taken},
    world::{Processes, World},
};
use crate::domain::{
    ability::Placed,
    history::{Actor, Cause},
    machine::{Ignored, Input},
    policy::{CLOCK_SKEW, NEAR_TIMEOUT, Policy, STORAGE_LIMIT, WORKER_FUNCTION_TIMEOUT},
    record::{OrderRecord, Row},
    take::Take,
    time::millis,
};

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Done with; delete it.
    Acknowledge,
    /// Nothing can be done with it, now or later: it was put aside, delete it.
    SetAside,
    /// Leave it to come back.
    Retry(String),
}

/// The use case and its ports.
#[derive(Debug)]
pub struct Process<W: World> {
    /// The table.
    pub orders: W::Orders,
    /// The queues.
    pub queue: W::Queue,
    /// The POS.
    pub pos: W::Pos,
    /// Where locations are mapped.
    pub directory: W::Directory,
    /// The time.
    pub clock: W::Clock,
    /// The times an order moves by.
    pub policy: Policy,
    /// What this instance remembers of each location; that of submits, where one process does both.
    pub limits: Arc<Limits>,
}

impl<W: Processes> Process<W> {
    /// Takes one turn at the order of a message. `remaining` is what the function's own time-out leaves.
    pub async fn process(&self, message: &OrderMessage, remaining: Duration) -> Turn {
        if remaining < STORAGE_LIMIT + self.policy.worker_budget() {
            return Turn::Retry("not enough of the function's time is left for a turn".to_owned());
        }
        if let Some(why) = out_of_step(&self.clock) {
            return Turn::Retry(why);
        }
        let carrier = self.carrier(Actor::Worker, remaining);
        let lease_taken = Moment::now(self.clock.now());
        let take = Take::new(message.key.clone(), message.version, &carrier.context(None));
        let (record, taken) = match self.orders.take(&take).await {
            Ok(Taken::Ours(record)) => (*record, true),
            Ok(Taken::Stands(row)) => match *row {
                Row::Order(record) => (*record, false),
                Row::Alias(_) => return self.aside(Aside::Order(message), "no such order").await,
            },
            Ok(Taken::Absent) => return self.aside(Aside::Order(message), "no such order").await,
            // Trying again reads the same. Recovery goes on naming the order.
            Err(error @ PortError::Corrupt(_)) => return self.aside(Aside::Order(message), &error.to_string()).await,
            Err(error) => return Turn::Retry(error.to_string()),
        };
        let location = self.directory.location(record.order.organization_id(), record.order.location_id()).await;
        let carried = match location {
            Ok(location) if taken => carrier.carry_taken(record, location.as_deref(), lease_taken).await,
            Ok(location) => carrier.carry(record, Input::Delivered { version: message.version }, location.as_deref()).await,
            // The attempt is written and certainly does not begin: given back, it is tried again soon.
            Err(error) if taken => carrier.carry(record, not_started(&error), None).await,
            Err(error) => return Turn::Retry(error.to_string()),
        };
        match carried {
            Carried::Ignored(Ignored::Final) => {
                tracing::info!(order.key = %message.key, "skipped: the order is final");
                Turn::Acknowledge
            }
            Carried::Stored(record) => {
                self.tell(&record);
                Turn::Acknowledge
            }
            Carried::Ignored(_) | Carried::Lost => Turn::Acknowledge,
            Carried::Unwritten(error) => Turn::Retry(error.to_string()),
        }
    }

    /// Carries orders within what the function's own time-out leaves.
    pub(super) fn carrier(&self, by: Actor, remaining: Duration) -> Carrier<'_, W> {
        let tenure = Tenure {
            by,
            lease: self.policy.worker_lease(),
            function_timeout: WORKER_FUNCTION_TIMEOUT + CLOCK_SKEW,
            gives_up_at: Instant::now() + remaining.saturating_sub(NEAR_TIMEOUT),
        };
        Carrier {
            orders: &self.orders,
            queue: &self.queue,
            pos: &self.pos,
            clock: &self.clock,
            policy: &self.policy,
            limits: &self.limits,
            tenure,
        }
    }

    fn tell(&self, record: &OrderRecord) {
        let status = record.status();
        tracing::info!(order.key = %record.key, order.status = status.as_str(), attempts = record.attempts, "order carried on");
        if status.is_final() {
            let took = self.clock.now().since(record.accepted_at);
            tracing::info!(target: METRICS, Attempts = record.attempts, TimeToFinalMilliseconds = millis(took));
        }
    }

    /// Puts a message that can never be worked on aside, at once and with its reason.
    pub async fn aside(&self, what: Aside<'_>, reason: &str) -> Turn {
        match self.queue.set_aside(what, reason).await {
            Ok(()) => Turn::SetAside,
            Err(error) => Turn::Retry(error.to_string()),
        }
    }
}

fn not_started(error: &PortError) -> Input {
    Input::Placed(Placed::NotStarted { cause: Cause::NoMapping(error.to_string()), retry_after: None })
}
