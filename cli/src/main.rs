//! The `posnext` command.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod operate;
mod order;

use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use posnext_local::{
    lambda::Account,
    local::{self, Services},
    output, pos, private,
};

/// The POS side of PAR Ordering's POS Next interface, on this machine.
///
/// Without a command it starts the whole product: the HTTP API, the functions, DynamoDB, SQS, secrets and a sandbox POS.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    local: Local,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the whole product on this machine (what happens without a command, too)
    Local(Local),
    /// Play PAR: validate or submit an order, read one, watch one, read a menu
    Order(order::OrderArguments),
    /// Play a POS behind HTTP, as docs/pos-connector.openapi.yaml describes it
    Pos {
        /// Where it listens
        #[arg(long, default_value = "127.0.0.1:3100", value_name = "ADDR")]
        listen: SocketAddr,
    },
    #[command(flatten)]
    Operate(operate::Verb),
}

#[derive(Debug, clap::Args)]
struct Local {
    /// Where the HTTP API listens
    #[arg(long, env = "POSNEXT_LISTEN", default_value = local::LISTEN, value_name = "ADDR")]
    listen: SocketAddr,
    /// Keep the tables and the secrets in this folder, for this user alone; without it, they are in memory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Functions that may run at a time, all together, as in an AWS account; above it callers are answered 503
    #[arg(long, default_value_t = Account::DEFAULT, value_name = "N", conflicts_with = "services_only")]
    concurrency: usize,
    /// Start DynamoDB, SQS and Secrets Manager only, for functions that run elsewhere (`cargo lambda watch`)
    #[arg(long, conflicts_with = "listen")]
    services_only: bool,
    /// Write how to reach the services, and the functions' settings, into this file; with --services-only always
    #[arg(long, value_name = "FILE", default_value_if("services_only", "true", "target/local.env"))]
    env_file: Option<PathBuf>,
    /// With --services-only: where the queue's messages and the schedule invoke process-order and recover-orders
    #[arg(long, value_name = "URL", default_value = local::LAMBDA_ENDPOINT, requires = "services_only")]
    lambda_endpoint: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(outcome) = operate::help(&std::env::args_os().skip(1).collect::<Vec<_>>()) {
        return ended(outcome);
    }
    let arguments = Arguments::parse();
    ended(match arguments.command {
        None => run_local(arguments.local).await,
        Some(Command::Local(local)) => run_local(local).await,
        Some(Command::Order(order)) => order::run(order).await,
        Some(Command::Pos { listen }) => run_pos(listen).await,
        Some(Command::Operate(verb)) => operate::run(&verb),
    })
}

fn ended(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        say_error(&error);
        ExitCode::from(2)
    })
}

fn say_error(error: &anyhow::Error) {
    posnext_local::output::note(format_args!("posnext: {error:#}"));
}

async fn run_local(options: Local) -> anyhow::Result<ExitCode> {
    let level = std::env::var("POSNEXT_LOG").unwrap_or_else(|_| "warn".to_owned());
    let level: tracing::Level =
        level.parse().map_err(|_| anyhow::anyhow!("POSNEXT_LOG is {level:?}; it is: error, warn, info or debug"))?;
    // The gateway's line a request is always shown.
    let filter = tracing_subscriber::filter::Targets::new()
        .with_target("gateway", tracing::Level::INFO)
        .with_target("posnext_shared", level)
        .with_target("posnext_aws", level)
        .with_target("posnext_local", level);
    start_logging(filter);
    if options.services_only {
        return run_services(options).await;
    }
    let data = options.data.as_ref().map_or_else(
        || "in memory, gone when this stops".to_owned(),
        |folder| format!("and secrets in {}, still there at the next start", folder.display()),
    );
    let product = local::start_in(&Account::new(options.concurrency), options.listen, options.data).await?;
    write_environment(&product.services, options.env_file.as_deref())?;
    let url =
        if product.address.to_string() == local::LISTEN { String::new() } else { format!(" --url http://{}", product.address) };
    let address = product.address;
    // Nobody may be listening any more; that is no reason to stop.
    let _ = std::io::stdout().write_all(
        format!(
            "posnext listens on http://{address}   (data {data})

In a second terminal, play PAR:
  cargo run -q -- order submit{url}                            200, placed at once
  cargo run -q -- order submit{url} --location PAR-LOC-SLOW    202, then polled until it is placed
  cargo run -q -- order submit --help                     more

Locations: PAR-LOC-12345 prompt, -SLOW 20 s, -ASYNC always 202, -REJECT refuses, -FLAKY fails twice first,
           -LOSTREPLY and -FIND lose the first reply, -DOWN never answers, -OFF is switched off,
           -MENU has a menu and checks orders against it
What the sandbox POS holds: http://{address}/_local/placements
Stop with Ctrl-C.

"
        )
        .as_bytes(),
    );
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

async fn run_pos(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let abilities = pos::ABILITIES.map(|(name, _)| name).join("|");
    output::line(format_args!(
        "a POS listens on http://{}   as {{{abilities}}}/{{{}}}/orders/KEY; what it holds is at /ledger",
        listener.local_addr()?,
        pos::BEHAVIOURS.join("|")
    ));
    match pos::serve(listener).await? {}
}

fn write_environment(services: &Services, file: Option<&Path>) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let lines: Vec<String> = services.environment().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    if let Some(folder) = file.parent() {
        private::folder(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut written = private::file(file).with_context(|| format!("cannot write {}", file.display()))?;
    // What is no file of its own, such as a pipe, has no length.
    let _ = written.set_len(0);
    written.write_all(lines.concat().as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}

async fn run_services(options: Local) -> anyhow::Result<ExitCode> {
    let services = local::start_services(options.data, &options.lambda_endpoint).await?;
    let file = options.env_file.unwrap_or_default();
    write_environment(&services, Some(&file))?;
    let _ = std::io::stdout().write_all(
        format!(
            "DynamoDB, SQS and Secrets Manager are up; the functions' environment is in {file}

In a second terminal:
  cargo lambda watch --env-file {file}
In a third, play PAR:
  cargo run -q -- order submit --url {endpoint} --location PAR-LOC-ASYNC

The queue's messages invoke process-order, and a schedule recover-orders, at {endpoint}
Stop with Ctrl-C.

",
            file = file.display(),
            endpoint = options.lambda_endpoint,
        )
        .as_bytes(),
    );
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

fn start_logging(filter: tracing_subscriber::filter::Targets) {
    use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};
    let format =
        tracing_subscriber::fmt::layer().compact().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(format).with(filter).init();
}
