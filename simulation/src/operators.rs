//! Operators, who change what is mapped and sold while orders are under way, and persons, who end orders.

use std::sync::Arc;

use posnext_shared::domain::{
    ability::Abilities,
    by_hand::{Decision, Wish},
};
use tokio::time::sleep;

use crate::{
    dice::Dice,
    faults::Fault,
    fleet::Fleet,
    pos::Restaurants,
    world::{Desk, PRICE_CENTS, key},
};

/// For how long after its beginning operators change things.
pub(crate) const WORKING: u64 = 150_000;

/// The number that a person gives who says that an order is made.
pub(crate) const BY_HAND: &str = "POS-1";

impl Desk {
    /// Changes what is mapped and what is sold, while orders are under way.
    pub(crate) fn work(self: &Arc<Self>) {
        for (number, place) in self.places.iter().enumerate() {
            let mut dice = self.sim.dice.part("desk", number as u64);
            let strikes = |dice: &mut Dice, fault| self.sim.strikes(dice, fault).then(|| dice.millis(0..WORKING));
            let (remapped, taken) = (strikes(&mut dice, Fault::Remapped), strikes(&mut dice, Fault::PromiseTaken));
            let (price, sold_out) = (strikes(&mut dice, Fault::PriceChanged), strikes(&mut dice, Fault::SoldOut));
            let promised = place.promises();
            let mut kept = || dice.in_a_thousand(500);
            let less = Abilities {
                idempotent_place: promised.idempotent_place && kept(),
                find: promised.find.filter(|_| kept()),
                cancel: promised.cancel && kept(),
            };
            if let Some(wait) = remapped.or(taken) {
                let (this, place, less) = (Arc::clone(self), place.clone(), taken.map(|_| less));
                tokio::spawn(async move {
                    sleep(wait).await;
                    let _ = this.map(&place, u16::from(remapped.is_some()), less).await;
                });
            }
            if let Some(wait) = price.filter(|_| place.has_menu) {
                let (this, place) = (Arc::clone(self), place.clone());
                tokio::spawn(async move {
                    sleep(wait).await;
                    let _ = this.put_menu(&place, PRICE_CENTS + 100).await;
                });
            }
            if let Some(wait) = sold_out.filter(|_| place.has_menu) {
                let (this, place) = (Arc::clone(self), place.clone());
                tokio::spawn(async move {
                    sleep(wait).await;
                    let _ = this.sell_out(&place).await;
                });
            }
        }
    }

    /// Has a POS that can be asked promise no cancelling any more, as soon as a cancel is held up before it.
    pub(crate) async fn doubt(self: Arc<Self>, restaurants: Arc<Restaurants>) {
        loop {
            for (system, path) in restaurants.cancels_held().await {
                for place in self.places.iter().filter(|place| place.is_asked_at(&path) && place.promises().find.is_some()) {
                    let less = Abilities { cancel: false, ..place.promises() };
                    let _ = self.map(place, system, Some(less)).await;
                }
            }
        }
    }

    /// A person wants an order ended, and may be wrong about it: its POS is asked.
    pub(crate) async fn decide(self: Arc<Self>, fleet: Arc<Fleet>, uid: String, mut dice: Dice) {
        sleep(dice.millis(1_000..WORKING)).await;
        let Ok(key) = key(&uid) else { return };
        let decision = match dice.within(0..3) {
            0 => Decision::Placed { pos_order_id: BY_HAND.to_owned() },
            1 => Decision::Rejected,
            _ => Decision::Errored,
        };
        let reason = "the restaurant says so".to_owned();
        let wish = Wish::End { key, decision: decision.clone(), reason, asking: !self.sim.is_broken(Fault::WithoutAsking) };
        self.sim.tell("operator", || format!("wants {uid} ended: {decision:?}"));
        let granted = fleet.wish(wish).await;
        self.sim.tell("operator", || format!("is told of {uid}: {granted:?}"));
    }
}
