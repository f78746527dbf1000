//! Messages to WebSocket connections, through API Gateway's management of connections (AWS: "Use @connections commands").

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_apigatewaymanagement::{Client, primitives::Blob};

use super::causes;
use posnext_shared::app::ports::{Push, Pushed};

/// One message, tries and all: the shard of the stream waits for it.
const PUSH_LIMIT: Duration = Duration::from_secs(2);

/// Of a connection that is no more (AWS: "PostToConnection", GoneException).
const GONE: u16 = 410;

/// The connections of one WebSocket API.
#[derive(Debug, Clone)]
pub struct Connected(Client);

impl Connected {
    /// Those behind `endpoint`, `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
    #[must_use]
    pub fn at(config: &SdkConfig, endpoint: &str) -> Self {
        let timeouts = config.timeout_config().map(|timeouts| timeouts.to_builder()).unwrap_or_default();
        let timeouts = timeouts.operation_timeout(PUSH_LIMIT).build();
        // On the client: an endpoint that the environment names for all of AWS is another.
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(config).endpoint_url(endpoint).timeout_config(timeouts);
        Self(Client::from_conf(config.build()))
    }
}

impl Push for Connected {
    async fn push(&self, id: &str, message: &str) -> Pushed {
        match self.0.post_to_connection().connection_id(id).data(Blob::new(message)).send().await {
            Ok(_) => Pushed::Sent,
            Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == GONE) => Pushed::Gone,
            Err(error) => Pushed::Failed(causes(&error)),
        }
    }
}
