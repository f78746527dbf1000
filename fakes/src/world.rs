//! Orders, queue and POS in one value that clones share.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use posnext_shared::{
    app::ports::*,
    domain::{
        ability::{Abilities, Cancelled, Find, Found, Placed},
        directory::{Connector, Location, Mode, SandboxConnector},
        guard::Guard,
        ids::{OrderKey, ParId, RequestUid, Tenant},
        machine::New,
        order::Body,
        record::{Alias, OrderRecord, Row, State},
        take::Take,
        time::UnixMillis,
    },
};
use tokio::time::Instant;

use crate::played::Played;

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
pub struct World(pub Arc<Inner>);

/// What a world is made of.
#[derive(Debug, Default)]
pub struct Inner {
    /// The table of orders.
    pub rows: Mutex<HashMap<OrderKey, Row>>,
    /// The guards, by their key: who owns it, and until when.
    pub guards: Mutex<HashMap<String, (OrderKey, UnixMillis)>>,
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
    /// The POS's calls.
    pub calls: Mutex<Vec<&'static str>>,
    /// Claims by their token: one stands for identical parameters, as on AWS.
    pub tokens: Mutex<HashMap<String, Option<OrderKey>>>,
    /// A POS that does as its location's sandbox connector says, once it is switched on.
    pub(crate) played: Mutex<Option<Played>>,
    pub(crate) panics_at: Mutex<Option<ParId>>,
    ids: AtomicU64,
    start: OnceLock<(Instant, UnixMillis)>,
}

impl World {
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

    fn stored(&self, key: &OrderKey) -> OrderRecord {
        match self.0.rows.lock().unwrap().get(key) {
            Some(Row::Order(record)) => (**record).clone(),
            other => panic!("{key}: {other:?}"),
        }
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

    /// A world whose clock says this now.
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

    fn with_played<T>(&self, ask: impl FnOnce(&mut Played) -> T) -> Option<T> {
        self.0.played.lock().unwrap().as_mut().map(ask)
    }

    async fn write<T>(&self, apply: impl FnOnce() -> T) -> Result<T, PortError> {
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

impl Clock for World {
    fn now(&self) -> UnixMillis {
        let (began, at) = self.0.start.get_or_init(|| (Instant::now(), UnixMillis(1_742_049_045_000)));
        at.plus(began.elapsed())
    }
    fn fresh_id(&self) -> String {
        self.0.ids.fetch_add(1, Ordering::Relaxed).to_string()
    }
    fn random(&self) -> u64 {
        self.0.ids.fetch_add(7_919, Ordering::Relaxed)
    }
}

impl ReadOrder for World {
    async fn read(&self, key: &OrderKey) -> Result<Option<Row>, PortError> {
        Ok(self.0.rows.lock().unwrap().get(key).cloned())
    }
}

impl ClaimOrder for World {
    async fn claim(&self, record: &OrderRecord, guard: Option<&Guard>, now: UnixMillis) -> Result<Claimed, PortError> {
        let from = guard.and_then(|guard| guard.taken_over_from.clone());
        let first = self.0.tokens.lock().unwrap().entry(record.write_id.clone()).or_insert_with(|| from.clone()).clone();
        assert_eq!(first, from, "IdempotentParameterMismatch");
        let outcome = match self.0.faults.lock().unwrap().front() {
            Some(Fault::Contended) => Some(Claimed::Contended),
            Some(Fault::InProgress) => Some(Claimed::InProgress),
            _ => None,
        };
        if let Some(outcome) = outcome {
            self.0.faults.lock().unwrap().pop_front();
            return Ok(outcome);
        }
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let mut guards = self.0.guards.lock().unwrap();
            if let Some(row) = rows.get(&record.key) {
                let ours = matches!(row, Row::Order(stored) if stored.write_id == record.write_id);
                return if ours { Claimed::Ours } else { Claimed::Exists(Box::new(row.clone())) };
            }
            if let Some(guard) = guard {
                if let Some((owner, expires_at)) = guards.get(&guard.key)
                    && *expires_at > now
                    && Some(owner) != guard.taken_over_from.as_ref()
                {
                    return Claimed::Guarded(owner.clone());
                }
                guards.insert(guard.key.clone(), (guard.owner.clone(), guard.expires_at));
            }
            rows.insert(record.key.clone(), Row::Order(Box::new(record.clone())));
            Claimed::Ours
        })
        .await
    }

    async fn claim_alias(&self, alias: &Alias) -> Result<bool, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let free = !rows.contains_key(&alias.key);
            if free {
                rows.insert(alias.key.clone(), Row::Alias(alias.clone()));
            }
            free
        })
        .await
    }
}

impl SaveOrder for World {
    async fn save(&self, record: &OrderRecord) -> Result<bool, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let Some(Row::Order(stored)) = rows.get(&record.key) else { return false };
            if stored.version == record.version && stored.write_id == record.write_id {
                return true;
            }
            let fits = stored.version + 1 == record.version;
            if fits {
                rows.insert(record.key.clone(), Row::Order(Box::new(record.clone())));
            }
            fits
        })
        .await
    }
}

