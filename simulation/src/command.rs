//! `posnext simulate`.

use std::{collections::BTreeSet, fs, num::NonZero, path::PathBuf, process::ExitCode, thread, time::Instant};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use posnext_local::output;
use posnext_proofs::progress::{progress, step};

use crate::{Ended, Fault, Found, ORDERS, Options, Summary, many, run, shrink};

/// The functions' own code over a world in memory, in virtual time. One seed decides what happens when, and what goes
/// wrong: the same seed tells the same story, to the byte.
#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// Run this seed, and tell its story
    #[arg(long, value_name = "N", required_unless_present_any = ["seeds", "faults"])]
    seed: Option<u64>,
    /// Run all of these seeds, and tell which broke a promise
    #[arg(long, value_name = "FROM-TO", conflicts_with = "seed")]
    seeds: Option<String>,
    /// With --seeds: run no further seed after one that broke a promise
    #[arg(long, requires = "seeds")]
    first: bool,
    /// With --seeds: write what came of them into this file as well, as JSON
    #[arg(long, value_name = "FILE", requires = "seeds")]
    json: Option<PathBuf>,
    /// Send these orders alone, for example 3,7; there are 24, from 0 on
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(..ORDERS))]
    orders: Vec<u64>,
    /// Let these alone go wrong, for example dies,reply-lost; `none` for nothing at all
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Let these not go wrong
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "only")]
    without: Vec<String>,
    /// Break these premises of docs/premises.md as well
    #[arg(long = "break", value_name = "NAME,…", value_delimiter = ',')]
    premises: Vec<String>,
    /// Leave out orders and faults as long as the same promise is broken, and tell the shorter story
    #[arg(long, requires = "seed", conflicts_with = "seeds")]
    shrink: bool,
    /// Tell what can go wrong, and how often it does
    #[arg(long)]
    faults: bool,
}

impl SimulateArguments {
    fn options(&self) -> anyhow::Result<Options> {
        let mut options = Options::of(self.seed.unwrap_or_default());
        if !self.orders.is_empty() {
            options.orders = self.orders.iter().copied().collect();
        }
        if !self.only.is_empty() {
            options.faults = named(&self.only)?;
        }
        for fault in named(&self.without)? {
            options.faults.remove(&fault);
        }
        options.faults.extend(named(&self.premises)?);
        Ok(options)
    }
}

fn named(names: &[String]) -> anyhow::Result<BTreeSet<Fault>> {
    let names = names.iter().filter(|name| *name != "none");
    names
        .map(|name| {
            Fault::named(name).ok_or_else(|| anyhow!("nothing that can go wrong is called {name:?}; --faults lists them"))
        })
        .collect()
}

/// Does the command.
///
/// # Errors
/// It could not be run.
pub fn simulate(arguments: &SimulateArguments) -> anyhow::Result<ExitCode> {
    if arguments.faults {
        for (_, name, times) in Fault::ALL {
            output::line(format_args!("{name:<20} {times:>4} in a thousand"));
        }
        output::line("\npremises, which hold unless --break names them:\n");
        for (_, name, times, premise) in Fault::PREMISES {
            output::line(format_args!("{name:<20} {times:>4} in a thousand   {premise}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut options = arguments.options()?;
    if let Some(seeds) = &arguments.seeds {
        return many_seeds(seeds, &options, arguments);
    }
    if arguments.shrink {
        let bar = progress(0, "leaving out what is not needed");
        options = shrink(&options, |tried| {
            bar.set_message(format!("{} orders, {} kinds of faults", tried.orders.len(), tried.faults.len()));
        })?;
        bar.finish_and_clear();
    }
    options.told = true;
    let ended = run(&options)?;
    output::text(&ended.story);
    told(&options, &ended);
    Ok(if ended.harms.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(options: &Options, ended: &Ended) {
    output::line(format_args!("\nseed {}, {} orders: {}", options.seed, options.orders.len(), verdict(ended)));
    for harm in &ended.harms {
        output::line(format_args!("  {harm}"));
    }
    if !ended.harms.is_empty() {
        output::line(format_args!("again: posnext simulate {}", again(options)));
    }
}

fn verdict(ended: &Ended) -> String {
    let struck: u64 = ended.counts.values().sum();
    let harms = ended.harms.len();
    if harms == 0 {
        format!("every promise was kept, {struck} faults")
    } else {
        format!("{harms} broken promises, {struck} faults")
    }
}

/// The arguments that run it once more.
fn again(options: &Options) -> String {
    let mut text = format!("--seed {}", options.seed);
    if options.orders.len() as u64 != ORDERS {
        let orders: Vec<_> = options.orders.iter().map(ToString::to_string).collect();
        text += &format!(" --orders {}", orders.join(","));
    }
    if options.faults != Options::of(0).faults {
        let faults: Vec<_> = options.faults.iter().map(|fault| fault.name()).collect();
        text += &format!(" --only {}", if faults.is_empty() { "none".to_owned() } else { faults.join(",") });
    }
    text
}

fn many_seeds(seeds: &str, options: &Options, arguments: &SimulateArguments) -> anyhow::Result<ExitCode> {
    let numbers = seeds.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let Some((from, to)) = numbers.filter(|(from, to): &(u64, u64)| from <= to) else {
        bail!("--seeds is {seeds:?}; give the first and the last, for example --seeds 1-100");
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let bar = progress(usize::try_from(to - from + 1)?, "seeds");
    let began = Instant::now();
    let summary = many(from..=to, options, threads, arguments.first, || step(&bar))?;
    bar.finish_and_clear();
    let found = Found::new(&summary, began.elapsed());
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_string(&found)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    say(&summary, &found, threads, options);
    Ok(if summary.harmed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(summary: &Summary, found: &Found, threads: usize, options: &Options) {
    for (seed, harms) in &summary.harmed {
        output::line(format_args!("seed {seed}: posnext simulate {}", again(&Options { seed: *seed, ..options.clone() })));
        harms.iter().for_each(|harm| output::line(format_args!("  {harm}")));
    }
    let (Found { seeds, orders, orders_a_second: rate, .. }, harmed) = (found, summary.harmed.len());
    output::line(format_args!("{seeds} seeds, {orders} orders, {rate} orders a second on {threads} threads"));
    let counts: Vec<_> = summary.counts.iter().map(|(fault, times)| format!("{} {times}", fault.name())).collect();
    output::line(format_args!("what went wrong: {}", counts.join(", ")));
    output::line(format_args!("seeds that broke a promise: {harmed}"));
}
