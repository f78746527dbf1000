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

use anyhow::ensure;
use baseline::{Counted, Difference};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use job::FUNCTIONS;
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
    /// Count these functions alone
    #[arg(long, value_name = "FUNCTION", value_delimiter = ',', default_values = FUNCTIONS, value_parser = FUNCTIONS, hide_default_value = true)]
    only: Vec<String>,
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
    let functions: Vec<&str> = FUNCTIONS.into_iter().filter(|name| options.only.iter().any(|only| only == name)).collect();
    let all = functions.len() == FUNCTIONS.len();
    ensure!(all || !options.write, "the baseline is of all functions: leave out --only");
    let stage = Stage::start(&options.bootstraps).await?;
    let bar = ProgressBar::new(job::of(&functions).count() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos}/{len} {msg}")?);
    let mut table = Counted::default();
    let clock = counts::share_of_the_clock(&stage).await?;
    for job in job::of(&functions) {
        bar.set_message(job.name());
        table.jobs.insert(job.name().to_owned(), counts::count(&stage, job, clock).await?);
        if !table.binaries.contains_key(job.function()) {
            table.binaries.insert(job.function().to_owned(), sizes::measure(&stage.binary(job)?)?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let bounds = bounds::check(&table, &functions)?;
    println!("{}\n{}", page::counted(&table, &functions)?, page::sizes(&table, &functions)?);
    if all {
        println!("{}", cost::table(&table)?);
    }
    println!("{}", report::verdicts(&bounds));
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
