//! What an operator wants done with one order. process-order of the stack does it: it has the way to the POS and its
//! secret, and it takes the lease first.

use std::process::ExitCode;

use anyhow::{Context, bail};
use aws_sdk_lambda::{
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    primitives::Blob,
};
use posnext_aws::edge::queue::Invocation;
use posnext_local::local;
use posnext_shared::domain::{
    by_hand::{Decision, Granted, Wish},
    ids::OrderKey,
    policy::WORKER_FUNCTION_TIMEOUT,
};

use super::{stack::Stack, terminal::say};

/// Asks the POS for an order now.
pub(super) async fn ask(stack: &Stack, key: &OrderKey) -> anyhow::Result<ExitCode> {
    match grant(stack, Wish::Ask { key: key.clone() }).await? {
        Granted::Told(found) => {
            say!("the POS was asked for {key}: {found}");
            Ok(ExitCode::SUCCESS)
        }
        other => not_done(stack, key, other).await,
    }
}

/// Ends an order.
pub(super) async fn end(
    stack: &Stack,
    key: &OrderKey,
    decision: Decision,
    reason: String,
    asking: bool,
) -> anyhow::Result<ExitCode> {
    match grant(stack, Wish::End { key: key.clone(), decision, reason, asking }).await? {
        Granted::Ended(status) => {
            say!("order {key} is {}", status.as_str());
            Ok(ExitCode::SUCCESS)
        }
        other => not_done(stack, key, other).await,
    }
}

async fn not_done(stack: &Stack, key: &OrderKey, granted: Granted) -> anyhow::Result<ExitCode> {
    match granted {
        Granted::Refused(refusal) => {
            say!("nothing was done: {refusal}");
            stands(stack, key).await
        }
        Granted::Cancelling(cause) => {
            say!("it is marked to be cancelled at the POS, and ends errored once the POS answers that; so far: {cause}");
            stands(stack, key).await
        }
        Granted::AsThePosSays(found) => {
            say!("the POS was asked to cancel it, and {found}; that decides");
            stands(stack, key).await
        }
        Granted::NoOrder => {
            say!("nothing was done: there is no order {key}");
            Ok(ExitCode::FAILURE)
        }
        Granted::Lost => bail!("somebody else wrote to the order at the same time; look at it again before anything else"),
        Granted::Failed(why) => bail!("{why}; look at the order again before anything else"),
        Granted::Told(_) | Granted::Ended(_) => bail!("process-order answered something else than it was asked for"),
    }
}

/// How the order stands now.
async fn stands(stack: &Stack, key: &OrderKey) -> anyhow::Result<ExitCode> {
    if let Ok(record) = stack.operate().await?.order(key).await {
        say!("order {key} is {}; see `posnext admin explain`", record.status().as_str());
    }
    Ok(ExitCode::FAILURE)
}

async fn grant(stack: &Stack, wish: Wish) -> anyhow::Result<Granted> {
    let function = stack.value("ProcessOrderFunction")?;
    // Sent once: what was done by a first one would refuse the second.
    let timeouts = TimeoutConfig::builder().operation_timeout(WORKER_FUNCTION_TIMEOUT * 2).build();
    let config = aws_sdk_lambda::config::Builder::from(&local::aws().await?);
    let client = aws_sdk_lambda::Client::from_conf(config.retry_config(RetryConfig::disabled()).timeout_config(timeouts).build());
    let payload = serde_json::to_vec(&Invocation { wish: Some(wish), ..Invocation::default() })?;
    let sent = client.invoke().function_name(&function).payload(Blob::new(payload)).send().await;
    let answer = sent.with_context(|| format!("{function} cannot be invoked; look at the order again before anything else"))?;
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    if let Some(error) = answer.function_error {
        bail!("{function} failed ({error}): {}", String::from_utf8_lossy(&payload));
    }
    serde_json::from_slice(&payload).with_context(|| format!("{function} is of another version than this command"))
}
