//! Menus in DynamoDB. A small `state` row a location says which version is served, what was served before, and what is
//! sold out. A version's text stands compressed in rows beside it, as many as the item limit makes of it, and is never
//! changed. A new menu is whole before the state row names it (docs/decisions/0013).

mod write;

use std::{
    collections::{HashMap, HashSet},
    io::Read,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use flate2::read::DeflateDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{clock::SystemClock, unavailable};
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{Clock, PortError, ReadMenu},
    },
    domain::{
        ids::ParId,
        menu::{LARGEST_MENU, Menu, StoredMenu},
        older::Older,
        time::UnixMillis,
    },
};

/// How long a state row is believed: a switched item shows within a minute.
const TTL: Duration = Duration::from_secs(20);
/// Locations remembered.
const CAPACITY: usize = 100;
/// Bytes of text of the menus remembered. In memory a menu takes about four times as much, and a function has 256 MB.
const MEMORY: usize = 16 << 20;
/// The largest menu has fewer parts.
const LAST_PART: usize = 9_999;
const FORMAT: u32 = 1;
const STATE: &str = "state";

type Item = HashMap<String, AttributeValue>;
type Known = HashMap<String, (Moment, Option<Arc<StoredMenu>>)>;

/// The table of menus.
#[derive(Debug)]
pub struct MenuTable<C = SystemClock> {
    dynamo: Client,
    table: String,
    clock: C,
    known: Mutex<Known>,
}

#[derive(Debug, Clone, Deserialize)]
struct StateRow {
    /// Format.
    v: u32,
    version: String,
    parts: usize,
    put_at: UnixMillis,
    /// A string set, absent when it is empty.
    #[serde(default)]
    sold_out: Vec<String>,
    /// What was served before, and may still be asked for.
    #[serde(skip)]
    older: Vec<Older>,
}

impl<C: Clock> MenuTable<C> {
    /// The table of this name.
    #[must_use]
    pub fn new(dynamo: Client, table: String, clock: C) -> Self {
        Self { dynamo, table, clock, known: Mutex::default() }
    }

    /// The menu as it stands now.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be read.
    pub async fn read(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        // Two menus put meanwhile may have removed the version that the state named: then look again.
        for _ in 0..2 {
            let Some(state) = self.state(organization, location).await? else { return Ok(None) };
            if let Some(menu) = self.known_version(&pk(organization, location), &state.version) {
                return Ok(Some(stored(menu, state)));
            }
            if let Some(menu) = self.version(organization, location, &state.version, Some(state.parts)).await? {
                return Ok(Some(stored(Arc::new(menu), state)));
            }
        }
        Err(PortError::Corrupt("a menu whose parts are missing".to_owned()))
    }

    async fn state(&self, organization: &ParId, location: &ParId) -> Result<Option<StateRow>, PortError> {
        let get = self.dynamo.get_item().table_name(&self.table).set_key(Some(key(organization, location, STATE)));
        let got = get.consistent_read(true).send().await.map_err(|error| unavailable(&error))?;
        let Some(mut item) = got.item else { return Ok(None) };
        let older = item.remove("older").and_then(|older| serde_dynamo::from_attribute_value(older).ok());
        let mut state: StateRow =
            serde_dynamo::from_item(item).map_err(|error| PortError::Corrupt(format!("a menu's state: {error}")))?;
        // No order waits for these.
        state.older = older.unwrap_or_default();
        if state.v != FORMAT {
            return Err(PortError::Corrupt(format!("a menu of format {}, which is newer than this version", state.v)));
        }
        Ok(Some(state))
    }

    /// The menu of a version; `None` if it is not there, or not all of as many parts as it should have.
    async fn version(
        &self,
        organization: &ParId,
        location: &ParId,
        name: &str,
        parts: Option<usize>,
    ) -> Result<Option<Menu>, PortError> {
        let Some(compressed) = self.compressed(organization, location, name, parts).await? else { return Ok(None) };
        let mut text = Vec::new();
        DeflateDecoder::new(compressed.as_slice())
            .take(2 * LARGEST_MENU as u64)
            .read_to_end(&mut text)
            .map_err(|error| PortError::Corrupt(format!("a menu's text: {error}")))?;
        if version(&text) != name {
            return Err(PortError::Corrupt("a menu's text is not what was stored".to_owned()));
        }
        // Its hash is that of the text which was checked before it was stored.
        Menu::restore(&text).map(Some).map_err(|error| PortError::Corrupt(error.to_string()))
    }

    async fn compressed(
        &self,
        organization: &ParId,
        location: &ParId,
        name: &str,
        expected: Option<usize>,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let query = self.dynamo.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(pk(organization, location)));
        let query = query.expression_attribute_values(":first", AttributeValue::S(part(name, 0)));
        let last = part(name, expected.map_or(LAST_PART, |parts| parts.saturating_sub(1)));
        let query = query.expression_attribute_values(":last", AttributeValue::S(last));
        let mut pages = query.into_paginator().items().send();
        let (mut compressed, mut parts) = (Vec::new(), 0);
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(&error))?;
            let part = item.get("b").and_then(|part| part.as_b().ok());
            compressed
                .extend_from_slice(part.ok_or_else(|| PortError::Corrupt("a menu's part without content".to_owned()))?.as_ref());
            parts += 1;
        }
        Ok((parts > 0 && expected.is_none_or(|expected| parts == expected)).then_some(compressed))
    }

    fn known_version(&self, key: &str, version: &str) -> Option<Arc<Menu>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, stored) = known.get(key)?;
        stored.as_ref().filter(|stored| stored.version == version).map(|stored| Arc::clone(&stored.menu))
    }

    fn remember(&self, key: String, stored: Option<Arc<StoredMenu>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        known.insert(key, (Moment::now(now), stored));
        shrink(&mut known, now);
    }
}

