//! An order as it is stored: one row that is the order, its idempotency record and its outbox
//! (docs/lifecycle.md#the-row).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    answer::{Calculated, Identity, Said},
    contract::PosOrderIdKey,
    history::{Actor, Cause, HistoryEntry, NeedsPerson, Step},
    ids::OrderKey,
    order::{Fingerprint, Order},
    pinned::Pinned,
    processing::Processing,
    status::{OrderError, OrderStatus, Stage},
    time::UnixMillis,
};

/// Entries of history that are kept: the first, and the latest.
pub(super) const HISTORY_CAP: usize = 20;

/// One order. Only [`super::machine`] makes a new version of it.
#[derive(Debug, Clone)]
pub struct OrderRecord {
    /// Whose it is, and PAR's id of it.
    pub key: OrderKey,
    /// Raised by every write of a lease's holder; healing leaves it alone. Every write is conditional on it.
    pub version: u64,
    /// Unique to the write that made this version: a repeat of that write by the SDK is recognised by it.
    pub write_id: String,
    /// What was ordered.
    pub order: Arc<Order>,
    /// Where it goes.
    pub pos: Pinned,
    /// Id of the SharedId that verified the submit; answers are signed with it while it lives.
    pub shared_id: String,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// No placement begins after this.
    pub deadline: UnixMillis,
    /// Placement attempts begun.
    pub attempts: u32,
    /// Open or final.
    pub state: State,
    /// What happened, oldest first, capped.
    pub history: Vec<HistoryEntry>,
    /// W3C trace context of the submit.
    pub traceparent: Option<String>,
}

/// Open or final. Final is final: PAR caches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The caller sees `pending`.
    Open(Open),
    /// The caller sees the outcome.
    Final(Final),
}

/// What is known of an order that is not decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Where it stands.
    pub stage: Stage,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// When it counts as stopped: the lease's end, or the hand-off's grace. Stored beside the state, since healing moves
    /// it alone and an index is made of it.
    #[serde(skip)]
    pub due_at: UnixMillis,
    /// Set while an earlier attempt's outcome is unknown: no such attempt runs after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_until: Option<UnixMillis>,
    /// Written before the first cancel: from then on the order ends `errored`, or as the POS says that will not cancel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// Hand-offs so far: what the back-off grows with.
    #[serde(default)]
    pub hand_offs: u32,
    /// Why a person must look at it, if one must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<NeedsPerson>,
}

/// The right to work on an order, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// It ends by itself then.
    pub until: UnixMillis,
    /// Set if it was taken to place: that attempt counts as unknown until a write says otherwise, and cannot run longer
    /// than this (the lease's end or the function's time-out, whichever is later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placing_until: Option<UnixMillis>,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Final {
    /// The result.
    pub outcome: Outcome,
    /// When the row may be forgotten (DynamoDB TTL). Stored beside the state.
    #[serde(skip)]
    pub expires_at: UnixMillis,
}

/// The result of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// In the POS.
    Placed {
        /// The POS's own id of it.
        pos_order_id: String,
    },
    /// The order's fault.
    Rejected(Vec<OrderError>),
    /// Our or the POS's fault.
    Errored(Vec<OrderError>),
}

impl OrderRecord {
    /// What a caller is told.
    #[must_use]
    pub fn status(&self) -> OrderStatus {
        match &self.state {
            State::Open(_) => OrderStatus::Pending,
            State::Final(end) => match end.outcome {
                Outcome::Placed { .. } => OrderStatus::Placed,
                Outcome::Rejected(_) => OrderStatus::Rejected,
                Outcome::Errored(_) => OrderStatus::Errored,
            },
        }
    }

    /// What is known while it is open.
    #[must_use]
    pub fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Open(open) => Some(open),
            State::Final(_) => None,
        }
    }

    /// Whether somebody works on it.
    #[must_use]
    pub fn has_live_lease(&self, now: UnixMillis) -> bool {
        self.open().and_then(|open| open.lease).is_some_and(|lease| lease.until > now)
    }

    /// The body of an answer about it, under the identity of the request that asks.
    #[must_use]
    pub fn answer(&self, identity: Identity<'_>, key: &PosOrderIdKey, processing: Option<&Processing>) -> String {
        self.said(identity, key, processing, None)
    }

    /// The same as the answer to a request that was refused because of it: the reason stands before its own errors, and
    /// nothing else is of that request.
    #[must_use]
    pub fn conflict(
        &self,
        identity: Identity<'_>,
        key: &PosOrderIdKey,
        processing: Option<&Processing>,
        why: OrderError,
    ) -> String {
        self.said(identity, key, processing, Some(why))
    }

    fn said(
        &self,
        identity: Identity<'_>,
        key: &PosOrderIdKey,
        processing: Option<&Processing>,
        refused: Option<OrderError>,
    ) -> String {
        let (pos_order_id, errors): (_, &[OrderError]) = match &self.state {
            State::Final(Final { outcome: Outcome::Placed { pos_order_id }, .. }) => (Some(pos_order_id.as_str()), &[]),
            State::Final(Final { outcome: Outcome::Rejected(errors) | Outcome::Errored(errors), .. }) => (None, errors),
            State::Open(_) => (None, &[]),
        };
        let errors: Vec<OrderError> = refused.into_iter().chain(errors.iter().cloned()).collect();
        let (status, totals, calculated, errors) = (self.status(), self.order.totals(), Calculated::AsItCame, errors.as_slice());
        let said = Said { identity, status, totals, calculated, pos_order_id, errors, processing };
        self.order.answer(&said, key)
    }

    /// Adds to the history, dropping the oldest but the first when it is full.
    pub(super) fn note(&mut self, at: UnixMillis, by: Actor, step: Step, cause: Option<Cause>) {
        if self.history.len() >= HISTORY_CAP {
            self.history.remove(1);
        }
        self.history.push(HistoryEntry { at, by, step, cause });
    }
}

/// A second `request_uid` of an order that is already known by another (docs/lifecycle.md#an-alias): it follows the
/// owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Its own key.
    pub key: OrderKey,
    /// The order it stands for.
    pub owner: OrderKey,
    /// `request_datetime` of its request.
    pub request_datetime: String,
    /// Content of its request.
    pub fingerprint: Fingerprint,
    /// When the row may be forgotten.
    pub expires_at: UnixMillis,
}

impl Alias {
    /// The name it is answered under.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity { request_uid: &self.key.request_uid, request_datetime: &self.request_datetime }
    }
}

/// What can stand under an order's key.
#[derive(Debug, Clone)]
pub enum Row {
    /// An order.
    Order(Box<OrderRecord>),
    /// A second name of one.
    Alias(Alias),
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
