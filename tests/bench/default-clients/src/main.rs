//! submit-order as somebody new to it writes it: the same parts, on clients and features as they come, and no warm-up.

// A runtime of several threads asks more of the compiler than the functions' own.
#![recursion_limit = "256"]

use std::convert::Infallible;

use aws_config::BehaviorVersion;
use lambda_http::{Error, Request, run, service_fn};
use posnext_aws::{
    edge::proxy::Answered,
    settings::Settings,
    wiring::{Aws, Parts},
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Two are linked, the SDK's and the one to the POS, and rustls wants to be told which.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let parts = Parts::new(Settings::from_env()?, &Aws { dynamodb: sdk.clone(), sqs: sdk.clone(), secrets: sdk });
    let function = parts.submit();
    run(service_fn(async |request: Request| Ok::<_, Infallible>(Answered(function.handle(request).await)))).await
}
