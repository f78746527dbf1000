//! Whether the work of today costs more when the table is full of finished orders: the same jobs on two stages, one with few and
//! one with many.

use std::{collections::HashMap, path::Path, time::Instant};

use anyhow::{Context, anyhow, ensure};
use dynoxide::{AttributeValue, Database, ImportOptions, Item, actions::get_item::GetItemRequest};
use indicatif::ProgressBar;
use tempfile::TempDir;

use crate::{
    counts,
    ratio::{Ratio, median},
    report::{Bound, Section, Table},
    runtime::{Plan, Span, run},
    stage::{Job, Stage},
    units::Asked,
};

const FEW: usize = 1_000;
/// Recover before all that leaves orders open.
const JOBS: [Job; 4] = [Job::Recover, Job::Submit, Job::Get, Job::Process];
/// Rows written in one transaction.
const AT_ONCE: usize = 10_000;
/// Rounds of turns, and warm invocations in each.
const ROUNDS: usize = 9;
const WARM: usize = 50;
/// Of the function's own processor time. The same work was seen to differ by 14 % on a busy machine.
const SAME: Ratio = Ratio::permille(1_200);

/// The jobs among this many finished orders and among a thousand.
pub(crate) async fn measure(bootstraps: &Path, orders: usize, bar: &ProgressBar) -> anyhow::Result<Section> {
    let (folder_of_few, folder_of_many) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let few = grown(bootstraps, &folder_of_few, FEW, bar).await?;
    let many = grown(bootstraps, &folder_of_many, orders, bar).await?;
    bar.reset();
    bar.set_length((JOBS.len() * ROUNDS) as u64);
    let mut section = Section {
        title: format!("Cost among {orders} finished orders, of that among {FEW}"),
        table: Table::new(["", "processor time", "wall"]),
        ..Section::default()
    };
    for job in JOBS {
        bar.set_message(job.name());
        let (cpu, wall) = in_turns(&few, &many, job, bar).await?;
        let (before, now) = (counts::asked(&few, job).await?, counts::asked(&many, job).await?);
        section.table.row([job.name().to_owned(), cpu.to_string(), wall.to_string()]);
        section.bounds.push(Bound::equal(format!("{}: calls and units", job.name()), shown(&now), shown(&before)));
        section.bounds.push(Bound::at_most(format!("{}: processor time", job.name()), cpu, SAME));
    }
    section.notes.push("Wall times are the local engine's rather than DynamoDB's, and nothing is promised of them.".to_owned());
    Ok(section)
}

/// The median ratios of a warm invocation's processor and wall time.
async fn in_turns(few: &Stage, many: &Stage, job: Job, bar: &ProgressBar) -> anyhow::Result<(Ratio, Ratio)> {
    let (mut cpu, mut wall) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        let (before, now) = (warm(few, job).await?, warm(many, job).await?);
        cpu.push(Ratio::of_times(now.cpu, before.cpu));
        wall.push(Ratio::of_times(now.wall, before.wall));
        bar.inc(1);
    }
    Ok((median(cpu), median(wall)))
}

/// The medians of the warm invocations.
async fn warm(stage: &Stage, job: Job) -> anyhow::Result<Span> {
    let events = stage.events(job, 1 + WARM).await?;
    let plan = Plan { binary: stage.binary(job)?, arguments: Vec::new(), environment: stage.environment(), events, count: false };
    let run = run(&plan).await?;
    run.answers.iter().try_for_each(|answer| job.check(answer))?;
    let warm = || run.invocations.iter().skip(1);
    Ok(Span { wall: median(warm().map(|span| span.wall)), cpu: median(warm().map(|span| span.cpu)) })
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

fn units(milliunits: u64) -> String {
    format!("{}.{}", milliunits / 1_000, milliunits % 1_000 / 100)
}

fn shown(asked: &Asked) -> String {
    let calls: Vec<String> = asked.calls.iter().map(|(call, count)| format!("{count} {call}")).collect();
    format!("{}; {} WRU, {} RRU", calls.join(", "), units(asked.write_milliunits), units(asked.read_milliunits))
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
