//! `POST /posnext/order/submit` on Lambda.

use std::convert::Infallible;

use lambda_http::{Error, Request, run, service_fn};
use posnext_aws::{edge::proxy::Answered, wiring};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let parts = wiring::start()?;
    parts.warm_up_with_queue().await;
    let function = parts.submit();
    run(service_fn(async |request: Request| Ok::<_, Infallible>(Answered(function.handle(request).await)))).await
}
