//! An order's history as it is told: who did what, when and why. It is read out of the notes that [`super::machine`] and
//! [`super::by_hand`] make in the row, so that the row stores nothing twice.

use serde::Serialize;

use super::{
    by_hand::BY_A_PERSON,
    machine::{begins, is_attempt_of_submit},
    record::{HISTORY_CAP, OrderRecord},
};

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Actor {
    /// submit-order, while PAR waited.
    Submit,
    /// process-order, in the background.
    Worker,
    /// An operator.
    Person,
}

/// One change, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub actor: Actor,
    /// What.
    pub event: String,
    /// Why, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    pub reason: Option<String>,
}

/// The changes of an order, oldest first; of one that has had more than are kept, the first and the latest.
#[must_use]
pub fn history(record: &OrderRecord) -> Vec<Change> {
    let by_submit = by_submit(record);
    let told = record.history.iter().enumerate().map(|(number, entry)| {
        let (event, reason) =
            entry.event.split_once(": ").map_or((entry.event.as_str(), None), |(event, why)| (event, Some(why)));
        let actor = match number < by_submit {
            _ if event.ends_with(BY_A_PERSON) => Actor::Person,
            true => Actor::Submit,
            false => Actor::Worker,
        };
        Change { at: entry.at.rfc3339(), actor, event: event.to_owned(), reason: reason.map(str::to_owned) }
    });
    told.collect()
}

/// How many of the notes, from the first, are submit's: that it was accepted, and what came of an attempt that began at once, if
/// its function lived to write it.
fn by_submit(record: &OrderRecord) -> usize {
    let dropped = record.history.len() >= HISTORY_CAP && record.version > HISTORY_CAP as u64;
    match record.history.as_slice() {
        [first, second, ..] if !dropped && is_attempt_of_submit(&first.event) && !begins(&second.event) => 2,
        _ => 1,
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