impl<C: Clock> ReadMenu for MenuTable<C> {
    async fn menu(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&pk(organization, location)).cloned();
        if let Some((read_at, stored)) = &known
            && read_at.age(self.clock.now()) < TTL
        {
            return Ok(stored.clone());
        }
        match self.read(organization, location).await {
            Ok(stored) => {
                self.remember(pk(organization, location), stored.clone());
                Ok(stored)
            }
            Err(error) => match known {
                Some((_, stored)) => {
                    tracing::warn!(%error, location.id = %location, "the menu cannot be read; what was read last serves on");
                    // Not every order waits for a table that is down.
                    self.remember(pk(organization, location), stored.clone());
                    Ok(stored)
                }
                None => Err(error),
            },
        }
    }

    async fn fresh(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        let stored = self.read(organization, location).await?;
        self.remember(pk(organization, location), stored.clone());
        Ok(stored)
    }

    async fn older(&self, organization: &ParId, location: &ParId, version: &str) -> Result<Option<Arc<Menu>>, PortError> {
        // It never changes, so it is remembered until there is no room.
        let key = format!("{}|{version}", pk(organization, location));
        if let Some(menu) = self.known_version(&key, version) {
            return Ok(Some(menu));
        }
        let Some(menu) = self.version(organization, location, version, None).await? else { return Ok(None) };
        let menu = Arc::new(menu);
        let (version, sold_out, older) = (version.to_owned(), HashSet::new(), Vec::new());
        let stored = StoredMenu { menu: Arc::clone(&menu), version, sold_out, put_at: UnixMillis(0), older };
        self.remember(key, Some(Arc::new(stored)));
        Ok(Some(menu))
    }
}

/// Forgets what was read longest ago, but never what was read last.
fn shrink(known: &mut Known, now: UnixMillis) {
    let written = |(_, stored): &(Moment, Option<Arc<StoredMenu>>)| stored.as_ref().map_or(0, |stored| stored.menu.written());
    while known.len() > 1 && (known.len() > CAPACITY || known.values().map(written).sum::<usize>() > MEMORY) {
        let oldest = known.iter().max_by_key(|(_, (read_at, _))| read_at.age(now)).map(|(pk, _)| pk.clone());
        let Some(oldest) = oldest else { return };
        known.remove(&oldest);
    }
}

fn stored(menu: Arc<Menu>, state: StateRow) -> Arc<StoredMenu> {
    let StateRow { version, put_at, sold_out, older, .. } = state;
    Arc::new(StoredMenu { menu, version, sold_out: sold_out.into_iter().collect(), put_at, older })
}

/// No id holds a `|`.
fn pk(organization: &ParId, location: &ParId) -> String {
    format!("{organization}|{location}")
}

fn key(organization: &ParId, location: &ParId, sk: &str) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(pk(organization, location))),
        ("sk".to_owned(), AttributeValue::S(sk.to_owned())),
    ])
}

fn part(version: &str, index: usize) -> String {
    format!("data#{version}#{index:04}")
}

/// The first half of the text's SHA-256.
fn version(text: &[u8]) -> String {
    hex::encode(Sha256::digest(text).get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(name: usize) -> Arc<StoredMenu> {
        let text = format!(r#"{{"currency":"EUR","products":[{{"id":"1","name":"{}","price":1}}]}}"#, "x".repeat(name));
        let state =
            StateRow { v: FORMAT, version: "v".into(), parts: 1, put_at: UnixMillis(0), sold_out: Vec::new(), older: Vec::new() };
        stored(Arc::new(Menu::parse(text.as_bytes()).unwrap()), state)
    }

    #[test]
    fn what_is_remembered_is_bounded_in_number_and_in_bytes_and_the_oldest_goes_first() {
        let remembered = |count: u64, name: usize| {
            let at = |n| (format!("{n}"), (Moment::now(UnixMillis(0).plus(Duration::from_secs(n))), Some(menu(name))));
            let mut known: Known = (0..count).map(at).collect();
            shrink(&mut known, UnixMillis(0).plus(Duration::from_secs(count)));
            let mut left: Vec<u64> = known.keys().map(|key| key.parse().unwrap()).collect();
            left.sort_unstable();
            left
        };
        assert_eq!(remembered(100, 1), (0..100).collect::<Vec<_>>());
        assert_eq!(remembered(102, 1), (2..102).collect::<Vec<_>>());
        assert_eq!(remembered(10, 4_000_000), (6..10).collect::<Vec<_>>());
    }
}
