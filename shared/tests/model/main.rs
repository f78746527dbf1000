//! The life of one order, explored whole. The product's own state machine (`domain/machine.rs`) is driven through every
//! order of steps of one submit (which PAR repeats until something is stored), two workers and recovery, over a table, a
//! queue and a POS that do the worst they may, at every second up to the order's deadline and at every moment that counts
//! after it. Faults are not counted: every process may stop at any step, every write may go unanswered, every message may
//! come often, late or never, every request at the POS may take effect long after its caller is gone, and every answer may be
//! replaced by an older one or by none that counts (`proxy.rs`). The space is finite all the same, since times are kept
//! relative to now and versions relative to the stored one.
//!
//! What bounds it: one order; two workers and one submit at a time, and two submits in all (`MAX_SUBMITS`); two requests in
//! flight whose callers are gone (`MAX_FLYING`, of which a property says that they are enough); one write on its way at a
//! time (`table.rs` says why that is enough); spans of time of a few seconds (`Times`); delays by chance at either end of
//! their range (`RANDOM`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(unreachable_pub, reason = "all of it is one test")]

mod by_person;
mod drain;
mod explore;
mod figures;
mod guard;
mod guard_product;
mod guard_state;
mod guarded;
mod hand;
mod mapping;
mod model;
mod person;
mod pos;
mod premises;
mod product;
mod projection;
mod properties;
mod proxy;
mod remapped;
mod state;
mod table;
mod tidy;
mod time;
