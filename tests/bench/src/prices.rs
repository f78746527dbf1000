//! What AWS charges, and what has to be assumed beside what is counted. List prices of us-east-1 as AWS's pricing pages had them in November
//! 2025, first tier, no free tier; in millionths of a dollar, so nothing here is a float.

/// A million requests of an HTTP API (aws.amazon.com/api-gateway/pricing).
pub(crate) const API_REQUESTS: u64 = 1_000_000;
/// A million requests of Lambda (aws.amazon.com/lambda/pricing).
pub(crate) const LAMBDA_REQUESTS: u64 = 200_000;
/// A million GB-seconds on arm64.
pub(crate) const LAMBDA_GB_SECONDS: u64 = 13_333_400;
/// A million write units on demand (aws.amazon.com/dynamodb/pricing/on-demand).
pub(crate) const WRITE_UNITS: u64 = 625_000;
/// A million read units on demand.
pub(crate) const READ_UNITS: u64 = 125_000;
/// A million requests of a standard queue (aws.amazon.com/sqs/pricing).
pub(crate) const QUEUE_REQUESTS: u64 = 400_000;
/// A GB of logs taken in (aws.amazon.com/cloudwatch/pricing).
pub(crate) const LOG_GB: u64 = 500_000;
/// A million traces recorded (the same page, X-Ray).
pub(crate) const TRACES: u64 = 5_000_000;
/// A GB sent to the internet (aws.amazon.com/ec2/pricing/on-demand).
pub(crate) const EGRESS_GB: u64 = 90_000;

/// `MemorySize` of the template.
pub(crate) const MEMORY_MB: u64 = 256;
/// Of an invocation but for what it waits for.
pub(crate) const OWN_MS: u64 = 2;
/// Of a call of DynamoDB or SQS, there and back.
pub(crate) const CALL_MS: u64 = 4;
/// Until a POS has answered.
pub(crate) const POS_MS: u64 = 300;
/// START, END and REPORT of an invocation, in bytes: Lambda logs them, too.
pub(crate) const PLATFORM_LOG_BYTES: u64 = 350;
/// A line of the template's access log.
pub(crate) const ACCESS_LOG_BYTES: u64 = 260;
/// What API Gateway adds to an answer: headers of its own, TLS.
pub(crate) const GATEWAY_BYTES: u64 = 200;
/// Invocations that active tracing records, in a thousand: its rule beyond the first a second.
pub(crate) const TRACED_PERMILLE: u64 = 50;
/// What an event source mapping asks of the queue for a message that comes alone: to receive it and to delete it.
pub(crate) const MAPPING_REQUESTS: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_as_it_is_priced() {
        let template = include_str!("../../../template.yaml");
        assert_eq!(template.matches("MemorySize:").count(), 1);
        assert!(template.contains(&format!("\n    MemorySize: {MEMORY_MB}\n")));
        assert!(template.contains("\n    Tracing: Active\n"));
        assert!(template.contains("    Default: arm64\n"));
    }
}
