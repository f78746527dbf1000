//! A subscriber, added: its key first, the subscriber last, so that an add that was cut off has no effect and can be repeated.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use posnext_local::secret_store::Live;
use posnext_shared::{
    app::ports::{KeepSubscriber, PortError},
    domain::webhook::{EventKind, Subscriber},
};

use super::{
    super::{
        desk::{refused, reveal},
        source::Source,
        stack::Stack,
        terminal::say,
    },
    Shelf, Which, client, key,
};

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    which: Which,
    /// Where it is told: https, at a public address
    #[arg(long)]
    url: String,
    /// What it is told of; everything if not given
    #[arg(long = "event", value_enum, value_name = "EVENT")]
    events: Vec<EventName>,
    /// Its key, whsec_ and base64: env:NAME for an environment variable, - for standard input, or generate (printed once)
    #[arg(long, value_name = "SOURCE", default_value = "generate")]
    key_from: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EventName {
    /// An order is in the POS
    #[value(name = "order.placed")]
    Placed,
    /// An order was refused
    #[value(name = "order.rejected")]
    Rejected,
    /// An order was not placed, because of us or the POS
    #[value(name = "order.errored")]
    Errored,
}

impl From<EventName> for EventKind {
    fn from(name: EventName) -> Self {
        match name {
            EventName::Placed => Self::Placed,
            EventName::Rejected => Self::Rejected,
            EventName::Errored => Self::Errored,
        }
    }
}

pub(super) async fn run(stack: &Stack, shelf: &Shelf, add: Add) -> anyhow::Result<ExitCode> {
    let Add { which, url, events, key_from } = add;
    // As it will be read: 127.1 is an address, too.
    let checked = reqwest::Url::parse(&url).map_err(|error| error.to_string()).and_then(|read| {
        client().check(read.as_str())?;
        Ok(read.to_string())
    });
    let url = match checked {
        Ok(url) => url,
        Err(why) => return refused(format!("--url {url:?}: {why}")),
    };
    if shelf.desk.directory.organization(&which.organization).await?.is_none() {
        return refused(format!("organization {} is not mapped; see `posnext admin location list`", which.organization));
    }
    let there = match shelf.subscribers.subscriber(&which.organization, &which.subscriber).await {
        // One that cannot be read is there, too.
        Ok(Some(_)) | Err(PortError::Corrupt(_)) => true,
        Ok(None) => false,
        Err(error) => return Err(error.into()),
    };
    if there {
        return refused(format!("there is a {which} already; `remove` it, or take another name"));
    }
    let value = key::from(&key_from)?;
    // A name of its own: functions go on believing for minutes what they have read under another.
    let fresh = uuid::Uuid::now_v7().to_string();
    let secret = shelf.desk.name(&["webhook", which.organization.as_str(), which.subscriber.as_str(), &fresh])?;
    shelf.desk.secrets.write(&secret, &Live::one(key::id(), &value.text)).await?;
    let mut events: Vec<EventKind> = events.into_iter().map(EventKind::from).collect();
    events.sort_unstable();
    events.dedup();
    let subscriber = Subscriber {
        organization_id: which.organization.clone(),
        id: which.subscriber.clone(),
        url,
        secret,
        events: if events.is_empty() { EventKind::OF_ORDERS.to_vec() } else { events },
        enabled: true,
        off_because: None,
        failing_since: None,
        given_up: None,
    };
    if !shelf.subscribers.create(&subscriber).await? {
        anyhow::bail!("{which} was added by somebody else meanwhile");
    }
    if value.generated {
        reveal(&format!("key of {which}"), &value.text)?;
    }
    say!("{which} is added; try it: posnext admin webhook test {}", which.arguments());
    if stack.value("WebhooksQueue").is_err() {
        say!("it is told of orders once the stack is deployed with Webhooks=true (docs/webhooks.md)");
    }
    Ok(ExitCode::SUCCESS)
}
