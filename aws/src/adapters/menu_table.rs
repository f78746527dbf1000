//! Menus in DynamoDB. A small `state` row a location says which version is served and what is sold out; the version's text
//! stands compressed in rows beside it, as many as the item limit makes of it, and is never changed. A new menu is whole
//! before the state row names it (docs/decisions/0013).

use std::{
    collections::{BTreeSet, HashMap},
    io::{Read, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    primitives::Blob,
    types::{AttributeValue, Select},
};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{age, moment, unavailable};
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{PortError, ReadMenu, SaveMenu},
    },
    domain::{
        ids::ParId,
        menu::{LARGEST_MENU, Menu, StoredMenu},
        time::UnixMillis,
    },
};

/// How long a state row is believed: a switched item shows within a minute.
const TTL: Duration = Duration::from_secs(20);
/// Locations remembered.
const CAPACITY: usize = 100;
/// Bytes of text of the menus remembered. In memory a menu takes about four times as much, and a function has 256 MB.
const MEMORY: usize = 16 << 20;
/// Bytes of compressed text a row; DynamoDB takes 400 KB an item, names included.
const PART: usize = 380 * 1024;
/// Parts of a version that nobody names are removed once they are this old: a reader or another writer may be at them.
const LEFTOVER: Duration = Duration::from_hours(1);
const FORMAT: u32 = 1;
const STATE: &str = "state";

type Item = HashMap<String, AttributeValue>;
type Known = HashMap<String, (Moment, Option<Arc<StoredMenu>>)>;

/// The table of menus.
#[derive(Debug)]
pub struct MenuTable {
    dynamo: Client,
    table: String,
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
}

impl MenuTable {
    /// The table of this name.
    #[must_use]
    pub fn new(dynamo: Client, table: String) -> Self {
        Self { dynamo, table, known: Mutex::default() }
    }

