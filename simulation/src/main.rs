//! `posnext simulate`, alone: for builds that are optimised for many seeds.

use std::process::ExitCode;

use clap::Parser;
use posnext_simulation::command::{SimulateArguments, simulate};

#[derive(Debug, Parser)]
#[command(version, bin_name = "posnext simulate", about = "Run the functions' own code in a world of one seed")]
struct Arguments {
    #[command(flatten)]
    simulate: SimulateArguments,
}

fn main() -> ExitCode {
    simulate(&Arguments::parse().simulate).unwrap_or_else(|error| {
        posnext_local::output::note(format_args!("posnext: {error:#}"));
        ExitCode::from(2)
    })
}
