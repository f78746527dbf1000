//! The use cases. Each holds only the ports it needs, in types as its function does in IAM.

pub mod accept;
pub mod caller;
pub mod carry;
pub mod heal;
pub mod ports;
pub mod process;
pub mod read;
pub mod recover;

#[cfg(test)]
mod tests;
