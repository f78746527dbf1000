//! The ports over the AWS SDK and HTTP, one client each. Adapters do not know each other.

pub mod aws;
pub mod clock;
pub mod directory;
pub mod http_pos;
mod order_item;
pub mod orders;
pub mod pos;
pub mod queue;
pub mod sandbox;
pub mod secrets;

use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};

use crate::app::ports::PortError;

/// The chain of causes of a failed SDK call, for the log.
fn unavailable<E, R>(error: &SdkError<E, R>) -> PortError
where
    E: std::error::Error + 'static,
    R: std::fmt::Debug,
{
    PortError::Unavailable(DisplayErrorContext(error).to_string())
}
