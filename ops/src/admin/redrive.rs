//! The dead-letter queue, sent again. The row owns the order and the queue holds copies: what is final needs no message.

use std::{collections::HashSet, process::ExitCode, time::Duration};

use anyhow::Context;
use aws_sdk_sqs::{Client, types::Message};
use posnext_aws::adapters::queue::{Queues, parse_message};
use posnext_local::local;
use posnext_shared::{
    app::ports::{OrderMessage, PortError, ReadOrder, SendOrder},
    domain::record::Row,
};

use super::{stack::Stack, terminal::say};

/// Nobody else sees a message while it is dealt with, for this long.
const VISIBILITY_S: i32 = 120;
/// So many receives in a row without anything new end it: what is left, others hold or has been dealt with.
const NOTHING_NEW: u32 = 3;

#[derive(Debug, Default)]
struct Counts {
    sent: usize,
    dropped: usize,
    kept: usize,
}

pub(super) async fn run(stack: &Stack, dry_run: bool) -> anyhow::Result<ExitCode> {
    let (orders, work, dead) = (stack.orders().await?, stack.value("OrdersQueue")?, stack.value("OrdersDeadLetterQueue")?);
    let sqs = Client::new(&local::aws().await?);
    let queues = Queues::new(sqs.clone(), work, dead.clone());
    let mut held = Vec::new();
    let counts = redrive(&orders, &queues, &sqs, &dead, dry_run, &mut held).await;
    // What stays in the queue is seen again at once, however this ends.
    for handle in held {
        let _ = sqs.change_message_visibility().queue_url(&dead).receipt_handle(handle).visibility_timeout(0).send().await;
    }
    let counts = counts?;
    let would = if dry_run { "would be " } else { "" };
    say!("{} {would}sent again, {} {would}dropped, {} kept", counts.sent, counts.dropped, counts.kept);
    Ok(if counts.kept == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Deals with each message once. `held` gets the receipts of those that stay.
async fn redrive(
    orders: &impl ReadOrder,
    queues: &Queues,
    sqs: &Client,
    dead: &str,
    dry_run: bool,
    held: &mut Vec<String>,
) -> anyhow::Result<Counts> {
    let (mut counts, mut seen, mut nothing_new) = (Counts::default(), HashSet::new(), 0);
    while nothing_new < NOTHING_NEW {
        let received = sqs
            .receive_message()
            .queue_url(dead)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .message_attribute_names("reason");
        let received = received.visibility_timeout(VISIBILITY_S).send().await.context("cannot read the dead-letter queue")?;
        let messages = received.messages.unwrap_or_default();
        nothing_new += 1;
        let mut done = Vec::new();
        held.extend(messages.iter().filter_map(|message| message.receipt_handle.clone()));
        for message in messages {
            if !seen.insert(message.message_id.clone()) {
                continue;
            }
            nothing_new = 0;
            if deal_with(orders, queues, &message, dry_run, &mut counts).await? && !dry_run {
                done.extend(message.receipt_handle);
            }
        }
        for handle in done {
            let deleted = sqs.delete_message().queue_url(dead).receipt_handle(&handle).send().await;
            deleted.context("a message that is done was not deleted; it is harmless to redrive it again")?;
            held.retain(|other| *other != handle);
        }
    }
    Ok(counts)
}

/// Whether the message has been dealt with, and may be deleted.
async fn deal_with(
    orders: &impl ReadOrder,
    queues: &Queues,
    message: &Message,
    dry_run: bool,
    counts: &mut Counts,
) -> anyhow::Result<bool> {
    let id = message.message_id().unwrap_or_default();
    let reason = message.message_attributes().and_then(|attributes| attributes.get("reason")?.string_value());
    let why = reason.map(|reason| format!(" (put aside: {reason})")).unwrap_or_default();
    let order = match parse_message(message.body().unwrap_or_default()) {
        Ok(order) => order,
        Err(reason) => {
            counts.kept += 1;
            say!("kept     message {id}: {reason}{why}");
            return Ok(false);
        }
    };
    let row = match orders.read(&order.key).await {
        Err(PortError::Corrupt(reason)) => {
            counts.kept += 1;
            say!("kept     {}: {reason}", order.key);
            return Ok(false);
        }
        row => row?,
    };
    match row {
        Some(Row::Order(record)) if record.status().is_final() => {
            counts.dropped += 1;
            say!("dropped  {}: it is {} already{why}", order.key, record.status().as_str());
            Ok(true)
        }
        Some(Row::Order(record)) => {
            counts.sent += 1;
            say!("sent     {}{why}", order.key);
            if !dry_run {
                queues.send(&OrderMessage::about(&record), Duration::ZERO).await?;
            }
            Ok(true)
        }
        _ => {
            counts.kept += 1;
            say!("kept     {}: there is no such order in the table", order.key);
            Ok(false)
        }
    }
}
