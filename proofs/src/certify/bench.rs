//! What all checks share: the other side, everything said so far, and the stories that several checks judge.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use tokio::{sync::OnceCell, time::Instant};

use super::{
    Options,
    draft::Draft,
    exchange::{self, Ask, Endpoint, Exchange, Record},
    menu::Menu,
};
use posnext_local::par::Par;

/// Between two polls, whatever Retry-After says: PAR polls at intervals of its own.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Polls in a row that may be answered something else than 200 before polling ends.
const MOST_BAD_POLLS: usize = 5;

/// An exchange and the order it was about.
pub(crate) type Tried = (Draft, Arc<Exchange>);

/// An order that was answered 202, and its polls.
#[derive(Debug, Clone)]
pub(crate) struct Polled {
    pub(crate) draft: Draft,
    pub(crate) accepted: Arc<Exchange>,
    pub(crate) polls: Vec<Arc<Exchange>>,
}

/// Something that happened once and that several checks judge.
#[derive(Debug)]
struct Story<T> {
    records: Vec<Arc<Record>>,
    outcome: Result<T, String>,
}

type Once<T> = OnceCell<Story<T>>;

/// A location's menu; `None` if it has none.
type MenuStory = Once<Option<Arc<Menu>>>;

/// What all checks share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) par: Par,
    pub(crate) options: Options,
    log: Mutex<Vec<Arc<Exchange>>>,
    menus: Mutex<BTreeMap<String, Arc<MenuStory>>>,
    validated: Once<Tried>,
    refused: Once<Option<Tried>>,
    submitted: Once<Tried>,
    polled: Once<Polled>,
}

/// One check's view of the bench: it remembers what the check said and heard.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) bench: Arc<Bench>,
    records: Mutex<Vec<Arc<Record>>>,
}

impl Bench {
    pub(crate) fn new(par: Par, options: Options) -> Self {
        Self {
            par,
            options,
            log: Mutex::default(),
            menus: Mutex::default(),
            validated: OnceCell::new(),
            refused: OnceCell::new(),
            submitted: OnceCell::new(),
            polled: OnceCell::new(),
        }
    }

