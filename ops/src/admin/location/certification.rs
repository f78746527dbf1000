//! A new location, checked from outside as PAR would call it, without an order.

use std::time::Duration;

use super::{
    super::{
        desk::Desk,
        terminal::{note, say, tell},
    },
    Which, look,
    seen::{Written, not_yet, seen},
};
use anyhow::Context;
use posnext_local::par::{Par, sample_order};
use posnext_proofs::certify::{self, Options};
use posnext_shared::domain::{contract::Contract, directory::Location};

/// No order is placed, so none is waited for.
const TIMEOUT: Duration = Duration::ZERO;
/// Checks of answers that are about no location, so that its own SharedId does not sign them.
const OF_THE_ORGANIZATION: [&str; 3] = ["unmapped-location", "get-unknown", "errors-signed"];

/// Whether all is well with what was written.
pub(super) async fn check(
    desk: &Desk,
    url: &str,
    which: &Which,
    client_id: &str,
    contract: Contract,
    written: Written,
) -> anyhow::Result<bool> {
    let location = look::found(desk, which).await?;
    let own_shared_id = location.shared_ids.is_some();
    let par = par(desk, url, location, client_id).await?;
    if let Err(why) = seen(written, async || asked(&par, which).await, note).await? {
        say!("FAIL  the functions know the location ({why})");
        return Ok(false);
    }
    note("the functions know it; checking it");
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

/// Why the functions that look at a location do not go by it yet. Neither request stores anything.
async fn asked(par: &Par, which: &Which) -> anyhow::Result<Option<String>> {
    let (organization, location) = (which.organization.as_str(), which.location.as_str());
    let order = sample_order(organization, location, &format!("check-{}", uuid::Uuid::now_v7()));
    let validated = not_yet(&par.validate(&order).await?);
    Ok(validated.or(not_yet(&par.menus(organization, location).await?)))
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
