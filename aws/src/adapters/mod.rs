//! The ports over the AWS SDK and HTTP, one client each. Adapters do not know each other.

pub mod aws;
mod aws_http;
pub mod clock;
mod connect;
pub mod connections;
pub mod directory;
pub mod directory_admin;
#[cfg(test)]
mod golden;
pub mod http_pos;
pub mod menu_table;
pub mod order_item;
pub mod orders;
mod pinned_item;
pub mod pos;
pub mod push;
pub mod queue;
pub mod sandbox;
pub mod secrets;
pub mod subscribers;
pub mod webhooks;

use std::{
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::error::SdkError;

use posnext_shared::{
    app::ports::PortError,
    domain::time::{UnixMillis, millis},
};

/// What the machine's wall clock says.
fn wall_clock() -> UnixMillis {
    UnixMillis(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// A failed SDK call. The SDK's own rendering is not used: it prints raw responses, and with them secrets and orders.
fn unavailable<E: Error + 'static, R: std::fmt::Debug + 'static>(error: &SdkError<E, R>) -> PortError {
    PortError::Unavailable(causes(error))
}

/// An error and its causes, each in its own words.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
