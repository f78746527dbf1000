//! The WebSocket API on Lambda.

use std::convert::Infallible;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use posnext_aws::wiring;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let parts = wiring::start()?;
    parts.warm_up().await;
    let function = parts.watch().ok_or(
        "POSNEXT_CONNECTIONS_TABLE and POSNEXT_CONNECTIONS_ENDPOINT must be set: connections can be neither kept nor answered",
    )?;
    run(service_fn(async |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
        Ok::<_, Infallible>(function.handle(event.payload).await)
    }))
    .await
}
