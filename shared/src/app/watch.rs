//! Orders watched over WebSocket connections: who may watch what, and who is told of a change.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{
    METRICS,
    caller::Gate,
    ports::{Clock, Connection, Directory, KeepConnections, ListWatchers, PortError, Push, Pushed, ReadOrder, Secrets},
};
use crate::domain::{
    directory::Client,
    ids::{OrderKey, RequestUid},
    processing::processing,
    record::{OrderRecord, Row},
    watch::{Change, MOST_TOPICS, Said, Topic, Wish},
};

/// An order as a watcher is told of it: the body of a GET, and its signature.
async fn change<D: Directory, S: Secrets, C: Clock>(gate: &Gate<D, S, C>, record: &OrderRecord) -> Result<Change, PortError> {
    let (contract, identity) = (&gate.contract, record.order.identity());
    let shown = contract.processing && !record.status().is_final();
    let processing = shown.then(|| processing(record, identity.request_uid, gate.clock.now(), None));
    let digest = gate.signer_of(record).await?.sign(&record.order.message(identity));
    Ok(Change::new(record, record.answer(identity, &contract.pos_order_id_key, processing.as_ref()), digest))
}

/// The use case of those who watch, and its ports.
#[derive(Debug)]
pub struct Watch<K, O, P, D, S, C> {
    /// Who may call.
    pub gate: Gate<D, S, C>,
    /// The connections.
    pub connections: K,
    /// The table of orders.
    pub orders: O,
    /// How a watcher is answered.
    pub push: P,
}

impl<K: KeepConnections + ListWatchers, O: ReadOrder, P: Push, D: Directory, S: Secrets, C: Clock> Watch<K, O, P, D, S, C> {
    /// A connection is opened by a caller.
    ///
    /// # Errors
    /// [`PortError`]: it must not be opened.
    pub async fn connect(&self, id: &str, client: Client) -> Result<(), PortError> {
        let connection = Connection { id: id.to_owned(), tenant: client.tenant, organizations: client.organizations };
        self.connections.open(&connection, self.gate.clock.now()).await
    }

    /// A connection is closed.
    ///
    /// # Errors
    /// [`PortError`]: its rows are left to their TTL, and to the next push.
    pub async fn disconnect(&self, id: &str) -> Result<(), PortError> {
        self.connections.forget(id).await
    }

    /// Does what a watcher says, and answers it.
    pub async fn message(&self, id: &str, text: &str) -> Pushed {
        let said = match Wish::parse(text) {
            Ok(wish) => self.grant(id, wish).await.unwrap_or_else(|error| {
                tracing::error!(%error, "a watcher could not be served");
                Said::Error { message: "this cannot be done now; send it again, and poll meanwhile".to_owned() }
            }),
            Err(message) => Said::Error { message },
        };
        self.push.push(id, &said.to_json()).await
    }

    async fn grant(&self, id: &str, wish: Wish) -> Result<Said, PortError> {
        let (mut topic, subscribe) = match wish {
            Wish::Ping => return Ok(Said::Pong),
            Wish::Unsubscribe(topic) => (topic, false),
            Wish::Subscribe(topic) => (topic, true),
        };
        let Some((connection, topics)) = self.connections.connection(id).await? else {
            return Ok(Said::Error { message: "this connection is not known any more; open another".to_owned() });
        };
        if let Topic::Order { order } = &mut topic
            && let Some(Row::Alias(alias)) = self.orders.read(&key_of(&connection, order)).await?
        {
            // Changes have the first name.
            *order = alias.owner.request_uid;
        }
        let name = topic.name(&connection.tenant);
        if !subscribe {
            self.connections.unwatch(id, &name).await?;
            return Ok(Said::Unsubscribed { topic });
        }
        if let Topic::Location { organization_id, location_id } = &topic {
            let known = self.gate.directory.location(organization_id, location_id).await?.is_some();
            if !known || !connection.organizations.contains(organization_id) {
                let message = format!("location {location_id} of {organization_id} is not mapped for this caller");
                return Ok(Said::Error { message });
            }
        }
        if !topics.contains(&name) {
            if topics.len() >= MOST_TOPICS {
                let message =
                    format!("a connection watches {MOST_TOPICS} topics at most; unsubscribe from one, or watch a location");
                return Ok(Said::Error { message });
            }
            self.connections.watch(&connection, &name, self.gate.clock.now()).await?;
        }
        // Read after it is watched: no change can fall between.
        let change = match &topic {
            Topic::Order { order } => self.now(&key_of(&connection, order), &connection).await?,
            Topic::Location { .. } => None,
        };
        Ok(Said::Subscribed { topic, change })
    }

    /// An order as it stands, if it is there and this connection's to see.
    async fn now(&self, key: &OrderKey, connection: &Connection) -> Result<Option<Change>, PortError> {
        match self.orders.read(key).await? {
            Some(Row::Order(record)) if connection.organizations.contains(record.order.organization_id()) => {
                Ok(Some(change(&self.gate, &record).await?))
            }
            _ => Ok(None),
        }
    }
}

fn key_of(connection: &Connection, order: &RequestUid) -> OrderKey {
    OrderKey { tenant: connection.tenant.clone(), request_uid: order.clone() }
}

/// The use case of telling them, and its ports.
#[derive(Debug)]
pub struct TellWatchers<K, P, D, S, C> {
    /// Who signs.
    pub gate: Gate<D, S, C>,
    /// The connections.
    pub connections: K,
    /// How they are told.
    pub push: P,
}

impl<K: ListWatchers, P: Push, D: Directory, S: Secrets, C: Clock> TellWatchers<K, P, D, S, C> {
    /// Tells everybody who watches an order that it has changed. Whoever cannot be told polls.
    ///
    /// # Errors
    /// [`PortError`]: who watches it cannot be told now, or nobody can sign it.
    pub async fn tell(&self, record: &OrderRecord) -> Result<(), PortError> {
        let mut watchers = BTreeMap::new();
        for topic in Topic::of(record) {
            let found = self.connections.watchers(&topic.name(&record.key.tenant)).await?;
            watchers.extend(found.into_iter().map(|connection| (connection.id, connection.organizations)));
        }
        watchers.retain(|_, organizations| organizations.contains(record.order.organization_id()));
        if watchers.is_empty() {
            return Ok(());
        }
        let message = Said::Change(change(&self.gate, record).await?).to_json();
        join_all(watchers.keys().map(|id| self.send(id, &message))).await;
        Ok(())
    }

    async fn send(&self, id: &str, message: &str) {
        match self.push.push(id, message).await {
            Pushed::Sent => tracing::info!(target: METRICS, ChangesPushed = 1),
            Pushed::Gone => {
                if let Err(error) = self.connections.forget(id).await {
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
