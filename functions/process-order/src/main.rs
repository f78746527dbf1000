//! The consumer of the work queue on Lambda.

use std::convert::Infallible;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use posnext_aws::wiring;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let parts = wiring::start()?;
    parts.warm_up_orders().await;
    let function = parts.process();
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let remaining = wiring::remaining(event.context.deadline());
        Ok::<_, Infallible>(function.handle(event.payload, remaining).await)
    }))
    .await
}
