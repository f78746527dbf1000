//! A new location, checked from outside as PAR would call it, without an order.

use std::time::Duration;

use anyhow::{Context, bail};
use posnext_local::par::{Manner, Par, sample_order};
use posnext_proofs::certify::{self, Options};
use posnext_shared::domain::{contract::Contract, directory::Location};
use tokio::time::Instant;

use super::{
    super::{
        desk::Desk,
        terminal::{say, tell},
    },
    Which, look,
};

/// Functions believe what they have read of the directory for half a minute.
const PATIENCE: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_secs(1);
/// No order is placed, so none is waited for.
const TIMEOUT: Duration = Duration::ZERO;
/// Checks of answers that are about no location, so that its own SharedId does not sign them.
const OF_THE_ORGANIZATION: [&str; 3] = ["unmapped-location", "get-unknown", "errors-signed"];

/// Whether all is well.
pub(super) async fn check(desk: &Desk, url: &str, which: &Which, client_id: &str, contract: Contract) -> anyhow::Result<bool> {
    let location = look::found(desk, which).await?;
    let own_shared_id = location.shared_ids.is_some();
    let par = par(desk, url, location, client_id).await?;
    let order = sample_order(which.organization.as_str(), which.location.as_str(), &format!("check-{}", uuid::Uuid::now_v7()));
    if !seen(&par, &order).await? {
        return Ok(false);
    }
    dry_certification(par, which, own_shared_id, contract).await
}

/// PAR, with what is live now.
async fn par(desk: &Desk, url: &str, location: Location, client_id: &str) -> anyhow::Result<Par> {
    let organization = desk.directory.organization(&location.organization_id).await?.context("its organization is gone")?;
    let clients = desk.directory.clients().await?;
    let client = clients.into_iter().find(|client| client.client_id == client_id).context("its client is gone")?;
    let value = async |name: &str| -> anyhow::Result<String> {
        let live = desk.secrets.read(name).await?.with_context(|| format!("there is no secret {name}"))?;
        Ok(live.live.into_iter().next().context("no value is live")?.value)
    };
    let shared_id = value(&location.shared_ids.unwrap_or(organization.shared_ids)).await?;
    Par::new(url, client_id, &value(&client.secret).await?, &shared_id)
}

/// Waits until the functions know the client, the organization and the location: a wrong digest is refused for what it is.
async fn seen(par: &Par, order: &str) -> anyhow::Result<bool> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = par.submit(order, Manner::WrongDigest).await?;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let error = body.pointer("/errors/0/code").and_then(serde_json::Value::as_str).unwrap_or_default();
        if matches!(answer.status.as_str(), "placed" | "pending") {
            bail!("an order with a wrong digest was taken: {}", answer.body);
        }
        if !matches!(answer.code.as_u16(), 401 | 503) && !matches!(error, "unknown_organization" | "unknown_location") {
            return Ok(true);
        }
        if Instant::now() + PAUSE > until {
            say!("FAIL  the functions know the location (answered {}: {})", answer.code, answer.body);
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// PAR's integration checklist, as far as it takes no order.
async fn dry_certification(par: Par, which: &Which, own_shared_id: bool, contract: Contract) -> anyhow::Result<bool> {
    let (organization, location) = (which.organization.to_string(), which.location.to_string());
    let has_menu = par.menus(&organization, &location).await?.code.as_u16() == 200;
    let of_the_organization = OF_THE_ORGANIZATION.iter().filter(|_| own_shared_id);
    let left_out = of_the_organization.chain(Some(&"menu-served").filter(|_| !has_menu));
    let options = Options {
        organization,
        location: String::new(),
        menu_location: location,
        async_location: String::new(),
        dry: true,
        contract,
        only: Vec::new(),
        skip: left_out.map(|id| (*id).to_owned()).collect(),
        timeout: TIMEOUT,
        poll_every: None,
    };
    let report = certify::run(par, options, &|_, _, _| {}).await?;
    tell(&report.text(false));
    if own_shared_id {
        say!("what says nothing about this location is signed with its organization's SharedId, and is not checked here");
    }
    if !has_menu {
        say!("it has no menu yet, so orders to it are not checked: `posnext admin menu put`");
    }
    Ok(report.passed())
}
