//! The reader of the orders table's stream on Lambda.

use std::convert::Infallible;

use aws_lambda_events::dynamodb::Event;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use posnext_aws::wiring;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = wiring::start()?.announce();
    run(service_fn(async |event: LambdaEvent<Event>| {
        let remaining = wiring::remaining(event.context.deadline());
        Ok::<_, Infallible>(function.handle(event.payload, remaining).await)
    }))
    .await
}
