//! Figures that repeat, whatever else the machine does: instructions, calls, capacity units, bytes.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    events,
    job::Job,
    runtime::{Plan, run},
    said::Said,
    stage::Stage,
    units::Asked,
};

/// Warm invocations that are counted, after a first one.
const WARM: usize = 20;

/// What one job counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Instructions of init and the first invocation.
    pub(crate) cold: u64,
    /// Instructions of every later one, on average.
    pub(crate) warm: u64,
    /// Calls of a warm invocation and what they consumed.
    pub(crate) asked: Asked,
    /// What a warm invocation said.
    pub(crate) said: Said,
    /// Bytes of the order's row after it, where the job is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<u64>,
}

/// The share of the slowed clock in a cold count, which is most of it there: its library is loaded and set up. `hello` waits for nobody, and
/// so can be counted without.
pub(crate) async fn share_of_the_clock(stage: &Stage) -> anyhow::Result<u64> {
    let slowed = instructions(stage, Job::Hello, 1, false).await?;
    Ok(slowed.saturating_sub(instructions(stage, Job::Hello, 1, true).await?))
}

/// Counts one job. `clock` is taken off what is cold.
pub(crate) async fn count(stage: &Stage, job: Job, clock: u64) -> anyhow::Result<Counts> {
    let cold = instructions(stage, job, 1, false).await?;
    let all = instructions(stage, job, 1 + WARM, false).await?;
    let Seen { asked, said, row } = seen(stage, job).await?;
    Ok(Counts { cold: cold.saturating_sub(clock), warm: all.saturating_sub(cold) / WARM as u64, asked, said, row })
}

/// Of init and so many invocations.
async fn instructions(stage: &Stage, job: Job, events: usize, true_clock: bool) -> anyhow::Result<u64> {
    let plan = Plan {
        true_clock,
        binary: stage.binary(job)?,
        environment: stage.environment(),
        events: stage.events(job, events).await?,
        count: true,
        ..Plan::default()
    };
    let run = run(&plan).await?;
    run.answers.iter().try_for_each(|answer| job.check(answer))?;
    Ok(run.instructions)
}

/// What is seen from outside.
pub(crate) struct Seen {
    pub(crate) asked: Asked,
    pub(crate) said: Said,
    pub(crate) row: Option<u64>,
}

/// What is seen of the last of three invocations: the ones before have warmed the caches.
pub(crate) async fn seen(stage: &Stage, job: Job) -> anyhow::Result<Seen> {
    let (two, three) = (seen_of(stage, job, 2).await?, seen_of(stage, job, 3).await?);
    Ok(Seen { asked: three.asked.less(&two.asked), said: three.said.since(two.said), row: three.row })
}

async fn seen_of(stage: &Stage, job: Job, count: usize) -> anyhow::Result<Seen> {
    let output = tempfile::NamedTempFile::new()?;
    let events = stage.events(job, count).await?;
    let order = events.last().and_then(|event| events::request_uid(event));
    let plan = Plan {
        binary: stage.binary(job)?,
        environment: stage.counted_environment(),
        events,
        output: Some(output.path().to_owned()),
        ..Plan::default()
    };
    stage.counter.take();
    let run = run(&plan).await?;
    let asked = stage.counter.take();
    run.answers.iter().try_for_each(|answer| job.check(answer))?;
    let said = std::fs::read_to_string(output.path()).context("what the function said")?;
    let said = Said::of(&said, run.answers.last().unwrap_or(&Value::Null));
    let row = match order {
        Some(uid) => stage.row(&uid).await?,
        None => None,
    };
    Ok(Seen { asked, said, row })
}
