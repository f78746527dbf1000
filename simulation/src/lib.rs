//! Any disaster, replayed from one number. The functions' own code runs over tables, queues, POS systems and callers in
//! memory, in virtual time, and one seed decides what happens when, and what goes wrong (docs/simulation.md).

mod answers;
mod aws;
mod callers;
mod clock;
pub mod command;
mod dice;
mod faults;
mod fleet;
mod judge;
mod many;
mod operators;
mod paid;
mod pos;
mod process;
mod rules;
mod run;
mod shrink;
mod sim;
mod taken;
mod wire;
mod world;

pub use faults::Fault;
pub use many::{Summary, many};
pub use rules::{Change, Rule};
pub use run::{Ended, ORDERS, Options, run};
pub use shrink::shrink;
pub use sim::Harm;
pub use taken::{Found, Search, Taken};
