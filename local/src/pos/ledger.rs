//! What a played POS knows of its orders.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What the POS knows of one order.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    pub(super) calls: u32,
    /// Placements that came after their not-after.
    pub(super) late: u32,
    /// It refused the order once.
    pub(super) refused: bool,
    pub(super) meals: Vec<Meal>,
    pub(super) cancelled_at: Option<Instant>,
}

/// A meal, and from when on it can be seen.
#[derive(Debug, Clone)]
pub(super) struct Meal {
    pub(super) pos_order_id: String,
    pub(super) lands_at: Instant,
}

/// A line of the ledger.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    /// Placements that reached the POS.
    pub calls: u32,
    /// Placements that came too late, of which nothing was made.
    pub late: u32,
    /// A meal is being made, and can be seen later.
    pub landing: bool,
    /// The meals that were made and not cancelled.
    pub meals: Vec<String>,
    /// The order was cancelled.
    pub cancelled: bool,
}

impl Ticket {
    pub(super) fn cancelled(&self) -> bool {
        self.cancelled_at.is_some()
    }

    /// A meal that has landed, and was not forestalled by a tombstone.
    pub(super) fn made(&self) -> impl Iterator<Item = &Meal> {
        let now = Instant::now();
        self.meals.iter().filter(move |meal| meal.lands_at <= now && self.cancelled_at.is_none_or(|at| at >= meal.lands_at))
    }

    /// Its line of the ledger.
    pub(super) fn entry(&self) -> Entry {
        let made = self.made().map(|meal| meal.pos_order_id.clone());
        let meals = if self.cancelled() { Vec::new() } else { made.collect() };
        let landing = !self.cancelled() && self.meals.iter().any(|meal| meal.lands_at > Instant::now());
        Entry { calls: self.calls, late: self.late, landing, meals, cancelled: self.cancelled() }
    }
}
