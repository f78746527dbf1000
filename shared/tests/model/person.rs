//! A person's steps, as process-order carries them out (`app/by_person.rs`): the lease is taken, the POS is asked, and what it
//! does not contradict is written.

use super::{
    model::{Fate, OrderModel, Step},
    premises::Premise,
    properties::{meal_stays, no_meal},
    state::{Acting, Asked, Ended, Next, PERSON, Process, Reply, View, Wanted, Wish, World, Writing},
};

const ENDS: [Wanted; 4] = [Wanted::Placed, Wanted::Rejected, Wanted::Errored, Wanted::PlacedElse];

impl OrderModel {
    /// What a person may want now.
    pub fn wishes(&self, world: &World, steps: &mut Vec<Step>) {
        if !self.product.person || world.processes[PERSON] != Process::Idle || world.row.is_none_or(|row| row.open().is_none()) {
            return;
        }
        for view in self.views(world) {
            let ends = if self.wide { &ENDS[..] } else { &ENDS[..3] };
            for (end, asking) in ends.iter().copied().flat_map(|end| [(end, true), (end, false)]) {
                let wish = Wish { end, asking };
                if self.may_wish(world, wish) {
                    let view = View { wish: Some(wish), ..view };
                    steps.extend(self.fates().iter().map(|fate| Step::TakeOver(view, *fate)));
                }
            }
        }
    }

    /// A person may want anything of an order whose POS can be asked. Where it cannot, the person has asked the restaurant and
    /// knows.
    fn may_wish(&self, world: &World, Wish { end, asking }: Wish) -> bool {
        let promises = self.promises(world).abilities;
        let told = match end {
            Wanted::Placed | Wanted::PlacedElse => asking,
            Wanted::Rejected => asking && promises.find.is_some(),
            Wanted::Errored => asking && (promises.find.is_some() || promises.cancel),
        };
        let knows = || match end {
            Wanted::Placed => meal_stays(self, world),
            Wanted::PlacedElse => false,
            Wanted::Rejected | Wanted::Errored => no_meal(self, world),
        };
        let ignorant = if asking { Premise::RestaurantAsked } else { Premise::PosAsked };
        told || self.product.is_without(ignorant) || knows()
    }

    /// Notes what is written for a person.
    pub fn note_by_hand(&self, next: Next) {
        self.by_hand.lock().unwrap().insert(match next {
            Next::End(row) => match row.ended() {
                Some(Ended::Placed) => "placed",
                Some(Ended::Rejected) => "rejected",
                _ => "errored",
            },
            Next::Act(_, Asked::Cancel) => "cancelling",
            Next::Park(_) => "given back",
            _ => "taken over",
        });
    }

    pub fn take_over(&self, world: &mut World, view: View, fate: Fate) -> Option<()> {
        let next = self.product.take_over(&world.row?, view.wish?, view)?;
        let left = self.tenure(PERSON).timeout;
        self.write(world, PERSON, Writing { next, done: false, again: false, view, left }, fate)
    }

    /// The POS has answered a person, or was not asked.
    pub fn answered_person(&self, world: &mut World, acting: Acting, wish: Wish, reply: Reply, fate: Fate) -> Option<()> {
        let Acting { row, asked, began: _, view, left, .. } = acting;
        let tenure = self.tenure(PERSON);
        let next = match (asked, reply) {
            (Asked::Find, _) => self.product.judged(&row, wish, reply, tenure, view),
            (_, Reply::Gone) => self.product.cancelled_for(&row, wish, tenure, view),
            // What else the POS says decides as ever.
            _ => return None,
        };
        self.leave(world, PERSON, reply);
        if asked == Asked::Find {
            world.broken.contradicted |= self.product.contradicts(wish, reply, next.row().and_then(|row| row.ended()));
        }
        // A lease is renewed by the cancel alone.
        let left = if matches!(next, Next::Act(..)) { tenure.timeout } else { left };
        self.write(world, PERSON, Writing { next, done: false, again: false, view, left }, fate)
    }
}
