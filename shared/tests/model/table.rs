//! The table, and what a function does around a write: `app/carry.rs` and `app/accept.rs`, step by step.

use super::{
    model::{Fate, OrderModel},
    premises::Premise,
    state::{Acting, Asked, Ended, Late, Next, PERSON, Process, Reply, Row, SLOTS, SUBMIT, Secs, World, Writer, Writing},
};

impl OrderModel {
    pub fn writer(&self, world: &World, slot: usize) -> Writer {
        if slot == SUBMIT { Writer::Submit(world.submits) } else { Writer::Worker(slot) }
    }

    /// Writes a row on condition that the stored version is the one it was made from. `true` if that is what stands then:
    /// the repeat of a write that was applied is recognised by its writer.
    pub fn save(&self, world: &mut World, row: Row, by: Writer) -> bool {
        let Some(stored) = world.row else { return false };
        if row.version == stored.version && by == world.row_by {
            return true;
        }
        let stale = row.version - 1 != stored.version;
        if stale && !self.product.is_without(Premise::VersionCondition) {
            return false;
        }
        world.broken.stale_write |= stale;
        world.broken.final_changed |= stored.ended().is_some() && stored.life != row.life;
        // That a person may end or have cancelled.
        let by_hand = self.product.person && row.open().is_none_or(|open| open.cancelling);
        world.broken.number_forgotten |= stored.lacks_number() && !row.lacks_number() && !by_hand;
        put(world, row, by);
        true
    }

    /// Writes the first version of the row unless there is one.
    pub fn save_claim(&self, world: &mut World, row: Row, by: Writer) -> bool {
        if world.row.is_none() {
            put(world, row, by);
        }
        world.row_by == by
    }

    pub fn late_write(&self, world: &mut World) -> Option<()> {
        let Late { row, claim, by } = world.late.take()?;
        if claim {
            self.save_claim(world, row, by)
        } else {
            self.save(world, row, by)
        };
        Some(())
    }

    pub fn claim(&self, world: &mut World, claim: Writing, fate: Fate) {
        let Writing { next, view, left, .. } = claim;
        let by = self.writer(world, SUBMIT);
        match (fate, next.row()) {
            (Fate::Unanswered, Some(row)) => {
                world.late.get_or_insert(Late { row: *row, claim: true, by });
                world.processes[SUBMIT] = Process::Claiming { next, lost: true, view, left };
            }
            (Fate::Slow, _) => world.processes[SUBMIT] = Process::Claiming { next, lost: false, view, left },
            _ => self.claimed(world, claim, false),
        }
    }

    /// The claim arrives; or, its answer lost, one consistent read says whether it was applied. If another row is there
    /// this is a replay, which writes nothing, and if there is none the answer is 503.
    fn claimed(&self, world: &mut World, claim: Writing, lost: bool) {
        let by = self.writer(world, SUBMIT);
        world.processes[SUBMIT] = Process::Idle;
        let Some(row) = claim.next.row() else { return };
        let ours = if lost { world.row.is_some() && world.row_by == by } else { self.save_claim(world, *row, by) };
        if ours {
            self.follow(world, SUBMIT, claim);
        }
    }

    /// Writes what the machine has said, then does what follows: never the other way round.
    pub fn write(&self, world: &mut World, slot: usize, writing: Writing, fate: Fate) -> Option<()> {
        let Writing { next, done, again, view, left } = writing;
        let row = *next.row()?;
        if matches!(next, Next::Act(_, Asked::Place)) && self.product.is_without(Premise::AttemptWrittenFirst) {
            let unwritten = Row { version: row.version - 1, ..row };
            self.begin(world, slot, Acting { row: unwritten, asked: Asked::Place, began: 0, handled: None, view, left });
            return Some(());
        }
        world.processes[slot] = Process::Idle;
        let free = self.many_writes || is_free(world);
        match fate {
            Fate::Slow if !free => return None,
            Fate::Slow => world.processes[slot] = Process::Writing(writing),
            Fate::Unanswered => {
                let late = Late { row, claim: false, by: self.writer(world, slot) };
                world.late = world.late.or_else(|| free.then_some(late));
                if matches!(next, Next::End(_)) && !again && view.wish.is_none() {
                    // It may be all that is known of a meal, and the same write is safe to repeat.
                    world.processes[slot] = Process::Writing(Writing { again: true, ..writing });
                } else if slot == SUBMIT {
                    answer(world, None);
                }
            }
            Fate::Written => {
                let by = self.writer(world, slot);
                if self.save(world, row, by) {
                    self.follow(world, slot, writing);
                } else if done {
                    world.processes[slot] = Process::TooLate { left };
                }
            }
        }
        Some(())
    }

