//! What Lambda does to a function between two instructions, done to the functions' own binaries: the process is
//! stopped, its network cut, its monotonic clock held, while the wall clock goes on. And POS systems whose window is
//! shut, behind which a request waits in the kernel of a function that has given it up.
//!
//! A mere SIGSTOP would prove nothing: the kernel sends on for a stopped process, and no clock stands still. So what
//! a function says goes through a relay that can be shut, and its clocks come from a library that is loaded before
//! the C library's (`tests/frozen/clock`).
//!
//! The POS is played here, to the letter of the connector's contract, and by the wall clock of the test. It promises
//! `find` alone, with a `settle_s` of 1 s, and makes a meal of each PUT that reaches it whole and in time: what
//! reaches it twice is two meals.

mod ages;
mod date;
mod given_up;
mod late;
mod pos;
mod process;
mod relay;
mod thawed;
mod world;

use std::{future::Future, time::Duration};

/// How long a test waits for what must come. No test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// What comes of this, in time.
async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}
