//! Orders watched over WebSocket connections: who may watch what, and who is told of a change.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::{
    METRICS,
    caller::Gate,
    ports::{Clock, Connection, Directory, KeepConnections, ListWatchers, PortError, Push, Pushed, ReadOrder},
    world::{Admits, TellsWatchers, Watches, World},
};
use crate::domain::{
    directory::Client,
    ids::{OrderKey, ParId, RequestUid, Tenant},
    processing::processing,
    record::{OrderRecord, Row},
    watch::{Change, MOST_TOPICS, Said, Topic, Wish},
};

/// Messages of one order that are on their way at once: each needs a connection of its own.
const PUSHES: usize = 16;

/// An order as a watcher is told of it: the body of a GET, and its signature.
async fn change<W: Admits>(gate: &Gate<W>, record: &OrderRecord) -> Result<Change, PortError> {
    let (contract, identity) = (&gate.contract, record.order.identity());
    let shown = contract.processing && !record.status().is_final();
    let processing = shown.then(|| processing(record, identity.request_uid, gate.clock.now(), None));
    let digest = gate.signer_of(record).await?.sign(&record.order.message(identity));
    Ok(Change::new(record, record.answer(identity, &contract.pos_order_id_key, processing.as_ref()), digest))
}

/// The clients of a tenant that may see an organization's orders: asked anew each time, since a connection may be older than what
/// its client may.
async fn who_may_see<W: World<Directory: Directory>>(
    gate: &Gate<W>,
    tenant: &Tenant,
    organization: &ParId,
) -> Result<BTreeSet<String>, PortError> {
    let clients = gate.directory.clients().await?;
    let may = |client: &&Client| client.tenant == *tenant && client.organizations.contains(organization);
    Ok(clients.iter().filter(may).map(|client| client.client_id.clone()).collect())
}

/// The use case of those who watch, and its ports.
#[derive(Debug)]
pub struct Watch<W: World> {
    /// Who may call.
    pub gate: Gate<W>,
    /// The connections.
    pub connections: W::Connections,
    /// The table of orders.
    pub orders: W::Orders,
    /// How a watcher is answered.
    pub push: W::Push,
}

impl<W: Watches> Watch<W> {
    /// A connection is opened by a caller.
    ///
    /// # Errors
    /// [`PortError`]: it must not be opened.
    pub async fn connect(&self, id: &str, client: Client) -> Result<(), PortError> {
        let connection = Connection { id: id.to_owned(), tenant: client.tenant, client_id: client.client_id };
        self.connections.open(&connection, self.gate.clock.now()).await
    }

    /// A connection is closed.
    ///
    /// # Errors
    /// [`PortError`]: its rows are left to their TTL, and to the next push.
    pub async fn disconnect(&self, id: &str) -> Result<(), PortError> {
        self.connections.forget(id, &[]).await
    }

    /// Does what a watcher says, and answers it.
    ///
    /// # Errors
    /// [`PortError`]: it is gone, and not known to be forgotten.
    pub async fn message(&self, id: &str, text: &str) -> Result<Pushed, PortError> {
        let said = match Wish::parse(text) {
            Ok(wish) => self.grant(id, wish).await.unwrap_or_else(|error| {
                tracing::error!(%error, "a watcher could not be served");
                Said::Error { message: "this cannot be done now; send it again, and poll meanwhile".to_owned() }
            }),
            Err(message) => Said::Error { message },
        };
        let pushed = self.push.push(id, &said.to_json()).await;
        if pushed == Pushed::Gone {
            self.connections.forget(id, &[]).await?;
        }
        Ok(pushed)
    }

