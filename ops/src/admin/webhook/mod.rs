//! `posnext admin webhook`: whom of the vendor's own systems an order's end is told.

mod add;
mod key;
mod replay;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use posnext_aws::adapters::{clock::SystemClock, subscribers::SubscriberTable, webhooks::WebhookClient};
use posnext_local::local;
use posnext_shared::{
    app::{
        deliver::TELL_LIMIT,
        ports::{Clock, KeepSubscriber, TellSubscriber},
    },
    domain::{
        ids::{ParId, SubscriberId},
        webhook::{Event, Subscriber, Told, WebhookKey},
    },
};

use super::{
    desk::{Desk, par_id, quoted, refused, told},
    stack::Stack,
    terminal::{Lines, say, show},
};

#[derive(Debug, Args)]
pub(crate) struct WebhookArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a subscriber, and print the key that it verifies signatures with
    Add(add::Add),
    /// List subscribers, and whether deliveries to them succeed
    List {
        /// Only those of PAR's OrganizationId
        #[arg(long, value_parser = par_id)]
        organization: Option<ParId>,
    },
    /// Send a signed webhook.test from this machine, and say what was answered
    Test(Which),
    /// Tell a subscriber once more of orders that have ended; the ids are those of the first time
    Replay(replay::Replay),
    /// Replace a subscriber's key: both sign until --finish
    RotateKey(key::Rotate),
    /// Tell a subscriber again, one that was switched off as well; `replay` tells it what it has missed
    Enable(Which),
    /// Tell a subscriber nothing
    Disable(Which),
    /// Forget a subscriber; its key stays in Secrets Manager
    Remove(Which),
}

/// A subscriber.
#[derive(Debug, Clone, Args)]
struct Which {
    /// PAR's OrganizationId
    #[arg(value_parser = par_id)]
    organization: ParId,
    /// The subscriber's name: letters, digits and `-`
    #[arg(value_parser = subscriber_id)]
    subscriber: SubscriberId,
}

impl Which {
    /// As a command line takes it.
    fn arguments(&self) -> String {
        format!("{} {}", quoted(self.organization.as_str()), self.subscriber)
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "subscriber {} of {}", self.subscriber, self.organization)
    }
}

fn subscriber_id(text: &str) -> Result<SubscriberId, String> {
    SubscriberId::new(text).map_err(|_| "must have 1 to 128 letters, digits and `-`".to_owned())
}

/// What these commands work on.
struct Shelf {
    desk: Desk,
    subscribers: SubscriberTable,
}

impl Shelf {
    async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&local::aws().await?);
        Ok(Self { desk: Desk::of(stack).await?, subscribers: SubscriberTable::new(dynamodb, stack.value("DirectoryTable")?) })
    }

    async fn found(&self, which: &Which) -> anyhow::Result<Subscriber> {
        match self.subscribers.subscriber(&which.organization, &which.subscriber).await? {
            Some(subscriber) => Ok(subscriber),
            None => not_there(which),
        }
    }
}

fn not_there<T>(which: &Which) -> anyhow::Result<T> {
    refused(format!("there is no {which}; see `posnext admin webhook list`"))
}

/// What may be told: this machine too, where sandboxes are allowed.
fn client() -> WebhookClient {
    WebhookClient::new(std::env::var("POSNEXT_ALLOW_SANDBOX").is_ok_and(|value| value == "true"))
}

pub(super) async fn run(stack: &Stack, WebhookArguments { verb }: WebhookArguments) -> anyhow::Result<ExitCode> {
    let shelf = Shelf::of(stack).await?;
    told(match verb {
        Verb::Add(add) => add::run(stack, &shelf, add).await,
        Verb::List { organization } => list(&shelf, organization).await,
        Verb::Test(which) => test(&shelf, &which).await,
        Verb::Replay(replay) => replay::run(stack, &shelf, replay).await,
        Verb::RotateKey(rotate) => key::run(&shelf, rotate).await,
        Verb::Enable(which) => switch(&shelf, &which, true).await,
        Verb::Disable(which) => switch(&shelf, &which, false).await,
        Verb::Remove(which) => remove(&shelf, &which).await,
    })
}