impl TakeOrder for World {
    async fn take(&self, take: &Take) -> Result<Taken, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let Some(row) = rows.get_mut(&take.key) else { return Taken::Absent };
            let taken = match row {
                Row::Order(record) => take.take((**record).clone()),
                Row::Alias(_) => None,
            };
            match taken {
                Some(record) => {
                    *row = Row::Order(Box::new(record.clone()));
                    Taken::Ours(Box::new(record))
                }
                None => Taken::Stands(Box::new(row.clone())),
            }
        })
        .await
    }
}

impl NudgeOrder for World {
    async fn nudge(&self, key: &OrderKey, version: u64, due_at: UnixMillis, new_due_at: UnixMillis) -> Result<bool, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let Some(Row::Order(stored)) = rows.get_mut(key) else { return false };
            let version_fits = stored.version == version;
            match &mut stored.state {
                State::Open(open) if version_fits && open.due_at == due_at => {
                    open.due_at = new_due_at;
                    true
                }
                _ => false,
            }
        })
        .await
    }
}

impl ListOpen for World {
    async fn list_open(&self, limit: usize) -> Result<Vec<OpenEntry>, PortError> {
        let rows = self.0.rows.lock().unwrap();
        let open = rows.values().filter_map(|row| match row {
            Row::Order(record) => record.open().map(|open| OpenEntry {
                key: record.key.clone(),
                due_at: open.due_at,
                accepted_at: record.accepted_at,
            }),
            Row::Alias(_) => None,
        });
        Ok(open.take(limit).collect())
    }
}

impl SendOrder for World {
    async fn send(&self, message: &OrderMessage, delay: Duration) -> Result<(), PortError> {
        // The row comes first: a message about a version that is not stored would be acknowledged as nobody's.
        let stored = self.stored(&message.key);
        assert_eq!(stored.version, message.version, "sent before it was written, or although it was not");
        if *self.0.queue_down.lock().unwrap() {
            return Err(PortError::Unavailable("the queue is down".to_owned()));
        }
        self.0.sent.lock().unwrap().push((message.clone(), delay));
        Ok(())
    }
}

impl SetAside for World {
    async fn set_aside(&self, what: Aside<'_>, reason: &str) -> Result<(), PortError> {
        if *self.0.queue_down.lock().unwrap() {
            return Err(PortError::Unavailable("the queue is down".to_owned()));
        }
        self.0.aside.lock().unwrap().push(format!("{reason}: {what:?}"));
        Ok(())
    }
}

impl Pos for World {
    async fn place(&self, location: &Location, record: &OrderRecord, limit: Duration) -> Placed {
        self.0.calls.lock().unwrap().push("place");
        let panics_at = self.0.panics_at.lock().unwrap().clone();
        assert_ne!(panics_at.as_ref(), Some(&location.location_id), "a defect, on purpose");
        if let Some(attempt) = self.with_played(|played| played.place(location, &record.key, self.now())) {
            let (takes, placed) = attempt;
            return if takes > limit {
                tokio::time::sleep(limit).await;
                Placed::Unknown("time-out".to_owned())
            } else {
                tokio::time::sleep(takes).await;
                placed
            };
        }
        // The attempt must be in the row before it begins.
        let stored = self.stored(&record.key);
        assert_eq!((stored.version, stored.has_live_lease(self.now())), (record.version, true), "placed without a lease");
        let (takes, placed) = self.0.pos.lock().unwrap().pop_front().expect("the POS was not expected to be asked");
        if takes == Duration::MAX {
            // It forgets its limit.
            std::future::pending::<()>().await;
        }
        if takes > limit {
            tokio::time::sleep(limit).await;
            return Placed::Unknown("time-out".to_owned());
        }
        tokio::time::sleep(takes).await;
        placed
    }
    async fn find(&self, location: &Location, record: &OrderRecord, _: Duration) -> Found {
        self.0.calls.lock().unwrap().push("find");
        if let Some(found) = self.with_played(|played| played.find(location, &record.key, self.now())) {
            return found;
        }
        self.0.found.lock().unwrap().pop_front().unwrap_or(Found::Absent)
    }
    async fn cancel(&self, location: &Location, record: &OrderRecord, _: Duration) -> Cancelled {
        self.0.calls.lock().unwrap().push("cancel");
        self.with_played(|played| played.cancel(location, &record.key, self.now())).unwrap_or(Cancelled::Done)
    }
}

impl AskAvailability for World {
    async fn sold_out(&self, location: &Location, ids: &BTreeSet<&str>, limit: Duration) -> Result<HashSet<String>, PortError> {
        let Connector::Sandbox(sandbox) = &location.connector else {
            return Err(PortError::Unavailable("nobody plays this POS".to_owned()));
        };
        let takes = Duration::from_millis(sandbox.delay_ms);
        tokio::time::sleep(takes.min(limit)).await;
        if sandbox.down || takes > limit {
            return Err(PortError::Unavailable("no answer".to_owned()));
        }
        Ok(sandbox.sold_out.iter().filter(|id| ids.contains(id.as_str())).cloned().collect())
    }
}

impl FetchMenu for World {
    async fn fetch(&self, _: &Location, _: Duration) -> Result<Vec<u8>, PortError> {
        Err(PortError::Unavailable("this POS hands out no menu".to_owned()))
    }
}
