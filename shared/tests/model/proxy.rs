//! What stands between a process and its POS: a proxy that hands on the answer, an older answer about the same order, or
//! one that does not count, and delivers a request late. What it cannot do is what contract 2 of the connector takes from it
//! (docs/connector.md#an-answer-that-counts).

use posnext_shared::domain::ability::Abilities;

use super::{
    model::OrderModel,
    pos::Promises,
    premises::Premise,
    state::{Acting, Asked, NEVER, Process, Reply, Secs, View, World},
};

impl OrderModel {
    /// What a process that waits for an answer may hear.
    pub fn replies(&self, world: &World, acting: &Acting) -> Vec<Reply> {
        if !acting.view.wish.is_none_or(|wish| wish.asking) && acting.asked == Asked::Find {
            return vec![Reply::Unknown];
        }
        if self.product.goes_to(&acting.row, acting.view).is_none() {
            // The location is mapped no more: nothing was sent.
            return vec![if acting.asked == Asked::Place { Reply::Permanent } else { Reply::Unknown }];
        }
        let mut replies = match (acting.handled, acting.asked) {
            // Nothing was sent.
            (Some(Reply::NotStarted), _) => return vec![Reply::NotStarted, Reply::Unknown],
            (Some(made @ (Reply::Done | Reply::WillNot)), _) => vec![made, Reply::NoNumber],
            (Some(reply), _) => vec![reply],
            (None, Asked::Place) => vec![Reply::NotStarted, Reply::Permanent],
            (None, _) => Vec::new(),
        };
        // Who does not promise to know says anything.
        if acting.asked == Asked::Find && self.promises(world).abilities.find.is_none() {
            replies.push(Reply::Absent);
        }
        // A page of HTML, half an answer, another order's answer, or none.
        replies.push(Reply::Unknown);
        replies.extend(self.left_over(world, acting));
        if self.product.is_without(Premise::OwnWord) {
            replies.extend(match acting.asked {
                Asked::Place => &[Reply::NotStarted, Reply::Permanent][..],
                Asked::Find => &[Reply::Absent],
                Asked::Cancel => &[Reply::Gone],
            });
        }
        replies.sort_unstable();
        replies.dedup();
        replies
    }

    /// What the POS has said of the order before, and may be heard again: what counts without the id of the request. It has said
    /// so if it ever had reason to.
    fn left_over(&self, world: &World, acting: &Acting) -> Vec<Reply> {
        let Promises { abilities: Abilities { idempotent_place, find, cancel }, .. } = self.promises(world);
        let mut said = Vec::new();
        if acting.asked == Asked::Cancel {
            said.extend(world.pos.cooking.then_some(Reply::WillNot));
            said.extend((world.pos.refused && world.pos.tombstone).then_some(Reply::Refused));
            return said;
        }
        said.extend((world.pos.taken > 0).then_some(Reply::Done));
        // A refusal says that nothing was made. Where placing is not idempotent, and an order is placed again once it was not
        // found, a later place may have been taken: of an order that was attempted before, it must repeat the id.
        let first = self.product.counts_attempts && acting.row.attempts < 2;
        // Where they are not counted it is one attempt that may be refused without `find`.
        let only = !self.product.counts_attempts && find.is_none();
        let lasts = idempotent_place || only || first || self.product.is_without(Premise::RefusalRepeatsRequest);
        said.extend((world.pos.refused && lasts).then_some(Reply::Refused));
        // A tombstone of a POS that has none.
        said.extend((!cancel).then_some(Reply::Gone));
        said
    }

    /// For how long a place of this process may still take effect. What lies behind the POS's check of the not-after has the
    /// bound that it promises with `find`, or none. The POS's clock is within the skew of the process's, so it is right at the
    /// least.
    pub fn bound(&self, world: &World, slot: usize, view: View, left: Secs) -> Secs {
        let (tenure, times) = (self.tenure(slot), self.product.times);
        if self.promises(world).abilities.find.is_none() || self.product.is_without(Premise::NotAfter) {
            return NEVER;
        }
        let not_after = left - tenure.timeout + tenure.lease + view.clock;
        (not_after + times.settle).max(0)
    }

    /// Whether a place of this process may still take effect though nothing was heard of it.
    pub fn may_arrive(&self, world: &World, slot: usize) -> bool {
        match world.processes[slot] {
            Process::Acting(Acting { asked: Asked::Place, handled: None, view, left, .. })
            | Process::Fenced { handled: None, view, left, .. } => self.bound(world, slot, view, left) > 0,
            _ => false,
        }
    }

    /// The process waits no longer. A request of which nothing was heard may still take effect.
    pub fn leave(&self, world: &mut World, slot: usize, reply: Reply) {
        let said_so = matches!(reply, Reply::NotStarted | Reply::Permanent);
        let believed = !self.product.is_without(Premise::OwnWord) && !self.product.is_without(Premise::NotStartedOfEveryCopy);
        if !(said_so && believed) {
            self.stop(world, slot);
        }
        world.processes[slot] = Process::Idle;
    }

    /// The process is gone; what it has asked of the POS may still take effect.
    pub fn stop(&self, world: &mut World, slot: usize) {
        match std::mem::replace(&mut world.processes[slot], Process::Idle) {
            Process::Acting(Acting { asked: Asked::Place, handled: None, view, left, .. })
            | Process::Fenced { handled: None, view, left, .. } => {
                let bound = self.bound(world, slot, view, left);
                world.pos.fly(self.promises(world), bound);
            }
            Process::Acting(Acting { asked: Asked::Cancel, handled: None, .. }) => world.pos.flying_cancel = true,
            _ => {}
        }
    }
}
