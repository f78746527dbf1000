//! Whether the work of today costs more when the table is full of finished orders: the same jobs on two stages, one with few and
//! one with many.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use dynoxide::{AttributeValue, Database, ImportOptions, Item, actions::get_item::GetItemRequest};
use indicatif::ProgressBar;
use tempfile::TempDir;

use crate::{
    counts::{self, Counts},
    ratio::{Ratio, median},
    report::{Bound, Section, Table},
    runtime::{Plan, run},
    stage::{Job, Stage},
};

const FEW: usize = 1_000;
/// Recover before all that leaves orders open.
const JOBS: [Job; 4] = [Job::Recover, Job::Submit, Job::Get, Job::Process];
/// Rows written in one transaction.
const AT_ONCE: usize = 10_000;
/// Rounds of wall times, and warm invocations in each.
const ROUNDS: usize = 5;
const WARM: usize = 50;
/// What two counts of the same code were seen to differ by.
const INSTRUCTIONS: Ratio = Ratio::permille(1_050);

/// The jobs among this many finished orders and among a thousand.
pub(crate) async fn measure(bootstraps: &Path, orders: usize, bar: &ProgressBar) -> anyhow::Result<Section> {
    let (folder_of_few, folder_of_many) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let few = grown(bootstraps, &folder_of_few, FEW, bar).await?;
    let many = grown(bootstraps, &folder_of_many, orders, bar).await?;
    bar.reset();
    bar.set_length((JOBS.len() * (ROUNDS + 2)) as u64);
    let mut section = Section {
        title: format!("Cost among {orders} finished orders, of that among {FEW}"),
        table: Table::new(["", "instructions", "wall", "calls", "WRU", "RRU"]),
        ..Section::default()
    };
    for job in JOBS {
        bar.set_message(job.name());
        let wall = wall(&few, &many, job, bar).await?;
        let among_few = counted(&few, job, bar).await?;
        let among_many = counted(&many, job, bar).await?;
        let instructions = Ratio::of(among_many.warm, among_few.warm);
        let (asked, asked_before) = (&among_many.asked, &among_few.asked);
        section.table.row([
            job.name().to_owned(),
            instructions.to_string(),
            wall.to_string(),
            asked.calls.iter().map(|(call, count)| format!("{count} {call}")).collect::<Vec<_>>().join(", "),
            units(asked_before.write_milliunits, asked.write_milliunits),
            units(asked_before.read_milliunits, asked.read_milliunits),
        ]);
        section.bounds.push(Bound::equal(format!("{}: calls and units", job.name()), shown(&among_many), shown(&among_few)));
        section.bounds.push(Bound::at_most(format!("{}: instructions", job.name()), instructions, INSTRUCTIONS));
    }
    section.notes.push("Wall times are those of the local engine, not of DynamoDB, and bound by nothing.".to_owned());
    Ok(section)
}

async fn counted(stage: &Stage, job: Job, bar: &ProgressBar) -> anyhow::Result<Counts> {
    let counts = counts::count(stage, job).await.context("while its instructions were counted")?;
    bar.inc(1);
    Ok(counts)
}

/// The median ratio of a warm invocation's time, in turns.
async fn wall(few: &Stage, many: &Stage, job: Job, bar: &ProgressBar) -> anyhow::Result<Ratio> {
    let mut ratios = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let among_few = warm(few, job).await?;
        ratios.push(Ratio::of_times(warm(many, job).await?, among_few));
        bar.inc(1);
    }
    Ok(median(ratios))
}

async fn warm(stage: &Stage, job: Job) -> anyhow::Result<Duration> {
    let events = stage.events(job, 1 + WARM).await?;
    let plan = Plan { binary: stage.binary(job)?, environment: stage.environment(), events, count: false };
    let run = run(&plan).await?;
    run.answers.iter().try_for_each(|answer| job.check(answer))?;
    Ok(median(run.invocations.iter().skip(1).map(|span| span.wall)))
}

