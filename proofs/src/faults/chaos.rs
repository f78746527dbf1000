//! What goes wrong, and when. A proxy (`call.rs`) stands before every call that a function makes; now and then it kills the
//! caller just before or just after the call has its effect, freezes it there until after its time-out, cuts the reply off, or
//! refuses the call. So the binaries hold no fault hooks, and every point between two external effects is one at which a
//! process can die, or stand still. Each process has clocks of its own.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::task::JoinHandle;

use super::{
    fate::{Fate, acts},
    frost::{Frost, Thawed},
};
use crate::lambda::{Clocks, Environment, Hold, Start, Surroundings};

/// Of a thousand calls that act, so many freeze their caller where it has not been frozen often enough.
const FREEZES: u32 = 250;
/// How far two processes' clocks differ at most (docs/premises.md#clocks).
const CLOCKS_DIFFER: Duration = Duration::from_secs(3);

/// How much goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Faults in a thousand calls.
    pub(super) rate: u32,
    pub(super) seed: u64,
    /// How often processes are to go on at each point after somebody else has acted.
    pub(super) thawed: u64,
    /// So many may stand still at a time.
    pub(super) standing: usize,
}

/// Where the services are; they move when they are started anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Upstreams {
    pub(super) dynamodb: String,
    pub(super) sqs: String,
    pub(super) secrets: String,
    /// Where SQS was at first: the functions name their queues by it for ever.
    pub(super) first_sqs: String,
    pub(super) pos: String,
}

/// A function's process.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) id: u64,
    pub(super) function: String,
    pub(super) process: Option<Arc<Hold>>,
    /// What it works on. A process that was late finishes an earlier event first.
    pub(super) orders: BTreeSet<String>,
}

/// Processes whose clocks were so many milliseconds off the machine's.
pub(super) type Clocked = BTreeMap<i64, u64>;

