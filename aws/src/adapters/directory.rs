//! The directory table, through a short bounded cache. What was read once serves on while the table cannot be reached.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{Client as Dynamo, operation::query::builders::QueryFluentBuilder, types::AttributeValue};
use serde::{Serialize, de::DeserializeOwned};

use super::{clock::SystemClock, unavailable};
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{Clock, Directory, PortError},
    },
    domain::{
        directory::{Client, Connector, Location, Organization},
        ids::ParId,
    },
};

/// How long an entry, or the absence of one, is believed.
const TTL: Duration = Duration::from_secs(30);
/// Entries of each kind.
const CAPACITY: usize = 1_000;

type Entries<T> = HashMap<String, (Moment, Option<Arc<T>>)>;
type Cache<T> = Mutex<Entries<T>>;

/// The directory table.
#[derive(Debug)]
pub struct DirectoryTable<C = SystemClock> {
    dynamo: Dynamo,
    table: String,
    allow_sandbox: bool,
    clock: C,
    clients: Cache<Vec<Client>>,
    organizations: Cache<Organization>,
    locations: Cache<Location>,
}

impl<C: Clock> DirectoryTable<C> {
    /// The table of this name. Without `allow_sandbox`, locations with a sandbox POS count as not mapped.
    #[must_use]
    pub fn new(dynamo: Dynamo, table: String, allow_sandbox: bool, clock: C) -> Self {
        Self {
            dynamo,
            table,
            allow_sandbox,
            clock,
            clients: Cache::default(),
            organizations: Cache::default(),
            locations: Cache::default(),
        }
    }

    async fn get<T: DeserializeOwned>(&self, pk: String, sk: &str) -> Result<Option<T>, PortError> {
        let got = self
            .dynamo
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(pk))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        got.item.map(read).transpose()
    }

    async fn all_clients(&self) -> Result<Vec<Client>, PortError> {
        list(self.dynamo.query().table_name(&self.table), CLIENTS.to_owned()).await
    }

    /// Writes a client.
    ///
    /// # Errors
    /// [`PortError`] when it was not written.
    pub async fn put_client(&self, client: &Client) -> Result<(), PortError> {
        self.put(CLIENTS.to_owned(), &client.client_id, client).await
    }

    /// Writes an organization.
    ///
    /// # Errors
    /// [`PortError`] when it was not written.
    pub async fn put_organization(&self, organization: &Organization) -> Result<(), PortError> {
        self.put(ORGANIZATIONS.to_owned(), organization.organization_id.as_str(), organization).await
    }

    /// Writes a location.
    ///
    /// # Errors
    /// [`PortError`] when it was not written.
    pub async fn put_location(&self, location: &Location) -> Result<(), PortError> {
        self.put(location_pk(&location.organization_id), location.location_id.as_str(), location).await
    }

    async fn put<T: Serialize>(&self, pk: String, sk: &str, value: &T) -> Result<(), PortError> {
        let put = self.dynamo.put_item().table_name(&self.table).set_item(Some(row(pk, sk, value)?));
        put.send().await.map_err(|error| unavailable(&error))?;
        Ok(())
    }
}

pub(super) const CLIENTS: &str = "client";
pub(super) const ORGANIZATIONS: &str = "organization";

pub(super) fn location_pk(organization: &ParId) -> String {
    format!("location#{organization}")
}

impl<C: Clock> Directory for DirectoryTable<C> {
    async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
        let clients = cached(&self.clients, &self.clock, String::new(), async || self.all_clients().await.map(Some)).await?;
        Ok(clients.unwrap_or_default())
    }

    async fn organization(&self, id: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
        cached(&self.organizations, &self.clock, id.to_string(), async || self.get(ORGANIZATIONS.to_owned(), id.as_str()).await)
            .await
    }

    async fn location(&self, organization: &ParId, id: &ParId) -> Result<Option<Arc<Location>>, PortError> {
        let key = format!("{organization}|{id}");
        let location: Option<Arc<Location>> =
            cached(&self.locations, &self.clock, key, async || self.get(location_pk(organization), id.as_str()).await).await?;
        let refused = |location: &Arc<Location>| matches!(location.connector, Connector::Sandbox(_)) && !self.allow_sandbox;
        if location.as_ref().is_some_and(refused) {
            tracing::error!(location.id = %id, "a sandbox location counts as not mapped; set POSNEXT_ALLOW_SANDBOX=true to use it");
            return Ok(None);
        }
        Ok(location)
    }
}

async fn cached<T>(
    cache: &Cache<T>,
    clock: &impl Clock,
    key: String,
    fetch: impl AsyncFnOnce() -> Result<Option<T>, PortError>,
) -> Result<Option<Arc<T>>, PortError> {
    let known = lock(cache).get(&key).cloned();
    if let Some((read_at, value)) = &known
        && read_at.age(clock.now()) < TTL
    {
        return Ok(value.clone());
    }
    let read_at = Moment::now(clock.now());
    match fetch().await {
        Ok(value) => {
            let value = value.map(Arc::new);
            let mut cache = lock(cache);
            if cache.len() >= CAPACITY {
                cache.retain(|_, (read_at, _)| read_at.age(clock.now()) < TTL);
            }
            if cache.len() >= CAPACITY {
                cache.clear();
            }
            cache.insert(key, (read_at, value.clone()));
            Ok(value)
        }
        Err(error) => match known {
            Some((_, value)) => {
                tracing::warn!(%error, "the directory cannot be read; what was read last serves on");
                Ok(value)
            }
            None => Err(error),
        },
    }
}

fn lock<T>(cache: &Cache<T>) -> MutexGuard<'_, Entries<T>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All rows of a partition, page by page: a page ends at 1 MB.
pub(super) async fn list<T: DeserializeOwned>(query: QueryFluentBuilder, pk: String) -> Result<Vec<T>, PortError> {
    let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", AttributeValue::S(pk));
    let (mut values, mut after) = (Vec::new(), None);
    loop {
        let page = query.clone().set_exclusive_start_key(after).send().await.map_err(|error| unavailable(&error))?;
        for item in page.items.unwrap_or_default() {
            values.push(read(item)?);
        }
        after = page.last_evaluated_key;
        if after.is_none() {
            return Ok(values);
        }
    }
}

pub(super) fn row<T: Serialize>(pk: String, sk: &str, value: &T) -> Result<HashMap<String, AttributeValue>, PortError> {
    let mut item: HashMap<String, AttributeValue> =
        serde_dynamo::to_item(value).map_err(|error| PortError::Corrupt(error.to_string()))?;
    item.insert("pk".to_owned(), AttributeValue::S(pk));
    item.insert("sk".to_owned(), AttributeValue::S(sk.to_owned()));
    Ok(item)
}

pub(super) fn read<T: DeserializeOwned>(item: HashMap<String, AttributeValue>) -> Result<T, PortError> {
    serde_dynamo::from_item(item).map_err(|error| PortError::Corrupt(format!("a directory row: {error}")))
}
