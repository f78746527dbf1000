//! A location, onboarded: what is asked for, and what is written in which order.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use posnext_local::secret_store::Live;
use posnext_shared::domain::{
    directory::{Client, Mode},
    ids::Tenant,
};
use tokio::time::Instant;

use crate::certify_command::Switches;

use super::{
    super::{
        desk::{Desk, refused, reveal},
        source::Source,
        stack::Stack,
        terminal::say,
        text,
    },
    Which,
    base::base,
    certification, change,
    plan::{ClientChange, Plan},
    seen::Written,
};

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    pub(super) which: Which,
    /// The vendor's own id of the location
    #[arg(long, value_parser = text)]
    pub(super) internal_id: String,
    /// Whether its orders wait for the POS (sync) or are always accepted with 202 (async)
    #[arg(long, value_enum, default_value = "sync")]
    pub(super) mode: ModeName,
    /// Switched off at first: `location enable` lets orders in
    #[arg(long)]
    pub(super) disabled: bool,
    #[command(flatten)]
    pub(super) pos: Pos,
    #[command(flatten)]
    pub(super) owner: Owner,
    /// A SharedId of its own instead of its organization's, from SOURCE
    #[arg(long, value_name = "SOURCE")]
    pub(super) own_shared_id_from: Option<Source>,
    /// The location is mapped already: replace its mapping; it stays switched off if it is
    #[arg(long)]
    pub(super) replace: bool,
    /// Where to check it; the stack's own Url if not given
    #[arg(long, env = "POSNEXT_URL")]
    url: Option<String>,
    /// Do not check it
    #[arg(long)]
    no_check: bool,
    #[command(flatten)]
    switches: Switches,
}

/// How its POS is reached (docs/pos-connector.openapi.yaml).
#[derive(Debug, Args)]
pub(super) struct Pos {
    /// Requests go to {base}/orders/{key}; https, unless the host is this machine
    #[arg(long, value_name = "URL", value_parser = base)]
    pub(super) base: String,
    /// With --replace: it is the same system, which has moved to --base. Without this, another base is another POS
    #[arg(long, requires = "replace")]
    pub(super) same_pos: bool,
    /// How requests prove where they come from
    #[arg(long, value_enum)]
    pub(super) auth: Auth,
    /// The secret they are proved by, from SOURCE; the location keeps the one that it has if this is not given
    #[arg(long, value_name = "SOURCE")]
    pub(super) pos_secret_from: Option<Source>,
    /// The POS promises: the same key and order again gives the first result
    #[arg(long)]
    pub(super) idempotent_place: bool,
    /// The POS promises: it can be asked for an order, and one that it does not know after SECONDS was never placed
    #[arg(long, value_name = "SECONDS")]
    pub(super) find_settle: Option<u32>,
    /// The POS promises: it can cancel, and refuses that order afterwards
    #[arg(long)]
    pub(super) cancel: bool,
    /// The POS hands out its menu; without this, `posnext admin menu put` does
    #[arg(long)]
    pub(super) pull_menu: bool,
    /// A validate asks the POS what is sold out
    #[arg(long)]
    pub(super) live_availability: bool,
}

