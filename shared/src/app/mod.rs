//! The use cases. Each holds only the ports it needs, in types as its function does in IAM.

pub mod accept;
pub mod caller;
pub mod carry;
pub mod check;
pub mod heal;
pub mod limits;
pub mod menus;
pub mod operate;
pub mod ports;
pub mod process;
pub mod read;
pub mod recover;

/// Target of the events that tell a metric: numbers are its values (a name ends in its unit, or counts), texts stand beside.
pub const METRICS: &str = "metrics";

#[cfg(test)]
mod tests;
