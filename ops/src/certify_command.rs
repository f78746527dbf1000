//! `posnext certify`: PAR's integration checklist as a command.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use posnext_local::credentials::Credentials;
use posnext_local::local;
use posnext_proofs::certify::{self, Options, Report};

use posnext_shared::domain::contract::Contract;

#[derive(Debug, Args)]
pub(crate) struct CertifyArguments {
    /// Base URL of the deployment
    #[arg(env = "POSNEXT_URL", default_value = "http://127.0.0.1:3000")]
    url: String,
    #[command(flatten)]
    credentials: Credentials,
    /// PAR's OrganizationId
    #[arg(long, env = "POSNEXT_ORGANIZATION", default_value = local::ORGANIZATION)]
    organization: String,
    /// PAR's LocationId of a test location: orders WILL be placed there; '' to place none
    #[arg(long, env = "POSNEXT_LOCATION", default_value = "PAR-LOC-12345")]
    location: String,
    /// PAR's LocationId whose menu is fetched and where orders are validated, and one that must be refused is submitted; '' to
    /// leave that out
    #[arg(long, env = "POSNEXT_MENU_LOCATION", default_value = "PAR-LOC-MENU")]
    menu_location: String,
    /// PAR's LocationId of a test location that answers 202: an order WILL be placed there; '' to leave that out
    #[arg(long, env = "POSNEXT_ASYNC_LOCATION", default_value = "PAR-LOC-ASYNC")]
    async_location: String,
    /// Place no order: what would is not tried
    #[arg(long)]
    dry: bool,
    #[command(flatten)]
    switches: Switches,
    /// Try only these checks, by id, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    only: Vec<String>,
    /// Leave these checks out
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    skip: Vec<String>,
    /// A 202 must have become final after this many seconds
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    timeout: u64,
    /// Show the requests and answers of all checks, not only of those that failed
    #[arg(long, short)]
    verbose: bool,
    /// Write the report as JSON into this file (`-` for standard output; the text then goes to standard error)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as JUnit XML into this file (`-` as with --json)
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What the deployment was set to answer, where PAR has not told us; its settings have the same names.
#[derive(Debug, Args)]
pub(crate) struct Switches {
    /// HTTP status of a missing or wrong digest
    #[arg(long, env = "POSNEXT_STATUS_DIGEST", default_value_t = 412, value_name = "STATUS")]
    status_digest: u16,
    /// HTTP status of an organization or location that is not mapped
    #[arg(long, env = "POSNEXT_STATUS_UNMAPPED", default_value_t = 404, value_name = "STATUS")]
    status_unmapped: u16,
    /// HTTP status of an order that is rejected
    #[arg(long, env = "POSNEXT_STATUS_REJECTED", default_value_t = 200, value_name = "STATUS")]
    status_rejected: u16,
    /// What the digest of a request covers: order or path-and-body
    #[arg(long, env = "POSNEXT_REQUEST_DIGEST", default_value = "order", value_name = "RECIPE")]
    request_digest: String,
    /// Where an answer has the POS's order id
    #[arg(long, env = "POSNEXT_POS_ORDER_ID_KEY", default_value = "order_details.pos_order_id", value_name = "KEY")]
    pos_order_id_key: String,
}

impl Switches {
    pub(crate) fn contract(&self) -> anyhow::Result<Contract> {
        let key = &self.pos_order_id_key;
        let recipe = &self.request_digest;
        let no_recipe = || anyhow::anyhow!("{recipe:?} is no recipe of a request's digest; it is order or path-and-body");
        let no_key = || anyhow::anyhow!("{key:?} is no place for the POS's order id; it is order_details.NAME or NAME");
        Ok(Contract {
            digest_status: self.status_digest,
            unmapped_status: self.status_unmapped,
            rejected_status: self.status_rejected,
            request_digest: recipe.parse().map_err(|()| no_recipe())?,
            pos_order_id_key: key.parse().map_err(|()| no_key())?,
            ..Contract::default()
        })
    }
}

pub(crate) async fn run(arguments: CertifyArguments) -> anyhow::Result<ExitCode> {
    let [json, junit] = [&arguments.json, &arguments.junit].map(|file| file.as_deref());
    ensure!(
        !(is_stdout(json) && is_stdout(junit)),
        "--json - and --junit - cannot both have standard output; name a file for one"
    );
    let par = arguments.credentials.par(&arguments.url)?;
    let options = Options {
        organization: arguments.organization,
        location: arguments.location,
        menu_location: arguments.menu_location,
        async_location: arguments.async_location,
        dry: arguments.dry,
        contract: arguments.switches.contract()?,
        only: arguments.only,
        skip: arguments.skip,
        timeout: Duration::from_secs(arguments.timeout),
        poll_every: None,
    };
    let bar = progress();
    let watch = |number: usize, _: usize, id: &str| {
        bar.set_position(number as u64);
        bar.set_message(id.to_owned());
    };
    let report = certify::run(par, options, &watch).await;
    bar.finish_and_clear();
    let report = report?;
    let text = report.text(arguments.verbose);
    if is_stdout(json) || is_stdout(junit) {
        // Nobody may be reading any more; that is no finding.
        let _ = std::io::stderr().write_all(text.as_bytes());
    } else {
        posnext_local::output::text(&text);
    }
    write(json, &|| format!("{:#}\n", report.json()))?;
    write(junit, &|| report.junit())?;
    Ok(exit_code(&report))
}

fn exit_code(report: &Report) -> ExitCode {
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_stdout(file: Option<&Path>) -> bool {
    file.is_some_and(|file| file.as_os_str() == "-")
}

fn write(file: Option<&Path>, text: &dyn Fn() -> String) -> anyhow::Result<()> {
    match file {
        None => Ok(()),
        Some(_) if is_stdout(file) => std::io::stdout().write_all(text().as_bytes()).context("cannot write to standard output"),
        Some(file) => std::fs::write(file, text()).with_context(|| format!("cannot write {}", file.display())),
    }
}

/// Drawn only where somebody watches a terminal.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(certify::ids().count() as u64);
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
