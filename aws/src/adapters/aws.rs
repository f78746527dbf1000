//! The AWS clients: one HTTP client on rustls and ring for all of them, and time-outs that the SDK does not set by itself.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, ConfigLoader, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::config::{SharedCredentialsProvider, SharedHttpClient};

use super::{aws_http, connect::Connect};
use posnext_shared::domain::policy::{DELIVERY_SEND_LIMIT, SEND_LIMIT, STORAGE_LIMIT};

/// Certificates of Amazon Trust Services, which sign every AWS endpoint. Parsing the system's 140 roots instead would
/// cost a cold start 9 M instructions.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// Name resolution, TCP and TLS of a function to a service: both are in one region.
const CONNECT_LIMIT: Duration = Duration::from_millis(400);
/// The same of the command line, wherever in the world it runs.
const CONNECT_LIMIT_FROM_AFAR: Duration = Duration::from_secs(10);

/// The same for SQS, with less patience than a table gets: a message that is not sent costs no order (the row is the
/// outbox), and a submit waits for it.
#[must_use]
pub fn for_messages(config: &SdkConfig) -> SdkConfig {
    let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
    config.to_builder().timeout_config(timeouts.operation_timeout(SEND_LIMIT).build()).build()
}

/// The same for the queue of deliveries, with the patience of something that nobody waits for.
#[must_use]
pub fn for_deliveries(config: &SdkConfig) -> SdkConfig {
    let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
    let timeouts = timeouts.operation_attempt_timeout(DELIVERY_SEND_LIMIT / 2).operation_timeout(DELIVERY_SEND_LIMIT);
    config.to_builder().timeout_config(timeouts.build()).build()
}

/// The same for a service that has an endpoint of its own (`AWS_ENDPOINT_URL_<SERVICE>`, or `AWS_ENDPOINT_URL` for all).
#[must_use]
pub fn at_endpoint_of(service: &str, config: &SdkConfig) -> SdkConfig {
    let endpoint = endpoint_of(service).or_else(|| variable("AWS_ENDPOINT_URL"));
    let mut builder = config.to_builder();
    builder.set_endpoint_url(endpoint);
    builder.build()
}

/// The endpoint that is set for a service alone.
#[must_use]
pub fn endpoint_of(service: &str) -> Option<String> {
    variable(&format!("AWS_ENDPOINT_URL_{service}"))
}

/// A function's SDK configuration: region and credentials stand in the environment, where Lambda puts them. The chain that
/// looks for them in profiles, containers and instances is not linked: a cold start would pay for it, and for the asking.
/// `roots` (PEM) replaces Amazon's certificates, for a proxy or a test.
///
/// # Errors
/// A sentence when the region is missing or the certificates cannot be used.
pub fn on_lambda(roots: Option<&[u8]>) -> Result<SdkConfig, String> {
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.ok_or("AWS_REGION is not set: Lambda sets it; elsewhere name the region of the tables and queues")?;
    let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    let builder = fixed(Region::new(region), credentials, roots, CONNECT_LIMIT)?
        .to_builder()
        .use_fips(is_true("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(is_true("AWS_USE_DUALSTACK_ENDPOINT"));
    Ok(builder.build())
}

/// A function's SDK configuration of which nothing stands in the environment: no variable leads it elsewhere.
///
/// # Errors
/// A sentence when the certificates cannot be used.
pub fn fixed(
    region: Region,
    credentials: SharedCredentialsProvider,
    roots: Option<&[u8]>,
    connect_limit: Duration,
) -> Result<SdkConfig, String> {
    Ok(over(http_client(roots, connect_limit)?, region, credentials))
}

/// The same over any HTTP client.
#[must_use]
pub fn over(http_client: SharedHttpClient, region: Region, credentials: SharedCredentialsProvider) -> SdkConfig {
    let builder = SdkConfig::builder()
        .behavior_version(behavior())
        .region(region)
        .credentials_provider(credentials)
        .http_client(http_client)
        .timeout_config(timeouts())
        .retry_config(retries())
        // Every operation has a time-out that is shorter than the grace of a stalled stream.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    builder.build()
}

/// What the command line's SDK configuration starts from: region and credentials as the AWS CLI finds them.
///
/// # Errors
/// A sentence when the certificates cannot be used.
pub fn defaults(roots: Option<&[u8]>) -> Result<ConfigLoader, String> {
    let loader = aws_config::defaults(behavior()).http_client(http_client(roots, CONNECT_LIMIT_FROM_AFAR)?);
    Ok(loader.timeout_config(timeouts()).retry_config(retries()))
}

fn http_client(roots: Option<&[u8]>, limit: Duration) -> Result<SharedHttpClient, String> {
    Ok(aws_http::http_client(Connect::trusting(roots.unwrap_or(AMAZON_ROOTS), limit)?))
}

/// Pinned: another is taken on purpose.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(600)).operation_timeout(STORAGE_LIMIT).build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_true(name: &str) -> bool {
    variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
