//! A new location, checked from outside as PAR would call it, without an order.

use std::time::Duration;

use anyhow::{Context, bail};
use posnext_local::par::{Manner, Par, sample_order};
use tokio::time::Instant;

use super::{Desk, Which, look};

/// Functions believe what they have read of the directory for half a minute.
const PATIENCE: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_secs(1);

/// Whether all is well.
pub(super) async fn check(desk: &Desk, url: &str, which: &Which, client_id: &str) -> anyhow::Result<bool> {
    let par = par(desk, url, which, client_id).await?;
    let order = sample_order(which.organization.as_str(), which.location.as_str(), &format!("check-{}", uuid::Uuid::now_v7()));
    if !seen(&par, &order).await? {
        return Ok(false);
    }
    dry_certification(par, which).await
}

/// PAR, with what is live now.
async fn par(desk: &Desk, url: &str, which: &Which, client_id: &str) -> anyhow::Result<Par> {
    let location = look::found(desk, which).await?;
    let organization = desk.directory.organization(&which.organization).await?.context("its organization is gone")?;
    let clients = desk.directory.clients().await?;
    let client = clients.into_iter().find(|client| client.client_id == client_id).context("its client is gone")?;
    let value = async |name: &str| -> anyhow::Result<String> {
        let live = desk.secrets.read(name).await?.with_context(|| format!("there is no secret {name}"))?;
        Ok(live.live.into_iter().next().context("no value is live")?.value)
    };
    let shared_id = value(&location.shared_ids.unwrap_or(organization.shared_ids)).await?;
    Par::new(url, client_id, &value(&client.secret).await?, &shared_id)
}

/// Waits until the functions know the location: a wrong digest is refused for what it is.
async fn seen(par: &Par, order: &str) -> anyhow::Result<bool> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = par.submit(order, Manner::WrongDigest).await?;
        match answer.code.as_u16() {
            412 => return Ok(true),
            200 | 202 => bail!("an order with a wrong digest was taken: {}", answer.body),
            _ if Instant::now() + PAUSE > until => {
                println!("FAIL  the functions know the location (answered {}: {})", answer.code, answer.body);
                return Ok(false);
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// What PAR's checklist asks for, as far as it takes no order.
async fn dry_certification(par: Par, which: &Which) -> anyhow::Result<bool> {
    let order = sample_order(which.organization.as_str(), which.location.as_str(), &format!("check-{}", uuid::Uuid::now_v7()));
    let answer = par.submit(&order, Manner::NoToken).await?;
    let refused = answer.code.as_u16() == 401;
    println!("{}  an order without a token is refused with 401", if refused { "ok  " } else { "FAIL" });
    Ok(refused)
}
