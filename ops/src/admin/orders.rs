//! Orders, looked at and ended by hand.

use std::{fmt::Write, process::ExitCode};

use posnext_aws::adapters::clock::SystemClock;
use posnext_shared::{
    app::{
        operate::OperateError,
        ports::{Clock, ListOpen, PortError, ReadOrder},
    },
    domain::{
        by_hand,
        history::Actor,
        ids::OrderKey,
        record::{OrderRecord, Outcome, Row, State},
        time::UnixMillis,
    },
};

use super::{Decision, stack::Stack};

/// More than this are not listed.
const MOST: usize = 8_000;

pub(super) async fn list(stack: &Stack, stuck: bool) -> anyhow::Result<ExitCode> {
    let (orders, now) = (stack.orders().await?, SystemClock.now());
    let mut open = Vec::new();
    for entry in orders.list_open(MOST).await? {
        match orders.read(&entry.key).await {
            Ok(Some(Row::Order(record))) => open.push(*record),
            Ok(_) => {}
            Err(PortError::Corrupt(reason)) => println!("order {} cannot be read: {reason}", entry.key),
            Err(error) => return Err(error.into()),
        }
    }
    open.sort_by_key(|record| record.accepted_at);
    let mut text = format!(
        "{:>8}  {:<10}  {:>8}  {:<8}  {:<40}  {}\n",
        "AGE", "STAGE", "ATTEMPTS", "DEADLINE", "ORDER", "WAITS FOR A PERSON"
    );
    let mut shown = 0;
    for record in &open {
        let Some(state) = record.open() else { continue };
        let late = record.deadline < now;
        if stuck && !late && state.person.is_none() {
            continue;
        }
        shown += 1;
        let age = format!("{} s", now.since(record.accepted_at).as_secs());
        let stage = serde_json::to_value(state.stage)?;
        let (stage, deadline) = (stage.as_str().unwrap_or_default(), if late { "PAST" } else { "" });
        let person = state.person.map(|person| person.to_string()).unwrap_or_default();
        writeln!(text, "{age:>8}  {stage:<10}  {:>8}  {deadline:<8}  {:<40}  {person}", record.attempts, record.key.to_string())?;
    }
    if shown == 0 {
        text = format!("no {} orders\n", if stuck { "stuck" } else { "open" });
    }
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn explain(stack: &Stack, key: &OrderKey) -> anyhow::Result<ExitCode> {
    let operate = stack.operate().await?;
    let record = match operate.order(key).await {
        Ok(record) => record,
        Err(error) => return refused(error),
    };
    print!("{}", told(&record, SystemClock.now())?);
    println!("  next      {}", operate.outlook(&record).await?);
    Ok(ExitCode::SUCCESS)
}

/// An order in words, without what its customer has said.
fn told(record: &OrderRecord, now: UnixMillis) -> anyhow::Result<String> {
    let mut text = format!("order {}\n", record.key);
    let mut line = |name: &str, value: &str| writeln!(text, "  {name:<8}  {value}");
    line("status", record.status().as_str())?;
    line("location", &format!("{} of {}", record.order.location_id(), record.order.organization_id()))?;
    line("POS key", &record.key.pos_key())?;
    line("accepted", &format!("{}, {} s ago", record.accepted_at.rfc3339(), now.since(record.accepted_at).as_secs()))?;
    line("deadline", &record.deadline.rfc3339())?;
    line("version", &record.version.to_string())?;
    line("attempts", &record.attempts.to_string())?;
    match &record.state {
        State::Open(open) => {
            let lease = open
                .lease
                .map_or_else(|| "nobody works on it".to_owned(), |lease| format!("held until {}", lease.until.rfc3339()));
            line("lease", &lease)?;
            line("due", &open.due_at.rfc3339())?;
            if let Some(until) = open.unknown_until {
                line("unknown", &format!("an attempt's outcome is not known; none runs after {}", until.rfc3339()))?;
            }
            if open.cancelling {
                line("cancel", "being cancelled at the POS")?;
            }
            if let Some(person) = &open.person {
                line("person", &format!("needed: {person}"))?;
            }
        }
        State::Final(end) => match &end.outcome {
            Outcome::Placed { pos_order_id } => line("POS id", pos_order_id)?,
            Outcome::Rejected(errors) | Outcome::Errored(errors) => {
                for error in errors {
                    line("error", &error.message)?;
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
        line("history", &format!("{}  {by}  {entry}", entry.at.rfc3339()))?;
    }
    Ok(text)
}

pub(super) async fn end(stack: &Stack, key: &OrderKey, decision: Decision, reason: &str) -> anyhow::Result<ExitCode> {
    let decision = match decision {
        Decision { placed: Some(pos_order_id), .. } => by_hand::Decision::Placed { pos_order_id },
        Decision { rejected: true, .. } => by_hand::Decision::Rejected,
        Decision { .. } => by_hand::Decision::Errored,
    };
    match stack.operate().await?.end(key, decision, reason).await {
        Ok(record) => {
            println!("order {} is {}", record.key, record.status().as_str());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => refused(error),
    }
}

fn refused(error: OperateError) -> anyhow::Result<ExitCode> {
    match error {
        OperateError::Port(error) => Err(error.into()),
        error @ OperateError::Lost => Err(error.into()),
        error => {
            println!("nothing was done: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