/// Whose it is, and who may call for it. SOURCE is env:NAME for an environment variable, - for standard input, or generate
/// (printed once).
#[derive(Debug, Args)]
pub(super) struct Owner {
    /// The vendor's own id of the organization, which is mapped if it is not yet
    #[arg(long, value_parser = text)]
    pub(super) organization_internal_id: Option<String>,
    /// The organization's SharedId, from SOURCE
    #[arg(long, value_name = "SOURCE")]
    pub(super) shared_id_from: Option<Source>,
    /// PAR's Client ID, which may call for the organization from now on
    #[arg(long, value_parser = text)]
    pub(super) client_id: Option<String>,
    /// Whose orders they are, of a new organization and a new client; the Client ID if not given
    #[arg(long, value_parser = tenant, requires = "client_id")]
    pub(super) tenant: Option<Tenant>,
    /// The client's Client Secret, from SOURCE
    #[arg(long, value_name = "SOURCE", requires = "client_id")]
    pub(super) client_secret_from: Option<Source>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeName {
    Sync,
    Async,
}

impl From<ModeName> for Mode {
    fn from(mode: ModeName) -> Self {
        match mode {
            ModeName::Sync => Self::Sync,
            ModeName::Async => Self::Async,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Auth {
    /// Not at all
    None,
    /// Authorization: Bearer SECRET
    Bearer,
    /// X-Posnext-Signature
    Hmac,
}

fn tenant(text: &str) -> Result<Tenant, String> {
    Tenant::new(text).map_err(|error| error.to_string())
}

pub(super) async fn run(stack: &Stack, desk: &Desk, add: Add) -> anyhow::Result<ExitCode> {
    let url = match (&add.url, add.no_check) {
        (_, true) => None,
        (Some(url), _) => Some(url.clone()),
        (None, _) => match stack.value("Url") {
            Ok(url) => Some(url),
            Err(_) => return refused("where can it be checked? Give --url, or --no-check"),
        },
    };
    let contract = add.switches.contract()?;
    let plan = Plan::of(desk, &add).await?;
    apply(desk, &plan).await.context("stopped half-way, which has no effect; give the same command again")?;
    let off = if plan.location.enabled { "" } else { ", and switched off" };
    let written = Written { at: Instant::now(), instead: plan.instead() };
    say!("{} is mapped{off}; its POS is at {}", add.which, add.pos.base);
    plan.warnings.iter().for_each(|warning| say!("WARNING: {warning}"));
    if plan.promises_nothing {
        say!("its POS promises nothing: an order whose reply is lost waits for a person (posnext admin orders --stuck)");
    }
    if let Some(then) = &plan.replaced {
        change::tell(stack, &add.which, then, &plan.location).await?;
    }
    let Some(url) = url else { return Ok(ExitCode::SUCCESS) };
    if !plan.location.enabled {
        say!("it rejects every order, so it is not checked; `location enable` it, then `posnext certify --dry`");
        return Ok(ExitCode::SUCCESS);
    }
    let again = format!("posnext admin location disable {}", add.which.arguments());
    match certification::check(desk, &url, &add.which, &plan.client_id, contract, written).await {
        Ok(true) => {
            say!("{} is ready: it takes orders, and nothing that was checked failed", add.which);
            Ok(ExitCode::SUCCESS)
        }
        Ok(false) => {
            say!("it is mapped, but a check failed; to keep orders out: {again}");
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.context(format!("it is mapped, but could not be checked; to keep orders out: {again}"))),
    }
}

/// Secrets first, the location last: until that is written nobody can use what is there.
async fn apply(desk: &Desk, plan: &Plan) -> anyhow::Result<()> {
    for secret in &plan.secrets {
        let id = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        desk.secrets.write(&secret.name, &Live::one(id, &secret.value.text)).await?;
        if secret.value.generated {
            reveal(secret.what, &secret.value.text)?;
        }
    }
    // Not created and yet as wanted: an earlier try of the same write got through, or somebody else wanted the same.
    let directory = &desk.directory;
    if let Some(organization) = &plan.organization {
        let done = directory.create_organization(organization).await?
            || directory.organization(&organization.organization_id).await?.as_ref() == Some(organization);
        anyhow::ensure!(done, "organization {} was mapped by somebody else meanwhile", organization.organization_id);
    }
    match &plan.client {
        ClientChange::None => {}
        ClientChange::Create(client) => {
            let done = directory.create_client(client).await? || directory.clients().await?.contains(client);
            anyhow::ensure!(done, "client {} was written by somebody else meanwhile", client.client_id);
        }
        ClientChange::Allow => {
            let (id, location) = (&plan.client_id, &plan.location);
            let may = |client: &Client| client.client_id == *id && client.organizations.contains(&location.organization_id);
            let done =
                directory.allow(id, &location.organization_id, &plan.tenant).await? || directory.clients().await?.iter().any(may);
            anyhow::ensure!(done, "client {id} was changed by somebody else meanwhile");
        }
    }
    let location = &plan.location;
    if let Some(known) = &plan.replaced {
        let done = directory.replace_location(known, location).await?;
        anyhow::ensure!(done, "location {} was switched on or off by somebody else meanwhile", location.location_id);
    } else {
        let done = directory.create_location(location).await?
            || directory.location(&location.organization_id, &location.location_id).await?.as_ref() == Some(location);
        anyhow::ensure!(done, "location {} was mapped by somebody else meanwhile", location.location_id);
    }
    Ok(())
}
