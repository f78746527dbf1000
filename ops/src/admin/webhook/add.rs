//! A subscriber, added: its key first, the subscriber last, so that an add that was cut off has no effect and can be repeated.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use posnext_aws::adapters::webhooks::WebhookClient;
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

/// The address of a subscriber as it is stored: as it was read, so that 127.1 is an address, too.
fn address(text: &str, client: &WebhookClient) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if url.fragment().is_some() {
        return Err("must end before its #: what comes after it is never sent".to_owned());
    }
    client.check(url.as_str())?;
    Ok(url.to_string())
}

pub(super) async fn run(stack: &Stack, shelf: &Shelf, add: Add) -> anyhow::Result<ExitCode> {
    let Add { which, url, events, key_from } = add;
    let url = match address(&url, &client()) {
        Ok(url) => url,
        Err(why) => return refused(format!("--url {url:?} {why}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscribers_address_is_stored_as_it_was_read_or_refused() {
        for (text, stored) in [
            (" https://hooks.example/orders ", "https://hooks.example/orders"),
            ("\thttps://hooks.example/or\r\nders\n", "https://hooks.example/orders"),
            ("https:/hooks.example\\orders", "https://hooks.example/orders"),
            ("https://hooks.example/a b?q=\"ü\" '", "https://hooks.example/a%20b?q=%22%C3%BC%22%20%27"),
            ("https://ünï.example", "https://xn--n-nga1b.example/"),
        ] {
            assert_eq!(address(text, &WebhookClient::new(false)).as_deref(), Ok(stored), "{text:?}");
            assert_eq!(address(stored, &WebhookClient::new(false)).as_deref(), Ok(stored));
        }
        for (text, why) in [
            ("hooks.example", "is no URL"),
            ("https://hooks .example/", "is no URL"),
            ("http://hooks.example/", "must be https"),
            ("https://hooks.example/#part", "must end before its #"),
            ("https://127.1/", "must be at a public address"),
            ("https://0x7f.0.0.1/", "must be at a public address"),
            ("https://ann@hooks.example/", "without user or password"),
        ] {
            let refused = address(text, &WebhookClient::new(false)).unwrap_err();
            assert!(refused.contains(why), "{text:?}: {refused}");
        }
    }
}
