//! `posnext admin menu`: what a location sells.

use std::{io::Read, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use posnext_aws::adapters::{clock::SystemClock, menu_table::MenuTable};
use posnext_local::local;
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{
        ids::ParId,
        menu::{Menu, StoredMenu},
    },
};

use super::{
    stack::Stack,
    terminal::{note, say, tell},
};

#[derive(Debug, Subcommand)]
pub(super) enum MenuVerb {
    /// Put a menu, replacing the location's as a whole; what is switched off stays off
    ///
    /// The file is JSON; docs/menu.md tells its members. It is checked before anything is written. Orders that are paid by
    /// then may go by the menu before for 15 minutes; switch off what is sold out.
    Put {
        #[command(flatten)]
        location: MenuLocation,
        /// The menu (`-` for standard input)
        file: PathBuf,
    },
    /// Print a location's menu as it is stored, and what is switched off
    Show {
        #[command(flatten)]
        location: MenuLocation,
    },
    /// Switch products or modifiers off until they are switched on again; functions see it within a minute
    Off {
        #[command(flatten)]
        location: MenuLocation,
        /// Ids of products or modifiers
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Switch products or modifiers on again
    On {
        #[command(flatten)]
        location: MenuLocation,
        /// Ids of products or modifiers
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct MenuLocation {
    /// PAR's OrganizationId
    #[arg(long, default_value = local::ORGANIZATION, value_parser = |text: &str| ParId::new(text))]
    organization: ParId,
    /// PAR's LocationId
    #[arg(long, default_value = local::MENU_LOCATION, value_parser = |text: &str| ParId::new(text))]
    location: ParId,
}

pub(super) async fn run(stack: &Stack, verb: MenuVerb) -> anyhow::Result<ExitCode> {
    match verb {
        MenuVerb::Put { location, file } => put(stack, &location, &file).await,
        MenuVerb::Show { location } => {
            let stored = stored(&stack.menus().await?, &location).await?;
            tell(&serde_json::to_string_pretty(stored.menu.content())?);
            let mut sold_out: Vec<&str> = stored.sold_out.iter().map(String::as_str).collect();
            sold_out.sort_unstable();
            let (version, put_at) = (&stored.version, stored.put_at.rfc3339());
            note(format_args!("version {version} of {put_at}; switched off: {}", listed(&sold_out)));
            Ok(ExitCode::SUCCESS)
        }
        MenuVerb::Off { location, ids } => switch(stack, &location, &ids, false).await,
        MenuVerb::On { location, ids } => switch(stack, &location, &ids, true).await,
    }
}

fn listed(ids: &[&str]) -> String {
    if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") }
}

async fn put(stack: &Stack, location: &MenuLocation, file: &PathBuf) -> anyhow::Result<ExitCode> {
    let text = if file.as_os_str() == "-" {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).context("cannot read standard input")?;
        text
    } else {
        std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    let menu = Menu::parse(&text)?;
    let menus = stack.menus().await?;
    let saved = menus.save(&location.organization, &location.location, &menu, SystemClock.now()).await?;
    let content = menu.content();
    say!(
        "put: {} products and {} modifier groups, version {}; functions serve it within a minute",
        content.products.len(),
        content.modifier_groups.len(),
        saved.version
    );
    Ok(ExitCode::SUCCESS)
}

async fn switch(stack: &Stack, location: &MenuLocation, ids: &[String], available: bool) -> anyhow::Result<ExitCode> {
    let menus = stack.menus().await?;
    let stored = stored(&menus, location).await?;
    let unknown: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !stored.menu.knows(id)).collect();
    // What an older menu had may be switched on again, so that nothing stays off for ever.
    if !available && !unknown.is_empty() {
        bail!("the menu of {} has no product or modifier {}; nothing was switched", location.location, unknown.join(", "));
    }
    if !menus.switch(&location.organization, &location.location, ids, available).await? {
        bail!("{} has no menu any more", location.location);
    }
    say!("switched {}: {}; functions see it within a minute", if available { "on" } else { "off" }, ids.join(", "));
    Ok(ExitCode::SUCCESS)
}

async fn stored(menus: &MenuTable, location: &MenuLocation) -> anyhow::Result<std::sync::Arc<StoredMenu>> {
    let MenuLocation { organization, location } = location;
    let stored = menus.read(organization, location).await?;
    stored.with_context(|| {
        format!("{location} of {organization} has no menu; put one: posnext admin menu put FILE --location {location}")
    })
}