#[derive(Debug)]
pub(super) struct Chaos {
    manner: Manner,
    /// Faults in a thousand calls, as long as anything goes wrong.
    rate: AtomicU32,
    random: Mutex<fastrand::Rng>,
    pub(super) upstreams: RwLock<Upstreams>,
    /// The variables that all functions share.
    pub(super) settings: RwLock<Environment>,
    callers: Mutex<HashMap<u64, Caller>>,
    /// Who has last written to each order.
    writers: Mutex<HashMap<String, u64>>,
    pub(super) frost: Mutex<Frost>,
    /// Until when DynamoDB refuses an operation of a process, and how.
    pub(super) refusing: Mutex<HashMap<(u64, String), (Fate, Instant)>>,
    proxies: Mutex<HashMap<u64, JoinHandle<()>>>,
    counts: Mutex<BTreeMap<(String, Fate), u64>>,
    clocked: Mutex<Clocked>,
    /// Answers that came when the time of their invocation had passed.
    stale: AtomicU64,
    /// Where the processes' clocks are kept.
    folder: PathBuf,
    pub(super) http: reqwest::Client,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chaos {
    /// The processes' clocks are kept in `folder`.
    pub(super) fn new(manner: Manner, folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            manner,
            rate: AtomicU32::new(manner.rate),
            random: Mutex::new(fastrand::Rng::with_seed(manner.seed)),
            upstreams: RwLock::default(),
            settings: RwLock::default(),
            callers: Mutex::default(),
            writers: Mutex::default(),
            frost: Mutex::default(),
            refusing: Mutex::default(),
            proxies: Mutex::default(),
            counts: Mutex::default(),
            clocked: Mutex::default(),
            stale: AtomicU64::new(0),
            folder: folder.to_owned(),
            http: posnext_local::par::http_client().pool_max_idle_per_host(0).build()?,
        })
    }

    /// From now on nothing goes wrong.
    pub(super) fn stop(&self) {
        self.rate.store(0, Ordering::Relaxed);
    }

    /// Whether nothing goes wrong any more.
    pub(super) fn is_over(&self) -> bool {
        self.rate.load(Ordering::Relaxed) == 0
    }

    /// How often processes went on that had been frozen until after their time-out, by the point.
    pub(super) fn thawed(&self) -> BTreeMap<String, Thawed> {
        lock(&self.frost).thawed().clone()
    }

    /// A variable that all functions have.
    pub(super) fn setting(&self, name: &str) -> anyhow::Result<String> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        let found = settings.iter().find(|(variable, _)| variable == name);
        Ok(found.with_context(|| format!("the services did not say {name}"))?.1.clone())
    }

    /// Where the POS is, behind its proxy.
    pub(super) fn set_pos(&self, url: &str) {
        url.clone_into(&mut self.upstreams.write().unwrap_or_else(PoisonError::into_inner).pos);
    }

    /// More variables for every function.
    pub(super) fn share(&self, variables: Environment) {
        self.settings.write().unwrap_or_else(PoisonError::into_inner).extend(variables);
    }

    /// Counts a fault that was made elsewhere.
    pub(super) fn note(&self, point: &str, fate: Fate) {
        *lock(&self.counts).entry((point.to_owned(), fate)).or_default() += 1;
    }

    /// How often each fault has struck at each point.
    pub(super) fn counts(&self) -> BTreeMap<(String, Fate), u64> {
        lock(&self.counts).clone()
    }

    /// The clocks of all processes so far.
    pub(super) fn clocked(&self) -> Clocked {
        lock(&self.clocked).clone()
    }

    /// Answers that were refused since the time of their invocation had passed.
    pub(super) fn stale_answers(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    pub(super) fn chance(&self, in_a_thousand: u32) -> bool {
        lock(&self.random).u32(0..1000) < in_a_thousand
    }

    pub(super) fn random(&self, below: usize) -> usize {
        lock(&self.random).usize(0..below)
    }

    /// Mostly nothing; else the fault that this point has seen least. Where processes are to be frozen more often, they are.
    pub(super) fn fate(&self, caller: Option<&Caller>, operation: &str) -> Option<Fate> {
        let function = caller.map_or("?", |caller| caller.function.as_str());
        // Polls are many and the least worth killing.
        let rate = self.rate.load(Ordering::Relaxed);
        let point = format!("{function} {operation}");
        let struck = self.chance(if function == "get-order" { rate / 5 } else { rate * 2 });
        let room = caller.is_some_and(|caller| lock(&self.frost).has_room(self.manner.standing, caller.id));
        let wanted = room && lock(&self.frost).wants(&point, self.manner.thawed);
        let freezes = rate > 0 && wanted && acts(operation);
        let freezes = !struck && freezes && self.chance(FREEZES);
        if !struck && !freezes {
            return None;
        }
        let is_frost = |fate: Fate| matches!(fate, Fate::FrozenBefore | Fate::FrozenAfter);
        let mut counts = lock(&self.counts);
        let seen = |fate: &Fate| counts.get(&(point.clone(), *fate)).copied().unwrap_or(0);
        let fates = Fate::OF_A_CALL.map(|(fate, _)| fate).into_iter().filter(|fate| fate.is_for(operation));
        // What had to be frozen more often than the rest is not struck less by the rest.
        let fates = fates.filter(|fate| if struck { !is_frost(*fate) || wanted && !acts(operation) } else { is_frost(*fate) });
        let fate = fates.min_by_key(seen)?;
        *counts.entry((point, fate)).or_default() += 1;
        Some(fate)
    }

    /// The orders that are named in a text.
    pub(super) fn orders_in(&self, text: &str) -> BTreeSet<String> {
        let prefix = super::prefix(self.manner.seed);
        let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
        let numbers = text.split(prefix.as_str()).skip(1).map(number).filter(|number| !number.is_empty());
        numbers.map(|number| format!("{prefix}{number}")).collect()
    }

    /// Whose call it is. The proxy before the POS is shared by all: there it is who has last written to the order.
    pub(super) fn caller(&self, id: Option<u64>, order: Option<&str>) -> Option<Caller> {
        let callers = lock(&self.callers);
        if let Some(id) = id {
            return callers.get(&id).cloned();
        }
        let order = order?;
        let writer = lock(&self.writers).get(order).copied();
        let works = |caller: &&Caller| {
            let goes_to_the_pos = matches!(caller.function.as_str(), "submit-order" | "process-order");
            goes_to_the_pos
                && caller.orders.contains(order)
                && caller.process.as_ref().is_some_and(|process| !process.is_frozen())
        };
        let writer = writer.and_then(|id| callers.get(&id)).filter(works);
        writer.or_else(|| callers.values().find(works)).cloned()
    }

    /// The process has written to the order, or been at its POS.
    pub(super) fn has_moved(&self, caller: &Caller, order: &str) {
        lock(&self.writers).insert(order.to_owned(), caller.id);
        lock(&self.frost).has_acted(Some(caller.id), order);
    }

    /// The process that makes this call stands still until it is thawed.
    pub(super) async fn freeze(&self, caller: &Caller, point: &str, order: Option<&str>) {
        let Some(process) = &caller.process else { return };
        let orders = order.map_or_else(|| caller.orders.clone(), |order| [order.to_owned()].into());
        lock(&self.frost).freezes(caller.id, point, orders);
        process.freeze();
        process.thawed().await;
    }

    /// A proxy of its own for each process, so that it is known whose call it is.
    async fn proxy_for(self: &Arc<Self>, id: u64) -> anyhow::Result<String> {
        let (address, proxy) = self.proxy(Some(id)).await?;
        lock(&self.proxies).insert(id, proxy);
        Ok(address)
    }

    /// Clocks of a new process: up to half of what two may differ by, behind or ahead.
    fn clocks(&self, id: u64) -> anyhow::Result<(Clocks, Environment)> {
        let half = i64::try_from(CLOCKS_DIFFER.as_millis()).unwrap_or_default() / 2;
        // One in four is right.
        let off = if self.manner.rate == 0 || self.chance(250) { 0 } else { lock(&self.random).i64(-half..=half) };
        *lock(&self.clocked).entry(off).or_default() += 1;
        Clocks::new(&self.folder.join(format!("clocks-{id}")), Duration::from_millis(off.unsigned_abs()), off < 0)
    }
}

