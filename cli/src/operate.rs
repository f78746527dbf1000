//! The commands of `posnext-ops`, the program beside this one. Who only runs the product does not compile them.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};

/// What `posnext-ops` does; it explains its commands itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check a deployment with one signed order to a test location; for after every deploy
    #[command(disable_help_flag = true)]
    Smoke(Rest),
    /// Play PAR through all of its integration checklist, against any deployment
    #[command(disable_help_flag = true)]
    Certify(Rest),
    /// Send orders at a given rate to a test location, and measure every answer
    #[command(disable_help_flag = true)]
    Load(Rest),
    /// Kill, stop and cut off the functions and services under a stream of orders
    #[command(disable_help_flag = true)]
    Faults(Rest),
    /// Run the functions' own code in a world of one seed, in which anything may go wrong, and tell what happened
    #[command(disable_help_flag = true)]
    Simulate(Rest),
    /// Watch the orders of a deployed stack move, in a browser; read-only
    #[command(disable_help_flag = true)]
    Board(Rest),
    /// Operate a stack: its locations, menus, orders, dead-letter queue, sandbox
    #[command(disable_help_flag = true)]
    Admin(Rest),
}

/// Whatever comes after the command's name: for `posnext-ops` to read.
#[derive(Debug, Args)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

impl Verb {
    fn call(&self) -> (&'static str, &Rest) {
        match self {
            Self::Smoke(rest) => ("smoke", rest),
            Self::Certify(rest) => ("certify", rest),
            Self::Load(rest) => ("load", rest),
            Self::Faults(rest) => ("faults", rest),
            Self::Simulate(rest) => ("simulate", rest),
            Self::Board(rest) => ("board", rest),
            Self::Admin(rest) => ("admin", rest),
        }
    }
}

/// Does one of its commands.
///
/// # Errors
/// It is not beside this program, or cannot be started.
pub(crate) fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    let (name, rest) = verb.call();
    become_it(name, &rest.arguments)
}

/// `posnext help NAME…` of one of its commands, which it explains itself; `None` for all else.
pub(crate) fn help(arguments: &[OsString]) -> Option<anyhow::Result<ExitCode>> {
    let [help, name, rest @ ..] = arguments else { return None };
    let name = name.to_str().filter(|name| help == "help" && Verb::has_subcommand(name))?;
    Some(become_it(name, &[rest, &["--help".into()]].concat()))
}

/// Becomes `posnext-ops`: its output, its exit code and what ends it are its own.
fn become_it(name: &str, rest: &[OsString]) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("where this program is cannot be read")?.with_file_name("posnext-ops");
    let error = Command::new(&program).arg(name).args(rest).exec();
    let advice =
        "from a clone: cargo build --bin posnext-ops (--release beside a release); to install it: cargo install --path ops";
    Err(error).with_context(|| format!("`posnext {name}` is done by {}, which does not start; {advice}", program.display()))
}
