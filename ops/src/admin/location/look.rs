//! Locations, looked at and switched.

use std::process::ExitCode;

use anyhow::Context;
use posnext_shared::domain::{
    directory::{Connector, Location, Mode},
    ids::ParId,
};

use super::{
    super::{
        desk::{Desk, refused},
        stack::Stack,
        terminal::{Lines, say},
    },
    Which, under_way,
};

pub(super) async fn list(desk: &Desk, organization: Option<&ParId>) -> anyhow::Result<ExitCode> {
    let mut text = Lines::default();
    text.line(format_args!(
        "{:<20}  {:<20}  {:<20}  {:<8}  {:<5}  {}",
        "ORGANIZATION", "LOCATION", "INTERNAL ID", "STATE", "MODE", "POS"
    ));
    let mut shown = 0;
    for owner in desk.directory.organizations().await? {
        if organization.is_some_and(|wanted| *wanted != owner.organization_id) {
            continue;
        }
        for location in desk.directory.locations(&owner.organization_id).await? {
            shown += 1;
            row(&mut text, &location);
        }
    }
    if shown == 0 {
        text = Lines::default();
        text.line("no locations");
    }
    text.print();
    Ok(ExitCode::SUCCESS)
}

fn row(text: &mut Lines, location: &Location) {
    let state = if location.enabled { "on" } else { "OFF" };
    let mode = match location.mode {
        Mode::Sync => "sync",
        Mode::Async => "async",
    };
    let pos = match &location.connector {
        Connector::Http(http) => http.base.as_str(),
        Connector::Sandbox(_) => "sandbox",
    };
    let (organization, id) = (location.organization_id.as_str(), location.location_id.as_str());
    let internal = &location.internal_id;
    text.line(format_args!("{organization:<20}  {id:<20}  {internal:<20}  {state:<8}  {mode:<5}  {pos}"));
}

pub(super) async fn show(desk: &Desk, which: &Which) -> anyhow::Result<ExitCode> {
    let location = found(desk, which).await?;
    let mut text = Lines::default();
    text.line(which);
    // As it is stored: whatever a location may have, it is told.
    members(&mut text, "", &serde_json::to_value(&location)?);
    let mut secrets = Vec::new();
    if let Connector::Http(http) = &location.connector {
        secrets.extend(http.auth.as_ref().map(|auth| ("POS secret", auth.secret().to_owned())));
    }
    if let Some(organization) = desk.directory.organization(&which.organization).await? {
        text.line(format_args!(
            "  organization: {}, {} inside, tenant {}",
            which.organization, organization.internal_id, organization.tenant
        ));
        secrets.push(("SharedId", location.shared_ids.clone().unwrap_or(organization.shared_ids)));
    } else {
        text.line("  organization: NOT MAPPED, so nobody can send it an order");
    }
    for client in desk.directory.clients().await? {
        if client.organizations.contains(&which.organization) {
            text.line(format_args!("  client: {}, tenant {}", client.client_id, client.tenant));
            secrets.push(("Client Secret", client.secret));
        }
    }
    for (what, name) in secrets {
        let live = match desk.secrets.read(&name).await {
            Ok(Some(live)) => {
                let ids: Vec<_> = live.ids().collect();
                let rotation = if ids.len() > 1 { ", BEING ROTATED" } else { "" };
                format!("live: {}{rotation}", ids.join(", "))
            }
            Ok(None) => "THERE IS NO SUCH SECRET".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        text.line(format_args!("  {what}: {name}, {live}"));
    }
    text.print();
    Ok(ExitCode::SUCCESS)
}

fn members(text: &mut Lines, path: &str, value: &serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            object.iter().for_each(|(key, value)| members(text, &format!("{path}.{key}"), value));
        }
        serde_json::Value::String(value) => text.line(format_args!("  {}: {value}", path.trim_start_matches('.'))),
        value => text.line(format_args!("  {}: {value}", path.trim_start_matches('.'))),
    }
}

pub(super) async fn enable(desk: &Desk, which: &Which) -> anyhow::Result<ExitCode> {
    if desk.directory.switch_location(&which.organization, &which.location, true).await?.is_none() {
        return not_mapped(which);
    }
    say!("{which} is switched on; it takes orders, everywhere by {}", under_way::in_force());
    Ok(ExitCode::SUCCESS)
}

/// Switches it off, and lists what is open all the same: given again, it lists that again.
pub(super) async fn disable(stack: &Stack, desk: &Desk, which: &Which) -> anyhow::Result<ExitCode> {
    let Some(was_on) = desk.directory.switch_location(&which.organization, &which.location, false).await? else {
        return not_mapped(which);
    };
    let at = under_way::in_force();
    if was_on {
        say!("{which} is switched off; it rejects every order, everywhere by {at}, in 60 s: {}", under_way::WHY);
    } else {
        say!("{which} was switched off before; it rejects every order, everywhere once 60 s have passed since then");
    }
    let mapped = found(desk, which).await?;
    let listed = under_way::list(stack, which, Some(&mapped)).await;
    listed.context("it is switched off, but what is open could not be listed; give the same command again")?;
    if was_on {
        say!("what is open goes on; after {at}, once more: posnext admin location disable {}", which.arguments());
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn found(desk: &Desk, which: &Which) -> anyhow::Result<Location> {
    match desk.directory.location(&which.organization, &which.location).await? {
        Some(location) => Ok(location),
        None => not_mapped(which),
    }
}

fn not_mapped<T>(which: &Which) -> anyhow::Result<T> {
    refused(format!("{which} is not mapped; see `posnext admin location list`"))
}
