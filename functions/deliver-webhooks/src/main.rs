//! The consumer of the webhooks' queue on Lambda.

use std::convert::Infallible;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use posnext_aws::wiring;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = wiring::start()?.deliver().ok_or("POSNEXT_WEBHOOKS_QUEUE_URL must be set: there is nothing to deliver")?;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let remaining = wiring::remaining(event.context.deadline());
        Ok::<_, Infallible>(function.handle(event.payload, remaining).await)
    }))
    .await
}
