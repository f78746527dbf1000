//! Plays Lambda's event source mapping for the stream of the orders table: takes changes in their order, invokes the function, and comes
//! again with what failed. The engine keeps its stream's records for ever, so it is switched on only once somebody wants to know.
//! What it leaves out: shards, filters, limits of age and of tries.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use aws_lambda_events::dynamodb::Event;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, StreamSpecification, StreamViewType},
};
use dynoxide::{
    Database,
    actions::{
        describe_stream::DescribeStreamRequest, get_records::GetRecordsRequest, get_shard_iterator::GetShardIteratorRequest,
        list_streams::ListStreamsRequest,
    },
};
use serde_json::json;
use tokio::sync::watch;

use super::{
    functions::Functions,
    resources::{CONNECTIONS, DIRECTORY, ORDERS},
};

/// Between two looks, as on AWS (Lambda: "Using Lambda with Amazon DynamoDB").
const PAUSE: Duration = Duration::from_millis(250);
/// Changes of one invocation (the template's BatchSize).
const BATCH: usize = 100;

/// The engine behind the local DynamoDB: its streams are read without a detour.
#[derive(Clone)]
pub(super) struct Engine(pub(super) Database);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// Runs until it is dropped; says when changes are followed.
pub(super) async fn run<F: Functions>(
    Engine(database): Engine,
    dynamodb: Client,
    functions: Arc<F>,
    followed: watch::Sender<bool>,
) {
    let mut next = loop {
        match begin(&database, &dynamodb).await {
            Ok(next) => break next,
            Err(error) => say(&error).await,
        }
    };
    followed.send_replace(true);
    loop {
        if let Err(error) = follow(&database, &mut next, &*functions).await {
            say(&error).await;
        }
    }
}

async fn say(error: &anyhow::Error) {
    tracing::error!(error = format!("{error:#}"), "the local stream cannot be followed");
    tokio::time::sleep(PAUSE * 4).await;
}

async fn follow<F: Functions>(database: &Database, next: &mut String, functions: &F) -> anyhow::Result<()> {
    loop {
        let database = database.clone();
        let request = GetRecordsRequest { shard_iterator: next.clone(), limit: Some(BATCH) };
        let got = tokio::task::spawn_blocking(move || database.get_records(request)).await?;
        let got = got.map_err(|error| anyhow!("the local DynamoDB hands out no changes: {error:?}"))?;
        let event: Event = serde_json::from_value(json!({ "Records": got.records }))?;
        if event.records.is_empty() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        match functions.announce(event).await {
            // From the first that failed on they would come again, and whoever has heard of one hears of it twice: so may all.
            Ok(answer) if answer.batch_item_failures.is_empty() => {
                *next = got.next_shard_iterator.unwrap_or_else(|| next.clone())
            }
            Ok(_) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "a batch of changes was not announced; it comes again");
                tokio::time::sleep(PAUSE * 4).await;
            }
        }
    }
}

/// Where to read from, once there is somebody to tell.
async fn begin(database: &Database, dynamodb: &Client) -> anyhow::Result<String> {
    let arn = || {
        let request = ListStreamsRequest { table_name: Some(ORDERS.to_owned()), ..ListStreamsRequest::default() };
        let streams = database.list_streams(request).map_err(|error| anyhow!("{error:?}"))?.streams;
        anyhow::Ok(streams.into_iter().next().map(|stream| stream.stream_arn))
    };
    // What an earlier run has left in a data folder has been told.
    let mut from = "LATEST";
    while arn()?.is_none() {
        if anybody_listens(dynamodb).await? {
            let stream =
                StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage).build()?;
            let update = dynamodb.update_table().table_name(ORDERS).stream_specification(stream);
            update.send().await.context("the local DynamoDB gives the orders no stream")?;
            from = "TRIM_HORIZON";
        } else {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let stream_arn = arn()?.context("the orders have no stream")?;
    let request = DescribeStreamRequest { stream_arn: stream_arn.clone(), ..DescribeStreamRequest::default() };
    let described = database.describe_stream(request).map_err(|error| anyhow!("{error:?}"))?;
    let shard = described.stream_description.shards.into_iter().next().context("the stream has no shard")?;
    let request = GetShardIteratorRequest {
        stream_arn,
        shard_id: shard.shard_id,
        shard_iterator_type: from.to_owned(),
        sequence_number: None,
    };
    let iterator = database.get_shard_iterator(request).map_err(|error| anyhow!("{error:?}"))?;
    iterator.shard_iterator.context("the stream has no beginning")
}

/// Whether there is a subscriber of webhooks, or a WebSocket connection.
async fn anybody_listens(dynamodb: &Client) -> anyhow::Result<bool> {
    let subscribers = dynamodb.scan().table_name(DIRECTORY).filter_expression("begins_with(pk, :webhook)");
    let subscribers = subscribers.expression_attribute_values(":webhook", AttributeValue::S("webhook#".to_owned()));
    let connections = dynamodb.scan().table_name(CONNECTIONS).limit(1);
    let (subscribers, connections) = tokio::try_join!(subscribers.send(), connections.send())?;
    Ok(subscribers.count + connections.count > 0)
}
