//! What the use cases need of the world, one verb a trait.

use std::{
    collections::{BTreeSet, HashSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use super::moment::Moment;
use crate::domain::{
    ability::{Cancelled, Found, Placed},
    directory::{Client, Location, Organization},
    guard::Guard,
    ids::{OrderKey, ParId, SubscriberId, Tenant},
    menu::{Menu, StoredMenu},
    policy::CLOCK_SKEW,
    record::{Alias, OrderRecord, Row},
    signature::SharedId,
    take::Take,
    time::UnixMillis,
    token::ClientSecret,
    webhook::{Delivery, Event, Subscriber, Told, WebhookKey},
};

/// Why a port did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PortError {
    /// No answer, or one that says "not now". A write may or may not have happened.
    #[error("{0}")]
    Unavailable(String),
    /// What is stored cannot be read.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

/// Time, fresh ids and randomness.
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> UnixMillis;
    /// How far it is known to be off what other machines call the time, at least.
    fn off(&self) -> Duration {
        Duration::ZERO
    }
    /// A fresh unique id.
    fn fresh_id(&self) -> String;
    /// A random number.
    fn random(&self) -> u64;
}

/// Reads what stands under a key, strongly consistent.
pub trait ReadOrder: Send + Sync {
    /// # Errors
    /// [`PortError`] when nothing can be said.
    fn read(&self, key: &OrderKey) -> impl Future<Output = Result<Option<Row>, PortError>> + Send;
}

/// What a claim came to.
#[derive(Debug)]
pub enum Claimed {
    /// The row is ours.
    Ours,
    /// The key is taken; nothing was written.
    Exists(Box<Row>),
    /// The online order id is owned by an order; nothing was written.
    Guarded {
        /// The order.
        owner: OrderKey,
        /// Until then other content is held off.
        holds_until: UnixMillis,
        /// Owners before it that were open when it took over.
        earlier: Vec<OrderKey>,
    },
    /// Another transaction was at the same rows, or a former owner is not as it was read; nothing was written.
    Contended,
    /// This very claim is still being written.
    InProgress,
}

/// Writes the first version of an order, and its guard, in one transaction.
pub trait ClaimOrder: Send + Sync {
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn claim(&self, record: &OrderRecord, guard: Option<&Guard>) -> impl Future<Output = Result<Claimed, PortError>> + Send;

    /// Writes an alias unless the key is taken; `false` if it is.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn claim_alias(&self, alias: &Alias) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Replaces a row if it still has the version this one was made from.
pub trait SaveOrder: Send + Sync {
    /// `false` if another write came first.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn save(&self, record: &OrderRecord) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// What taking an order came to.
#[derive(Debug)]
pub enum Taken {
    /// The lease is ours; this is the row as it was written.
    Ours(Box<OrderRecord>),
    /// The row stands otherwise; nothing was written.
    Stands(Box<Row>),
    /// There is no such row.
    Absent,
}

/// Takes the lease of an order that waits to be placed, in one write that reads nothing first.
pub trait TakeOrder: Send + Sync {
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn take(&self, take: &Take) -> impl Future<Output = Result<Taken, PortError>> + Send;
}

/// Moves the due time of an open row alone.
pub trait NudgeOrder: Send + Sync {
    /// `false` if the row no longer has this version and due time.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn nudge(
        &self,
        key: &OrderKey,
        version: u64,
        due_at: UnixMillis,
        new_due_at: UnixMillis,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// An entry of the index of open orders. It may be stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenEntry {
    /// The order.
    pub key: OrderKey,
    /// When it counts as stopped.
    pub due_at: UnixMillis,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
}

/// Lists open orders from the sparse index, the longest due first.
pub trait ListOpen: Send + Sync {
    /// At most `limit` entries.
    ///
    /// # Errors
    /// [`PortError`] when the index cannot be read.
    fn list_open(&self, limit: usize) -> impl Future<Output = Result<Vec<OpenEntry>, PortError>> + Send;
}

/// A message about an order: its key, never the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderMessage {
    /// Which order.
    pub key: OrderKey,
    /// The version it is about.
    pub version: u64,
    /// Fairness between stores, no promise of order (SQS MessageGroupId on a standard queue).
    pub group: ParId,
    /// W3C trace context of the submit.
    pub traceparent: Option<String>,
}

impl OrderMessage {
    /// The message that hands off a row as it stands.
    #[must_use]
    pub fn about(record: &OrderRecord) -> Self {
        Self {
            key: record.key.clone(),
            version: record.version,
            group: record.order.location_id().clone(),
            traceparent: record.traceparent.clone(),
        }
    }
}

/// Sends a message to the workers.
pub trait SendOrder: Send + Sync {
    /// `delay` in whole seconds, at most 900.
    ///
    /// # Errors
    /// [`PortError`]: whether it was sent is unknown.
    fn send(&self, message: &OrderMessage, delay: Duration) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What is put aside.
#[derive(Debug, Clone, Copy)]
pub enum Aside<'a> {
    /// A message about an order: it can be sent back to the work queue as it is.
    Order(&'a OrderMessage),
    /// A body that is no such message.
    Body(&'a str),
}

/// Puts a copy of a message aside for a person, with the reason.
pub trait SetAside: Send + Sync {
    /// # Errors
    /// [`PortError`]: whether it was sent is unknown.
    fn set_aside(&self, what: Aside<'_>, reason: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// One attempt to place an order or to cancel it, under its lease.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// It ends within this.
    pub limit: Duration,
    /// When the lease was taken, at the earliest.
    pub lease_taken: Moment,
    /// How long the lease is.
    pub lease: Duration,
}

impl Attempt {
    /// Whether what may still be needed fits on the lease by either clock, another machine's skew counted in. To be
    /// asked right before the first byte leaves: the process may have stood still since the lease was taken
    /// (docs/lifecycle.md#leases).
    #[must_use]
    pub fn may_begin(&self, needed: Duration, now: UnixMillis) -> bool {
        self.lease_taken.age(now).saturating_add(needed).saturating_add(CLOCK_SKEW) <= self.lease
    }

    /// After this the POS is to make nothing of it.
    #[must_use]
    pub fn not_after(&self) -> UnixMillis {
        self.lease_taken.wall().plus(self.lease)
    }
}

/// A location's POS. Every call ends within its limit and reports how far it got; it never fails.
pub trait Pos: Send + Sync {
    /// A way to the POS, for one placement.
    type Line: Send;
    /// Opens one ahead of a placement; what stands in the way is told by the placement.
    fn open(&self, location: &Location) -> impl Future<Output = Self::Line> + Send;
    /// Places an order.
    fn place(
        &self,
        line: Self::Line,
        location: &Location,
        record: &OrderRecord,
        attempt: Attempt,
    ) -> impl Future<Output = Placed> + Send;
    /// Asks for an order.
    fn find(&self, location: &Location, record: &OrderRecord, limit: Duration) -> impl Future<Output = Found> + Send;
    /// Cancels an order and leaves a tombstone.
    fn cancel(&self, location: &Location, record: &OrderRecord, attempt: Attempt) -> impl Future<Output = Cancelled> + Send;
}

/// Asks a location's POS what is sold out right now.
pub trait AskAvailability: Send + Sync {
    /// Those of these ids that cannot be had.
    ///
    /// # Errors
    /// [`PortError`] when the POS does not say within `limit`.
    fn sold_out(
        &self,
        location: &Location,
        ids: &BTreeSet<&str>,
        limit: Duration,
    ) -> impl Future<Output = Result<HashSet<String>, PortError>> + Send;
}

/// Fetches a location's menu from its POS.
pub trait FetchMenu: Send + Sync {
    /// The text of the menu.
    ///
    /// # Errors
    /// [`PortError`] when the POS does not hand one out within `limit`.
    fn fetch(&self, location: &Location, limit: Duration) -> impl Future<Output = Result<Vec<u8>, PortError>> + Send;
}

/// Reads the stored menus; what is told may be as old as a minute.
pub trait ReadMenu: Send + Sync {
    /// A location's menu, if it has one.
    ///
    /// # Errors
    /// [`PortError`] when nothing was ever read.
    fn menu(
        &self,
        organization: &ParId,
        location: &ParId,
    ) -> impl Future<Output = Result<Option<Arc<StoredMenu>>, PortError>> + Send;
    /// The same, as it is stored now.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be read now.
    fn fresh(
        &self,
        organization: &ParId,
        location: &ParId,
    ) -> impl Future<Output = Result<Option<Arc<StoredMenu>>, PortError>> + Send;
    /// A menu that was replaced, by its version, if it is still there.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be read.
    fn older(
        &self,
        organization: &ParId,
        location: &ParId,
        version: &str,
    ) -> impl Future<Output = Result<Option<Arc<Menu>>, PortError>> + Send;
}

/// Stores menus.
pub trait SaveMenu: Send + Sync {
    /// Replaces a location's menu as a whole; what is sold out stays so.
    ///
    /// # Errors
    /// [`PortError`]: the old menu stands.
    fn save(
        &self,
        organization: &ParId,
        location: &ParId,
        menu: &Menu,
        now: UnixMillis,
    ) -> impl Future<Output = Result<Arc<StoredMenu>, PortError>> + Send;
}

/// Who may call, and what is mapped.
pub trait Directory: Send + Sync {
    /// Every client.
    ///
    /// # Errors
    /// [`PortError`] when nothing was ever read.
    fn clients(&self) -> impl Future<Output = Result<Arc<Vec<Client>>, PortError>> + Send;
    /// An organization by PAR's id.
    ///
    /// # Errors
    /// [`PortError`] when nothing can be said.
    fn organization(&self, id: &ParId) -> impl Future<Output = Result<Option<Arc<Organization>>, PortError>> + Send;
    /// A location by PAR's ids.
    ///
    /// # Errors
    /// [`PortError`] when nothing can be said.
    fn location(&self, organization: &ParId, id: &ParId)
    -> impl Future<Output = Result<Option<Arc<Location>>, PortError>> + Send;
}

/// The live values of secrets, the one to use first. `refresh` reads them again if the last time is long enough ago.
pub trait Secrets: Send + Sync {
    /// Client Secrets by the secret's name.
    ///
    /// # Errors
    /// [`PortError`] when nothing was ever read.
    fn client_secrets(
        &self,
        name: &str,
        refresh: Refresh,
    ) -> impl Future<Output = Result<Arc<Vec<ClientSecret>>, PortError>> + Send;
    /// SharedIds by the secret's name.
    ///
    /// # Errors
    /// [`PortError`] when nothing was ever read.
    fn shared_ids(&self, name: &str, refresh: Refresh) -> impl Future<Output = Result<Arc<Vec<SharedId>>, PortError>> + Send;
    /// The value a POS knows us by, the first that is live.
    ///
    /// # Errors
    /// [`PortError`] when nothing was ever read.
    fn pos_secret(&self, name: &str, refresh: Refresh) -> impl Future<Output = Result<String, PortError>> + Send;
    /// Reads again what has grown old. To be run beside a request, never after its answer.
    fn refresh_stale(&self) -> impl Future<Output = ()> + Send;
}

/// Who is told of an organization's orders.
pub trait ListSubscribers: Send + Sync {
    /// All of them, switched off or not.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be told.
    fn subscribers(&self, organization: &ParId) -> impl Future<Output = Result<Vec<Subscriber>, PortError>> + Send;
}

/// One subscriber, and how its deliveries go.
pub trait KeepSubscriber: Send + Sync {
    /// The subscriber, if there is one of this name.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be told.
    fn subscriber(
        &self,
        organization: &ParId,
        id: &SubscriberId,
    ) -> impl Future<Output = Result<Option<Subscriber>, PortError>> + Send;
    /// Notes that a delivery has failed, and of which event it was given up; what is noted already stays.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn failing(
        &self,
        subscriber: &Subscriber,
        now: UnixMillis,
        given_up: Option<&Event>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Notes that a delivery has succeeded.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn works(&self, subscriber: &Subscriber) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Switches it off, if it is on; with `failing_since` only if it has taken no delivery since then. `false` if it was left as it is.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn switch_off(
        &self,
        subscriber: &Subscriber,
        because: &str,
        failing_since: Option<UnixMillis>,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Sends a delivery on its way.
pub trait SendDelivery: Send + Sync {
    /// It comes back when it is due, or 15 minutes from `now` if that is earlier.
    ///
    /// # Errors
    /// [`PortError`]: whether it was sent is unknown.
    fn send_delivery(&self, delivery: &Delivery, now: UnixMillis) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Tells a subscriber of an event.
pub trait TellSubscriber: Send + Sync {
    /// What came of it; it ends within `limit`.
    fn tell(
        &self,
        subscriber: &Subscriber,
        event: &Event,
        keys: &[WebhookKey],
        now: UnixMillis,
        limit: Duration,
    ) -> impl Future<Output = Told> + Send;
}

/// A WebSocket connection, and who opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// API Gateway's id of it.
    pub id: String,
    /// Whose orders it may watch.
    pub tenant: Tenant,
    /// The Client ID of who opened it: what that may see is asked anew each time.
    pub client_id: String,
}

/// The open connections, and what each watches.
pub trait KeepConnections: Send + Sync {
    /// Keeps a connection that was opened.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn open(&self, connection: &Connection, now: UnixMillis) -> impl Future<Output = Result<(), PortError>> + Send;
    /// A connection, and the names of its topics; `None` if it is not known, or any more.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be told.
    fn connection(&self, id: &str) -> impl Future<Output = Result<Option<(Connection, Vec<String>)>, PortError>> + Send;
    /// Lets a connection watch a topic, by its name.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn watch(&self, connection: &Connection, topic: &str, now: UnixMillis) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Ends that.
    ///
    /// # Errors
    /// [`PortError`]: whether it was written is unknown.
    fn unwatch(&self, id: &str, topic: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Who watches what, and who is gone.
pub trait ListWatchers: Send + Sync {
    /// The connections that watch a topic.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be told.
    fn watchers(&self, topic: &str, now: UnixMillis) -> impl Future<Output = Result<Vec<Connection>, PortError>> + Send;
    /// Forgets a connection and all it watches; these topics even if the connection is not known to watch them.
    ///
    /// # Errors
    /// [`PortError`]: whether all of it was is unknown.
    fn forget(&self, id: &str, topics: &[String]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It is on its way.
    Sent,
    /// The connection is no more.
    Gone,
    /// It was not sent.
    Failed(String),
}

/// Sends a message to a connection.
pub trait Push: Send + Sync {
    /// What came of it.
    fn push(&self, id: &str, message: &str) -> impl Future<Output = Pushed> + Send;
}

/// The keys that webhooks are signed with.
pub trait WebhookKeys: Send + Sync {
    /// The live keys of a secret, by its name.
    ///
    /// # Errors
    /// [`PortError`] when nothing was ever read, or there is no key in it.
    fn webhook_keys(&self, name: &str) -> impl Future<Output = Result<Arc<Vec<WebhookKey>>, PortError>> + Send;
}

impl<T: WebhookKeys> WebhookKeys for Arc<T> {
    async fn webhook_keys(&self, name: &str) -> Result<Arc<Vec<WebhookKey>>, PortError> {
        (**self).webhook_keys(name).await
    }
}

impl<T: ReadMenu> ReadMenu for Arc<T> {
    async fn menu(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        (**self).menu(organization, location).await
    }
    async fn fresh(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        (**self).fresh(organization, location).await
    }
    async fn older(&self, organization: &ParId, location: &ParId, version: &str) -> Result<Option<Arc<Menu>>, PortError> {
        (**self).older(organization, location, version).await
    }
}

impl<T: SaveMenu> SaveMenu for Arc<T> {
    async fn save(
        &self,
        organization: &ParId,
        location: &ParId,
        menu: &Menu,
        now: UnixMillis,
    ) -> Result<Arc<StoredMenu>, PortError> {
        (**self).save(organization, location, menu, now).await
    }
}

impl<T: Directory> Directory for Arc<T> {
    async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
        (**self).clients().await
    }
    async fn organization(&self, id: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
        (**self).organization(id).await
    }
    async fn location(&self, organization: &ParId, id: &ParId) -> Result<Option<Arc<Location>>, PortError> {
        (**self).location(organization, id).await
    }
}

impl<T: Secrets> Secrets for Arc<T> {
    async fn client_secrets(&self, name: &str, refresh: Refresh) -> Result<Arc<Vec<ClientSecret>>, PortError> {
        (**self).client_secrets(name, refresh).await
    }
    async fn shared_ids(&self, name: &str, refresh: Refresh) -> Result<Arc<Vec<SharedId>>, PortError> {
        (**self).shared_ids(name, refresh).await
    }
    async fn pos_secret(&self, name: &str, refresh: Refresh) -> Result<String, PortError> {
        (**self).pos_secret(name, refresh).await
    }
    async fn refresh_stale(&self) {
        (**self).refresh_stale().await;
    }
}

/// Whether a cached secret is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Take what is cached.
    No,
    /// It did not match: read it again, at most once a minute.
    Mismatch,
}
