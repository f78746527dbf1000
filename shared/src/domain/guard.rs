//! The guard on an online order: a second `request_uid` for it must not become a second meal (docs/contract.md#u19).

use super::{
    ids::{OrderKey, ParId, Tenant},
    order::{Fingerprint, Order},
    record::OrderRecord,
    status::OrderStatus,
    time::UnixMillis,
};

/// The row that says which order owns an online order id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The row's key.
    pub key: String,
    /// The order that owns it.
    pub owner: OrderKey,
    /// The owner it is taken over from; `None` when nobody may own it yet.
    pub former: Option<Former>,
    /// Owners that it was taken over from while they were open: their content stays guarded until they are final.
    pub earlier: Vec<OrderKey>,
    /// Until then it holds off other content.
    pub holds_until: UnixMillis,
    /// After this the table may forget the row.
    pub expires_at: UnixMillis,
}

/// The owner that a guard is taken over from, as it was read. The guard changes hands only if it is still so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The order.
    pub owner: OrderKey,
    /// Its version; `None` for an order that is not there.
    pub version: Option<u64>,
}

/// The key of an order's guard row; `None` for an order without an online order id.
///
/// Ids hold no `|` and a `request_uid` does not start with one, so no guard is ever taken for an order.
#[must_use]
pub fn guard_key(tenant: &Tenant, order: &Order) -> Option<String> {
    let key = |online: &ParId| format!("{tenant}#|{}|{}|{online}", order.organization_id(), order.location_id());
    order.online_order_id().map(key)
}

/// So many earlier owners of a guard are remembered. Each is an order that was open for longer than the guard's hours.
pub const MOST_EARLIER: usize = 10;

/// What becomes of an order whose online order id is owned already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The owner made no meal, or its hours are over and it is another order: the new order takes the guard over.
    TakeOver,
    /// The same order under another name: answered as the owner's.
    Alias,
    /// Another order under the same online order id.
    Conflict,
}

/// Judges by the owner as it stands; `None` for an owner that does not exist. `holds`: the guard's hours are not over.
///
/// Stores use their daily numbers again, so after its hours a guard holds off no other content. An open order still
/// becomes a meal, so the same content is answered as that order however old it is.
#[must_use]
pub fn judge(owner: Option<&OrderRecord>, fingerprint: &Fingerprint, holds: bool) -> Verdict {
    let Some(owner) = owner else { return Verdict::TakeOver };
    let same = owner.order.fingerprint() == fingerprint;
    match owner.status() {
        OrderStatus::Rejected | OrderStatus::Errored => Verdict::TakeOver,
        OrderStatus::Pending if same => Verdict::Alias,
        _ if !holds => Verdict::TakeOver,
        _ if same => Verdict::Alias,
        _ => Verdict::Conflict,
    }
}
