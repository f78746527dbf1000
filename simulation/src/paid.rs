//! An order that somebody has paid for: what is sent of it, and what its callers were told.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use posnext_shared::domain::{order::Body, signature::DigestMessage};

use crate::{
    dice::Dice,
    sim::lock,
    world::{ORGANIZATION, PRICE_CENTS, PRODUCT, Place, TENANT},
};

/// So many more of it stand in an order that was changed under its name.
const CHANGED_BY: u64 = 20;

/// What a caller was told of one name of an order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// It was answered 200 or 202.
    pub(crate) accepted: bool,
    /// The final answers: status and the POS's number.
    pub(crate) finals: BTreeSet<(String, String)>,
}

/// An order that somebody has paid for, under all its names.
#[derive(Debug)]
pub(crate) struct Paid {
    pub(crate) number: u64,
    pub(crate) location: String,
    pub(crate) online_order_id: Option<String>,
    pub(crate) quantity: u64,
    names: Mutex<Vec<(String, Told)>>,
    changed: AtomicBool,
}

impl Paid {
    pub(crate) fn new(number: u64, place: &Place, dice: &mut Dice) -> Arc<Self> {
        let online_order_id = (!dice.in_a_thousand(150)).then(|| format!("ONL-{number}"));
        Self::of(number, place.id.clone(), online_order_id, dice.within(1..9))
    }

    /// Another order of another day, which has the same number.
    pub(crate) fn of_another_day(&self, number: u64) -> Arc<Self> {
        Self::of(number, self.location.clone(), self.online_order_id.clone(), self.quantity + 1)
    }

    fn of(number: u64, location: String, online_order_id: Option<String>, quantity: u64) -> Arc<Self> {
        let (names, changed) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { number, location, online_order_id, quantity, names, changed })
    }

    pub(crate) fn names(&self) -> Vec<(String, Told)> {
        lock(&self.names).clone()
    }

    /// Remembers a name under which it is sent.
    pub(crate) fn name(&self, uid: &str) {
        let mut names = lock(&self.names);
        if !names.iter().any(|(name, _)| name == uid) {
            names.push((uid.to_owned(), Told::default()));
        }
    }

    /// Changes what was told of a name.
    pub(crate) fn told<T>(&self, uid: &str, change: impl FnOnce(&mut Told) -> T) -> Option<T> {
        lock(&self.names).iter_mut().find(|(name, _)| name == uid).map(|(_, told)| change(told))
    }

    /// Whether its caller has sent other content under one of its names.
    pub(crate) fn was_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    pub(crate) fn change(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Whether this many may be made of it.
    pub(crate) fn is_of(&self, quantity: u64) -> bool {
        quantity == self.quantity || (self.was_changed() && quantity == self.quantity + CHANGED_BY)
    }

    /// The order as it is sent under a name, at a time.
    pub(crate) fn text(&self, uid: &str, at: &str) -> String {
        text(uid, at, &self.location, self.online_order_id.as_deref(), self.quantity, true)
    }

    /// The same with other content.
    pub(crate) fn changed_text(&self, uid: &str, at: &str) -> String {
        text(uid, at, &self.location, self.online_order_id.as_deref(), self.quantity + CHANGED_BY, true)
    }
}

/// An order in JSON; its totals may be left for us to calculate.
pub(crate) fn text(uid: &str, at: &str, location: &str, online: Option<&str>, quantity: u64, totals: bool) -> String {
    let online = online.map(|id| format!(r#""online_order_id":"{id}","#)).unwrap_or_default();
    let decimal = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
    let (price, total) = (decimal(PRICE_CENTS), decimal(quantity * PRICE_CENTS));
    let totals = if totals { format!(r#","subtotal":{total},"grand_total":{total}"#) } else { String::new() };
    format!(
        r#"{{"request_uid":"{uid}","organization_id":"{ORGANIZATION}","location_id":"{location}","request_datetime":"{at}","order_details":{{{online}"items":[{{"id":"{PRODUCT}","name":"Margherita","quantity":{quantity},"price":{price},"modifiers":[]}}]{totals}}}}}"#
    )
}

/// What a caller signs of an order.
pub(crate) fn message_of(text: &str) -> Option<DigestMessage> {
    let order = Body::parse(text.as_bytes()).ok()?.into_order().ok()?;
    Some(order.message(order.identity()))
}

/// The key of an order at its POS.
pub(crate) fn pos_key(uid: &str) -> String {
    format!("{TENANT}.{uid}")
}
