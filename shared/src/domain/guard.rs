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
    pub taken_over_from: Option<OrderKey>,
    /// When the row stops guarding, whether or not it is still there.
    pub expires_at: UnixMillis,
}

/// The key of an order's guard row; `None` for an order without an online order id.
///
/// Ids hold no `|` and a `request_uid` does not start with one, so no guard is ever taken for an order.
#[must_use]
pub fn guard_key(tenant: &Tenant, order: &Order) -> Option<String> {
    let key = |online: &ParId| format!("{tenant}#|{}|{}|{online}", order.organization_id(), order.location_id());
    order.online_order_id().map(key)
}

/// What becomes of an order whose online order id is owned already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The owner is decided and made no meal: the new order takes the guard over.
    TakeOver,
    /// The same order under another name: answered as the owner's.
    Alias,
    /// Another order under the same online order id.
    Conflict,
}

/// Judges by the owner as it stands; `None` for an owner that no longer exists.
#[must_use]
pub fn judge(owner: Option<&OrderRecord>, fingerprint: &Fingerprint) -> Verdict {
    match owner {
        None => Verdict::TakeOver,
        Some(owner) if matches!(owner.status(), OrderStatus::Rejected | OrderStatus::Errored) => Verdict::TakeOver,
        Some(owner) if owner.order.fingerprint() == fingerprint => Verdict::Alias,
        Some(_) => Verdict::Conflict,
    }
}
