//! One run.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::Context;
use futures_util::StreamExt;
use posnext_shared::{
    app::ports::{ListOpen, ReadOrder},
    domain::record::Row,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    BEHIND, CANARY, Options, SENT_TWICE,
    chaos::{self, Chaos},
    client,
    fate::Fate,
    functions::Functions,
    key, ledger, location_id,
    mappings::Mappings,
    meals, persons, points, prefix,
    proxy::{Manner, Proxy},
    required::{self, Met},
    stack::{self, Services},
    tables,
};
use crate::progress::{progress, step};
use posnext_local::{
    lambda::Account,
    local::{CLIENT_ID, CLIENT_SECRET, SHARED_ID},
    output,
    par::Par,
    pos::{ABILITIES, BEHAVIOURS, Entry},
};

/// How long the stack gets to bring every open order to its end, once nothing goes wrong any more.
const QUIET: Duration = Duration::from_mins(8);
/// Longer than any run takes in which nothing goes wrong.
const CALM: Duration = Duration::from_hours(24);
/// Settings that are taken from this command's own environment.
const SHARED: [&str; 3] = ["POSNEXT_ORDER_DEADLINE_S", "POSNEXT_ANSWER_DEADLINE_MS", "POSNEXT_LOCATION_RATE"];
/// How long the proxy holds a request after its sender has gone: until after the order was found absent, and placed again.
const HELD: Duration = Duration::from_secs(45);

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Came {
    /// Every promise was kept, and it met what it had to.
    pub(super) right: bool,
    /// Orders that ended `errored`.
    pub(super) errored: usize,
    /// Orders that wait for a person.
    pub(super) open: usize,
    /// Messages in the dead-letter queue.
    pub(super) dead: u64,
    /// Messages that a worker gave back to the queue.
    pub(super) given_back: u32,
    /// What was counted, in the order in which it is told.
    pub(super) figures: Vec<(String, u64)>,
}

/// Runs it with these binaries, and with those beside them if there are any, and prints what came of it.
pub(super) async fn run(options: &Options, newer: &Path, older: Option<&Path>) -> anyhow::Result<Came> {
    let began = Instant::now();
    let folder = tempfile::tempdir()?;
    let chaos = Arc::new(Chaos::new(manner(options), folder.path())?);
    let account = Account::new(options.concurrency);
    let functions = Functions::new(newer, older, &account, &chaos)?;
    let url = functions.serve().await?;
    let (_pos, pos_url) = stack::start_pos().await?;
    let mut services = Services::start(folder.path(), &url, &chaos).await?;
    chaos.set_pos(&pos_url);
    chaos.share(std::env::vars().filter(|(name, _)| SHARED.contains(&name.as_str())).collect());
    let (direct, _) = chaos.proxy(None).await?;
    let manner = Manner { rate: options.lies, seed: options.seed, holds: HELD, only: None, any_place_twice: false };
    let (proxy, behind) = Proxy::start(manner, &direct, &pos_url).await?;
    let mappings = Mappings::new([direct, behind], options.seed)?;
    mappings.put_all(&chaos).await?;

    let par = Arc::new(Par::new(&url, CLIENT_ID, CLIENT_SECRET, SHARED_ID)?);
    let others = tokio::spawn(others(mappings, Arc::clone(&chaos), pos_url.clone(), options.seed));
    let mut told = send(options, &chaos, &functions, &par, &mut services).await?;
    let sent = began.elapsed();
    chaos.stop();
    proxy.stop();
    let (mappings, decided) = others.await??;
    functions.thaw().await;
    quiet(&chaos, &mappings.robbed).await?;
    let meals = landed(&proxy, &pos_url).await?;
    for share in older.map_or(&[100][..], |_| &[0, 100]) {
        functions.shift(*share);
        ask_again(&par, &mut told).await;
    }

    let (orders, mut rows) = (tables::orders(&chaos).await?, BTreeMap::new());
    for told in &told {
        if let Some(Row::Order(record)) = orders.read(&key(&told.uid)?).await? {
            rows.insert(told.uid.clone(), *record);
        }
    }
    let dead = dead_letters(&chaos).await?;
    let report = ledger::compare(&told, &rows, &meals, &mappings.robbed);
    let met = if options.rate == 0 { Met::default() } else { Met::new(options.orders, &chaos, &mappings, &decided) };
    let faults: u64 = chaos.counts().values().sum();
    let [sent, all] = [sent, began.elapsed()].map(|time| time.as_secs());
    let text = [
        format!("{} orders, seed {}, {faults} faults; sent in {sent} s, all at rest after {all} s\n\n", told.len(), options.seed),
        points::table(&chaos),
        points::others(&mappings, &decided),
        proxy.told().table(meals.values().map(|entry| entry.late).sum()),
        format!(
            "\ninvocations that were throttled: {}\nmessages given back to the queue: {}, in the dead-letter queue: {dead}\n",
            account.throttled(),
            functions.given_back()
        ),
        met.table(),
    ];
    output::text(report.table(&text.concat()));
    let lies = proxy.told().lies.values().sum();
    let struck = [("faults".to_owned(), faults), ("lies of the proxy".to_owned(), lies)];
    Ok(Came {
        figures: report.figures().into_iter().chain(struck).chain(met.figures()).collect(),
        right: report.kept() && met.enough(),
        errored: report.of("errored"),
        open: report.of("pending"),
        dead,
        given_back: functions.given_back(),
    })
}

