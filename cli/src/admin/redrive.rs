//! The dead-letter queue, sent again. The row owns the order and the queue holds copies: what is final needs no message.

use std::{collections::HashSet, process::ExitCode, time::Duration};

use anyhow::Context;
use aws_sdk_sqs::{Client, types::Message};
use posnext_local::local;
use posnext_shared::{
    adapters::queue::{Queues, parse_message},
    app::ports::{OrderMessage, ReadOrder, SendOrder},
    domain::record::Row,
};

use super::stack::Stack;

/// Nobody else sees a message while it is dealt with, for this long.
const VISIBILITY_S: i32 = 60;

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
    let (mut counts, mut seen) = (Counts::default(), HashSet::new());
    loop {
        let received = sqs.receive_message().queue_url(&dead).max_number_of_messages(10).wait_time_seconds(1);
        let received = received.visibility_timeout(VISIBILITY_S).send().await.context("cannot read the dead-letter queue")?;
        let messages = received.messages.unwrap_or_default();
        // A message that was kept comes round again in a queue that is long.
        if messages.iter().all(|message| !seen.insert(message.message_id.clone())) {
            break;
        }
        for message in messages {
            if deal_with(&orders, &queues, &message, dry_run, &mut counts).await? && !dry_run {
                let handle = message.receipt_handle.unwrap_or_default();
                let deleted = sqs.delete_message().queue_url(&dead).receipt_handle(handle).send().await;
                deleted.context("a message that is done was not deleted; it is harmless to redrive it again")?;
            }
        }
    }
    let would = if dry_run { "would be " } else { "" };
    println!("{} {would}sent again, {} {would}dropped, {} kept", counts.sent, counts.dropped, counts.kept);
    Ok(if counts.kept == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    let order = match parse_message(message.body().unwrap_or_default()) {
        Ok(order) => order,
        Err(reason) => {
            counts.kept += 1;
            println!("kept     message {id}: {reason}");
            return Ok(false);
        }
    };
    match orders.read(&order.key).await? {
        Some(Row::Order(record)) if record.status().is_final() => {
            counts.dropped += 1;
            println!("dropped  {}: it is {} already", order.key, record.status().as_str());
            Ok(true)
        }
        Some(Row::Order(record)) => {
            counts.sent += 1;
            println!("sent     {}", order.key);
            if !dry_run {
                queues.send(&OrderMessage::about(&record), Duration::ZERO).await?;
            }
            Ok(true)
        }
        _ => {
            counts.kept += 1;
            println!("kept     {}: there is no such order in the table", order.key);
            Ok(false)
        }
    }
}
