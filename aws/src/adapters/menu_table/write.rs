//! How menus are written: the parts of a version first, then the state row that names it, and then what is left over goes.

use std::{collections::BTreeSet, io::Write, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, Select},
};
use flate2::{Compression, write::DeflateEncoder};
use posnext_shared::{
    app::ports::{Clock, PortError, SaveMenu},
    domain::{
        ids::ParId,
        menu::{Menu, StoredMenu},
        older::kept,
        time::UnixMillis,
    },
};

use super::{super::unavailable, FORMAT, MenuTable, STATE, StateRow, key, pk, stored, version};

/// Bytes of compressed text a row; DynamoDB takes 400 KB an item, names included.
const PART: usize = 380 * 1024;
/// Parts of a version that nobody names are removed once they are this old: a reader or another writer may be at them.
const LEFTOVER: Duration = Duration::from_hours(1);

impl<C: Clock> MenuTable<C> {
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
            let mut item = key(organization, location, &super::part(version, index));
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
        let update = update.update_expression("SET v = :v, version = :version, parts = :parts, put_at = :at, older = :older");
        let update = match before {
            None => update.condition_expression("attribute_not_exists(pk)"),
            Some(before) => update
                .condition_expression("version = :before AND put_at = :before_at")
                .expression_attribute_values(":before", AttributeValue::S(before.version.clone()))
                .expression_attribute_values(":before_at", AttributeValue::N(before.put_at.0.to_string())),
        };
        let number = |number: &dyn std::fmt::Display| AttributeValue::N(number.to_string());
        let older = serde_dynamo::to_attribute_value(&after.older).map_err(|error| PortError::Corrupt(error.to_string()))?;
        let update = update
            .expression_attribute_values(":older", older)
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

    /// Removes parts of versions that are not to be kept. What is left over costs a few cents; it is tried again
    /// with the next menu.
    async fn tidy(&self, organization: &ParId, location: &ParId, keep: &[&str], now: UnixMillis) -> Result<(), PortError> {
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

impl<C: Clock> SaveMenu for MenuTable<C> {
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
        let older = before.as_ref().map_or(&[][..], |before| before.older.as_slice());
        let older = kept(before.as_ref().map(|before| before.version.as_str()), older, &version, now);
        let after = StateRow { v: FORMAT, version, parts, put_at: now, sold_out, older };
        if let Err(error) = self.name_version(organization, location, before.as_ref(), &after).await {
            // Whoever was faster with the same menu has done all of it.
            let stands = self.state(organization, location).await?.filter(|state| state.version == after.version);
            let saved = stored(Arc::new(menu.clone()), stands.ok_or(error)?);
            self.remember(pk(organization, location), Some(Arc::clone(&saved)));
            return Ok(saved);
        }
        // A reader may still be at the one before, whatever the clocks say.
        let older = after.older.iter().map(|older| older.version.as_str());
        let keep: Vec<&str> =
            before.iter().map(|before| before.version.as_str()).chain(older).chain([after.version.as_str()]).collect();
        if let Err(error) = self.tidy(organization, location, &keep, now).await {
            tracing::warn!(%error, "parts of old menus are left over");
        }
        let saved = stored(Arc::new(menu.clone()), after);
        self.remember(pk(organization, location), Some(Arc::clone(&saved)));
        Ok(saved)
    }
}