pub(super) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // It may have died by itself.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

impl Surroundings for Arc<Chaos> {
    async fn start(&self, function: &str, id: u64) -> anyhow::Result<Start> {
        let caller = Caller { id, function: function.to_owned(), process: None, orders: BTreeSet::new() };
        lock(&self.callers).insert(id, caller);
        let proxy = self.proxy_for(id).await?;
        let mut environment = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (_, value) in environment.iter_mut().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_")) {
            value.clone_from(&proxy);
        }
        Ok((environment, Some(self.clocks(id)?)))
    }

    fn begins(&self, id: u64, process: &Arc<Hold>, event: &str) {
        lock(&self.frost).goes_on(id, true);
        if let Some(caller) = lock(&self.callers).get_mut(&id) {
            caller.process = Some(Arc::clone(process));
            caller.orders.extend(self.orders_in(event));
        }
    }

    fn ends(&self, id: u64) {
        if let Some(caller) = lock(&self.callers).get_mut(&id) {
            caller.orders.clear();
        }
    }

    fn is_late(&self, id: u64) {
        lock(&self.frost).is_late(id);
    }

    fn may_go_on(&self, id: u64) -> bool {
        self.rate.load(Ordering::Relaxed) == 0 || lock(&self.frost).may_go_on(id)
    }

    fn stale(&self, _: u64, answers: u64) {
        self.stale.fetch_add(answers, Ordering::Relaxed);
    }

    fn gone(&self, id: u64) {
        lock(&self.frost).goes_on(id, false);
        lock(&self.callers).remove(&id);
        let _ = std::fs::remove_file(self.folder.join(format!("clocks-{id}")));
        if let Some(proxy) = lock(&self.proxies).remove(&id) {
            proxy.abort();
        }
    }
}