    /// Every exchange so far.
    pub(crate) fn log(&self) -> Vec<Arc<Exchange>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Probe {
    pub(crate) fn new(bench: &Arc<Bench>) -> Self {
        Self { bench: Arc::clone(bench), records: Mutex::default() }
    }

    /// Another view, for what is not to be shown as said by this check.
    pub(crate) fn aside(&self) -> Self {
        Self::new(&self.bench)
    }

    pub(crate) fn par(&self) -> &Par {
        &self.bench.par
    }

    pub(crate) fn options(&self) -> &Options {
        &self.bench.options
    }

    /// What the check said and heard.
    pub(crate) fn records(&self) -> Vec<Arc<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows exchanges of others in this check's part of the report.
    pub(crate) fn show<'b>(&self, records: impl IntoIterator<Item = &'b Arc<Record>>) {
        let mut shown = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            if !shown.iter().any(|other| Arc::ptr_eq(other, record)) {
                shown.push(Arc::clone(record));
            }
        }
    }

    /// Sends it and waits for the answer.
    pub(crate) async fn send(&self, ask: Ask) -> anyhow::Result<Arc<Exchange>> {
        let (record, exchange) = exchange::send(self.par(), &self.options().contract, ask).await;
        self.show([&record]);
        let exchange = Arc::new(exchange?);
        self.bench.log.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&exchange));
        Ok(exchange)
    }

    /// Sends an order to validate or submit.
    pub(crate) async fn order(&self, endpoint: Endpoint, draft: &Draft) -> anyhow::Result<Arc<Exchange>> {
        self.send(Ask::order(endpoint, draft)).await
    }

    /// Reads an order.
    pub(crate) async fn get(&self, draft: &Draft) -> anyhow::Result<Arc<Exchange>> {
        self.send(Ask::get(draft)).await
    }

    /// A right order for a location.
    pub(crate) async fn draft(&self, location: &str) -> Draft {
        let menu = self.aside().menu(location).await.ok().flatten();
        Draft::new(&self.options().organization, location, menu.as_deref())
    }

    /// A right order for a location that there is not.
    pub(crate) fn nowhere(&self) -> Draft {
        let location = format!("no-such-location-{}", uuid::Uuid::now_v7().simple());
        Draft::new(&self.options().organization, &location, None)
    }

    /// Where an order can be sent that must be refused: validate, and submit if orders may be placed.
    pub(crate) fn targets(&self) -> Vec<(Endpoint, &str)> {
        let options = self.options();
        let submit = options.location().filter(|_| !options.dry);
        let validate = options.menu_location().map(|location| (Endpoint::Validate, location));
        validate.into_iter().chain(submit.map(|location| (Endpoint::Submit, location))).collect()
    }

    /// Tells a story the first time, by way of `probe`, and judges what is known of it from then on.
    async fn once<T: Clone>(
        &self,
        cell: &Once<T>,
        probe: &Self,
        tell: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let told = cell.get_or_init(|| async {
            let outcome = tell.await.map_err(|error| format!("{error:#}"));
            Story { records: probe.records(), outcome }
        });
        let story = told.await;
        self.show(&story.records);
        story.outcome.clone().map_err(|error| anyhow!(error))
    }

    /// The menu of a location; `None` if it has none.
    pub(crate) async fn menu(&self, location: &str) -> anyhow::Result<Option<Arc<Menu>>> {
        let cell = {
            let mut menus = self.bench.menus.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(menus.entry(location.to_owned()).or_default())
        };
        let probe = self.aside();
        self.once(&cell, &probe, async {
            let exchange = probe.send(Ask::menu(&probe.options().organization, location)).await?;
            // Without a reason, it is the endpoint that is not there.
            if exchange.code() == 404 && exchange.told.says_why() {
                return Ok(None);
            }
            exchange.expect(200)?;
            Ok(Some(Arc::new(Menu::parse(&exchange.answer.body)?)))
        })
        .await
    }

    /// A right order that was sent to validate.
    pub(crate) async fn validated(&self) -> anyhow::Result<Tried> {
        let probe = self.aside();
        self.once(&self.bench.validated, &probe, async {
            let draft = probe.draft(probe.options().menu_location().context("no --menu-location")?).await;
            let exchange = probe.order(Endpoint::Validate, &draft).await?;
            Ok((draft, exchange))
        })
        .await
    }

    /// An order of something that is not on the menu, sent to validate; `None` where there is no menu.
    pub(crate) async fn refused(&self) -> anyhow::Result<Option<Tried>> {
        let probe = self.aside();
        self.once(&self.bench.refused, &probe, async {
            let location = probe.options().menu_location().context("no --menu-location")?;
            if probe.menu(location).await?.is_none() {
                return Ok(None);
            }
            let mut draft = probe.draft(location).await;
            if let Some(line) = draft.lines.first_mut() {
                line.id = format!("no-such-item-{}", uuid::Uuid::now_v7().simple());
            }
            let exchange = probe.order(Endpoint::Validate, &draft).await?;
            Ok(Some((draft, exchange)))
        })
        .await
    }

    /// A right order that was submitted.
    pub(crate) async fn submitted(&self) -> anyhow::Result<Tried> {
        let probe = self.aside();
        self.once(&self.bench.submitted, &probe, async {
            let draft = probe.draft(probe.options().location().context("no --location")?).await;
            let exchange = probe.order(Endpoint::Submit, &draft).await?;
            Ok((draft, exchange))
        })
        .await
    }

    /// A submitted order that was answered 200: what dependents go by.
    pub(crate) async fn accepted(&self) -> anyhow::Result<Tried> {
        let (draft, exchange) = self.submitted().await?;
        ensure!(matches!(exchange.code(), 200 | 202), "there is no order to go by: submit answered {}", exchange.summary());
        Ok((draft, exchange))
    }

    /// An order that was answered 202, and its polls; the polls of one that was not are none.
    pub(crate) async fn polled(&self) -> anyhow::Result<Polled> {
        let probe = self.aside();
        self.once(&self.bench.polled, &probe, async {
            let draft = probe.draft(probe.options().async_location().context("no --async-location")?).await;
            let accepted = probe.order(Endpoint::Submit, &draft).await?;
            let polls = if accepted.code() == 202 { probe.poll(&draft).await? } else { Vec::new() };
            Ok(Polled { draft, accepted, polls })
        })
        .await
    }

    /// Polls as PAR does, from the very moment of the 202, until the order is final or patience ends.
    async fn poll(&self, draft: &Draft) -> anyhow::Result<Vec<Arc<Exchange>>> {
        let until = Instant::now() + self.options().timeout;
        let (mut polls, mut bad): (Vec<_>, usize) = (Vec::new(), 0);
        loop {
            let poll = self.get(draft).await?;
            bad = if poll.code() == 200 { 0 } else { bad + 1 };
            let pause = poll.answer.retry_after.unwrap_or(Duration::from_secs(1));
            let longest = self.options().poll_every.unwrap_or(LONGEST_PAUSE);
            let pause = pause.clamp(SHORTEST_PAUSE.min(longest), longest);
            let last = (poll.code() == 200 && poll.told.status() != "pending") || bad == MOST_BAD_POLLS;
            polls.push(poll);
            if last || Instant::now() + pause > until {
                return Ok(polls);
            }
            tokio::time::sleep(pause).await;
        }
    }
}
