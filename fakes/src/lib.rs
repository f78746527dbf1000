//! Fakes of the ports, with state and in memory: for tests of the use cases, and of the edge by its requests and answers.
//!
//! | fake | of |
//! |---|---|
//! | [`Fake`] | the orders table, the queues, the POS, the clock and the dice |
//! | [`Mapped`] | the directory, its secrets, the menus |
//! | [`FakeWorld`] | their types, as the world of a use case |
//!
//! Time is tokio's, so that a test with `start_paused` waits for nothing. That what stands behind the real ports keeps the same
//! contracts is shown by tests of the adapters and of the product.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod directory;
mod outside;
mod played;
mod table;
mod world;

pub use directory::{Here, Mapped, MappedInner, OneLocation, Unreadable};
pub use world::{Fake, FakeWorld, Fault, Inner, all, done, key, location, mapped, new};
