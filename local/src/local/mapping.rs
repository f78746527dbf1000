//! Plays Lambda's event source mapping for SQS: takes a batch, invokes the function, deletes what did not fail. What is
//! throttled it tries again until it is visible in the queue again; what ends a loop it puts aside. What it leaves out: the
//! batching window, scaling by backlog, filters, and a maximum concurrency that can be set.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::{
    Client,
    types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName},
};
use posnext_shared::domain::policy::WORKER_FUNCTION_TIMEOUT;
use tokio::sync::Semaphore;

use super::{
    functions::{Functions, Looped, Queue},
    services::TRACE_ATTRIBUTE,
};
use crate::lambda::until_visible;

/// Messages of one invocation (the template's BatchSize).
const BATCH: i32 = 10;
/// Invocations at a time.
const CONCURRENCY: usize = 16;
/// Seconds a receive waits for a message.
const LONG_POLL: i32 = 20;

/// The queues' visibility time-out (resources.rs).
const VISIBILITY: Duration = Duration::from_secs(WORKER_FUNCTION_TIMEOUT.as_secs() * 6);

/// A queue, and where what ends a loop is put aside.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) queue: Queue,
    pub(super) url: String,
    pub(super) dead: Option<String>,
}

/// Runs until it is dropped.
pub(super) async fn run<F: Functions>(sqs: Client, source: Source, functions: Arc<F>) {
    let invocations = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let Ok(permit) = Arc::clone(&invocations).acquire_owned().await else { return };
        let received = sqs
            .receive_message()
            .queue_url(&source.url)
            .max_number_of_messages(BATCH)
            .wait_time_seconds(LONG_POLL)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names(TRACE_ATTRIBUTE)
            .send()
            .await;
        let messages = match received {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(error) => {
                tracing::error!(error = %aws_sdk_sqs::error::DisplayErrorContext(&error), "the local SQS does not answer");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        if messages.is_empty() {
            continue;
        }
        let (sqs, source, functions) = (sqs.clone(), source.clone(), Arc::clone(&functions));
        tokio::spawn(async move {
            invoke(&sqs, &source, &*functions, messages).await;
            drop(permit);
        });
    }
}

async fn invoke<F: Functions>(sqs: &Client, source: &Source, functions: &F, messages: Vec<Message>) {
    let mut event = SqsEvent::default();
    event.records = messages.iter().map(record).collect();
    let consumed = until_visible(VISIBILITY).invoke(|| functions.consume(source.queue, event.clone())).await;
    let response = match consumed {
        Ok(response) => response,
        Err(error) if error.is::<Looped>() => {
            tracing::error!(error = format!("{error:#}"), "a batch of messages is put aside");
            put_aside(sqs, source, &messages).await;
            SqsBatchResponse::default()
        }
        Err(error) => {
            // As on AWS: none of them is deleted, and each comes back when its visibility time-out ends.
            tracing::error!(error = format!("{error:#}"), "a batch of messages was not processed");
            return;
        }
    };
    let failed: Vec<&str> = response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    let known = |id: &&str| messages.iter().any(|message| message.message_id() == Some(*id));
    if !failed.iter().all(known) {
        // As on AWS: an identifier that is none of the batch's makes all of it come back.
        tracing::error!("a batch response names a message that was not in the batch; all of it comes back");
        return;
    }
    let done = messages.iter().filter(|message| !failed.contains(&message.message_id().unwrap_or_default()));
    let entries: Vec<_> = done
        .enumerate()
        .filter_map(|(index, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.receipt_handle(message.receipt_handle().unwrap_or_default()).build().ok()
        })
        .collect();
    if entries.is_empty() {
        return;
    }
    if let Err(error) = sqs.delete_message_batch().queue_url(&source.url).set_entries(Some(entries)).send().await {
        tracing::error!(error = %aws_sdk_sqs::error::DisplayErrorContext(&error), "messages that are done were not deleted");
    }
}

/// Copies them into the dead-letter queue, if there is one.
async fn put_aside(sqs: &Client, source: &Source, messages: &[Message]) {
    let Some(dead) = &source.dead else { return };
    for message in messages {
        if let Err(error) = sqs.send_message().queue_url(dead).set_message_body(message.body.clone()).send().await {
            tracing::error!(error = %aws_sdk_sqs::error::DisplayErrorContext(&error), "a message was not put aside");
        }
    }
}

fn record(message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = message.message_id.clone();
    record.receipt_handle = message.receipt_handle.clone();
    record.body = message.body.clone();
    let attributes = message.attributes.iter().flatten();
    record.attributes = attributes.map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect();
    // A system attribute on AWS (services.rs).
    let trace = message.message_attributes.as_ref().and_then(|attributes| attributes.get(TRACE_ATTRIBUTE)?.string_value.clone());
    record.attributes.extend(trace.map(|trace| (TRACE_ATTRIBUTE.to_owned(), trace)));
    record.event_source = Some("aws:sqs".to_owned());
    record.aws_region = Some(super::services::REGION.to_owned());
    record
}
