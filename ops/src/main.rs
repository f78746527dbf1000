//! `posnext-ops`: what operates and proves a stack. `posnext smoke`, `certify`, `load`, `faults`,
//! `simulate`, `board` and `admin` are it.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod admin;
mod board_command;
mod certify_command;
mod load_command;
mod smoke;

use std::process::ExitCode;

use clap::Parser;
use posnext_proofs::faults;
use posnext_simulation::command::{SimulateArguments, simulate};

/// Operate a stack of posnext, and put it to the proof.
#[derive(Debug, Parser)]
#[command(version, bin_name = "posnext")]
enum Command {
    /// Check a deployment with one signed order to a test location; for after every deploy
    ///
    /// Exit code: 0 all is well; 1 a check failed; 2 it could not be tried.
    Smoke(smoke::SmokeArguments),
    /// Play PAR through all of its integration checklist, against any deployment, and report what came of it
    ///
    /// Without --dry it places orders: about 25, at --location and --async-location. Exit code: 0 nothing failed; 1 something
    /// failed; 2 it could not be tried.
    Certify(certify_command::CertifyArguments),
    /// Send orders at a given rate to a test location, as PAR does, and measure every answer from when it was due
    ///
    /// Exit code: 0 every answer was right and every order placed; 1 not; 2 it could not be tried.
    Load(load_command::LoadArguments),
    /// Kill, stop and cut off the functions and services under a stream of orders, and compare what everybody holds
    ///
    /// Exit code: 0 every promise was kept; 1 one was broken; 2 it could not be run.
    Faults(faults::Options),
    /// Run the functions' own code in a world of one seed, in which anything may go wrong, and tell what happened
    ///
    /// Exit code: 0 every promise was kept; 1 one was broken; 2 it could not be run.
    Simulate(SimulateArguments),
    /// Watch the orders of a deployed stack move, in a browser; read-only
    ///
    /// The orders are read from the stack's tables each second, with AWS credentials of your own; nothing is sent or written. The board
    /// knows the orders that were open while it was looking, the latest hundred.
    Board(board_command::BoardArguments),
    /// Operate a stack: its locations, menus, orders, dead-letter queue, sandbox
    Admin(admin::AdminArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Smoke(smoke) => smoke::run(smoke).await,
        Command::Certify(certify) => certify_command::run(certify).await,
        Command::Load(load) => load_command::run(load).await,
        Command::Faults(options) => {
            faults::run(options).await.map(|kept| if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Simulate(arguments) => simulate(&arguments),
        Command::Board(board) => board_command::run(board).await,
        Command::Admin(admin) => admin::run(admin).await,
    };
    outcome.unwrap_or_else(|error| {
        posnext_local::output::note(format_args!("posnext: {error:#}"));
        ExitCode::from(2)
    })
}
