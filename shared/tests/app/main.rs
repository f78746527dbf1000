//! The use cases against fakes with state, in virtual time (`posnext_fakes`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod accept;
mod by_person;
mod clocks;
mod deliver;
mod guarding;
mod pinned;
mod premises;
mod process;
mod read;
mod recover;
