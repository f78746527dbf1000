//! Whether an order's end is what was promised.

use std::{collections::BTreeSet, sync::Arc};

use posnext_shared::domain::{
    history::NeedsPerson,
    record::{OrderRecord, Outcome, State},
};

use crate::{
    operators::BY_HAND,
    paid::{Paid, Told, pos_key},
    pos::Restaurants,
    sim::Sim,
    world::Desk,
};

/// Who compares what is stored with what was told and what was made.
pub(crate) struct Judge<'a> {
    pub(crate) sim: &'a Sim,
    pub(crate) desk: &'a Desk,
    pub(crate) restaurants: &'a Restaurants,
}

impl Judge<'_> {
    /// Judges all orders of a run.
    pub(crate) async fn all(&self, paid: &[Arc<Paid>]) -> anyhow::Result<()> {
        for order in paid {
            self.order(order).await?;
        }
        let keys: BTreeSet<String> = paid.iter().flat_map(|order| order.names()).map(|(uid, _)| pos_key(&uid)).collect();
        for (key, _) in self.restaurants.ledgers().into_iter().flatten().filter(|(_, entry)| !entry.meals.is_empty()) {
            if !keys.contains(&key) {
                self.sim.harm("a meal of no order that was sent", key);
            }
        }
        Ok(())
    }

    /// The meals of an order, under all its names.
    pub(crate) fn meals(&self, paid: &Paid) -> Vec<String> {
        paid.names().iter().flat_map(|(uid, _)| self.restaurants.meals(&pos_key(uid))).collect()
    }

    async fn order(&self, paid: &Paid) -> anyhow::Result<()> {
        let (names, meals) = (paid.names(), self.meals(paid));
        if meals.len() > 1 {
            self.sim.harm("two meals of one order", self.seen(paid, "all its names", &meals));
        }
        let keys: Vec<String> = names.iter().map(|(uid, _)| pos_key(uid)).collect();
        let placements = self.restaurants.placements();
        for placement in placements.iter().filter(|placement| keys.contains(&placement.key)) {
            if !paid.is_of(placement.quantity) {
                self.sim.harm("a POS was sent another order", self.seen(paid, &placement.key, &placement.quantity));
            }
        }
        let mut kept = false;
        for (uid, told) in &names {
            match self.desk.stored(uid).await? {
                Some(record) => {
                    kept = true;
                    self.name(paid, uid, told, &record).await?;
                }
                None if told.accepted => self.sim.harm("an accepted order is lost", self.seen(paid, uid, told)),
                None => {}
            }
        }
        if !kept && !meals.is_empty() {
            self.sim.harm("a meal of no order that is stored", self.seen(paid, "no name", &meals));
        }
        Ok(())
    }

    /// What is stored under one name of an order, or of the order that the name is an alias of.
    async fn name(&self, paid: &Paid, uid: &str, told: &Told, record: &OrderRecord) -> anyhow::Result<()> {
        let (stored, meals) = (stored(record), self.restaurants.meals(&pos_key(record.key.request_uid.as_str())));
        if told.finals.iter().any(|told| Some(told) != stored.as_ref()) {
            self.sim.harm("what was told is not what is stored", self.seen(paid, uid, &(told, &stored)));
        }
        match stored {
            // A number that a person has given is the person's own.
            Some((status, number)) if status == "placed" && !meals.contains(&number) && number != BY_HAND => {
                self.sim.harm("placed, and there is no meal", self.seen(paid, uid, &(number, &meals)));
            }
            Some((status, _)) if status != "placed" && !meals.is_empty() => {
                self.sim.harm("refunded, and there is a meal", self.seen(paid, uid, &(status, &meals)));
            }
            None if !self.may_wait(record).await? => {
                let history: Vec<_> = record.history.iter().map(ToString::to_string).collect();
                self.sim.harm("an order is left open", self.seen(paid, uid, &history));
            }
            _ => {}
        }
        Ok(())
    }

    fn seen(&self, paid: &Paid, uid: &str, what: &dyn std::fmt::Debug) -> String {
        format!("order {} at {}, {uid}: {what:?}", paid.number, paid.location)
    }

    /// Whether an open order may wait for a person: at a POS that can neither be asked nor cancelled, or for its number,
    /// or since a cancel that has begun is no promise any more.
    pub(crate) async fn may_wait(&self, record: &OrderRecord) -> anyhow::Result<bool> {
        let Some(open) = record.open() else { return Ok(false) };
        let Some(person) = open.person else { return Ok(false) };
        let (then, now) = (record.pos.abilities(), self.desk.promised(record).await?);
        let unaskable = (then.find.is_none() || now.find.is_none()) && !(then.cancel && now.cancel);
        let half_cancelled = open.cancelling && !(then.cancel && now.cancel);
        Ok(unaskable || half_cancelled || person == NeedsPerson::NoNumber)
    }
}

/// The final status that is stored, and the POS's number.
fn stored(record: &OrderRecord) -> Option<(String, String)> {
    let status = record.status().as_str().to_owned();
    match &record.state {
        State::Final(end) => match &end.outcome {
            Outcome::Placed { pos_order_id } => Some((status, pos_order_id.clone())),
            _ => Some((status, String::new())),
        },
        State::Open(_) => None,
    }
}
