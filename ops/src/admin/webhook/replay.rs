//! Ends of orders, told once more.

use std::process::ExitCode;

use anyhow::Context;
use aws_sdk_dynamodb::{operation::scan::builders::ScanFluentBuilder, types::AttributeValue};
use clap::Args;
use jiff::Timestamp;
use posnext_aws::adapters::{clock::SystemClock, queue::DeliveryQueue};
use posnext_local::local;
use posnext_shared::{
    app::ports::{Clock, ReadOrder, SendDelivery},
    domain::{
        record::{OrderRecord, Row},
        webhook::{Delivery, Event, Subscriber},
    },
};

use super::{
    super::{desk::refused, key, scan, stack::Stack, terminal::say},
    Shelf, Which,
};

#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// An order: tenant#request_uid, as log lines and `admin orders` have it; several may be given
    #[arg(long = "order", value_name = "ORDER")]
    orders: Vec<String>,
    /// Orders that were accepted at this time (RFC 3339) or later; the whole table is read for it
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
}

pub(super) async fn run(stack: &Stack, shelf: &Shelf, replay: Replay) -> anyhow::Result<ExitCode> {
    let Replay { which, what } = replay;
    let subscriber = shelf.found(&which).await?;
    if !subscriber.enabled {
        return refused(format!("{which} is switched off; first: posnext admin webhook enable {}", which.arguments()));
    }
    let url = match stack.value("WebhooksQueue") {
        Ok(url) => url,
        Err(error) => {
            return refused(format!(
                "{error:#}; a stack has that queue if it was deployed with Webhooks=true (docs/webhooks.md)"
            ));
        }
    };
    let queue = DeliveryQueue::new(aws_sdk_sqs::Client::new(&local::aws().await?), url);
    let (sent, all) = match what.since {
        None => {
            let mut sent = 0;
            for order in ended(stack, &what.orders).await? {
                sent += usize::from(send(&queue, &subscriber, &order).await?);
            }
            // Each was asked for by name.
            let others = what.orders.len() - sent;
            if others > 0 {
                say!("{others} not sent: not of {}, or of a kind that it is not told of", which.organization);
            }
            (sent, others == 0)
        }
        Some(since) => {
            let (sent, unreadable) = since_then(stack, &queue, &subscriber, since).await?;
            (sent, unreadable == 0)
        }
    };
    say!("{sent} sent to {which}");
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Orders by their keys; nothing is sent if one of them has not ended.
async fn ended(stack: &Stack, orders: &[String]) -> anyhow::Result<Vec<OrderRecord>> {
    let table = stack.orders().await?;
    let mut found = Vec::new();
    for order in orders {
        match table.read(&key(order)?).await? {
            Some(Row::Order(record)) if record.status().is_final() => found.push(*record),
            Some(Row::Order(_)) => return refused(format!("order {order} has not ended")),
            Some(Row::Alias(alias)) => return refused(format!("order {order} is a second name of {}; give that", alias.owner)),
            None => return refused(format!("there is no order {order}")),
        }
    }
    Ok(found)
}

/// How many were sent, and how many rows of orders could not be read.
async fn since_then(
    stack: &Stack,
    queue: &DeliveryQueue,
    subscriber: &Subscriber,
    since: Timestamp,
) -> anyhow::Result<(usize, usize)> {
    let since = AttributeValue::N(since.as_millisecond().to_string());
    let ended = |scan: ScanFluentBuilder| {
        let scan = scan.filter_expression("acc >= :since AND attribute_exists(expires_at)");
        scan.expression_attribute_values(":since", since)
    };
    let (mut sent, mut unreadable) = (0, 0);
    let read = scan::rows(stack, ended, async |key, row| {
        match row {
            Ok(Row::Order(record)) => {
                sent += usize::from(send(queue, subscriber, &record).await.context("cannot send any more")?)
            }
            Ok(Row::Alias(_)) => {}
            Err(error) => {
                unreadable += 1;
                say!("not sent: order {key}: {error}");
            }
        }
        Ok(())
    });
    read.await.with_context(|| format!("{sent} were sent"))?;
    Ok((sent, unreadable))
}

/// Whether it is one of those that the subscriber is told of.
async fn send(queue: &DeliveryQueue, subscriber: &Subscriber, record: &OrderRecord) -> anyhow::Result<bool> {
    let wanted =
        |event: &Event| subscriber.events.contains(&event.kind) && record.order.organization_id() == &subscriber.organization_id;
    let Some(event) = Event::of(record).filter(wanted) else { return Ok(false) };
    let now = SystemClock.now();
    queue.send_delivery(&Delivery::first(event, subscriber, now), now).await?;
    Ok(true)
}
