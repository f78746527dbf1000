//! Any disaster, replayed from one number. The functions' own code runs over tables, queues, POS systems and callers in
//! memory, in virtual time, and one seed decides what happens when, and what goes wrong (docs/simulation.md).

mod aws;
mod callers;
mod clock;
mod dice;
mod faults;
mod fleet;
mod pos;
mod process;
mod run;
mod sim;
mod world;

pub use faults::Fault;
pub use run::{Ended, ORDERS, Options, run};
pub use sim::Harm;
