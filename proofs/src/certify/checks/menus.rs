//! Menu sync.

use std::sync::Arc;

use anyhow::ensure;

use super::{Judged, all_right, not_tried, passed, warning};
use crate::certify::{bench::Probe, exchange::Ask, menu::Menu};

const NO_MENU: &str = "this location has no menu";

async fn menu(probe: &Probe) -> anyhow::Result<Option<Arc<Menu>>> {
    probe.menu(probe.options().menu_location().unwrap_or_default()).await
}

pub(super) async fn served(probe: &Probe) -> Judged {
    let options = probe.options();
    let Some(menu) = menu(probe).await? else {
        anyhow::bail!("{NO_MENU}: put one, or leave the menu's checks out with --menu-location ''");
    };
    ensure!(!menu.products.is_empty(), "it has no products");
    let named = (menu.organization.as_deref(), menu.location.as_deref());
    let wanted = (Some(options.organization.as_str()), options.menu_location());
    ensure!(named == wanted, "it is the menu of {named:?}, not of {wanted:?}");
    Ok(passed(format!("{} products, {} modifier groups", menu.products.len(), menu.groups.len())))
}

/// What is wrong with the menu in one respect. That there is none is for `served` to say.
async fn flawless(probe: &Probe, flaws: impl Fn(&Menu) -> Vec<String>) -> Judged {
    match menu(probe).await? {
        Some(menu) => all_right(&flaws(&menu), ""),
        None => Ok(not_tried(NO_MENU)),
    }
}

pub(super) async fn prices(probe: &Probe) -> Judged {
    flawless(probe, Menu::bad_prices).await
}

pub(super) async fn references(probe: &Probe) -> Judged {
    flawless(probe, Menu::bad_references).await
}

pub(super) async fn limits(probe: &Probe) -> Judged {
    flawless(probe, Menu::bad_limits).await
}

/// PAR's documents ask for no ETag; without one every pull is a whole menu.
pub(super) async fn etag(probe: &Probe) -> Judged {
    let options = probe.options();
    let ask = || Ask::menu(&options.organization, options.menu_location().unwrap_or_default());
    let first = probe.send(ask()).await?;
    if first.code() == 404 && first.told.says_why() {
        return Ok(not_tried(NO_MENU));
    }
    first.expect(200)?;
    let Some(etag) = first.answer.headers.get("etag").and_then(|etag| etag.to_str().ok()) else {
        return Ok(warning("the menu has no ETag: every pull sends all of it"));
    };
    let mut again = ask();
    again.headers.push(("if-none-match", etag.to_owned()));
    let second = probe.send(again).await?;
    if second.code() != 304 {
        return Ok(warning(format!("If-None-Match with the menu's ETag was answered {}, not 304", second.summary())));
    }
    Ok(passed(""))
}