    fn follow(&self, world: &mut World, slot: usize, written: Writing) {
        let Writing { next, view, left, .. } = written;
        if view.wish.is_some() {
            self.note_by_hand(next);
        }
        match next {
            Next::Act(row, asked) => {
                let row = Row { version: 0, ..row };
                let began = if asked == Asked::Find { view.clock } else { 0 };
                return self.begin(world, slot, Acting { row, asked, began, handled: None, view, left });
            }
            Next::Take(row) => {
                let row = Row { version: 0, ..row };
                if let Some(row) = self.product.follow(&row, view) {
                    let next = Next::Act(row, Asked::Place);
                    world.processes[slot] = Process::Writing(Writing { next, ..written });
                    return;
                }
                return self.begin(world, slot, Acting { row, asked: Asked::Place, began: 0, handled: None, view, left });
            }
            Next::HandOff(_, delay) => world.message = Some(delay),
            Next::End(_) | Next::Park(_) | Next::Ignore => {}
        }
        if slot == SUBMIT {
            answer(world, next.row().and_then(Row::ended));
        }
    }

    /// Sends the request to the POS, unless too little of the lease is left by now.
    fn begin(&self, world: &mut World, slot: usize, mut acting: Acting) {
        let limit = self.limit(slot);
        let Acting { row, asked, view, .. } = acting;
        let clock = view.clock;
        world.broken.number_forgotten |= row.lacks_number() && slot != PERSON;
        let in_time = row.lease_left() - clock - self.product.counted_skew() >= limit && row.deadline - clock >= limit;
        if asked == Asked::Place && (in_time || self.product.is_without(Premise::PlaceOnlyOnLease)) {
            let another = (0..SLOTS).any(|other| other != slot && self.runs(world, other) > 0);
            let unsent = self.product.is_without(Premise::GivenUpIsOver) && world.pos.flying[0] > 0;
            world.broken.second_attempt |= another || unsent;
        } else if asked == Asked::Place {
            acting.began = -limit;
            acting.handled = Some(Reply::NotStarted);
        }
        match self.product.goes_to(&row, view) {
            _ if acting.handled.is_some() || view.wish.is_some_and(|wish| !wish.asking) => {}
            Some(place) => self.goes(world, asked, place),
            // Nothing is sent.
            None => acting.handled = Some(if asked == Asked::Place { Reply::Permanent } else { Reply::Unknown }),
        }
        world.processes[slot] = Process::Acting(acting);
    }

    /// How long a place may take; what a submit's answer deadline leaves is less than a worker has.
    pub fn limit(&self, slot: usize) -> Secs {
        if slot == SUBMIT { 1 } else { self.product.times.pos_limit }
    }

    /// For how long an attempt of this process still runs, at the most.
    pub fn runs(&self, world: &World, slot: usize) -> Secs {
        match world.processes[slot] {
            Process::Acting(Acting { asked: Asked::Place, began, .. }) => (began + self.limit(slot)).max(0),
            Process::Fenced { runs, .. } => runs,
            _ => 0,
        }
    }

    /// What a process does that waits for nobody: a write that was on its way arrives, or it reads the row.
    pub fn proceed(&self, world: &mut World, slot: usize, fate: Fate) -> Option<()> {
        match world.processes[slot] {
            Process::Writing(writing) => self.write(world, slot, writing, fate)?,
            Process::Claiming { next, lost, view, left } => {
                self.claimed(world, Writing { next, done: false, again: false, view, left }, lost);
            }
            Process::TooLate { .. } => {
                world.processes[slot] = Process::Idle;
                let ended = world.row.and_then(|row| row.ended());
                // The meal must not be made; the alarm goes off as well.
                let otherwise = matches!(ended, Some(Ended::Errored | Ended::Rejected));
                world.pos.flying_cancel |= otherwise && self.product.all_promise(|promises| promises.cancel);
            }
            _ => {}
        }
        Some(())
    }
}

/// Whether no write is on its way. Of two that are made from one version the first to arrive wins and the other is as
/// if it had never been sent, so one at a time is all that can make a difference.
fn is_free(world: &World) -> bool {
    world.late.is_none() && !world.processes.iter().any(|process| matches!(process, Process::Writing(_)))
}

/// Replaces the row; versions are counted from the new one's.
fn put(world: &mut World, row: Row, by: Writer) {
    let up = row.version;
    world.row = Some(Row { version: 0, ..row });
    world.row_by = by;
    world.message = None;
    let count = |row: &mut Row| row.version = row.version.saturating_sub(up).max(-9);
    if let Some(Late { row, claim: false, .. }) = &mut world.late {
        count(row);
    }
    for process in &mut world.processes {
        match process {
            Process::Acting(Acting { row, .. }) => count(row),
            Process::Writing(Writing { next, .. }) => next.row_mut().into_iter().for_each(count),
            _ => {}
        }
    }
}

/// The submit answers 200 with this, or 202: the row is there then, and tells the same.
fn answer(world: &mut World, ended: Option<Ended>) {
    match world.row {
        None => world.broken.answered_unstored = true,
        Some(row) => world.broken.answered_otherwise |= ended.is_some() && row.ended() != ended,
    }
}
