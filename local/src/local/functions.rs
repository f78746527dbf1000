//! The background functions, as what triggers them sees them: in this process, or behind a Lambda endpoint.

use std::{future::Future, time::Duration};

use anyhow::{Context, bail};
use aws_lambda_events::{
    dynamodb::Event,
    sqs::{SqsBatchResponse, SqsEvent},
    streams::DynamoDbEventResponse,
};
use posnext_aws::{
    edge::{deliveries::Deliveries, queue::Consumer, schedule, stream::Stream},
    wiring::Production,
};
use posnext_shared::{app::recover::Recover, domain::policy::WORKER_FUNCTION_TIMEOUT};
use reqwest::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::lambda::{Account, Throttled};

/// An invocation may have to wait until `cargo lambda watch` has compiled the function.
const PATIENCE: Duration = Duration::from_mins(15);

/// A queue that invokes a function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Queue {
    /// Of orders: process-order.
    Orders,
    /// Of webhooks on their way: deliver-webhooks.
    Webhooks,
}

/// What is invoked.
pub(super) trait Functions: Send + Sync + 'static {
    /// What consumes a queue, with a batch of its messages.
    fn consume(&self, queue: Queue, event: SqsEvent) -> impl Future<Output = anyhow::Result<SqsBatchResponse>> + Send;
    /// announce-orders, with changes of the orders table.
    fn announce(&self, event: Event) -> impl Future<Output = anyhow::Result<DynamoDbEventResponse>> + Send;
    /// recover-orders.
    fn recover(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// A chain of invocations was ended (AWS: "Use Lambda recursive loop detection to prevent infinite loops").
#[derive(Debug, Clone, Copy)]
pub(super) struct Looped;

impl std::fmt::Display for Looped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the function was not invoked: it has invoked itself too often")
    }
}

impl std::error::Error for Looped {}

/// Functions in this process. What of Lambda makes no sense here: no process can be frozen without the rest, nor outlive its
/// time-out; and no chain is counted, since the SDK reads its link from a variable, and a process has one for all.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) account: Account,
    pub(super) process: Consumer<Production>,
    pub(super) recover: Recover<Production>,
    pub(super) announce: Stream<Production>,
    pub(super) deliver: Deliveries<Production>,
}

impl Functions for Here {
    async fn consume(&self, queue: Queue, event: SqsEvent) -> anyhow::Result<SqsBatchResponse> {
        let _concurrent = self.account.begin().ok_or(Throttled)?;
        Ok(match queue {
            Queue::Orders => self.process.handle(event, WORKER_FUNCTION_TIMEOUT).await,
            Queue::Webhooks => self.deliver.handle(event, WORKER_FUNCTION_TIMEOUT).await,
        })
    }

    async fn announce(&self, event: Event) -> anyhow::Result<DynamoDbEventResponse> {
        let _concurrent = self.account.begin().ok_or(Throttled)?;
        Ok(self.announce.handle(event, WORKER_FUNCTION_TIMEOUT).await)
    }

    async fn recover(&self) -> anyhow::Result<()> {
        let _concurrent = self.account.begin().ok_or(Throttled)?;
        schedule::run(&self.recover, WORKER_FUNCTION_TIMEOUT).await?;
        Ok(())
    }
}

/// Functions behind Lambda's Invoke API (AWS: "Invoke"), which `cargo lambda watch` speaks as well.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: String,
    http: reqwest::Client,
}

impl Endpoint {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let url = crate::address::base(url)
            .map_err(|why| anyhow::anyhow!("the Lambda endpoint {url:?} {why}; it looks like {}", super::LAMBDA_ENDPOINT))?;
        Ok(Self { url, http: crate::par::http_client().timeout(PATIENCE).build()? })
    }

    async fn invoke(&self, function: &str, event: &impl Serialize) -> anyhow::Result<Value> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.url);
        let sent = self.http.post(&url).body(serde_json::to_vec(event)?).send().await;
        let response =
            sent.with_context(|| format!("{function} cannot be invoked at {}; is `cargo lambda watch` running?", self.url))?;
        let (status, failed) = (response.status(), response.headers().contains_key("x-amz-function-error"));
        let kind = response.headers().get("x-amzn-errortype").cloned();
        let body = response.text().await?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Throttled.into());
        }
        if kind.is_some_and(|kind| kind == "RecursiveInvocationException") {
            return Err(Looped.into());
        }
        if !status.is_success() || failed {
            bail!("{function} answered {status}: {body}");
        }
        serde_json::from_str(&body).with_context(|| format!("{function} answered no JSON: {body}"))
    }
}

impl Endpoint {
    async fn invoke_batch<T: DeserializeOwned>(&self, function: &str, event: &impl Serialize) -> anyhow::Result<T> {
        let answer = self.invoke(function, event).await?;
        if answer.get("batchItemFailures").is_none() {
            bail!("{function} answered no batch response: {answer}");
        }
        Ok(serde_json::from_value(answer)?)
    }
}

impl Functions for Endpoint {
    async fn consume(&self, queue: Queue, event: SqsEvent) -> anyhow::Result<SqsBatchResponse> {
        let function = match queue {
            Queue::Orders => "process-order",
            Queue::Webhooks => "deliver-webhooks",
        };
        self.invoke_batch(function, &event).await
    }

    async fn announce(&self, event: Event) -> anyhow::Result<DynamoDbEventResponse> {
        self.invoke_batch("announce-orders", &event).await
    }

    async fn recover(&self) -> anyhow::Result<()> {
        let event = json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": [] });
        self.invoke("recover-orders", &event).await.map(|_| ())
    }
}
