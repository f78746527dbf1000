//! The use cases. Each may use only the ports it needs, in types (`world`) as its function does in IAM.

pub mod accept;
pub mod announce;
mod by_person;
pub mod caller;
pub mod carry;
pub mod check;
pub mod deliver;
pub mod heal;
mod in_step;
pub mod lately;
pub mod limits;
pub mod menus;
pub mod moment;
pub mod operate;
pub mod ports;
pub mod process;
pub mod read;
pub mod recover;
pub mod watch;
pub mod world;

use crate::domain::ids::OrderKey;

/// Target of the events that tell a metric: numbers are its values (a name ends in its unit, or counts), texts stand beside.
pub const METRICS: &str = "metrics";

/// Says that a function's time is nearly over, and what is done about it.
pub fn near_timeout(order: Option<&OrderKey>, done: &str) {
    tracing::info!(target: METRICS, TimeoutsNear = 1);
    let key = order.map(tracing::field::display);
    tracing::error!(alarm = "near_timeout", order.key = key, done, "the time-out of the function is near");
}
