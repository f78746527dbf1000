//! What the functions cost, measured from outside on their own release binaries. README of this folder tells how to read it.

#![recursion_limit = "256"]

mod batches;
mod contestants;
mod counts;
mod doors;
mod growth;
mod memory;
mod peers;
mod ratio;
mod report;
mod runtime;
mod share;
mod speed;
mod stage;
mod times;
mod tls;
mod units;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use counts::Table;
use indicatif::{ProgressBar, ProgressStyle};
use stage::{Job, Stage};

/// Measure the functions' release binaries
///
/// Exit code: 0 as in the baseline, or written; 1 otherwise than in the baseline, or a bound that is not met; 2 it could not be measured.
#[derive(Debug, Parser)]
struct Options {
    /// Where the functions' binaries are: cargo's folder, or what `sam build` leaves
    #[arg(long, default_value = "target/release", value_name = "DIR")]
    bootstraps: PathBuf,
    /// Compare instruction counts, calls and units with this
    #[arg(long, default_value = "tests/bench/baseline.json", value_name = "FILE")]
    baseline: PathBuf,
    /// Write the baseline instead of comparing with it
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
    let mut table = Table::new();
    for job in Job::ALL {
        bar.set_message(job.name());
        table.insert(job.name().to_owned(), counts::count(&stage, job).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    show(&table);
    if options.write {
        counts::write(&options.baseline, &table)?;
        return Ok(true);
    }
    let differences = counts::compare(&table, &counts::read(&options.baseline)?);
    for difference in &differences {
        println!("{difference}");
    }
    Ok(differences.is_empty())
}

fn show(table: &Table) {
    println!("{:<26} {:>12} {:>12} {:>9} {:>6} {:>6}  calls when warm", "", "cold Ir", "warm Ir", "bytes", "WRU", "RRU");
    for job in Job::ALL {
        let Some(counts) = table.get(job.name()) else { continue };
        let calls: Vec<String> = counts.asked.calls.iter().map(|(call, count)| format!("{count} {call}")).collect();
        println!(
            "{:<26} {:>12} {:>12} {:>9} {:>6} {:>6}  {}",
            job.name(),
            counts.cold,
            counts.warm,
            counts.bytes,
            units(counts.asked.write_milliunits),
            units(counts.asked.read_milliunits),
            calls.join(", ")
        );
    }
}

fn units(milliunits: u64) -> String {
    format!("{}.{}", milliunits / 1_000, milliunits % 1_000 / 100)
}
