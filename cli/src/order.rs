//! `posnext order`: a person plays PAR.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use posnext_local::{
    credentials::Credentials,
    local, output,
    par::{Answer, Manner, Par, sample_order},
};
use posnext_shared::domain::{details::Item, order::Body};
use tokio::time::Instant;

#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sign and submit an order, and follow it until it is final
    ///
    /// Exit code: 0 placed; 1 rejected, errored or refused; 2 no usable answer; 3 an answer's signature is wrong or
    /// missing; 4 still pending.
    Submit {
        #[command(flatten)]
        caller: Caller,
        /// PAR's OrganizationId in the sample order
        #[arg(long, default_value = local::ORGANIZATION)]
        organization: String,
        /// PAR's LocationId in the sample order
        #[arg(long, default_value = "PAR-LOC-12345")]
        location: String,
        /// Id of the sample order; a fresh one if not given
        #[arg(long, value_name = "UID")]
        request_uid: Option<String>,
        /// Send this JSON file instead of the sample order (`-` for standard input)
        #[arg(long, conflicts_with_all = ["organization", "location", "request_uid"])]
        file: Option<PathBuf>,
        /// Ask for 202 at once (Prefer: respond-async)
        #[arg(long)]
        prefer_async: bool,
        /// Do not follow a 202
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        patience: Patience,
    },
    /// Sign an order and ask whether it would be taken, and what it comes to; places nothing
    ///
    /// Exit code: 0 validated; 1 rejected or refused; 2 no usable answer; 3 the answer's signature is wrong or missing.
    Validate {
        #[command(flatten)]
        caller: Caller,
        /// PAR's OrganizationId in the sample order
        #[arg(long, default_value = local::ORGANIZATION)]
        organization: String,
        /// PAR's LocationId in the sample order
        #[arg(long, default_value = local::MENU_LOCATION)]
        location: String,
        /// Send this JSON file instead of the sample order (`-` for standard input)
        #[arg(long, conflicts_with_all = ["organization", "location"])]
        file: Option<PathBuf>,
    },
    /// Read a location's menu
    ///
    /// Exit code: 0 it was answered; 1 it was refused; 2 no usable answer.
    Menu {
        #[command(flatten)]
        caller: Caller,
        /// PAR's OrganizationId
        #[arg(long, default_value = local::ORGANIZATION)]
        organization: String,
        /// PAR's LocationId
        #[arg(long, default_value = local::MENU_LOCATION)]
        location: String,
    },
    /// Read an order once
    Get {
        #[command(flatten)]
        caller: Caller,
        /// The order's request_uid
        request_uid: String,
    },
    /// Tell what was done with an order, by whom and why
    ///
    /// Exit code: 0 placed or pending; 1 rejected, errored or refused; 2 no usable answer; 3 the answer's signature is wrong or missing.
    History {
        #[command(flatten)]
        caller: Caller,
        /// The order's request_uid
        request_uid: String,
    },
    /// Read an order until it is final
    Watch {
        #[command(flatten)]
        caller: Caller,
        /// The order's request_uid
        request_uid: String,
        #[command(flatten)]
        patience: Patience,
    },
}

#[derive(Debug, Args)]
struct Patience {
    /// Give up following after this many seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
}

/// Whom to call, and as whom. The defaults are those of the local product.
#[derive(Debug, Args)]
struct Caller {
    /// Base URL of the deployment
    #[arg(long, env = "POSNEXT_URL", default_value = "http://127.0.0.1:3000")]
    url: String,
    #[command(flatten)]
    credentials: Credentials,
}

impl Caller {
    fn par(&self) -> anyhow::Result<Par> {
        self.credentials.par(&self.url)
    }
}

