//! What puts a deployment to the proof: PAR's integration checklist, load, faults.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod certify;
pub mod faults;
pub mod lambda;
pub mod load;
pub mod orders;
pub mod progress;
