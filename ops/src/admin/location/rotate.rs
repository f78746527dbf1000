//! A secret's next value: live beside the old one, then alone.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use posnext_local::secret_store::{Live, LiveValue};
use posnext_shared::domain::directory::Connector;

use super::{
    super::{
        desk::{Desk, quoted, refused, reveal},
        source::{Source, weakness},
        terminal::{say, tell},
    },
    Which, look,
};

/// Functions read secrets at most this old.
const MINUTES: u32 = 5;

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// Which of its secrets
    #[arg(value_enum)]
    secret: Kind,
    /// Whose Client Secret, where several clients may call for the location
    #[arg(long)]
    client_id: Option<String>,
    /// The new value: env:NAME for an environment variable, - for standard input, or generate (printed once)
    #[arg(long, value_name = "SOURCE", required_unless_present_any = ["finish", "abandon"])]
    from: Option<Source>,
    /// Everybody uses the new value: end the old one
    #[arg(long, conflicts_with_all = ["from", "abandon"])]
    finish: bool,
    /// Nobody uses the new value: end it, and keep the old one
    #[arg(long, conflicts_with = "from")]
    abandon: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// What orders are signed with: the location's own, else its organization's
    SharedId,
    /// What PAR's tokens are signed with
    Client,
    /// What requests to the POS are proved by
    Pos,
}

/// A secret that is in use.
struct Target {
    name: String,
    /// For whom, in words.
    what: String,
    live: Live,
}

pub(super) async fn run(desk: &Desk, rotate: Rotate) -> anyhow::Result<ExitCode> {
    let Target { name, what, live } = target(desk, &rotate).await?;
    let old: Vec<LiveValue> = live.live;
    let kind = rotate.secret.to_possible_value().map(|kind| kind.get_name().to_owned()).unwrap_or_default();
    let mut again = format!("posnext admin location rotate-secret {} {kind}", rotate.which.arguments());
    if let Some(client_id) = &rotate.client_id {
        again.push_str(&format!(" --client-id {}", quoted(client_id)));
    }
    if rotate.finish || rotate.abandon {
        let [first, .., last] = old.as_slice() else {
            return refused(format!("only one value of {what} is live; begin with: {again} --from SOURCE"));
        };
        let stays = if rotate.finish { last } else { first };
        desk.secrets.write(&name, &Live { live: vec![stays.clone()] }).await?;
        say!("of {what}, only {} is live; functions that know more forget it within {MINUTES} minutes", stays.id);
        return Ok(ExitCode::SUCCESS);
    }
    if old.len() > 1 {
        let ids: Vec<_> = old.iter().map(|live| live.id.as_str()).collect();
        return refused(format!(
            "a rotation of {what} has begun already ({} are live); end it first: {again} --finish, or --abandon",
            ids.join(" and ")
        ));
    }
    let value = rotate.from.context("--from is missing")?.value("the new value")?;
    if old.iter().any(|live| live.value == value.text || prefix(rotate.secret, &live.value) == prefix(rotate.secret, &value.text))
    {
        return refused(format!("the new value is no other than the one that is live; give another, or end here: {what} stays"));
    }
    if let Some(warning) = weakness(&value.text).filter(|_| rotate.secret == Kind::SharedId) {
        say!("WARNING: {warning}");
    }
    let id = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let new = LiveValue { id: id.clone(), value: value.text.clone() };
    desk.secrets.write(&name, &Live { live: old.into_iter().chain([new]).collect() }).await?;
    if value.generated {
        reveal(&format!("new value of {what}"), &value.text).with_context(|| format!("the value is lost; {again} --abandon"))?;
    }
    tell(&next_steps(rotate.secret, &what, &again));
    Ok(ExitCode::SUCCESS)
}

/// The part of a value that counts: digests are keyed with the first ten characters of a SharedId.
fn prefix(kind: Kind, value: &str) -> String {
    value.chars().take(if kind == Kind::SharedId { 10 } else { usize::MAX }).collect()
}

fn next_steps(kind: Kind, what: &str, again: &str) -> String {
    let who = if kind == Kind::Pos { "the POS" } else { "PAR" };
    let now = match kind {
        Kind::Pos => format!("{what} has a second value. Functions go on proving themselves with the old one"),
        _ => format!("{what} has a second value. Both verify within {MINUTES} minutes; the old one goes on signing"),
    };
    let then = match kind {
        Kind::Pos => format!(
            "1. Let the POS take both values.\n2. {again} --finish\n3. After {MINUTES} minutes, let the POS forget the old one."
        ),
        _ => format!(
            "1. Wait {MINUTES} minutes: functions read secrets at most that old.\n2. Let {who} change to the new value.\n3. Once {who} uses the old one no more: {again} --finish"
        ),
    };
    format!("{now}.\n{then}")
}

async fn target(desk: &Desk, rotate: &Rotate) -> anyhow::Result<Target> {
    let which = &rotate.which;
    let location = look::found(desk, which).await?;
    let (name, what) = match (rotate.secret, location.shared_ids, location.connector) {
        (Kind::SharedId, Some(name), _) => (name, format!("the SharedId of {which} alone")),
        (Kind::SharedId, None, _) => {
            let Some(organization) = desk.directory.organization(&which.organization).await? else {
                return refused(format!("organization {} is not mapped; map it with `location add`", which.organization));
            };
            (organization.shared_ids, format!("the SharedId of organization {} and all its locations", which.organization))
        }
        (Kind::Client, ..) => client(desk, rotate).await?,
        (Kind::Pos, _, Connector::Http(http)) if http.auth.is_some() => {
            (http.auth.map(|auth| auth.secret().to_owned()).unwrap_or_default(), format!("the POS secret of {which}"))
        }
        (Kind::Pos, ..) => return refused(format!("{which} proves itself to its POS by nothing; there is no secret to rotate")),
    };
    match desk.secrets.read(&name).await? {
        Some(live) => Ok(Target { name, what, live }),
        None => refused(format!("there is no secret {name}, which {what} should be in; `location add` makes it")),
    }
}

async fn client(desk: &Desk, rotate: &Rotate) -> anyhow::Result<(String, String)> {
    let mut clients = desk.directory.clients().await?;
    clients.retain(|client| client.organizations.contains(&rotate.which.organization));
    clients.retain(|client| rotate.client_id.as_ref().is_none_or(|id| client.client_id == *id));
    match clients.as_slice() {
        [client] => Ok((client.secret.clone(), format!("the Client Secret of {}", client.client_id))),
        [] => refused(format!("no such client may call for organization {}", rotate.which.organization)),
        several => {
            let ids: Vec<_> = several.iter().map(|client| client.client_id.as_str()).collect();
            refused(format!("several clients may call for it; give --client-id, one of {}", ids.join(", ")))
        }
    }
}
