//! Makes one state of worlds that can never be told apart, so that the whole space is small enough to be explored.

use super::{
    model::OrderModel,
    premises::Premise,
    state::{Acting, Asked, LONG_AGO, Late, Life, MAX_SUBMITS, Process, Row, SLOTS, SUBMIT, World, Writer, Writing},
    time::forget,
};

impl OrderModel {
    pub fn tidy(&self, world: &mut World) {
        if !self.product.is_without(Premise::VersionCondition) {
            for slot in 0..SLOTS {
                self.fence(world, slot);
            }
            world.late = world.late.filter(|late| if late.claim { world.row.is_none() } else { late.row.version == 1 });
        }
        if world.row.is_some() && world.processes[SUBMIT] == Process::Idle {
            world.submits = MAX_SUBMITS;
        }
        self.forget_past(world);
        for slot in 0..SLOTS {
            self.share_row(world, slot);
        }
        let promises = self.promises(world);
        world.pos.tidy(promises);
        let by = world.row_by;
        if !self.looks_for(world, by) {
            world.row_by = Writer::Gone;
        }
        if let Some(by) = world.late.map(|late| late.by).filter(|by| !self.looks_for(world, *by))
            && let Some(late) = &mut world.late
        {
            late.by = if late.claim { by } else { Writer::Gone };
        }
        sort_workers(world);
    }

    /// Whatever a process would write that has not the stored row is refused, so only its place still counts.
    fn fence(&self, world: &mut World, slot: usize) {
        let mine = world.row_by == self.writer(world, slot);
        let written = |row: &Row| row.version == 1 || (row.version == 0 && mine);
        match world.processes[slot] {
            Process::Acting(acting @ Acting { handled, view, left, .. }) if acting.row.version != 0 => {
                world.broken.fenced_by_healing |= world.row_by == Writer::Healing;
                if acting.asked == Asked::Place {
                    world.processes[slot] = Process::Fenced { runs: self.runs(world, slot), handled, view, left };
                } else {
                    self.stop(world, slot);
                }
            }
            Process::Writing(Writing { next, done, left, .. }) if !next.row().is_some_and(written) => {
                world.processes[slot] = if done { Process::TooLate { left } } else { Process::Idle };
            }
            _ => {}
        }
        // What it does when told too late that the POS holds the order is to cancel it there.
        if let Process::Fenced { runs: 0, .. } | Process::TooLate { .. } = world.processes[slot]
            && (!self.product.all_promise(|promises| promises.cancel) || world.pos.tombstone)
        {
            self.stop(world, slot);
        }
    }

    fn forget_past(&self, world: &mut World) {
        // Without a promise to settle nothing depends on when an attempt was last running, only on whether there was one.
        let margin = self.product.margin();
        let past = if self.product.some_promise(|promises| promises.find.is_some()) {
            -self.product.times.settle - margin
        } else if self.product.person {
            -margin
        } else {
            i16::MAX
        };
        world.row.iter_mut().for_each(|row| forget(row, past));
        world.late.iter_mut().for_each(|late| forget(&mut late.row, past));
        for process in &mut world.processes {
            if let Process::Writing(Writing { next, .. }) | Process::Claiming { next, .. } = process {
                next.row_mut().into_iter().for_each(|row| forget(row, past));
            }
        }
    }

    /// Who holds the stored row has it as it is stored. What healing moves makes no difference to the holder, and a find's
    /// answer is judged by the time of its question, which is not shifted to now.
    fn share_row(&self, world: &mut World, slot: usize) {
        let runs = self.runs(world, slot);
        let Process::Acting(Acting { row, asked, began, .. }) = &mut world.processes[slot] else { return };
        match asked {
            Asked::Place => *began = runs - self.limit(slot),
            Asked::Cancel => *began = 0,
            Asked::Find if row.open().is_some_and(|open| open.unknown_until == Some(LONG_AGO)) => *began = 0,
            Asked::Find => {}
        }
        if let (Some(stored), Life::Open(own)) = (world.row.and_then(|row| row.open().copied()), &mut row.life)
            && row.version == 0
        {
            own.due = stored.due;
            own.unknown_until = if *asked == Asked::Find { own.unknown_until } else { stored.unknown_until };
        }
    }

    /// Whether the process that made this write may still look for it.
    fn looks_for(&self, world: &World, by: Writer) -> bool {
        let slot = match by {
            Writer::Gone | Writer::Healing => return false,
            Writer::Submit(_) => SUBMIT,
            Writer::Worker(slot) => slot,
        };
        let looks = !matches!(world.processes[slot], Process::Idle | Process::Fenced { .. } | Process::TooLate { .. });
        looks && self.writer(world, slot) == by
    }
}

/// Workers are alike.
fn sort_workers(world: &mut World) {
    let [_, first, second, _] = world.processes;
    if first <= second {
        return;
    }
    world.processes.swap(1, 2);
    let other = |by: &mut Writer| {
        if let Writer::Worker(slot @ (1 | 2)) = by {
            *slot = 3 - *slot;
        }
    };
    other(&mut world.row_by);
    if let Some(Late { by, .. }) = &mut world.late {
        other(by);
    }
}
