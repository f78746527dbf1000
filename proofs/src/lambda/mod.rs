//! Plays Lambda for functions' own binaries: the Runtime API, processes that are frozen between invocations and past their
//! time-out, an account's concurrency, and chains of invocations that are ended.

pub mod chain;
mod clocks;
mod hold;
mod pool;
mod runtime_api;
mod template;
#[cfg(test)]
mod tests;
mod worker;

pub use clocks::Clocks;
pub use hold::Hold;
pub use pool::{Function, Pool, Refused, Start, Surroundings};
pub use runtime_api::Event;
pub use worker::{Failure, Worker};

/// Variables of a process.
pub type Environment = Vec<(String, String)>;
