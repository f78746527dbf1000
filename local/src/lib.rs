//! posnext on one machine: the whole product over embedded engines, a POS that is played, and a client that plays PAR.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod credentials;
pub mod lambda;
pub mod local;
pub mod output;
pub mod par;
pub mod pos;
pub mod private;
pub mod secret_store;
