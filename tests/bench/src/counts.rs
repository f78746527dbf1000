//! Figures that repeat, whatever else the machine does: instructions, calls, capacity units, sizes. A baseline of them is kept.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{
    runtime::{Plan, run},
    stage::{Job, Stage},
    units::Asked,
};

/// Warm invocations that are counted, after a first one.
const WARM: usize = 20;
/// Counts of which the least stands: a connection more or a repeated call, for which the clock under callgrind is to blame, only adds.
const TRIES: usize = 3;
/// Between two counts of the same code: what a warm invocation was seen to differ by.
const WARM_TOLERANCE_PERMILLE: u64 = 50;
/// The same of a cold one: from one authority to the next a handshake was seen to differ by half a million instructions.
const COLD_TOLERANCE_PERMILLE: u64 = 120;

/// What one job counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Instructions of init and the first invocation.
    pub(crate) cold: u64,
    /// Instructions of every later one, on average.
    pub(crate) warm: u64,
    /// Calls of a warm invocation and what they consumed.
    pub(crate) asked: Asked,
    /// Of the binary.
    pub(crate) bytes: u64,
}

/// Counts by the job's name.
pub(crate) type Table = BTreeMap<String, Counts>;

/// Counts one job.
pub(crate) async fn count(stage: &Stage, job: Job) -> anyhow::Result<Counts> {
    let binary = stage.binary(job)?;
    let bytes = std::fs::metadata(&binary)?.len();
    let mut instructions = [u64::MAX, u64::MAX];
    for _ in 0..TRIES {
        for (least, events) in instructions.iter_mut().zip([1, 1 + WARM]) {
            let plan = Plan {
                binary: binary.clone(),
                arguments: Vec::new(),
                environment: stage.environment(),
                events: stage.events(job, events).await?,
                count: true,
            };
            let run = run(&plan).await?;
            run.answers.iter().try_for_each(|answer| job.check(answer))?;
            *least = run.instructions.min(*least);
        }
    }
    let [cold, all] = instructions;
    Ok(Counts { cold, warm: all.saturating_sub(cold) / WARM as u64, asked: asked(stage, job).await?, bytes })
}

/// What the last of three invocations asks for: the ones before have warmed the caches.
pub(crate) async fn asked(stage: &Stage, job: Job) -> anyhow::Result<Asked> {
    let asked_for = async |events: Vec<String>| -> anyhow::Result<Asked> {
        stage.counter.take();
        let plan = Plan {
            binary: stage.binary(job)?,
            arguments: Vec::new(),
            environment: stage.counted_environment(),
            events,
            count: false,
        };
        run(&plan).await?.answers.iter().try_for_each(|answer| job.check(answer))?;
        Ok(stage.counter.take())
    };
    let events = stage.events(job, 3).await?;
    let two = asked_for(events.iter().take(2).cloned().collect()).await?;
    // The same start, and one event more.
    let events = stage.events(job, 3).await?;
    Ok(asked_for(events).await?.less(&two))
}

/// What is worse than the baseline, or better by more than chance; nothing if all is as it was.
pub(crate) fn compare(now: &Table, before: &Table) -> Vec<String> {
    let mut differences = Vec::new();
    for (job, counts) in now {
        let Some(base) = before.get(job) else {
            differences.push(format!("{job}: not in the baseline"));
            continue;
        };
        for (what, new, old, tolerance) in [
            ("cold instructions", counts.cold, base.cold, COLD_TOLERANCE_PERMILLE),
            ("warm instructions", counts.warm, base.warm, WARM_TOLERANCE_PERMILLE),
        ] {
            if new.abs_diff(old) * 1_000 > old * tolerance {
                differences.push(format!("{job}: {what} {new}, in the baseline {old}"));
            }
        }
        if counts.asked != base.asked {
            differences.push(format!("{job}: asks for {:?}, in the baseline {:?}", counts.asked, base.asked));
        }
    }
    differences
}

/// Reads a baseline.
pub(crate) fn read(file: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}; make it with --write", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline; make it anew with --write", file.display()))
}

/// Writes a baseline.
pub(crate) fn write(file: &Path, table: &Table) -> anyhow::Result<()> {
    std::fs::write(file, serde_json::to_string_pretty(table)? + "\n").with_context(|| format!("cannot write {}", file.display()))
}
