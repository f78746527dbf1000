//! Times and memory, as ratios: the jobs take turns, so that each ratio is of neighbours in time, and the median of the rounds
//! counts. A bare time of a shared machine means nothing.

use std::{collections::BTreeMap, time::Duration};

use indicatif::ProgressBar;

use crate::{
    runtime::{Plan, Run, run},
    stage::{Job, Stage},
};

/// Warm invocations a round, after a first one.
const WARM: usize = 100;

/// Of one job in one round, as parts in a thousand of the yardstick's, or of its own where it says so.
#[derive(Debug, Clone, Copy)]
struct Ratios {
    /// Processor time of init and the first invocation.
    cold_cpu: u64,
    /// Processor time of a warm invocation.
    warm_cpu: u64,
    /// Wall time of the first invocation, of its own warm ones.
    first: u64,
    /// Peak resident memory.
    peak: u64,
    /// The same in KiB.
    peak_kib: u64,
}

/// Runs the jobs in turns and prints the medians.
pub(crate) async fn measure(stage: &Stage, rounds: usize, bar: &ProgressBar) -> anyhow::Result<()> {
    let mut all: BTreeMap<Job, Vec<Ratios>> = BTreeMap::new();
    for _ in 0..rounds {
        let mut hello = None;
        for job in Job::ALL {
            bar.set_message(job.name());
            let plan = Plan {
                binary: stage.binary(job)?,
                arguments: Vec::new(),
                environment: stage.environment(),
                events: stage.events(job, 1 + WARM).await?,
                count: false,
            };
            let run = run(&plan).await?;
            run.answers.iter().try_for_each(|answer| job.check(answer))?;
            let yardstick = hello.get_or_insert_with(|| run.clone());
            all.entry(job).or_default().push(ratios(&run, yardstick));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    println!(
        "\n{:<26} {:>10} {:>10} {:>12} {:>10} {:>9}",
        "median of ratios", "cold CPU", "warm CPU", "first/warm", "peak RSS", "MB"
    );
    for (job, rounds) in all {
        let median = |part: fn(&Ratios) -> u64| {
            let mut parts: Vec<u64> = rounds.iter().map(part).collect();
            parts.sort_unstable();
            parts.get(parts.len() / 2).copied().unwrap_or_default()
        };
        let kib = median(|ratios| ratios.peak_kib);
        println!(
            "{:<26} {:>10} {:>10} {:>12} {:>10} {:>9}",
            job.name(),
            ratio(median(|ratios| ratios.cold_cpu)),
            ratio(median(|ratios| ratios.warm_cpu)),
            ratio(median(|ratios| ratios.first)),
            ratio(median(|ratios| ratios.peak)),
            format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024),
        );
    }
    Ok(())
}

/// Thousandths as `1.23 x`.
pub(crate) fn ratio(permille: u64) -> String {
    format!("{}.{:02} x", permille / 1_000, permille % 1_000 / 10)
}

fn ratios(run: &Run, hello: &Run) -> Ratios {
    Ratios {
        cold_cpu: permille(cold_cpu(run), cold_cpu(hello)),
        warm_cpu: permille(warm(run, |span| span.cpu), warm(hello, |span| span.cpu)),
        first: permille(run.invocations.first().map_or(Duration::ZERO, |span| span.wall), warm(run, |span| span.wall)),
        peak: run.peak_kib * 1_000 / hello.peak_kib.max(1),
        peak_kib: run.peak_kib,
    }
}

fn cold_cpu(run: &Run) -> Duration {
    run.init.cpu + run.invocations.first().map_or(Duration::ZERO, |span| span.cpu)
}

/// The median of the warm invocations.
fn warm(run: &Run, part: fn(&crate::runtime::Span) -> Duration) -> Duration {
    let mut parts: Vec<Duration> = run.invocations.iter().skip(1).map(part).collect();
    parts.sort_unstable();
    parts.get(parts.len() / 2).copied().unwrap_or_default()
}

/// Thousandths of `whole`.
pub(crate) fn permille(part: Duration, whole: Duration) -> u64 {
    u64::try_from(part.as_nanos() * 1_000 / whole.as_nanos().max(1)).unwrap_or(u64::MAX)
}
