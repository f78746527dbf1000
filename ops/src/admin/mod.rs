//! `posnext admin`: what an operator does to a stack, with AWS credentials of their own.

mod desk;
mod location;
mod menu;
mod orders;
mod person;
mod redrive;
mod scan;
mod source;
mod stack;
mod terminal;
mod webhook;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use posnext_aws::adapters::{clock::SystemClock, directory::DirectoryTable};
use posnext_local::{credentials::Secrets, local};
use posnext_shared::domain::{by_hand, ids::OrderKey};

pub(crate) use stack::Stack;
use terminal::{escaped, say};

/// Exit code: 0 done; 1 refused, or not all done; 2 it could not be tried.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    #[command(flatten)]
    stack: Stack,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List open orders, oldest first
    Orders {
        /// Only those that are past their deadline or wait for a person
        #[arg(long)]
        stuck: bool,
    },
    /// Tell an order's history, who holds it, when it is due, and what would happen next
    Explain {
        /// The order: tenant#request_uid, as log lines and `admin orders` have it
        order: String,
    },
    /// Ask the POS for an order now
    Ask {
        /// The order: tenant#request_uid, as log lines and `admin orders` have it
        order: String,
    },
    /// End an order by hand, for one that waits for a person. Its POS is asked first: what it contradicts, or does not answer,
    /// is refused
    End {
        /// The order: tenant#request_uid, as log lines and `admin orders` have it
        order: String,
        #[command(flatten)]
        decision: Decision,
        #[command(flatten)]
        why: Why,
    },
    /// Send the messages of the dead-letter queue again; those of final orders are dropped, and said so
    Redrive {
        /// Leave the queue as it is and only tell what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Onboard locations: map them, give them their secrets, check them, switch them, rotate their secrets
    Location(location::LocationArguments),
    /// Tell the vendor's own systems of orders' ends: add, list, test, replay, switch and remove subscribers (docs/webhooks.md)
    Webhook(webhook::WebhookArguments),
    /// Put, show and switch what a location sells
    Menu {
        #[command(subcommand)]
        verb: menu::MenuVerb,
    },
    /// Put the sandbox locations and their credentials into a stack that was deployed with AllowSandbox=true
    Sandbox(Secrets),
}

impl Verb {
    /// The output that names the table it is about.
    fn table(&self) -> &'static str {
        match self {
            Self::Orders { .. } | Self::Explain { .. } | Self::Ask { .. } | Self::End { .. } | Self::Redrive { .. } => {
                "OrdersTable"
            }
            Self::Menu { .. } => "MenusTable",
            Self::Location(_) | Self::Webhook(_) | Self::Sandbox(_) => "DirectoryTable",
        }
    }
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Decision {
    /// It is in the POS, under this id
    #[arg(long, value_name = "POS_ORDER_ID", value_parser = text)]
    placed: Option<String>,
    /// The restaurant refuses it: PAR refunds
    #[arg(long)]
    rejected: bool,
    /// It is not in the POS, and will not be
    #[arg(long)]
    errored: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Why {
    /// Why, and who says so; it stands in the order's history
    #[arg(long, value_parser = text)]
    reason: Option<String>,
    /// The same, for a POS that cannot be asked or is wrong: whatever it holds. It raises an alarm
    #[arg(long, value_name = "REASON", value_parser = text)]
    without_asking: Option<String>,
}

impl From<Decision> for by_hand::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision { placed: Some(pos_order_id), .. } => Self::Placed { pos_order_id },
            Decision { rejected: true, .. } => Self::Rejected,
            Decision { .. } => Self::Errored,
        }
    }
}

pub(crate) async fn run(arguments: AdminArguments) -> anyhow::Result<ExitCode> {
    let AdminArguments { stack, verb } = arguments;
    // What went wrong may quote what is stored. It may have lines of its own.
    let plain = |error: anyhow::Error| {
        let lines: Vec<_> = format!("{error:#}").lines().map(escaped).collect();
        anyhow::anyhow!(lines.join("\n"))
    };
    done(stack, verb).await.map_err(plain)
}

async fn done(stack: Stack, verb: Verb) -> anyhow::Result<ExitCode> {
    stack.tell(verb.table()).await?;
    match verb {
        Verb::Orders { stuck } => orders::list(&stack, stuck).await,
        Verb::Explain { order } => orders::explain(&stack, &key(&order)?).await,
        Verb::Ask { order } => person::ask(&stack, &key(&order)?).await,
        Verb::End { order, decision, why } => {
            let asking = why.without_asking.is_none();
            let reason = why.without_asking.or(why.reason).unwrap_or_default();
            person::end(&stack, &key(&order)?, decision.into(), reason, asking).await
        }
        Verb::Redrive { dry_run } => redrive::run(&stack, dry_run).await,
        Verb::Location(location) => location::run(&stack, location).await,
        Verb::Webhook(webhook) => webhook::run(&stack, webhook).await,
        Verb::Menu { verb } => menu::run(&stack, verb).await,
        Verb::Sandbox(secrets) => sandbox(&stack, &secrets).await,
    }
}

fn text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 128 || text.chars().any(char::is_control) {
        return Err("must have 1 to 128 characters, none of them a control character".to_owned());
    }
    Ok(text.to_owned())
}

fn key(text: &str) -> anyhow::Result<OrderKey> {
    anyhow::ensure!(
        text.contains('#'),
        "{text:?} is no order: it is TENANT#REQUEST_UID, as log lines and `admin orders` have it"
    );
    text.parse().map_err(|error| anyhow::anyhow!("{text:?} is no order: {error}"))
}

async fn sandbox(stack: &Stack, given: &Secrets) -> anyhow::Result<ExitCode> {
    let (table, prefix) = (stack.value("DirectoryTable")?, stack.secrets_prefix()?);
    let (client_secret, shared_id) = (given.client_secret()?, given.shared_id()?);
    let aws = local::aws().await?;
    let directory = DirectoryTable::new(aws_sdk_dynamodb::Client::new(&aws), table, true, SystemClock);
    let put = local::Put { secrets: aws_sdk_secretsmanager::Client::new(&aws), prefix, client_secret, shared_id };
    put.put(&directory, &stack.menus().await?).await?;
    say!("the locations of organization {} are in; functions see them within a minute", local::ORGANIZATION);
    Ok(ExitCode::SUCCESS)
}
