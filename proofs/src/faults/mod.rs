//! A fault run: the functions' own binaries, killed, cut off and stopped at every point between two effects, under a stream of
//! orders, at a POS behind a proxy that lies; then three ledgers are compared: what clients were told, what the table holds,
//! what the POS holds.

mod chaos;
mod client;
mod ledger;
mod lies;
mod proxy;
mod stack;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use aws_config::{Region, timeout::TimeoutConfig};
use futures_util::StreamExt;
use posnext_aws::adapters::{aws, clock::SystemClock, directory::DirectoryTable, orders::OrderTable};
use posnext_shared::{
    app::ports::{ListOpen, ReadOrder},
    domain::{
        directory::{Connector, HttpConnector, Location, Mode},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        record::Row,
    },
};
use tokio::time::Instant;

use crate::progress::{progress, step};
use chaos::{Chaos, Fate};
use posnext_local::{
    lambda::Account,
    local::{CLIENT_ID, CLIENT_SECRET, ORGANIZATION, SHARED_ID},
    output,
    par::Par,
    pos::{ABILITIES, BEHAVIOURS, Entry},
};
use proxy::{Manner, Proxy};
use stack::{Functions, Services};

/// How long the stack gets to bring every open order to its end, once nothing goes wrong any more.
const QUIET: Duration = Duration::from_mins(8);
/// Settings that are taken from this command's own environment.
const SHARED: [&str; 3] = ["POSNEXT_ORDER_DEADLINE_S", "POSNEXT_ANSWER_DEADLINE_MS", "POSNEXT_LOCATION_RATE"];
/// How long the proxy holds a request after its sender has gone: until after the order was found absent, and placed again.
const HELD: Duration = Duration::from_secs(45);
/// At the end of the id of a location whose POS is behind the proxy.
const BEHIND: &str = ":behind-a-proxy";
/// Of a thousand orders, so many are sent twice at once.
const SENT_TWICE: u32 = 100;

/// What is run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Orders to send
    #[arg(long, default_value_t = 500)]
    pub orders: usize,
    /// Which run: the same seed gives the same orders and the same dice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Faults in a thousand calls of the functions
    #[arg(long, default_value_t = 15)]
    pub rate: u32,
    /// Lies in a thousand requests to a POS behind the proxy; half the orders go there
    #[arg(long, default_value_t = 300)]
    pub lies: u32,
    /// Orders under way at a time
    #[arg(long, default_value_t = 48)]
    pub clients: usize,
    /// Functions that may run at a time, all together, as in an AWS account; what is above it is throttled
    #[arg(long, default_value_t = 40)]
    pub concurrency: usize,
    /// Folder of the functions' binaries; where this command is, if not given
    #[arg(long, value_name = "DIR")]
    pub binaries: Option<PathBuf>,
}

/// Runs it and prints what came of it; whether every promise was kept.
///
/// # Errors
/// A sentence when it could not be run.
pub async fn run(options: Options) -> anyhow::Result<bool> {
    let began = Instant::now();
    let binaries = match &options.binaries {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().context("this command is in no folder")?.to_owned(),
    };
    let folder = tempfile::tempdir()?;
    let chaos = Arc::new(Chaos::new(options.rate, options.seed)?);
    let account = Account::new(options.concurrency);
    let functions = Functions::new(&binaries, &account, &chaos)?;
    let url = functions.serve().await?;
    let (_pos, pos_url) = stack::start_pos().await?;
    let mut services = Services::start(folder.path(), &url, &chaos).await?;
    chaos.set_pos(&pos_url);
    chaos.share(std::env::vars().filter(|(name, _)| SHARED.contains(&name.as_str())).collect());
    let direct = chaos.pos_proxy().await?;
    let manner = Manner { rate: options.lies, seed: options.seed, holds: HELD, only: None, any_place_twice: false };
    let (proxy, behind) = Proxy::start(manner, &direct, &pos_url).await?;
    put_locations(&directory(&services).await?, &direct, "").await?;
    put_locations(&directory(&services).await?, &behind, BEHIND).await?;

    let par = Arc::new(Par::new(&url, CLIENT_ID, CLIENT_SECRET, SHARED_ID)?);
    let mut told = send(&options, &chaos, &par, &mut services).await?;
    let sent = began.elapsed();
    chaos.stop();
    proxy.stop();
    quiet(&services).await?;
    let meals = landed(&proxy, &pos_url).await?;
    let bar = progress(told.len(), "asking once more");
    for told in told.iter_mut().filter(|told| told.accepted) {
        client::ask_again(&par, told).await;
        step(&bar);
    }
    bar.finish_and_clear();

    let (orders, mut rows) = (orders_table(&services).await?, BTreeMap::new());
    for told in &told {
        if let Some(Row::Order(record)) = orders.read(&key(&told.uid)?).await? {
            rows.insert(told.uid.clone(), *record);
        }
    }
    let report = ledger::compare(&told, &rows, &meals);
    let lies = proxy.told().table(meals.values().map(|entry| entry.late).sum());
    output::text(report.table(&options, &chaos.counts(), &lies, [sent, began.elapsed()]));
    Ok(report.kept())
}

