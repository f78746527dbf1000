//! Orders, queue and POS in one value that clones share.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Debug,
    marker::PhantomData,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use posnext_shared::{
    app::{
        ports::{Clock, OrderMessage, PortError},
        world::World,
    },
    domain::{
        ability::{Abilities, Cancelled, Find, Found, Placed},
        directory::{Connector, Location, Mode, SandboxConnector},
        guard::{Former, Guard},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        machine::New,
        order::Body,
        record::{OrderRecord, Row},
        time::UnixMillis,
    },
};
use tokio::time::Instant;

use crate::{directory::Mapped, played::Played};

/// What goes wrong with the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is written, the reply is lost.
    ReplyLost,
    /// It is not written, and nobody says so.
    NotWritten,
    /// It succeeds.
    None,
    /// Another transaction is at the same rows (a claim only).
    Contended,
    /// This claim is still being written (a claim only).
    InProgress,
    /// It succeeds after so many milliseconds.
    Slow(u64),
}

/// Orders, queue, POS, clock and dice of one test. Each fake keeps the contract of its port: conditional writes succeed or fail as
/// DynamoDB's do, and a reply can be lost after the write or before it.
#[derive(Debug, Clone, Default)]
pub struct Fake(pub Arc<Inner>);

/// The world of the use cases under test, by its types: a [`Fake`], and a directory.
#[derive(Debug)]
pub struct FakeWorld<D = Mapped>(PhantomData<D>);

impl<D: Debug + Send + Sync> World for FakeWorld<D> {
    type Clock = Fake;
    type Directory = D;
    type Secrets = Mapped;
    type Menus = Mapped;
    type Orders = Fake;
    type Queue = Fake;
    type Pos = Fake;
    type Subscribers = ();
    type Deliveries = ();
    type Webhooks = ();
    type Connections = ();
    type Push = ();
}

/// What a fake is made of.
#[derive(Debug, Default)]
pub struct Inner {
    /// The table of orders.
    pub rows: Mutex<HashMap<OrderKey, Row>>,
    /// The guards, by their key.
    pub guards: Mutex<HashMap<String, Guard>>,
    /// Orders whose row so many reads do not see yet, although its transaction is written.
    pub unseen: Mutex<HashMap<OrderKey, u32>>,
    /// What goes wrong with the next writes.
    pub faults: Mutex<VecDeque<Fault>>,
    /// Messages, and their delays.
    pub sent: Mutex<Vec<(OrderMessage, Duration)>>,
    /// What was put aside, after its reason.
    pub aside: Mutex<Vec<String>>,
    /// Whether the queue takes nothing.
    pub queue_down: Mutex<bool>,
    /// What the next places take and come to.
    pub pos: Mutex<VecDeque<(Duration, Placed)>>,
    /// What the next finds come to.
    pub found: Mutex<VecDeque<Found>>,
    /// What the next cancels come to.
    pub cancelled: Mutex<VecDeque<Cancelled>>,
    /// The POS's calls.
    pub calls: Mutex<Vec<&'static str>>,
    /// The stores that were asked, one a call, by the vendor's own id.
    pub stores: Mutex<Vec<String>>,
    /// How long it takes to open a line to the POS, and how many were opened.
    pub opening: Mutex<(Duration, u32)>,
    /// How far the clock is known to be off.
    pub off: Mutex<Duration>,
    /// How far the wall clock has gone on while the process stood still.
    pub stood_still: Mutex<Duration>,
    /// Claims by their token: one stands for identical parameters, as on AWS.
    pub tokens: Mutex<HashMap<String, Option<Former>>>,
    /// A POS that does as its location's sandbox connector says, once it is switched on.
    pub(crate) played: Mutex<Option<Played>>,
    pub(crate) panics_at: Mutex<Option<ParId>>,
    ids: AtomicU64,
    start: OnceLock<(Instant, UnixMillis)>,
}

impl Fake {
    /// The next write goes wrong.
    pub fn fail_next(&self, fault: Fault) {
        self.0.faults.lock().unwrap().push_back(fault);
    }

    /// The next place takes this long and comes to this.
    pub fn pos_does(&self, takes: Duration, placed: Placed) {
        self.0.pos.lock().unwrap().push_back((takes, placed));
    }

    /// The order of this id, of the tenant [`key`] names.
    pub fn order(&self, uid: &str) -> OrderRecord {
        self.stored(&key(uid))
    }

    pub(crate) fn stored(&self, key: &OrderKey) -> OrderRecord {
        match self.0.rows.lock().unwrap().get(key) {
            Some(Row::Order(record)) => (**record).clone(),
            other => panic!("{key}: {other:?}"),
        }
    }