fn manner(options: &Options) -> chaos::Manner {
    chaos::Manner {
        rate: options.rate,
        seed: options.seed,
        thawed: required::thawed_at_each(options.orders),
        standing: options.concurrency / 2,
    }
}

/// What else goes on while orders are sent: locations are mapped otherwise, and persons decide.
async fn others(mappings: Mappings, chaos: Arc<Chaos>, pos: String, seed: u64) -> anyhow::Result<(Mappings, persons::Decided)> {
    tokio::try_join!(mappings.play(Arc::clone(&chaos)), persons::play(chaos, pos, seed))
}

/// What the POS holds once nothing is on its way there any more.
async fn landed(proxy: &Proxy, pos: &str) -> anyhow::Result<BTreeMap<String, Entry>> {
    loop {
        let quiet = proxy.is_empty();
        let meals = meals(pos).await?;
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
    functions: &Arc<Functions>,
    par: &Arc<Par>,
    services: &mut Services,
) -> anyhow::Result<Vec<client::Told>> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let orders: Vec<_> = (0..options.orders)
        .map(|number| {
            let (abilities, behaviour) = (random.choice(ABILITIES).map_or("all", |(name, _)| name), random.choice(BEHAVIOURS));
            let behind = if random.bool() { BEHIND } else { "" };
            let location = location_id(abilities, behaviour.unwrap_or("prompt"), behind);
            (format!("{}{number}", prefix(options.seed)), location, random.u32(0..1000) < SENT_TWICE)
        })
        .collect();
    let bar = progress(options.orders, "sending orders");
    let (sent, par, functions, at_a_time) = (bar.clone(), Arc::clone(par), Arc::clone(functions), options.clients);
    let share = options.older.as_ref().map_or(&[100][..], |_| &CANARY);
    let mut clients = tokio::spawn(async move {
        let all = orders.len().max(1);
        let clients = futures_util::stream::iter(orders.into_iter().enumerate()).map(|(number, (uid, location, twice))| {
            let par = Arc::clone(&par);
            functions.shift(share.get(number * share.len() / all).copied().unwrap_or(100));
            async move { client::order(&par, uid, location, twice).await }
        });
        clients.buffer_unordered(at_a_time).inspect(|_| step(&sent)).collect::<Vec<_>>().await
    });
    loop {
        let calm = Duration::from_millis(random.u64(3_000..9_000));
        let calm = if options.rate == 0 { CALM } else { calm };
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
async fn quiet(chaos: &Chaos, robbed: &BTreeSet<String>) -> anyhow::Result<()> {
    let (orders, until) = (tables::orders(chaos).await?, Instant::now() + QUIET);
    let bar = progress(0, "waiting until every order has come to its end");
    loop {
        let mut moving = 0;
        for entry in orders.list_open(8_000).await? {
            if let Some(Row::Order(record)) = orders.read(&entry.key).await? {
                moving += usize::from(record.open().is_some() && !ledger::may_wait_for_a_person(&record, robbed));
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

/// Asks for each order once more.
async fn ask_again(par: &Par, told: &mut [client::Told]) {
    let bar = progress(told.len(), "asking once more");
    for told in told.iter_mut().filter(|told| told.accepted) {
        client::ask_again(par, told).await;
        step(&bar);
    }
    bar.finish_and_clear();
}

/// Messages in the dead-letter queue.
async fn dead_letters(chaos: &Chaos) -> anyhow::Result<u64> {
    let body = json!({ "QueueUrl": chaos.setting("POSNEXT_DLQ_URL")?, "AttributeNames": ["ApproximateNumberOfMessages"] });
    let (first, now) = {
        let upstreams = chaos.upstreams.read().unwrap_or_else(PoisonError::into_inner);
        (upstreams.first_sqs.clone(), upstreams.sqs.clone())
    };
    let request = chaos.http.post(&now).header("x-amz-target", "AmazonSQS.GetQueueAttributes");
    let request = request.header("content-type", "application/x-amz-json-1.0").body(body.to_string().replace(&first, &now));
    let answer: Value = serde_json::from_str(&request.send().await?.text().await?)?;
    let count = answer.pointer("/Attributes/ApproximateNumberOfMessages").and_then(Value::as_str);
    Ok(count.with_context(|| format!("SQS does not count its messages: {answer}"))?.parse()?)
}
