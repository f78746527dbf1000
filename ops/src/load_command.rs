//! `posnext load`: how fast are the answers, at a given rate of orders?

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use posnext_local::credentials::Credentials;
use posnext_local::local;
use posnext_proofs::load::{self, Arrivals, Plan, Rate, Report, Until};

#[derive(Debug, Args)]
pub(crate) struct LoadArguments {
    /// Base URL of the deployment
    url: String,
    /// PAR's OrganizationId of the test location
    #[arg(long, default_value = local::ORGANIZATION)]
    organization: String,
    /// PAR's LocationId of the test location: orders WILL be placed there
    #[arg(long, default_value = "PAR-LOC-MENU")]
    location: String,
    #[command(flatten)]
    credentials: Credentials,
    /// Orders a second
    #[arg(long, default_value = "5")]
    rate: Rate,
    /// How orders arrive
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// Send orders for this long
    #[arg(long, default_value_t = 30, value_name = "SECONDS", conflicts_with = "orders")]
    duration: u64,
    /// Send this many orders
    #[arg(long, value_name = "N")]
    orders: Option<usize>,
    /// Which dice for Poisson arrivals: the same seed gives the same arrivals
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ask for the menu this often; 0 for never
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    menus_every: u64,
    /// Submit without validating first
    #[arg(long)]
    no_validate: bool,
    /// An order must be final this long after it was due
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    timeout: u64,
    /// Requests under way at a time, at most; one that has to wait for this counts from when it was due
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Draw the distributions into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the results as JSON into this file, or with `-` to standard output instead of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn run(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    let par = arguments.credentials.par(&arguments.url)?;
    let plan = Plan {
        organization: arguments.organization,
        location: arguments.location,
        rate: arguments.rate,
        arrivals: arguments.arrivals,
        until: arguments.orders.map_or(Until::Elapsed(Duration::from_secs(arguments.duration)), Until::Orders),
        seed: arguments.seed,
        validate: !arguments.no_validate,
        menus_every: Some(Duration::from_secs(arguments.menus_every)).filter(|every| !every.is_zero()),
        timeout: Duration::from_secs(arguments.timeout),
        connections: arguments.connections.into(),
    };
    let report = load::run(par, &plan).await?;
    show(&report, arguments.json, arguments.svg)?;
    Ok(if report.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(report: &Report, json: Option<PathBuf>, svg: Option<PathBuf>) -> anyhow::Result<()> {
    let alone = json.as_ref().is_some_and(|file| file.as_os_str() == "-");
    let text = if alone { report.json()? } else { report.text() };
    // Nobody may be reading any more; the exit code still tells.
    posnext_local::output::text(&text);
    let mut files = Vec::new();
    files.extend(json.filter(|_| !alone).map(|file| report.json().map(|json| (file, json))).transpose()?);
    files.extend(svg.map(|file| (file, report.svg())));
    for (file, text) in files {
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
