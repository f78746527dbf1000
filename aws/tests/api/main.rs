//! What a caller of the API gets: statuses, headers, signatures, bodies. Each test sends requests to the endpoints' own handlers,
//! over fakes in memory and in virtual time (`support`). The same over real services is in `tests/product`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod bad_input;
mod callers;
mod contract_settings;
mod guard;
mod late;
mod menu_changes;
mod menus;
mod oddities;
mod polling;
mod support;
mod validate;
mod watching;
