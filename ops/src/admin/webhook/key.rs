//! A subscriber's key, and the next one.

use std::process::ExitCode;

use clap::Args;
use posnext_local::secret_store::{Live, LiveValue};
use posnext_shared::domain::webhook::WebhookKey;

use super::{
    super::{
        desk::{refused, reveal},
        source::{Source, Value},
        terminal::say,
    },
    Shelf, Which,
};

/// Functions read keys at most this old.
const MINUTES: u32 = 10;

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// The new key: env:NAME for an environment variable, - for standard input, or generate (printed once)
    #[arg(long, value_name = "SOURCE", default_value = "generate")]
    from: Source,
    /// The subscriber verifies with the new key: end the old one
    #[arg(long, conflicts_with_all = ["from", "abandon"])]
    finish: bool,
    /// The subscriber stays with the old key: end the new one
    #[arg(long, conflicts_with = "from")]
    abandon: bool,
}

/// The name by which a value of now may be told.
pub(super) fn id() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A key, read or made.
pub(super) fn from(source: &Source) -> anyhow::Result<Value> {
    let mut value = source.value("the key")?;
    if value.generated {
        value.text = format!("{}{}", WebhookKey::PREFIX, value.text);
    }
    if WebhookKey::parse(&value.text).is_none() {
        return refused("the key must be whsec_ and the base64 of 24 to 64 bytes");
    }
    Ok(value)
}

pub(super) async fn run(shelf: &Shelf, rotate: Rotate) -> anyhow::Result<ExitCode> {
    let Rotate { which, from: source, finish, abandon } = rotate;
    let name = shelf.found(&which).await?.secret;
    let again = format!("posnext admin webhook rotate-key {}", which.arguments());
    let Some(Live { live: old }) = shelf.desk.secrets.read(&name).await? else {
        return refused(format!("there is no secret {name}, which holds its key"));
    };
    if finish || abandon {
        let [first, .., last] = old.as_slice() else {
            return refused(format!("only one key is live; begin with: {again}"));
        };
        let stays = if finish { last } else { first };
        shelf.desk.secrets.write(&name, &Live { live: vec![stays.clone()] }).await?;
        say!("of {which}, only the key of {} is live; functions that know another forget it within {MINUTES} minutes", stays.id);
        return Ok(ExitCode::SUCCESS);
    }
    if old.len() > 1 {
        return refused(format!("a rotation has begun already; end it first: {again} --finish, or --abandon"));
    }
    let value = from(&source)?;
    if old.iter().any(|live| live.value == value.text) {
        return refused("the new key is the one that is live; give another");
    }
    let new = LiveValue { id: id(), value: value.text.clone() };
    shelf.desk.secrets.write(&name, &Live { live: old.into_iter().chain([new]).collect() }).await?;
    if value.generated {
        reveal(&format!("new key of {which}"), &value.text)?;
    }
    say!("within {MINUTES} minutes both keys sign.\n1. Let the subscriber verify with the new one.\n2. Then: {again} --finish");
    Ok(ExitCode::SUCCESS)
}
