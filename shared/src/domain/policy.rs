//! The times an order moves by (docs/lifecycle.md#time). Budgets are sums; [`Policy::new`] makes them fit.

use std::time::Duration;

/// One storage call, the SDK's own retries included.
pub const STORAGE_LIMIT: Duration = Duration::from_secs(1);
/// One message sent.
pub const SEND_LIMIT: Duration = Duration::from_millis(500);
/// One message about a delivery of a webhook: nobody waits for it, and one that was sent all the same makes one delivery two.
pub const DELIVERY_SEND_LIMIT: Duration = Duration::from_secs(5);
/// One find or cancel at the POS.
pub const ASK_LIMIT: Duration = Duration::from_secs(3);
/// One menu fetched from a POS.
pub const MENU_LIMIT: Duration = Duration::from_secs(8);
/// How far two machines' clocks may differ.
pub const CLOCK_SKEW: Duration = Duration::from_secs(3);
/// How long after a hand-off a message may take before the order counts as lost on the way.
pub const HANDOFF_GRACE: Duration = Duration::from_secs(15);
/// How often an order that waits for a person is looked at again.
pub const PERSON_INTERVAL: Duration = Duration::from_secs(900);
/// The longest a queue delays a message (SQS: DelaySeconds <= 900).
pub const MAX_DELAY: Duration = Duration::from_secs(900);
/// Left of its time when a function gives up what is under way and writes down where the order stands: a write, a message, and a little.
pub const NEAR_TIMEOUT: Duration = Duration::from_millis(2_000);
/// Left of its time when a function answers that it cannot, rather than be stopped without an answer.
pub const LAST_ANSWER: Duration = Duration::from_millis(400);
/// Time-out of submit-order and get-order in the template.
pub const API_FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest that a poll may hold its answer (RFC 7240 `wait`): within the time-out, with room to read once more and answer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Time-out of process-order and recover-orders in the template.
pub const WORKER_FUNCTION_TIMEOUT: Duration = Duration::from_secs(30);

const POS_LIMIT: Duration = Duration::from_secs(10);

/// The settings among the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// From acceptance to the end of placing (default 60 s).
    pub order_deadline: Duration,
    /// From request to answer of a submit (default 5 s).
    pub answer_deadline: Duration,
    /// One place by a worker.
    pub pos_limit: Duration,
    /// How long a final row is kept (default 30 days).
    pub retention: Duration,
    /// How long one online order is guarded against a second `request_uid` (default 24 h).
    pub guard: Duration,
}

impl Policy {
    /// Makes the budgets fit: a worker's POS limit is never more than a quarter of the order's deadline, so that retries fit.
    #[must_use]
    pub fn new(order_deadline: Duration, answer_deadline: Duration) -> Self {
        Self {
            order_deadline,
            answer_deadline,
            pos_limit: POS_LIMIT.min(order_deadline / 4),
            retention: Duration::from_hours(30 * 24),
            guard: Duration::from_hours(24),
        }
    }

    /// Kept free at the end of a submit for its final write, or its hand-off: a write and a message.
    #[must_use]
    pub fn final_write(&self) -> Duration {
        (STORAGE_LIMIT + SEND_LIMIT).min(self.answer_deadline * 3 / 10)
    }

    /// Lease of a submit: its whole budget, and the skew.
    #[must_use]
    pub fn submit_lease(&self) -> Duration {
        self.answer_deadline + CLOCK_SKEW
    }

    /// What one turn of a worker may take: lease, find, write, place or cancel, final write, message.
    #[must_use]
    pub fn worker_budget(&self) -> Duration {
        STORAGE_LIMIT + ASK_LIMIT + STORAGE_LIMIT + self.pos_limit.max(ASK_LIMIT) + STORAGE_LIMIT + SEND_LIMIT
    }

    /// Lease of a worker: its whole budget, and the skew.
    #[must_use]
    pub fn worker_lease(&self) -> Duration {
        self.worker_budget() + CLOCK_SKEW
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(Duration::from_mins(1), Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_budgets_are_sums_that_fit() {
        let policy = Policy::default();
        assert!(STORAGE_LIMIT + policy.final_write() < policy.answer_deadline);
        assert!(policy.answer_deadline < API_FUNCTION_TIMEOUT);
        // The message is read once before the lease is taken.
        assert!(STORAGE_LIMIT + policy.worker_budget() < WORKER_FUNCTION_TIMEOUT);
        assert!(policy.pos_limit * 4 <= policy.order_deadline);
        assert!(STORAGE_LIMIT + SEND_LIMIT + LAST_ANSWER < NEAR_TIMEOUT);
        // At its end the order is read once more, by a second name perhaps, and handed off again if it has stopped.
        assert!(LONGEST_WAIT + 3 * STORAGE_LIMIT + SEND_LIMIT < API_FUNCTION_TIMEOUT - LAST_ANSWER);
        // The table of docs/decisions/0008.
        assert_eq!(policy.worker_budget(), Duration::from_millis(1_000 + 3_000 + 1_000 + 10_000 + 1_000 + 500));
        assert_eq!(policy.worker_lease() - policy.worker_budget(), Duration::from_secs(3));
        assert_eq!(policy.submit_lease() - policy.answer_deadline, Duration::from_secs(3));
    }

    #[test]
    fn a_short_deadline_shortens_the_pos_limit() {
        let policy = Policy::new(Duration::from_secs(4), Duration::from_millis(500));
        assert_eq!(policy.pos_limit, Duration::from_secs(1));
        assert_eq!(policy.final_write(), Duration::from_millis(150));
    }
}