    /// The process stands still: the wall clock goes on by this, and no other.
    pub fn stand_still(&self, time: Duration) {
        *self.0.stood_still.lock().unwrap() += time;
    }

    /// The stores that were asked so far.
    #[must_use]
    pub fn stores(&self) -> Vec<String> {
        self.0.stores.lock().unwrap().clone()
    }

    /// The POS's calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.0.calls.lock().unwrap().clone()
    }

    /// The messages so far, with their delays.
    #[must_use]
    pub fn sent(&self) -> Vec<(OrderMessage, Duration)> {
        self.0.sent.lock().unwrap().clone()
    }

    /// A fake whose clock says this now.
    #[must_use]
    pub fn beginning_at(now: UnixMillis) -> Self {
        let world = Self::default();
        world.0.start.get_or_init(|| (Instant::now(), now));
        world
    }

    /// The connector has a defect: it panics when this location's POS is asked to place; no more with `None`.
    pub fn panic_at(&self, location: Option<ParId>) {
        *self.0.panics_at.lock().unwrap() = location;
    }

    /// From now on the POS does as its location's sandbox connector says.
    pub fn play(&self) {
        *self.0.played.lock().unwrap() = Some(Played::default());
    }

    /// Numbers of the meals that exist of an order, by its `request_uid`.
    #[must_use]
    pub fn meals(&self, uid: &str) -> Vec<String> {
        self.with_played(|played| played.meals(uid, self.now())).unwrap_or_default()
    }

    pub(crate) fn with_played<T>(&self, ask: impl FnOnce(&mut Played) -> T) -> Option<T> {
        self.0.played.lock().unwrap().as_mut().map(ask)
    }

    pub(crate) async fn write<T>(&self, apply: impl FnOnce() -> T) -> Result<T, PortError> {
        let fault = self.0.faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        let unavailable = || PortError::Unavailable("injected".to_owned());
        match fault {
            Fault::None | Fault::Contended | Fault::InProgress => Ok(apply()),
            Fault::Slow(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(apply())
            }
            Fault::NotWritten => Err(unavailable()),
            Fault::ReplyLost => {
                apply();
                Err(unavailable())
            }
        }
    }
}

/// The key of an order.
#[must_use]
pub fn key(uid: &str) -> OrderKey {
    OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new(uid).unwrap() }
}

/// An order to be claimed.
#[must_use]
pub fn new(uid: &str, online: &str, quantity: u32) -> New {
    let text = format!(
        r#"{{"request_uid":"{uid}","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{{"online_order_id":"{online}","items":[{{"quantity":{quantity}}}]}}}}"#
    );
    let order = Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap());
    New { key: key(uid), order, shared_id: "s".into(), traceparent: None }
}

/// A location whose POS promises this.
#[must_use]
pub fn location(abilities: Abilities) -> Location {
    let id = |text| ParId::new(text).unwrap();
    let connector = Connector::Sandbox(SandboxConnector { abilities, ..SandboxConnector::default() });
    let (enabled, mode, shared_ids) = (true, Mode::Sync, None);
    Location {
        organization_id: id("O"),
        location_id: id("L"),
        internal_id: "l".into(),
        enabled,
        mode,
        shared_ids,
        pull_menu: false,
        live_availability: false,
        connector,
    }
}

/// The same, for as long as the tests run.
#[must_use]
pub fn mapped(abilities: Abilities) -> &'static Location {
    Box::leak(Box::new(location(abilities)))
}

/// Every promise.
#[must_use]
pub fn all() -> Abilities {
    Abilities { idempotent_place: true, find: Some(Find { settle_s: 3 }), cancel: true }
}

/// The POS holds the order.
#[must_use]
pub fn done() -> Placed {
    Placed::Done { pos_order_id: "P".into() }
}

impl Clock for Fake {
    fn now(&self) -> UnixMillis {
        let (began, at) = self.0.start.get_or_init(|| (Instant::now(), UnixMillis(1_742_049_045_000)));
        at.plus(began.elapsed()).plus(*self.0.stood_still.lock().unwrap())
    }
    fn off(&self) -> Duration {
        *self.0.off.lock().unwrap()
    }
    fn fresh_id(&self) -> String {
        self.0.ids.fetch_add(1, Ordering::Relaxed).to_string()
    }
    fn random(&self) -> u64 {
        self.0.ids.fetch_add(7_919, Ordering::Relaxed)
    }
}
