//! How long orders of a location have taken lately, as far as this instance has seen: of those that it was asked for while they were
//! pending and once they were final. PAR polls every such order to its end, so it costs neither a read nor a write.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::domain::{
    ids::{OrderKey, ParId},
    record::OrderRecord,
    status::OrderStatus,
};

/// Orders of a location that count.
const LATEST: usize = 15;
/// Fewer say nothing.
const FEWEST: usize = 3;
/// Pending orders, and locations, that are remembered; beyond that all are forgotten and learned anew.
const REMEMBERED: usize = 1_000;

/// The memory.
#[derive(Debug, Default)]
pub struct Lately(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    pending: HashSet<OrderKey>,
    took: HashMap<(ParId, ParId), VecDeque<Duration>>,
}

impl Lately {
    /// Looks at an order that was read.
    pub fn saw(&self, record: &OrderRecord) {
        let memory = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if record.open().is_some() {
            if memory.pending.len() >= REMEMBERED {
                memory.pending.clear();
            }
            memory.pending.insert(record.key.clone());
        } else if memory.pending.remove(&record.key)
            // Why the others ended is no matter of the POS's pace.
            && record.status() != OrderStatus::Errored
            && let Some(end) = record.history.last()
        {
            if memory.took.len() >= REMEMBERED {
                memory.took.clear();
            }
            let took = memory.took.entry(location(record)).or_default();
            if took.len() >= LATEST {
                took.pop_front();
            }
            took.push_back(end.at.since(record.accepted_at));
        }
    }

    /// The median of what the latest orders of this one's location took; `None` while too few are known.
    #[must_use]
    pub fn typical(&self, record: &OrderRecord) -> Option<Duration> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut took: Vec<Duration> = memory.took.get(&location(record))?.iter().copied().collect();
        took.sort_unstable();
        if took.len() < FEWEST { None } else { took.get(took.len() / 2).copied() }
    }
}

fn location(record: &OrderRecord) -> (ParId, ParId) {
    (record.order.organization_id().clone(), record.order.location_id().clone())
}
