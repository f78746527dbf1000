//! The consumer of the work queue on Lambda, and the hands of a person who ends an order.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use posnext_aws::{edge::queue::Invocation, wiring};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let parts = wiring::start()?;
    parts.warm_up_orders().await;
    let function = parts.process();
    run(service_fn(async |event: LambdaEvent<Invocation>| {
        let remaining = wiring::remaining(event.context.deadline());
        function.invoke(event.payload, remaining).await
    }))
    .await
}
