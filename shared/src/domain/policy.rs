//! The times an order moves by (docs/lifecycle.md#time). Budgets are sums; [`Policy::new`] makes them fit.

use std::time::Duration;

use super::{
    order::Order,
    status::{ErrorCode, OrderError},
    time::{UnixMillis, unix_seconds},
};

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

/// So much sooner than its row may be forgotten, a request is too old to be a new order (docs/contract.md#u22).
pub const FORGOTTEN_MARGIN: Duration = Duration::from_hours(24);
/// How far ahead of us a request may be dated. The farthest time zone is 14 h ahead of UTC, in case a local time is called
/// UTC; the rest is for clocks. It must be less than [`FORGOTTEN_MARGIN`]: a row is kept from its end, which may be this
/// long before the date.
pub const FARTHEST_AHEAD: Duration = Duration::from_hours(15);

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

    /// Whether an order of this date would still be known here, if it had been sent before. A row is kept for the retention
    /// after the order's end, and no order ends before it is sent.
    ///
    /// # Errors
    /// It may have been made and forgotten, or is dated so far ahead that it could be sent again after it was.
    pub fn would_be_known(&self, order: &Order, now: UnixMillis) -> Result<(), OrderError> {
        // What is no date was refused before.
        let Some(sent) = unix_seconds(order.request_datetime()) else { return Ok(()) };
        let age = now.seconds().saturating_sub(sent);
        let message = if age > seconds(self.retention.saturating_sub(FORGOTTEN_MARGIN)) {
            let days = self.retention.saturating_sub(FORGOTTEN_MARGIN).as_secs() / 86_400;
            format!(
                "`request_datetime` is more than {days} days ago: this order may have been made then, and be forgotten here; \
                 if it was never made, send it with the time of now, and signed with that"
            )
        } else if age < -seconds(FARTHEST_AHEAD) {
            let hours = FARTHEST_AHEAD.as_secs() / 3_600;
            format!("`request_datetime` is more than {hours} hours ahead of our clock; send the time of now, and sign with that")
        } else {
            return Ok(());
        };
        Err(OrderError::field(ErrorCode::InvalidField, "request_datetime", message))
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

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(Duration::from_mins(1), Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Body;

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

    fn dated(date: &str) -> Order {
        let text = format!(
            r#"{{"request_uid":"u","organization_id":"O","location_id":"L","request_datetime":"{date}","order_details":{{}}}}"#
        );
        Body::parse(text.as_bytes()).unwrap().into_order().unwrap()
    }

    #[test]
    fn an_order_that_may_have_been_forgotten_is_told_what_to_do() {
        let policy = Policy::default();
        let order = dated("2025-03-15T16:30:45.999+02:00");
        let sent = UnixMillis(1_742_049_045_000);
        let day = Duration::from_hours(24);
        let at = |now: UnixMillis| policy.would_be_known(&order, now).map_err(|error| error.message);
        assert_eq!((at(sent), at(sent.plus(29 * day)), at(sent.minus(FARTHEST_AHEAD))), (Ok(()), Ok(()), Ok(())));
        let old = at(sent.plus(29 * day + Duration::from_secs(1))).unwrap_err();
        assert!(old.contains("more than 29 days ago") && old.contains("send it with the time of now"), "{old}");
        let ahead = at(sent.minus(FARTHEST_AHEAD + Duration::from_secs(1))).unwrap_err();
        assert!(ahead.contains("more than 15 hours ahead") && ahead.contains("send the time of now"), "{ahead}");
        for text in ["0000-01-01T00:00:00Z", "9999-12-01T00:00:00Z"] {
            assert!(policy.would_be_known(&dated(text), sent).is_err(), "{text}");
        }
    }

    /// Whatever date an accepted order has: once its row may be gone, its date is too old.
    #[test]
    fn no_accepted_order_is_taken_again_once_its_row_may_be_gone() {
        let sent = UnixMillis(1_742_049_045_000);
        let order = dated("2025-03-15T14:30:45Z");
        for days in [2, 3, 30, 3_650] {
            let policy = Policy { retention: Duration::from_hours(days * 24), ..Policy::default() };
            let mut accepted = 0;
            // It ends as soon as it is accepted: its row is kept no shorter than that. The other clock may differ.
            for minutes in -60 * 24 * 4_i64..60 * 24 * 4 {
                let ended = UnixMillis(sent.0 + minutes * 60_000);
                if policy.would_be_known(&order, ended).is_ok() {
                    accepted += 1;
                    let gone = ended.plus(policy.retention).minus(CLOCK_SKEW);
                    assert!(policy.would_be_known(&order, gone).is_err(), "{days} days, sent {minutes} min before its end");
                }
            }
            assert!(accepted > 60 * 24, "{days} days: {accepted}");
        }
    }

    #[test]
    fn a_short_deadline_shortens_the_pos_limit() {
        let policy = Policy::new(Duration::from_secs(4), Duration::from_millis(500));
        assert_eq!(policy.pos_limit, Duration::from_secs(1));
        assert_eq!(policy.final_write(), Duration::from_millis(150));
    }
}