    /// Switches products or modifiers off, or on again. `false` if the location has no menu.
    ///
    /// # Errors
    /// [`PortError`] when it was not written.
    pub async fn switch(
        &self,
        organization: &ParId,
        location: &ParId,
        ids: &[String],
        available: bool,
    ) -> Result<bool, PortError> {
        // A set names nothing twice.
        let ids: BTreeSet<&String> = ids.iter().collect();
        let verb = if available { "DELETE" } else { "ADD" };
        let update = self.dynamo.update_item().table_name(&self.table).set_key(Some(key(organization, location, STATE)));
        let update = update.update_expression(format!("{verb} sold_out :ids")).condition_expression("attribute_exists(pk)");
        let update = update.expression_attribute_values(":ids", AttributeValue::Ss(ids.into_iter().cloned().collect()));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {
                Ok(false)
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// The menu as it stands now.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be read.
    pub async fn read(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        // Two menus put meanwhile may have removed the version that the state named: then look again.
        for _ in 0..2 {
            let Some(state) = self.state(organization, location).await? else { return Ok(None) };
            if let Some(menu) = self.known_version(organization, location, &state.version) {
                return Ok(Some(stored(menu, state)));
            }
            if let Some(text) = self.text(organization, location, &state).await? {
                // Its hash is that of the text which was checked before it was stored.
                let menu = Menu::restore(&text).map_err(|error| PortError::Corrupt(error.to_string()))?;
                return Ok(Some(stored(Arc::new(menu), state)));
            }
        }
        Err(PortError::Corrupt("a menu whose parts are missing".to_owned()))
    }

    async fn state(&self, organization: &ParId, location: &ParId) -> Result<Option<StateRow>, PortError> {
        let get = self.dynamo.get_item().table_name(&self.table).set_key(Some(key(organization, location, STATE)));
        let got = get.consistent_read(true).send().await.map_err(|error| unavailable(&error))?;
        let Some(item) = got.item else { return Ok(None) };
        let state: StateRow =
            serde_dynamo::from_item(item).map_err(|error| PortError::Corrupt(format!("a menu's state: {error}")))?;
        if state.v != FORMAT {
            return Err(PortError::Corrupt(format!("a menu of format {}, which is newer than this version", state.v)));
        }
        Ok(Some(state))
    }

    /// The text of the version; `None` if a part of it is not there.
    async fn text(&self, organization: &ParId, location: &ParId, state: &StateRow) -> Result<Option<Vec<u8>>, PortError> {
        let query = self.dynamo.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(pk(organization, location)));
        let query = query.expression_attribute_values(":first", AttributeValue::S(part(&state.version, 0)));
        let query =
            query.expression_attribute_values(":last", AttributeValue::S(part(&state.version, state.parts.saturating_sub(1))));
        let mut pages = query.into_paginator().items().send();
        let (mut compressed, mut parts) = (Vec::new(), 0);
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(&error))?;
            let part = item.get("b").and_then(|part| part.as_b().ok());
            compressed
                .extend_from_slice(part.ok_or_else(|| PortError::Corrupt("a menu's part without content".to_owned()))?.as_ref());
            parts += 1;
        }
        if parts != state.parts {
            return Ok(None);
        }
        let mut text = Vec::new();
        DeflateDecoder::new(compressed.as_slice())
            .take(2 * LARGEST_MENU as u64)
            .read_to_end(&mut text)
            .map_err(|error| PortError::Corrupt(format!("a menu's text: {error}")))?;
        if version(&text) != state.version {
            return Err(PortError::Corrupt("a menu's text is not what was stored".to_owned()));
        }
        Ok(Some(text))
    }

    fn known_version(&self, organization: &ParId, location: &ParId, version: &str) -> Option<Arc<Menu>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, stored) = known.get(&pk(organization, location))?;
        stored.as_ref().filter(|stored| stored.version == version).map(|stored| Arc::clone(&stored.menu))
    }

    fn remember(&self, organization: &ParId, location: &ParId, stored: Option<Arc<StoredMenu>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(pk(organization, location), (moment(), stored));
        shrink(&mut known);
    }

    async fn put_parts(
        &self,
        organization: &ParId,
        location: &ParId,
        version: &str,
        text: &[u8],
        now: UnixMillis,
    ) -> Result<usize, PortError> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        let compressed =
            encoder.write_all(text).and_then(|()| encoder.finish()).map_err(|error| PortError::Corrupt(error.to_string()))?;
        let parts = compressed.chunks(PART);
        let count = parts.len();
        for (index, part) in parts.enumerate() {
            let mut item = key(organization, location, &self::part(version, index));
            item.insert("b".to_owned(), AttributeValue::B(Blob::new(part)));
            item.insert("at".to_owned(), AttributeValue::N(now.0.to_string()));
            let put = self.dynamo.put_item().table_name(&self.table).set_item(Some(item));
            put.send().await.map_err(|error| unavailable(&error))?;
        }
        Ok(count)
    }

    /// Names the version, unless another writer was faster. What is sold out is left as it is.
    async fn name_version(
        &self,
        organization: &ParId,
        location: &ParId,
        before: Option<&StateRow>,
        after: &StateRow,
    ) -> Result<(), PortError> {
        let update = self.dynamo.update_item().table_name(&self.table).set_key(Some(key(organization, location, STATE)));
        let update = update.update_expression("SET v = :v, version = :version, parts = :parts, put_at = :at");
        let update = match before {
            None => update.condition_expression("attribute_not_exists(pk)"),
            Some(before) => update
                .condition_expression("version = :before AND put_at = :before_at")
                .expression_attribute_values(":before", AttributeValue::S(before.version.clone()))
                .expression_attribute_values(":before_at", AttributeValue::N(before.put_at.0.to_string())),
        };
        let number = |number: &dyn std::fmt::Display| AttributeValue::N(number.to_string());
        let update = update
            .expression_attribute_values(":v", number(&after.v))
            .expression_attribute_values(":version", AttributeValue::S(after.version.clone()))
            .expression_attribute_values(":parts", number(&after.parts))
            .expression_attribute_values(":at", number(&after.put_at.0));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => Err(
                PortError::Unavailable("another menu was put at the same moment; look at it, and put this one again".to_owned()),
            ),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Removes parts that neither the new state nor the one before names. What is left over costs a few cents; it is tried again
    /// with the next menu.
    async fn tidy(&self, organization: &ParId, location: &ParId, keep: [&str; 2], now: UnixMillis) -> Result<(), PortError> {
        let query = self.dynamo.query().table_name(&self.table).key_condition_expression("pk = :pk AND begins_with(sk, :data)");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(pk(organization, location)));
        let query = query.expression_attribute_values(":data", AttributeValue::S("data#".to_owned()));
        let query =
            query.select(Select::SpecificAttributes).projection_expression("sk, #at").expression_attribute_names("#at", "at");
        let mut pages = query.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(&error))?;
            let Some(sk) = item.get("sk").and_then(|sk| sk.as_s().ok()) else { continue };
            let at = item.get("at").and_then(|at| at.as_n().ok()?.parse().ok()).map_or(now, UnixMillis);
            if keep.iter().any(|version| sk.split('#').nth(1) == Some(*version)) || now.since(at) < LEFTOVER {
                continue;
            }
            // Unless somebody has just written it again.
            let delete = self.dynamo.delete_item().table_name(&self.table).set_key(Some(key(organization, location, sk)));
            let delete = delete.condition_expression("#at = :at").expression_attribute_names("#at", "at");
            match delete.expression_attribute_values(":at", AttributeValue::N(at.0.to_string())).send().await {
                Err(error) if !error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {
                    return Err(unavailable(&error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl ReadMenu for MenuTable {
    async fn menu(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&pk(organization, location)).cloned();
        if let Some((read_at, stored)) = &known
            && age(read_at) < TTL
        {
            return Ok(stored.clone());
        }
        match self.read(organization, location).await {
            Ok(stored) => {
                self.remember(organization, location, stored.clone());
                Ok(stored)
            }
            Err(error) => match known {
                Some((_, stored)) => {
                    tracing::warn!(%error, location.id = %location, "the menu cannot be read; what was read last serves on");
                    // Not every order waits for a table that is down.
                    self.remember(organization, location, stored.clone());
                    Ok(stored)
                }
                None => Err(error),
            },
        }
    }
}

impl SaveMenu for MenuTable {
    async fn save(
        &self,
        organization: &ParId,
        location: &ParId,
        menu: &Menu,
        now: UnixMillis,
    ) -> Result<Arc<StoredMenu>, PortError> {
        let text = menu.to_json().into_bytes();
        let version = version(&text);
        let before = self.state(organization, location).await?;
        let parts = match &before {
            Some(before) if before.version == version => before.parts,
            _ => self.put_parts(organization, location, &version, &text, now).await?,
        };
        let sold_out = before.as_ref().map(|before| before.sold_out.clone()).unwrap_or_default();
        let after = StateRow { v: FORMAT, version, parts, put_at: now, sold_out };
        if let Err(error) = self.name_version(organization, location, before.as_ref(), &after).await {
            // Whoever was faster with the same menu has done all of it.
            let stands = self.state(organization, location).await?.filter(|state| state.version == after.version);
            let saved = stored(Arc::new(menu.clone()), stands.ok_or(error)?);
            self.remember(organization, location, Some(Arc::clone(&saved)));
            return Ok(saved);
        }
        let keep = [after.version.as_str(), before.as_ref().map_or("", |before| before.version.as_str())];
        if let Err(error) = self.tidy(organization, location, keep, now).await {
            tracing::warn!(%error, "parts of old menus are left over");
        }
        let saved = stored(Arc::new(menu.clone()), after);
        self.remember(organization, location, Some(Arc::clone(&saved)));
        Ok(saved)
    }
}

/// Forgets what was read longest ago, but never what was read last.
fn shrink(known: &mut Known) {
    let written = |(_, stored): &(Moment, Option<Arc<StoredMenu>>)| stored.as_ref().map_or(0, |stored| stored.menu.written());
    while known.len() > 1 && (known.len() > CAPACITY || known.values().map(written).sum::<usize>() > MEMORY) {
        let Some(oldest) = known.iter().max_by_key(|(_, (read_at, _))| age(read_at)).map(|(pk, _)| pk.clone()) else { return };
        known.remove(&oldest);
    }
}

fn stored(menu: Arc<Menu>, state: StateRow) -> Arc<StoredMenu> {
    Arc::new(StoredMenu { menu, version: state.version, sold_out: state.sold_out.into_iter().collect(), put_at: state.put_at })
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
        let state = StateRow { v: FORMAT, version: "v".into(), parts: 1, put_at: UnixMillis(0), sold_out: Vec::new() };
        stored(Arc::new(Menu::parse(text.as_bytes()).unwrap()), state)
    }

    #[test]
    fn what_is_remembered_is_bounded_in_number_and_in_bytes_and_the_oldest_goes_first() {
        let remembered = |count: u64, name: usize| {
            let at = |n| (format!("{n}"), (Moment::now(UnixMillis(0).plus(Duration::from_secs(n))), Some(menu(name))));
            let mut known: Known = (0..count).map(at).collect();
            shrink(&mut known);
            let mut left: Vec<u64> = known.keys().map(|key| key.parse().unwrap()).collect();
            left.sort_unstable();
            left
        };
        assert_eq!(remembered(100, 1), (0..100).collect::<Vec<_>>());
        assert_eq!(remembered(102, 1), (2..102).collect::<Vec<_>>());
        assert_eq!(remembered(10, 4_000_000), (6..10).collect::<Vec<_>>());
    }
}
