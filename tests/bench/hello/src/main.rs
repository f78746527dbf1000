//! A function that does nothing: what is left of a measurement is what the platform's own crates cost.

use std::convert::Infallible;

use lambda_http::{Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: Request| Ok::<_, Infallible>(Response::new("hello".to_owned())))).await
}
