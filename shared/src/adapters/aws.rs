//! The AWS clients: one HTTP client on rustls and ring for all of them, and time-outs that the SDK does not set by itself.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

use crate::domain::policy::{SEND_LIMIT, STORAGE_LIMIT};

/// Certificates of Amazon Trust Services, which sign every AWS endpoint. Parsing the system's 140 roots instead would
/// cost a cold start 9 M instructions.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// The same for SQS, with less patience than a table gets: a message that is not sent costs no order (the row is the
/// outbox), and a submit waits for it.
#[must_use]
pub fn for_messages(config: &SdkConfig) -> SdkConfig {
    let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
    config.to_builder().timeout_config(timeouts.operation_timeout(SEND_LIMIT).build()).build()
}

/// What every function's SDK configuration starts from: region and credentials come from the environment, which also
/// understands `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`. `roots` (PEM) replaces Amazon's certificates, for a
/// proxy or a test.
///
/// # Errors
/// A sentence when the certificates cannot be used.
pub fn defaults(roots: Option<&[u8]>) -> Result<ConfigLoader, String> {
    let store = TrustStore::empty().with_pem_certificate(roots.unwrap_or(AMAZON_ROOTS));
    let tls = TlsContext::builder().with_trust_store(store).build().map_err(|error| error.to_string())?;
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(400))
        .operation_attempt_timeout(Duration::from_millis(600))
        .operation_timeout(STORAGE_LIMIT)
        .build();
    Ok(aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50))))
}
