//! What the functions cost, measured from outside on their own release binaries. README of this folder tells how to read it.

#![recursion_limit = "256"]

mod baseline;
mod batches;
mod bounds;
mod contestants;
mod cost;
mod counts;
mod doors;
mod events;
mod growth;
mod job;
mod memory;
mod page;
mod peers;
mod picture;
mod prices;
mod ratio;
mod report;
mod row;
mod runtime;
mod said;
mod share;
mod sizes;
mod speed;
mod stage;
mod times;
mod tls;
mod units;

use std::{path::PathBuf, process::ExitCode};

use baseline::{Counted, Difference};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use job::Job;
use stage::Stage;

/// Measure the functions' release binaries
///
/// Exit code: 0 no worse than the baseline, or written, and every bound is met; 1 worse, or a bound that is not met; 2 it could not be measured.
#[derive(Debug, Parser)]
struct Options {
    /// Where the functions' binaries are: cargo's folder, or cargo lambda's, which `sam build` leaves
    #[arg(long, default_value = "target/release", value_name = "DIR")]
    bootstraps: PathBuf,
    /// Compare what is counted with this
    #[arg(long, default_value = "tests/bench/baseline.json", value_name = "FILE")]
    baseline: PathBuf,
    /// Write the baseline instead of comparing with it, and docs/cost.md and docs/cost.svg from it
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    speed: speed::Wanted,
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn measure(options: Options) -> anyhow::Result<bool> {
    if options.speed.any() {
        return speed::measure(&options.bootstraps, &options.speed).await;
    }
    let stage = Stage::start(&options.bootstraps).await?;
    let bar = ProgressBar::new(Job::ALL.len() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos}/{len} {msg}")?);
    let mut table = Counted::default();
    let clock = counts::share_of_the_clock(&stage).await?;
    for job in Job::ALL {
        bar.set_message(job.name());
        table.jobs.insert(job.name().to_owned(), counts::count(&stage, job, clock).await?);
        if !table.binaries.contains_key(job.function()) {
            table.binaries.insert(job.function().to_owned(), sizes::measure(&stage.binary(job)?)?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let bounds = bounds::check(&table)?;
    println!("{}\n{}\n{}\n{}", page::counted(&table)?, page::sizes(&table)?, cost::table(&table)?, report::verdicts(&bounds));
    let met = bounds.iter().all(|bound| bound.met);
    if options.write {
        baseline::write(&options.baseline, &table)?;
        page::write(&table)?;
        return Ok(met);
    }
    let differences = baseline::compare(&table, &baseline::read(&options.baseline)?);
    for Difference { what, worse } in &differences {
        println!("{} {what}", if *worse { "WORSE " } else { "better" });
    }
    let worse = differences.iter().any(|difference| difference.worse);
    if !worse && !differences.is_empty() {
        println!("Better by more than chance: let the baseline say so, with tests/bench/run --write.");
    }
    Ok(met && !worse)
}
