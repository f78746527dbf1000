//! Recovery, once a minute, on Lambda.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use posnext_aws::{edge::schedule, wiring};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let parts = wiring::start()?;
    parts.warm_up_orders().await;
    let function = parts.recover();
    run(service_fn(async |event: LambdaEvent<EventBridgeEvent>| {
        let remaining = wiring::remaining(event.context.deadline());
        schedule::run(&function, remaining).await.map(|_| ()).map_err(Error::from)
    }))
    .await
}
