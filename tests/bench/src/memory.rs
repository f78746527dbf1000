//! Whether memory stays flat: the peak after many invocations against the peak after the first thousand.

use indicatif::ProgressBar;

use crate::{
    ratio::Ratio,
    report::{Bound, Section, Table},
    runtime::{Function, Plan},
    stage::{Job, Stage},
};

/// Invocations after which everything has been done once; so many events are made at a time.
const FEW: usize = 1_000;
const JOBS: [Job; 2] = [Job::Submit, Job::Get];
const FLAT: Ratio = Ratio::permille(1_100);

/// So many invocations of each job, each submit of an order of its own.
pub(crate) async fn measure(stage: &Stage, invocations: usize, bar: &ProgressBar) -> anyhow::Result<Section> {
    let turns = invocations.div_ceil(FEW);
    bar.set_length((turns * FEW * JOBS.len()) as u64);
    let title = format!("Peak memory after {} invocations, of that after {FEW}", turns * FEW);
    let mut section = Section { title, table: Table::new(["", "ratio"]), ..Section::default() };
    for job in JOBS {
        bar.set_message(job.name());
        let plan = Plan {
            binary: stage.binary(job)?,
            arguments: Vec::new(),
            environment: stage.environment(),
            events: Vec::new(),
            count: false,
        };
        let mut function = Function::start(&plan).await?;
        let mut early = 0;
        for turn in 0..turns {
            // Made as they are needed: their tokens live for five minutes.
            for event in stage.events(job, FEW).await? {
                let (_, answer) = function.invoke(event).await?;
                job.check(&answer)?;
                bar.inc(1);
            }
            if turn == 0 {
                early = function.peak_kib();
            }
        }
        let ratio = Ratio::of(function.peak_kib(), early);
        function.end().await?;
        section.table.row([job.name().to_owned(), ratio.to_string()]);
        section.bounds.push(Bound::at_most(format!("{}: peak memory", job.name()), ratio, FLAT));
    }
    Ok(section)
}