    async fn grant(&self, id: &str, wish: Wish) -> Result<Said, PortError> {
        let (topic, subscribe) = match wish {
            Wish::Ping => return Ok(Said::Pong),
            Wish::Unsubscribe(topic) => (topic, false),
            Wish::Subscribe(topic) => (topic, true),
        };
        let Some((connection, topics)) = self.connections.connection(id).await? else {
            return Ok(Said::Error { message: "this connection is not known any more; open another".to_owned() });
        };
        let topic = match topic {
            Topic::Order { order } => Topic::Order { order: self.first_name(&connection, order).await? },
            location @ Topic::Location { .. } => location,
        };
        let name = topic.name(&connection.tenant);
        if !subscribe {
            self.connections.unwatch(id, &name).await?;
            return Ok(Said::Unsubscribed { topic });
        }
        if let Topic::Location { organization_id, location_id } = &topic {
            let known = self.gate.directory.location(organization_id, location_id).await?.is_some();
            if !known || !self.may_see(&connection, organization_id).await? {
                let message = format!("location {location_id} of {organization_id} is not mapped for this caller");
                return Ok(Said::Error { message });
            }
        }
        if topics.len() >= MOST_TOPICS && !topics.contains(&name) {
            let message = format!("a connection watches {MOST_TOPICS} topics at most; unsubscribe from one, or watch a location");
            return Ok(Said::Error { message });
        }
        // What it watches already is written once more: half of an earlier write may be missing.
        self.connections.watch(&connection, &name, self.gate.clock.now()).await?;
        // Read after it is watched: no change can fall between.
        let change = match &topic {
            Topic::Order { order } => self.now(&connection, order).await?,
            Topic::Location { .. } => None,
        };
        Ok(Said::Subscribed { topic, change })
    }

    async fn may_see(&self, connection: &Connection, organization: &ParId) -> Result<bool, PortError> {
        Ok(who_may_see(&self.gate, &connection.tenant, organization).await?.contains(&connection.client_id))
    }

    /// An order as it stands, if it is there and this connection's to see.
    async fn now(&self, connection: &Connection, order: &RequestUid) -> Result<Option<Change>, PortError> {
        let key = OrderKey { tenant: connection.tenant.clone(), request_uid: order.clone() };
        let Some(Row::Order(record)) = self.orders.read(&key).await? else { return Ok(None) };
        match self.may_see(connection, record.order.organization_id()).await? {
            true => Ok(Some(change(&self.gate, &record).await?)),
            false => Ok(None),
        }
    }

    /// The name that changes of an order have. Of an order that is not this connection's to see it is not told.
    async fn first_name(&self, connection: &Connection, order: RequestUid) -> Result<RequestUid, PortError> {
        let key = OrderKey { tenant: connection.tenant.clone(), request_uid: order.clone() };
        let Some(Row::Alias(alias)) = self.orders.read(&key).await? else { return Ok(order) };
        match self.orders.read(&alias.owner).await? {
            Some(Row::Order(owner)) if self.may_see(connection, owner.order.organization_id()).await? => {
                Ok(alias.owner.request_uid)
            }
            _ => Ok(order),
        }
    }
}

/// The use case of telling them, and its ports.
#[derive(Debug)]
pub struct TellWatchers<W: World> {
    /// Who signs.
    pub gate: Gate<W>,
    /// The connections.
    pub connections: W::Connections,
    /// How they are told.
    pub push: W::Push,
}

impl<W: TellsWatchers> TellWatchers<W> {
    /// Tells everybody who watches an order that it has changed. Whoever cannot be told polls.
    ///
    /// # Errors
    /// [`PortError`]: who watches it cannot be told now, or nobody can sign it.
    pub async fn tell(&self, record: &OrderRecord) -> Result<(), PortError> {
        let mut watchers: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
        for topic in Topic::of(record) {
            let name = topic.name(&record.key.tenant);
            for Connection { id, client_id, .. } in self.connections.watchers(&name, self.gate.clock.now()).await? {
                watchers.entry(id).or_insert_with(|| (client_id, Vec::new())).1.push(name.clone());
            }
        }
        if watchers.is_empty() {
            return Ok(());
        }
        let may = who_may_see(&self.gate, &record.key.tenant, record.order.organization_id()).await?;
        let told: Vec<_> = watchers.iter().filter(|(_, (client_id, _))| may.contains(client_id)).collect();
        if told.is_empty() {
            return Ok(());
        }
        let message = Said::Change(change(&self.gate, record).await?).to_json();
        let pushes: Vec<_> = told.into_iter().map(|(id, (_, topics))| self.send(id, topics, &message)).collect();
        stream::iter(pushes).buffer_unordered(PUSHES).collect::<Vec<()>>().await;
        Ok(())
    }

    async fn send(&self, id: &str, topics: &[String], message: &str) {
        match self.push.push(id, message).await {
            Pushed::Sent => tracing::info!(target: METRICS, ChangesPushed = 1),
            Pushed::Gone => {
                if let Err(error) = self.connections.forget(id, topics).await {
                    tracing::warn!(%error, "a connection that is gone could not be forgotten; its rows expire");
                }
            }
            Pushed::Failed(reason) => {
                tracing::info!(target: METRICS, PushesFailed = 1);
                tracing::warn!(reason, "a watcher could not be told of a change");
            }
        }
    }
}