pub(crate) async fn run(arguments: OrderArguments) -> anyhow::Result<ExitCode> {
    match arguments.verb {
        Verb::Submit { caller, organization, location, request_uid, file, prefer_async, no_wait, patience } => {
            let order = order(file, &organization, &location, request_uid)?;
            let par = caller.par()?;
            output::line(format_args!("          {}", summary(&order)?));
            let began = Instant::now();
            let answer = par.submit(&order, if prefer_async { Manner::PreferAsync } else { Manner::Right }).await?;
            show(began, "submit", &answer);
            match answer.location.as_deref().and_then(|location| location.rsplit('/').next()) {
                Some(uid) if !no_wait && answer.code.as_u16() == 202 && answer.signed == Some(true) => {
                    follow(&par, uid, began, patience.timeout, answer.retry_after).await
                }
                _ => Ok(finish(&answer)),
            }
        }
        Verb::Validate { caller, organization, location, file } => {
            let order = order(file, &organization, &location, None)?;
            let par = caller.par()?;
            output::line(format_args!("          {}", summary(&order)?));
            let began = Instant::now();
            let answer = par.validate(&order).await?;
            show(began, "validate", &answer);
            Ok(finish(&answer))
        }
        Verb::Menu { caller, organization, location } => {
            let answer = caller.par()?.menus(&organization, &location).await?;
            output::text(format_args!("{}\n", answer.body));
            Ok(if answer.code.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Verb::Get { caller, request_uid } => {
            let began = Instant::now();
            let answer = caller.par()?.get(&request_uid).await?;
            show(began, "get", &answer);
            Ok(finish(&answer))
        }
        Verb::History { caller, request_uid } => {
            let answer = caller.par()?.history(&request_uid).await?;
            if answer.code.as_u16() != 200 || answer.signed != Some(true) {
                return Ok(finish(&answer));
            }
            tell_history(&answer.body)
        }
        Verb::Watch { caller, request_uid, patience } => {
            follow(&caller.par()?, &request_uid, Instant::now(), patience.timeout, Some(Duration::ZERO)).await
        }
    }
}

/// The order of a file, or a sample.
fn order(file: Option<PathBuf>, organization: &str, location: &str, request_uid: Option<String>) -> anyhow::Result<String> {
    match file {
        Some(file) => read_order(&file),
        None => Ok(sample_order(organization, location, &request_uid.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()))),
    }
}

fn read_order(file: &PathBuf) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin()).context("cannot read standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// An order in one line: what is sent, before it is.
fn summary(order: &str) -> anyhow::Result<String> {
    let order = Body::parse(order.as_bytes())?.into_order().map_err(|errors| {
        let reasons: Vec<_> = errors.into_iter().map(|error| error.message).collect();
        anyhow::anyhow!("this is no order: {}", reasons.join("; "))
    })?;
    let line = |item: &Item| {
        let quantity = item.quantity.map(|quantity| format!("{quantity} x ")).unwrap_or_default();
        format!("{quantity}{}", item.name.as_deref().or(item.id.as_deref()).unwrap_or("?"))
    };
    let items: Vec<_> = order.details().items.iter().map(line).collect();
    let total = order.totals().grand_total.map_or_else(String::new, |cents| format!(", {}", cents.to_json_number()));
    Ok(format!("order {} to {}: {}{total}", order.request_uid(), order.location_id(), items.join(", ")))
}

/// Polls as the answers say, until the order is final or patience ends.
async fn follow(par: &Par, uid: &str, began: Instant, timeout: u64, first: Option<Duration>) -> anyhow::Result<ExitCode> {
    let until = began + Duration::from_secs(timeout);
    let mut wait = first;
    loop {
        let pause = wait.unwrap_or(Duration::from_secs(1));
        if Instant::now() + pause > until {
            say_pending(uid, timeout);
            return Ok(ExitCode::from(4));
        }
        tokio::time::sleep(pause).await;
        let answer = par.get(uid).await?;
        show(began, "get", &answer);
        if answer.code.as_u16() != 200 || answer.status != "pending" || answer.signed != Some(true) {
            return Ok(finish(&answer));
        }
        wait = answer.retry_after;
    }
}

/// One line a change, and where the order stands.
fn tell_history(body: &str) -> anyhow::Result<ExitCode> {
    let told: Told = serde_json::from_str(body).context("this is no history")?;
    for Change { at, actor, event, reason } in &told.history {
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        output::line(format_args!("{at:<24}  {actor:<6}  {event}{reason}"));
    }
    output::line(&told.status);
    Ok(if matches!(told.status.as_str(), "placed" | "pending") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Debug, serde::Deserialize)]
struct Told {
    status: String,
    history: Vec<Change>,
}

#[derive(Debug, serde::Deserialize)]
struct Change {
    at: String,
    actor: String,
    event: String,
    reason: Option<String>,
}

fn say_pending(uid: &str, timeout: u64) {
    output::line(format_args!("still pending after {timeout} s; look again with: posnext order watch {uid}"));
}

fn show(began: Instant, verb: &str, answer: &Answer) {
    let signature = match answer.signed {
        Some(true) => "signature right",
        Some(false) => "SIGNATURE WRONG",
        None => "NOT SIGNED",
    };
    let (elapsed, code) = (began.elapsed(), answer.code.as_u16());
    let tenths = elapsed.subsec_millis() / 100;
    output::line(format_args!("{:>4}.{tenths} s  {verb:<6}  {code}  {:<8}  {signature}", elapsed.as_secs(), answer.status));
    if let (Some(location), Some(after)) = (&answer.location, answer.retry_after) {
        output::line(format_args!("          Location: {location}   Retry-After: {}", after.as_secs()));
    }
}

/// Prints the last answer's body; the exit code tells how it went.
fn finish(answer: &Answer) -> ExitCode {
    output::text(format_args!("{}\n", answer.body));
    match (answer.signed, answer.code.as_u16(), answer.status.as_str()) {
        (Some(true), 200, "placed" | "validated") => ExitCode::SUCCESS,
        (Some(true), 200 | 202, "pending") => ExitCode::from(4),
        (Some(true), ..) => ExitCode::from(1),
        (None, 401, _) => ExitCode::from(1),
        _ => ExitCode::from(3),
    }
}
