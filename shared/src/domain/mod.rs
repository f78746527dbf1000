//! The order and the rules about it. Nothing here knows AWS, HTTP, a clock or the environment: time, fresh ids and
//! randomness come in as arguments.

pub mod ability;
pub mod address;
pub mod answer;
pub mod breaker;
pub mod by_hand;
pub mod canonical;
pub mod check;
pub mod contract;
pub mod details;
pub mod directory;
pub mod guard;
pub mod history;
pub mod ids;
pub mod json_text;
pub mod machine;
#[cfg(test)]
mod machine_unknown_tests;
pub mod menu;
pub mod money;
mod number;
pub mod older;
pub mod order;
pub mod pinned;
pub mod policy;
pub mod processing;
pub mod rate;
pub mod record;
pub mod sellable;
pub mod signature;
pub mod status;
mod sums;
pub mod take;
pub mod time;
pub mod token;
pub mod trace;
pub mod watch;
pub mod webhook;
pub mod words;
