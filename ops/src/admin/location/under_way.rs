//! What is still open of a location, and where it goes: from the orders table itself. Its index of open orders may lag,
//! and is read only so far.

use std::{process::ExitCode, time::Duration};

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use jiff::Timestamp;
use posnext_aws::adapters::clock::SystemClock;
use posnext_shared::{
    app::ports::Clock,
    domain::{
        directory::{Connector, Location},
        ids::OrderKey,
        pinned::{Pinned, PinnedPos},
        record::{OrderRecord, Row},
        time::UnixMillis,
    },
};

use super::{
    super::{
        desk::Desk,
        orders::{age, place, stage},
        scan,
        stack::Stack,
        terminal::{Lines, say},
    },
    Which,
};

/// A function believes its directory for 30 s, and what it has begun by then is over 30 s later.
const IN_FORCE_AFTER: Duration = Duration::from_mins(1);
/// The same, in words.
pub(super) const WHY: &str = "functions believe a mapping for 30 s, and a request under way goes on with it";

/// When a change that has just been written is in force everywhere.
pub(super) fn in_force() -> String {
    // A whole second, and not before it.
    (Timestamp::now() + IN_FORCE_AFTER + Duration::from_millis(999)).strftime("%H:%M:%SZ").to_string()
}

/// An open order of the location.
struct Open {
    key: OrderKey,
    accepted_at: UnixMillis,
    stage: String,
    attempts: u32,
    pos: Pinned,
}

pub(super) async fn run(stack: &Stack, desk: &Desk, which: &Which) -> anyhow::Result<ExitCode> {
    let mapped = desk.directory.location(&which.organization, &which.location).await?;
    list(stack, which, mapped.as_ref()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Lists it. `mapped`: the mapping that the location has now.
pub(super) async fn list(stack: &Stack, which: &Which, mapped: Option<&Location>) -> anyhow::Result<()> {
    let (mut open, mut unreadable) = (Vec::new(), 0);
    // What has ended has a time to be forgotten. So have guards and second names, which are no orders.
    let may_be_open = |scan: ScanFluentBuilder| {
        scan.consistent_read(true).filter_expression("attribute_not_exists(expires_at) OR attribute_exists(due_at)")
    };
    let read = scan::rows(stack, may_be_open, async |key, row| {
        match row {
            Ok(Row::Order(record)) => open.extend(is_open_at(which, &record).transpose()?),
            Ok(Row::Alias(_)) => {}
            Err(error) => {
                unreadable += 1;
                say!("order {key} cannot be read, and may be of this location: {error}");
            }
        }
        Ok(())
    });
    read.await?;
    open.sort_by_key(|order| order.accepted_at);
    shown(which, &open, unreadable, mapped).print();
    Ok(())
}

fn is_open_at(which: &Which, record: &OrderRecord) -> Option<anyhow::Result<Open>> {
    let at = (record.order.organization_id(), record.order.location_id());
    let state = record.open().filter(|_| at == (&which.organization, &which.location))?;
    Some(stage(state.stage).map(|stage| Open {
        key: record.key.clone(),
        accepted_at: record.accepted_at,
        stage,
        attempts: record.attempts,
        pos: record.pos.clone(),
    }))
}

fn shown(which: &Which, open: &[Open], unreadable: usize, mapped: Option<&Location>) -> Lines {
    let (mut text, now) = (Lines::default(), SystemClock.now());
    if open.is_empty() {
        let but = if unreadable > 0 { " that can be read" } else { "" };
        text.line(format_args!("no order of {which}{but} is open"));
        return text;
    }
    text.line(format_args!("{} of {which} open:", open.len()));
    text.line(format_args!("{:>8}  {:<10}  {:>8}  {:<40}  {}", "AGE", "STAGE", "ATTEMPTS", "ORDER", "STORE AND POS"));
    for Open { key, accepted_at, stage, attempts, pos } in open {
        let (age, key, goes) = (age(now, *accepted_at), key.to_string(), goes(pos, *attempts, mapped));
        text.line(format_args!("{age:>8}  {stage:<10}  {attempts:>8}  {key:<40}  {goes}"));
    }
    text
}

/// Where an order goes.
fn goes(pos: &Pinned, attempts: u32, mapped: Option<&Location>) -> String {
    let pinned = place(pos);
    if attempts == 0 {
        return format!("{pinned}; nothing was attempted: it follows the mapping");
    }
    match (&pos.pos, mapped.map(|location| &location.connector)) {
        (PinnedPos::Http(then), Some(Connector::Http(now))) if now.base != then.base && now.is_at(&then.base) => {
            format!("{pinned}, which is {} now", now.base)
        }
        _ => pinned,
    }
}