/// A stage with so many finished orders in its table.
async fn grown(bootstraps: &Path, folder: &TempDir, orders: usize, bar: &ProgressBar) -> anyhow::Result<Stage> {
    let stage = Stage::with_data(bootstraps, Some(folder.path().to_owned())).await?;
    let placed = stage.placed().await?;
    bar.reset();
    bar.set_length(orders as u64);
    bar.set_message("finished orders written");
    let began = Instant::now();
    let (file, table) = (folder.path().join("dynamodb.sqlite"), stage.table().to_owned());
    let (sample, bar_there) = (placed.clone(), bar.clone());
    tokio::task::spawn_blocking(move || seed(&file, &table, &sample, orders, &bar_there)).await??;
    bar.suspend(|| eprintln!("{orders} finished orders written in {} s", began.elapsed().as_secs()));
    for number in [0, orders - 1] {
        ensure!(stage.is_final(&copied_uid(number)).await?, "a copy of a finished order is not one");
    }
    Ok(stage)
}

/// Copies a finished order's row under other keys, through the engine itself: over HTTP a million would take an hour.
fn seed(file: &Path, table: &str, sample: &str, orders: usize, bar: &ProgressBar) -> anyhow::Result<()> {
    let failed = |error: dynoxide::DynoxideError| anyhow!("the table cannot be filled: {error}");
    let database = Database::new(&file.to_string_lossy()).map_err(failed)?;
    database.enable_bulk_loading().map_err(failed)?;
    let key = HashMap::from([("pk".to_owned(), AttributeValue::S(sample.to_owned()))]);
    let request = GetItemRequest { table_name: table.to_owned(), key, ..GetItemRequest::default() };
    let sample = database.get_item(request).map_err(failed)?.item.context("the finished order is gone")?;
    ensure!(sample.contains_key("expires_at") && !sample.contains_key("due_at"), "the order is not finished");
    for from in (0..orders).step_by(AT_ONCE) {
        let to = orders.min(from + AT_ONCE);
        let items = (from..to).map(|number| copy(&sample, number)).collect::<anyhow::Result<Vec<_>>>()?;
        database.import_items(table, items, ImportOptions::default()).map_err(failed)?;
        bar.inc((to - from) as u64);
    }
    database.disable_bulk_loading().map_err(failed)
}

fn copy(sample: &Item, number: usize) -> anyhow::Result<Item> {
    let mut item = sample.clone();
    let uid = copied_uid(number);
    if let Some(AttributeValue::S(pk)) = item.get_mut("pk") {
        let (tenant, _) = pk.split_once('#').context("a row's key is tenant#request_uid")?;
        *pk = format!("{tenant}#{uid}");
    }
    if let Some(AttributeValue::M(key)) = item.get_mut("key") {
        key.insert("request_uid".to_owned(), AttributeValue::S(uid));
    }
    item.insert("wid".to_owned(), AttributeValue::S(uuid::Uuid::now_v7().to_string()));
    Ok(item)
}

/// As long as those of real orders.
fn copied_uid(number: usize) -> String {
    format!("bench-00000000-0000-7000-8000-{number:012}")
}

fn units(before: u64, now: u64) -> String {
    let text = |milliunits: u64| format!("{}.{}", milliunits / 1_000, milliunits % 1_000 / 100);
    if before == now { text(now) } else { format!("{} -> {}", text(before), text(now)) }
}

fn shown(counts: &Counts) -> String {
    let calls: u32 = counts.asked.calls.values().sum();
    format!("{calls} calls, {} mWRU, {} mRRU", counts.asked.write_milliunits, counts.asked.read_milliunits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_another_order_and_else_the_same() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let key = HashMap::from([("tenant".to_owned(), text("t")), ("request_uid".to_owned(), text("u"))]);
        let entries = [("pk", text("t#u")), ("key", AttributeValue::M(key)), ("wid", text("w")), ("expires_at", text("9"))];
        let sample = Item::from(entries.map(|(name, value)| (name.to_owned(), value)));

        let (one, two) = (copy(&sample, 1).unwrap(), copy(&sample, 2).unwrap());
        assert_eq!(one["pk"], text("t#bench-00000000-0000-7000-8000-000000000001"));
        let AttributeValue::M(key) = &one["key"] else { panic!("a key is a map") };
        assert_eq!((&key["tenant"], &key["request_uid"]), (&text("t"), &text(&copied_uid(1))));
        assert_eq!(one["expires_at"], sample["expires_at"]);
        assert!(one["pk"] != two["pk"] && one["wid"] != two["wid"]);
    }
}
