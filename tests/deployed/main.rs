//! The deployment: the real template on a local AWS, the built functions under Lambda's own emulator, and `cargo lambda`.
//!
//! Ignored by default, because they need the AWS tools and what `sam build` has built; `tests/run full` sees to both and runs
//! them, in a network namespace of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod cargo_lambda;
mod emulator;
mod stack;
#[path = "../product/support.rs"]
#[allow(dead_code, reason = "what the tests of the product use besides")]
mod support;
mod tools;
