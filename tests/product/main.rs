//! Everything that runs the product from outside: the real binary over HTTP, the functions' handlers over the local
//! services, and what must hold of the tree as a whole.
//!
//! Answers are checked with a few lines of its own (`support`), never with the product's signing code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod board;
mod book;
mod bootstraps;
mod callers;
mod certify;
mod clients;
mod command;
mod connector;
mod connector_closes;
mod connector_product;
mod connector_requests;
mod connector_socket;
mod dependencies;
mod docs;
mod events;
mod faults;
mod flood;
#[cfg(target_os = "linux")]
mod frozen;
mod gateway;
mod kept;
mod lambda;
mod layers;
mod limits;
mod load;
mod logs;
mod loops;
mod menu_changes;
mod menus;
mod metrics;
mod oddities;
mod onboarding;
mod openapi;
mod operate;
mod played_pos;
mod polling;
mod privileges;
mod readme;
mod restart;
mod rotation;
mod runbook;
mod runtime;
mod sandbox;
mod settings;
mod sockets;
mod storage;
mod stub_pos;
mod support;
mod template;
mod tenants;
mod tls_pos;
mod validate;
mod walk;
mod watching;
mod webhooks;
