//! What comes of an order when everything goes wrong once and nothing after: every process stops, every message is lost,
//! every late write is dropped. Then recovery and one worker run as they should, at a POS that answers or is silent.

use super::{
    model::{Fate, OrderModel, Step},
    pos::Choice,
    state::{Acting, Ended, Mapping, Person, Process, Reply, SLOTS, View, WORKERS, World},
    time::{self, Clock},
};

/// More steps than any order needs to come to its end.
const STEPS: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PosIs {
    Answering,
    Silent,
}

impl OrderModel {
    /// Whether an open order still comes to its end: to a final status or, where the POS cannot or does not say what
    /// became of it, to a person.
    pub fn comes_to_an_end(&self, world: &World, pos: PosIs) -> bool {
        let mut world = *world;
        for slot in 0..SLOTS {
            self.stop(&mut world, slot);
        }
        (world.message, world.late) = (None, None);
        self.tidy(&mut world);
        let known = self.drained.lock().unwrap().get(&(world, pos)).copied();
        known.unwrap_or_else(|| {
            let comes = self.drain(world, pos);
            self.drained.lock().unwrap().insert((world, pos), comes);
            comes
        })
    }

    fn drain(&self, mut world: World, pos: PosIs) -> bool {
        for _ in 0..STEPS {
            let Some(row) = world.row else { return true };
            let promises = self.product.in_force(&row, self.view(&world));
            // Of an order that is being cancelled, a cancel that is no promise any more proves nothing.
            let can_tell = promises.find.is_some() && !row.open().is_some_and(|open| open.cancelling);
            let must_end = pos == PosIs::Answering && (can_tell || promises.cancel);
            match row.open() {
                None => return true,
                Some(open) if open.person == Person::NoNumber => return true,
                Some(open) if open.person == Person::Waits && !must_end => return true,
                Some(_) => {}
            }
            let Some(step) = self.next_step(&world, pos) else { return false };
            match (stateright::Model::next_state(self, &world, step), step) {
                (Some(next), _) => world = next,
                // Acknowledged without acting.
                (None, Step::Receive(..)) => world.message = None,
                _ => return false,
            }
        }
        false
    }

    /// What the one worker believes.
    fn view(&self, world: &World) -> View {
        View { mapped: u8::from(world.mapping != Mapping::Old), ..View::default() }
    }

    fn next_step(&self, world: &World, pos: PosIs) -> Option<Step> {
        let due = world.row.and_then(|row| row.open().map(|open| open.due <= 0)).unwrap_or_default();
        // The one worker is wherever `tidy` puts it.
        let slot = world.processes.iter().position(|process| *process != Process::Idle).unwrap_or(WORKERS[1]);
        match world.processes[slot] {
            Process::Acting(Acting { handled: None, .. }) if pos == PosIs::Answering => Some(Step::Handle(slot, Choice::Does)),
            Process::Acting(Acting { handled, .. }) => {
                Some(Step::Answer(slot, handled.unwrap_or(Reply::Unknown), 0, Fate::Written))
            }
            Process::Idle if world.message == Some(0) => Some(Step::Receive(slot, self.view(world), 0, Fate::Written)),
            Process::Idle if due => Some(Step::Heal(0)),
            _ => time::next_wait(world, &self.product, Clock::Moments).map(Step::Wait),
        }
    }
}

impl World {
    pub fn ended(&self) -> Option<Ended> {
        self.row.and_then(|row| row.ended())
    }
}
