//! The short way into a placement: a worker takes the lease of an order that waits for one by a single conditional write, without
//! reading the row first. It is the very transition that [`machine::advance`] makes of such a row. A row that stands otherwise is
//! left alone and comes back, for `advance` to decide.

use super::{
    history::{HistoryEntry, Step},
    ids::OrderKey,
    machine::{self, Action, Context},
    record::{HISTORY_CAP, Lease, OrderRecord, State},
    status::Stage,
    time::UnixMillis,
};

/// A lease to be taken for a placement, as a write that knows nothing of the row but its version.
#[derive(Debug, Clone)]
pub struct Take {
    /// Which order.
    pub key: OrderKey,
    /// The version it must have.
    pub version: u64,
    /// Id of the write.
    pub write_id: String,
    /// The lease.
    pub lease: Lease,
    /// The order's deadline must not be earlier: a placement would end after it.
    pub earliest_deadline: UnixMillis,
    /// What is noted of it.
    pub entry: HistoryEntry,
}

impl Take {
    /// The most entries a history may have that is added to without dropping one.
    pub const LONGEST_HISTORY: usize = HISTORY_CAP - 1;

    /// A lease from now on.
    #[must_use]
    pub fn new(key: OrderKey, version: u64, ctx: &Context<'_>) -> Self {
        Self {
            key,
            version,
            write_id: ctx.write_id.clone(),
            lease: machine::lease(Action::Place, ctx),
            earliest_deadline: ctx.now.plus(ctx.policy.pos_limit),
            entry: HistoryEntry { at: ctx.now, by: ctx.by, step: Step::Placing, cause: None },
        }
    }

    /// The row once it is taken; `None` if it may not be: somebody works on it, something about it is unknown, there is no time
    /// for a placement, or its history is full.
    #[must_use]
    pub fn take(&self, mut record: OrderRecord) -> Option<OrderRecord> {
        let State::Open(open) = &mut record.state else { return None };
        let waits = open.lease.is_none() && open.unknown_until.is_none() && !open.cancelling && open.person.is_none();
        let in_time = record.deadline >= self.earliest_deadline;
        if !waits || !in_time || record.version != self.version || record.history.len() > Self::LONGEST_HISTORY {
            return None;
        }
        open.lease = Some(self.lease);
        open.due_at = self.lease.until;
        open.stage = Stage::Placing;
        record.version += 1;
        record.write_id.clone_from(&self.write_id);
        record.attempts += 1;
        record.history.push(self.entry.clone());
        Some(record)
    }
}

#[cfg(test)]
#[path = "take_tests.rs"]
mod tests;
