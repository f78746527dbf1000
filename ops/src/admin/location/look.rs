//! Locations, looked at and switched.

use std::{fmt::Write, process::ExitCode};

use posnext_shared::domain::{
    directory::{Connector, Location, Mode},
    ids::ParId,
};

use super::{
    super::desk::{Desk, refused},
    Which,
};

pub(super) async fn list(desk: &Desk, organization: Option<&ParId>) -> anyhow::Result<ExitCode> {
    let mut text =
        format!("{:<20}  {:<20}  {:<20}  {:<8}  {:<5}  {}\n", "ORGANIZATION", "LOCATION", "INTERNAL ID", "STATE", "MODE", "POS");
    let mut shown = 0;
    for owner in desk.directory.organizations().await? {
        if organization.is_some_and(|wanted| *wanted != owner.organization_id) {
            continue;
        }
        for location in desk.directory.locations(&owner.organization_id).await? {
            shown += 1;
            line(&mut text, &location)?;
        }
    }
    if shown == 0 {
        text = "no locations\n".to_owned();
    }
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn line(text: &mut String, location: &Location) -> std::fmt::Result {
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
    writeln!(text, "{organization:<20}  {id:<20}  {:<20}  {state:<8}  {mode:<5}  {pos}", location.internal_id)
}

pub(super) async fn show(desk: &Desk, which: &Which) -> anyhow::Result<ExitCode> {
    let location = found(desk, which).await?;
    let mut text = format!("{which}\n");
    // As it is stored: whatever a location may have, it is told.
    write_members(&mut text, "", &serde_json::to_value(&location)?)?;
    let mut secrets = Vec::new();
    if let Connector::Http(http) = &location.connector {
        secrets.extend(http.auth.as_ref().map(|auth| ("POS secret", auth.secret().to_owned())));
    }
    if let Some(organization) = desk.directory.organization(&which.organization).await? {
        writeln!(text, "  organization: {}, {} inside", which.organization, organization.internal_id)?;
        secrets.push(("SharedId", location.shared_ids.clone().unwrap_or(organization.shared_ids)));
    } else {
        writeln!(text, "  organization: NOT MAPPED, so nobody can send it an order")?;
    }
    for client in desk.directory.clients().await? {
        if client.organizations.contains(&which.organization) {
            writeln!(text, "  client: {}, tenant {}", client.client_id, client.tenant)?;
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
        writeln!(text, "  {what}: {name}, {live}")?;
    }
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn write_members(text: &mut String, path: &str, value: &serde_json::Value) -> std::fmt::Result {
    match value {
        serde_json::Value::Object(members) => {
            members.iter().try_for_each(|(key, value)| write_members(text, &format!("{path}.{key}"), value))
        }
        serde_json::Value::String(value) => writeln!(text, "  {}: {value}", path.trim_start_matches('.')),
        value => writeln!(text, "  {}: {value}", path.trim_start_matches('.')),
    }
}

pub(super) async fn switch(desk: &Desk, which: &Which, enabled: bool) -> anyhow::Result<ExitCode> {
    if !desk.directory.switch_location(&which.organization, &which.location, enabled).await? {
        return not_mapped(which);
    }
    let (state, then) = if enabled { ("on", "takes orders") } else { ("off", "rejects every order") };
    println!("{which} is switched {state}; within a minute it {then}");
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