/// What the POS holds once nothing is on its way there any more.
async fn landed(proxy: &Proxy, pos: &str) -> anyhow::Result<BTreeMap<String, Entry>> {
    loop {
        let quiet = proxy.is_empty();
        let meals: BTreeMap<String, Entry> = serde_json::from_str(&reqwest::get(format!("{pos}/ledger")).await?.text().await?)?;
        if quiet && !meals.values().any(|entry| entry.landing) {
            return Ok(meals);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Sends the orders while the services are stopped and killed now and then.
async fn send(
    options: &Options,
    chaos: &Arc<Chaos>,
    par: &Arc<Par>,
    services: &mut Services,
) -> anyhow::Result<Vec<client::Told>> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let orders: Vec<_> = (0..options.orders)
        .map(|number| {
            let (abilities, behaviour) = (random.choice(ABILITIES).map_or("all", |(name, _)| name), random.choice(BEHAVIOURS));
            let behind = if random.bool() { BEHIND } else { "" };
            let location = location_id(abilities, behaviour.unwrap_or("prompt"), behind);
            (format!("f{}-{number}", options.seed), location, random.u32(0..1000) < SENT_TWICE)
        })
        .collect();
    let bar = progress(options.orders, "sending orders");
    let (sent, par, at_a_time) = (bar.clone(), Arc::clone(par), options.clients);
    let mut clients = tokio::spawn(async move {
        let clients = futures_util::stream::iter(orders).map(|(uid, location, twice)| {
            let par = Arc::clone(&par);
            async move { client::order(&par, uid, location, twice).await }
        });
        clients.buffer_unordered(at_a_time).inspect(|_| step(&sent)).collect::<Vec<_>>().await
    });
    loop {
        let calm = Duration::from_millis(random.u64(3_000..9_000));
        if let Ok(told) = tokio::time::timeout(calm, &mut clients).await {
            bar.finish_and_clear();
            return Ok(told?);
        }
        if random.bool() {
            services.pause(Duration::from_millis(random.u64(300..2_500))).await;
            chaos.note("all services", Fate::Stopped);
        } else {
            services.restart(chaos).await?;
            chaos.note("all services", Fate::Restarted);
        }
    }
}

/// Waits until every order is final or waits for a person.
async fn quiet(services: &Services) -> anyhow::Result<()> {
    let (orders, until) = (orders_table(services).await?, Instant::now() + QUIET);
    let bar = progress(0, "waiting until every order has come to its end");
    loop {
        let mut moving = 0;
        for entry in orders.list_open(8_000).await? {
            if let Some(Row::Order(record)) = orders.read(&entry.key).await? {
                moving += usize::from(record.open().is_some() && !ledger::may_wait_for_a_person(&record));
            }
        }
        bar.set_message(format!("waiting until every order has come to its end: {moving} left"));
        if moving == 0 || Instant::now() > until {
            bar.finish_and_clear();
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn location_id(abilities: &str, behaviour: &str, behind: &str) -> String {
    format!("{abilities}:{behaviour}{behind}")
}

fn key(uid: &str) -> anyhow::Result<OrderKey> {
    Ok(OrderKey { tenant: Tenant::new(CLIENT_ID)?, request_uid: RequestUid::new(uid)? })
}

async fn put_locations(directory: &DirectoryTable, pos: &str, behind: &str) -> anyhow::Result<()> {
    for (name, abilities) in ABILITIES {
        for behaviour in BEHAVIOURS {
            let location = Location {
                organization_id: ParId::new(ORGANIZATION)?,
                location_id: ParId::new(location_id(name, behaviour, behind))?,
                internal_id: format!("{name}-{behaviour}"),
                enabled: true,
                mode: Mode::Sync,
                shared_ids: None,
                pull_menu: false,
                live_availability: false,
                connector: Connector::Http(HttpConnector::new(format!("{pos}/{name}/{behaviour}"), None, abilities)),
            };
            directory.put_location(&location).await?;
        }
    }
    Ok(())
}

/// The services as they are now, past the proxies.
async fn dynamodb(services: &Services) -> anyhow::Result<aws_sdk_dynamodb::Client> {
    let patience = Duration::from_secs(20);
    let timeouts = TimeoutConfig::builder().operation_timeout(patience).build();
    let credentials = aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "faults");
    let loader = aws::defaults(None).map_err(|error| anyhow::anyhow!(error))?.timeout_config(timeouts);
    let loader = loader.region(Region::from_static("us-east-1")).credentials_provider(credentials);
    let config = loader.endpoint_url(services.value("AWS_ENDPOINT_URL_DYNAMODB")?).load().await;
    Ok(aws_sdk_dynamodb::Client::new(&config))
}

async fn orders_table(services: &Services) -> anyhow::Result<OrderTable> {
    Ok(OrderTable::new(dynamodb(services).await?, services.value("POSNEXT_ORDERS_TABLE")?))
}

async fn directory(services: &Services) -> anyhow::Result<DirectoryTable> {
    Ok(DirectoryTable::new(dynamodb(services).await?, services.value("POSNEXT_DIRECTORY_TABLE")?, true, SystemClock))
}
