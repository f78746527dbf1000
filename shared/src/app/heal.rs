//! Healing: an order that has stopped moving is handed off again. One conditional write moves its due time, so that of
//! many who see it only one sends; the version stays, so that a live holder is not fenced off
//! (docs/lifecycle.md#healing).

use std::time::Duration;

use super::{
    in_step::out_of_step,
    ports::{Clock, NudgeOrder, OrderMessage, PortError, SendOrder},
};
use crate::domain::{machine, record::OrderRecord};

/// Hands the order off again if it is due, by a clock that may be believed. `true` if a message was sent.
///
/// # Errors
/// [`PortError`] when the write or the message failed; the new due time, if it was written, brings the order back.
pub async fn heal<O: NudgeOrder, Q: SendOrder, C: Clock>(
    orders: &O,
    queue: &Q,
    record: &OrderRecord,
    clock: &C,
) -> Result<bool, PortError> {
    if out_of_step(clock).is_some() {
        return Ok(false);
    }
    let now = clock.now();
    let (Some(new_due_at), Some(open)) = (machine::heal(record, now), record.open()) else { return Ok(false) };
    if !orders.nudge(&record.key, record.version, open.due_at, new_due_at).await? {
        return Ok(false);
    }
    tracing::warn!(order.key = %record.key, order.version = record.version, "order had stopped moving; handed off again");
    queue.send(&OrderMessage::about(record), Duration::ZERO).await?;
    Ok(true)
}