async fn list(shelf: &Shelf, organization: Option<ParId>) -> anyhow::Result<ExitCode> {
    let organizations = match organization {
        Some(organization) => vec![organization],
        None => shelf.desk.directory.organizations().await?.into_iter().map(|known| known.organization_id).collect(),
    };
    let mut text = Lines::default();
    for organization in organizations {
        for row in shelf.subscribers.rows(&organization).await? {
            match row {
                Ok(subscriber) => tell_of(&mut text, &subscriber),
                Err(error) => text.line(format_args!("{organization}: {error}; `remove` it, and add it again")),
            }
        }
    }
    if text.is_empty() {
        text.line("no subscribers; see `posnext admin webhook add --help`");
    }
    text.print();
    Ok(ExitCode::SUCCESS)
}

fn tell_of(text: &mut Lines, subscriber: &Subscriber) {
    let Subscriber { organization_id, id, url, events, enabled, off_because, failing_since, .. } = subscriber;
    let state = match (enabled, failing_since, off_because) {
        (true, None, _) => "on".to_owned(),
        (true, Some(since), _) => format!("on, but nothing has been delivered since {}", since.rfc3339()),
        (false, _, Some(because)) => format!("SWITCHED OFF: {because}"),
        (false, _, None) => "OFF".to_owned(),
    };
    let events: Vec<_> = events.iter().map(|event| event.as_str()).collect();
    text.line(format_args!("{organization_id} {id}"));
    text.line(format_args!("  url: {url}"));
    text.line(format_args!("  events: {}", events.join(", ")));
    text.line(format_args!("  state: {state}"));
}

async fn test(shelf: &Shelf, which: &Which) -> anyhow::Result<ExitCode> {
    let subscriber = shelf.found(which).await?;
    let Some(live) = shelf.desk.secrets.read(&subscriber.secret).await? else {
        return refused(format!("there is no secret {}, which holds its key", subscriber.secret));
    };
    let keys: Vec<WebhookKey> = live.live.iter().filter_map(|live| WebhookKey::parse(&live.value)).collect();
    if keys.is_empty() {
        return refused(format!("the secret {} holds no key like whsec_ and base64 of 24 to 64 bytes", subscriber.secret));
    }
    let now = SystemClock.now();
    let event = Event::test(&SystemClock.fresh_id(), &subscriber, now);
    for line in [&format!("POST {}", subscriber.url), &format!("webhook-id: {}", event.id), "", &event.body, ""] {
        show(line);
    }
    match client().tell(&subscriber, &event, &keys, now, TELL_LIMIT).await {
        Told::Taken => {
            say!("taken");
            Ok(ExitCode::SUCCESS)
        }
        Told::Gone => {
            say!("answered 410 Gone: such an answer to an order's end switches it off");
            Ok(ExitCode::FAILURE)
        }
        Told::Failed { reason, .. } => {
            say!("not taken: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn switch(shelf: &Shelf, which: &Which, enabled: bool) -> anyhow::Result<ExitCode> {
    if !shelf.subscribers.switch(&which.organization, &which.subscriber, enabled).await? {
        return not_there(which);
    }
    match enabled {
        true => {
            say!("{which} is switched on; what it has missed: posnext admin webhook replay {} --since TIME", which.arguments())
        }
        false => say!("{which} is switched off; what is on its way to it is dropped"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(shelf: &Shelf, which: &Which) -> anyhow::Result<ExitCode> {
    // One that cannot be read can be removed.
    let secret = shelf.subscribers.subscriber(&which.organization, &which.subscriber).await.ok().flatten().map(|one| one.secret);
    if !shelf.subscribers.remove(&which.organization, &which.subscriber).await? {
        return not_there(which);
    }
    match secret {
        Some(secret) => say!("{which} is removed; its key is still in the secret {secret}"),
        None => say!("{which} is removed; its key is still in Secrets Manager"),
    }
    Ok(ExitCode::SUCCESS)
}
