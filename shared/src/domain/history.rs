//! An order's history as a caller is told it: who did what, when and why. It is read out of the notes that [`super::machine`] and
//! [`super::by_hand`] make in the row, so that the row stores nothing twice.

use serde::Serialize;

use super::{
    by_hand::BY_A_PERSON,
    machine::{PLACING, begins, is_attempt_of_submit},
    record::OrderRecord,
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
        let (event, reason) = public(&entry.event);
        let actor = match number < by_submit {
            _ if event.ends_with(BY_A_PERSON) => Actor::Person,
            true => Actor::Submit,
            false => Actor::Worker,
        };
        Change { at: entry.at.rfc3339(), actor, event, reason }
    });
    told.collect()
}

/// How many of the notes, from the first, are submit's: that it was accepted, and what came of an attempt that began at once, if
/// its function lived to write it, and the note is still there.
fn by_submit(record: &OrderRecord) -> usize {
    let begun = record.history.iter().filter(|note| is_attempt_of_submit(&note.event) || note.event == PLACING).count();
    match record.history.as_slice() {
        [first, second, ..]
            if is_attempt_of_submit(&first.event)
                && !begins(&second.event)
                && !OF_ASKING.contains(&second.event.split(": ").next().unwrap_or_default())
                // Else a note of an attempt has made room for later ones, and so has what stood here.
                && begun == record.attempts as usize =>
        {
            2
        }
        _ => 1,
    }
}

/// What comes of asking or cancelling, which submit never does.
const OF_ASKING: [&str; 9] = [
    "could not ask",
    "not found",
    "not found yet",
    "found placed",
    "found refused",
    "found cancelled",
    "could not cancel",
    "cancelled at the POS",
    "the POS will not cancel it",
];

/// What a caller is told of a note. Its words are for operators and may name secrets, addresses and people; only what this knows to be
/// harmless leaves.
fn public(note: &str) -> (String, Option<String>) {
    if let Some(reason) = note.strip_suffix(UNCERTAIN) {
        return (format!("not placed{UNCERTAIN}"), harmless(reason));
    }
    let (event, reason) = note.split_once(": ").map_or((note, None), |(event, reason)| (event, Some(reason)));
    let reason = match (event, reason) {
        (ACCEPTED, Some(reason)) => Some(reason.to_owned()),
        (WAITING_FOR_A_PERSON, Some(reason)) if begins(note) => Some(reason.to_owned()),
        (WAITING_FOR_A_PERSON, Some(reason)) => Some(public(reason).0),
        // A person's reason is for persons.
        (event, _) if event.ends_with(BY_A_PERSON) => None,
        (_, reason) => reason.and_then(harmless),
    };
    let known = KNOWN.contains(&event) || begins(event) || event.ends_with(BY_A_PERSON);
    (if known { event.to_owned() } else { "tried".to_owned() }, reason)
}

const ACCEPTED: &str = "accepted";
const WAITING_FOR_A_PERSON: &str = "waiting for a person";
const UNCERTAIN: &str = ", but an earlier attempt is unknown";
/// What can be noted, besides what begins something and what a person does.
const KNOWN: [&str; 18] = [
    ACCEPTED,
    WAITING_FOR_A_PERSON,
    "placed",
    "refused by the POS",
    "cannot be placed",
    "not started",
    "outcome unknown",
    "found placed",
    "found refused",
    "found cancelled",
    "found cancelled at the POS",
    "not found",
    "not found yet",
    "could not ask",
    "cancelled at the POS",
    "could not cancel",
    "the POS will not cancel it",
    "not placed before the deadline",
];

/// A reason as far as it says nothing of what is behind the API.
fn harmless(reason: &str) -> Option<String> {
    let status = reason.strip_prefix("answered ").and_then(|rest| rest.get(..3)).filter(|code| code.parse::<u16>().is_ok());
    if let Some(status) = status {
        return Some(format!("the POS answered {status}"));
    }
    if reason.starts_with("could not connect") || reason.ends_with("cannot be reached") {
        return Some("could not connect".to_owned());
    }
    reason.starts_with("no answer within").then(|| "no answer in time".to_owned())
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
