//! Orders, looked at.

use std::process::ExitCode;

use posnext_aws::adapters::clock::SystemClock;
use posnext_shared::{
    app::{
        operate::OperateError,
        ports::{Clock, ListOpen, PortError, ReadOrder},
    },
    domain::{
        by_hand::Earliest,
        history::Actor,
        ids::OrderKey,
        pinned::{Pinned, PinnedPos},
        record::{OrderRecord, Outcome, Row, State},
        status::Stage,
        time::UnixMillis,
    },
};

use super::{
    stack::Stack,
    terminal::{Lines, say},
};

/// More than this are not listed.
const MOST: usize = 8_000;

pub(super) async fn list(stack: &Stack, stuck: bool) -> anyhow::Result<ExitCode> {
    let (orders, now) = (stack.orders().await?, SystemClock.now());
    let mut open = Vec::new();
    for entry in orders.list_open(MOST).await? {
        match orders.read(&entry.key).await {
            Ok(Some(Row::Order(record))) => open.push(*record),
            Ok(_) => {}
            Err(PortError::Corrupt(reason)) => say!("order {} cannot be read: {reason}", entry.key),
            Err(error) => return Err(error.into()),
        }
    }
    open.sort_by_key(|record| record.accepted_at);
    let mut text = Lines::default();
    text.line(format_args!(
        "{:>8}  {:<10}  {:>8}  {:<8}  {:<40}  {}",
        "AGE", "STAGE", "ATTEMPTS", "DEADLINE", "ORDER", "WAITS FOR A PERSON"
    ));
    let mut shown = 0;
    for record in &open {
        let Some(state) = record.open() else { continue };
        let late = record.deadline < now;
        if stuck && !late && state.person.is_none() {
            continue;
        }
        shown += 1;
        let (age, stage) = (age(now, record.accepted_at), stage(state.stage)?);
        let (deadline, attempts, key) = (if late { "PAST" } else { "" }, record.attempts, record.key.to_string());
        let person = state.person.map(|person| person.to_string()).unwrap_or_default();
        text.line(format_args!("{age:>8}  {stage:<10}  {attempts:>8}  {deadline:<8}  {key:<40}  {person}"));
    }
    if shown == 0 {
        text = Lines::default();
        text.line(format_args!("no {} orders", if stuck { "stuck" } else { "open" }));
    }
    text.print();
    Ok(ExitCode::SUCCESS)
}

/// How long ago something was.
pub(super) fn age(now: UnixMillis, at: UnixMillis) -> String {
    format!("{} s", now.since(at).as_secs())
}

/// The word for a stage.
pub(super) fn stage(stage: Stage) -> anyhow::Result<String> {
    Ok(serde_json::to_value(stage)?.as_str().unwrap_or_default().to_owned())
}

/// The store and the POS that an order is pinned to.
pub(super) fn place(pinned: &Pinned) -> String {
    let pos = match &pinned.pos {
        PinnedPos::Http(http) => http.base.as_str(),
        PinnedPos::Sandbox { .. } => "the sandbox",
    };
    format!("{} at {pos}", pinned.internal_id)
}

pub(super) async fn explain(stack: &Stack, key: &OrderKey) -> anyhow::Result<ExitCode> {
    let operate = stack.operate().await?;
    let record = match operate.order(key).await {
        Ok(record) => record,
        Err(error) => return refused(error),
    };
    told(&record, SystemClock.now()).print();
    if let Some(Earliest { at_all, not_placed }) = operate.earliest(&record).await? {
        say!("  end       --placed from {} on, --rejected or --errored from {} on", at_all.rfc3339(), not_placed.rfc3339());
    }
    say!("  next      {}", operate.outlook(&record).await?);
    Ok(ExitCode::SUCCESS)
}

/// An order in words, without what its customer has said.
fn told(record: &OrderRecord, now: UnixMillis) -> Lines {
    let mut text = Lines::default();
    text.line(format_args!("order {}", record.key));
    let mut line = |name: &str, value: &str| text.line(format_args!("  {name:<8}  {value}"));
    line("status", record.status().as_str());
    line("location", &format!("{} of {}", record.order.location_id(), record.order.organization_id()));
    let free = record.open().is_some() && record.attempts == 0;
    let follows = if free { "; nothing was attempted, so it follows the mapping" } else { "" };
    line("POS", &format!("{}{follows}", place(&record.pos)));
    line("POS key", &record.key.pos_key());
    line("accepted", &format!("{}, {} s ago", record.accepted_at.rfc3339(), now.since(record.accepted_at).as_secs()));
    line("deadline", &record.deadline.rfc3339());
    line("version", &record.version.to_string());
    line("attempts", &record.attempts.to_string());
    match &record.state {
        State::Open(open) => {
            let lease = open
                .lease
                .map_or_else(|| "nobody works on it".to_owned(), |lease| format!("held until {}", lease.until.rfc3339()));
            line("lease", &lease);
            line("due", &open.due_at.rfc3339());
            if let Some(until) = open.unknown_until {
                line("unknown", &format!("an attempt's outcome is not known; none runs after {}", until.rfc3339()));
            }
            if open.cancelling {
                line("cancel", "being cancelled at the POS");
            }
            if let Some(person) = &open.person {
                line("person", &format!("needed: {person}"));
            }
        }
        State::Final(end) => match &end.outcome {
            Outcome::Placed { pos_order_id } => line("POS id", pos_order_id),
            Outcome::Rejected(errors) | Outcome::Errored(errors) => {
                for error in errors {
                    line("error", &error.message);
                }
            }
        },
    }
    for entry in &record.history {
        let by = match entry.by {
            Actor::Submit => "submit",
            Actor::Worker => "worker",
            Actor::Person => "person",
        };
        line("history", &format!("{}  {by}  {entry}", entry.at.rfc3339()));
    }
    text
}

fn refused(error: OperateError) -> anyhow::Result<ExitCode> {
    match error {
        OperateError::Port(error) => Err(error.into()),
        error => {
            say!("nothing was done: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
