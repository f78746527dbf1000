//! Finds orders that have stopped moving and hands them off again; tells how old the oldest open order is.

use std::time::Duration;

use futures_util::StreamExt;

use super::{
    heal::heal,
    ports::{Clock, ListOpen, OpenEntry, PortError, ReadOrder},
    world::{Recovers, World},
};
use crate::domain::{ids::OrderKey, policy::Policy, record::Row, time::UnixMillis};

/// Open orders looked at in one run. What is left is the next run's, a minute later.
const RUN_LIMIT: usize = 8_000;
/// Orders worked on at a time.
const AT_ONCE: usize = 16;

/// What a run found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Open orders seen.
    pub open: usize,
    /// Of these, due: they have stopped moving.
    pub due: usize,
    /// Of these, handed off again.
    pub handed_off: usize,
    /// Orders that could not be read or handed off; the next run tries again.
    pub failed: usize,
    /// Orders that are past their deadline or wait for a person.
    pub overdue: usize,
    /// Orders that wait for a person.
    pub need_person: usize,
    /// Age of the oldest open order seen.
    pub oldest_open: Duration,
}

#[derive(Debug)]
struct Looked {
    overdue: bool,
    needs_person: bool,
    healed: Result<bool, PortError>,
}

/// The use case and its ports.
#[derive(Debug)]
pub struct Recover<W: World> {
    /// The table.
    pub orders: W::Orders,
    /// The queue.
    pub queue: W::Queue,
    /// The time.
    pub clock: W::Clock,
    /// The times an order moves by.
    pub policy: Policy,
}

impl<W: Recovers> Recover<W> {
    /// One run, which ends by itself before `time` is over.
    ///
    /// # Errors
    /// [`PortError`] when the index cannot be read. A single order that fails is counted and left to the next run.
    pub async fn run(&self, time: Duration) -> Result<Report, PortError> {
        let began = tokio::time::Instant::now();
        let entries = self.orders.list_open(RUN_LIMIT).await?;
        let now = self.clock.now();
        let oldest_open = entries.iter().map(|entry| now.since(entry.accepted_at)).max().unwrap_or_default();
        let mut report = Report { open: entries.len(), oldest_open, ..Report::default() };
        // What is past its deadline is looked at as well, due or not: somebody must be told of it.
        let late = now.minus(self.policy.order_deadline);
        let due = |entry: &OpenEntry| entry.due_at <= now;
        report.due = entries.iter().filter(|entry| due(entry)).count();
        let keys: Vec<OrderKey> =
            entries.into_iter().filter(|entry| due(entry) || entry.accepted_at <= late).map(|entry| entry.key).collect();
        let mut turns = futures_util::stream::iter(keys).map(|key| self.look_at(key, now)).buffer_unordered(AT_ONCE);
        while let Ok(Some(looked)) = tokio::time::timeout(time.saturating_sub(began.elapsed()), turns.next()).await {
            report.overdue += usize::from(looked.overdue);
            report.need_person += usize::from(looked.needs_person);
            match looked.healed {
                Ok(sent) => report.handed_off += usize::from(sent),
                Err(_) => report.failed += 1,
            }
        }
        Ok(report)
    }

    async fn look_at(&self, key: OrderKey, now: UnixMillis) -> Looked {
        // Only the key of the index counts; what is true stands in the row.
        let record = match self.orders.read(&key).await {
            Ok(Some(Row::Order(record))) => record,
            Ok(_) => return Looked { overdue: false, needs_person: false, healed: Ok(false) },
            Err(error) => {
                tracing::error!(alarm = "unreadable_order", order.key = %key, %error, "an open order cannot be read");
                return Looked { overdue: false, needs_person: false, healed: Err(error) };
            }
        };
        let needs_person = record.open().is_some_and(|open| open.person.is_some());
        let overdue = needs_person || record.open().is_some_and(|_| record.deadline < now);
        if overdue {
            let reason = record.open().and_then(|open| open.person).map(tracing::field::display);
            tracing::error!(alarm = "open_past_deadline", order.key = %record.key, reason, "an order is open past its deadline");
        }
        let healed = heal(&self.orders, &self.queue, &record, &self.clock).await;
        if let Err(error) = &healed {
            tracing::error!(order.key = %key, %error, "a due order could not be handed off; the next run tries again");
        }
        Looked { overdue, needs_person, healed }
    }
}
