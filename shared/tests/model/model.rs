//! The steps of the world. A function's read and the conditional write it leads to are one step, as are a POS's answer and
//! the write it leads to: what comes in between makes the write fail, or is the same as a later answer. Between the
//! write and the POS, and between the POS and the next write, anything can happen.

use std::{collections::HashMap, sync::Mutex};

use posnext_shared::domain::machine::Start;
use stateright::{Model, Property};

use super::{
    drain::PosIs,
    pos::{Choice, Promises},
    premises::Premise,
    product::{Event, Product, RANDOM, Tenure},
    properties,
    state::{Acting, Asked, Life, MAX_SUBMITS, Next, Open, Process, Reply, Row, SLOTS, SUBMIT, Secs, World, Writer, Writing},
    time::{self, Clock},
};

const PLACES: [Choice; 3] = [Choice::Does, Choice::DoesNot, Choice::Forgets];
const CANCELS: [Choice; 2] = [Choice::Does, Choice::DoesNot];

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is applied, and the caller hears so.
    Written,
    /// The caller hears of an error. It may be applied at once, later or never.
    Unanswered,
    /// It is computed now and applied some time later; the caller waits.
    Slow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Begin {
    Placing,
    Queued,
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// PAR submits (again, while nothing is stored): the claim.
    Submit(Begin, Secs, Fate),
    /// A worker receives the message, reads the row and takes its turn. Its clock is ahead by that
    /// much; the number picks the random delay.
    Receive(usize, Secs, usize, Fate),
    /// The POS handles a request whose caller waits.
    Handle(usize, Choice),
    /// An answer, or none that counts (`Unknown`), reaches the caller, which writes what follows.
    Answer(usize, Reply, usize, Fate),
    /// A write that was on its way arrives, a result is written again, or the process reads what has become of the row.
    Proceed(usize, Fate),
    /// The POS handles a place, or a cancel, whose caller is gone.
    LatePlace(usize, Choice),
    LateCancel(Choice),
    /// The table applies a write whose caller has given it up.
    LateWrite,
    /// The process stops for ever.
    Crash(usize),
    /// A person redrives a message from the dead-letter queue: the copies there are about rows under a lease.
    Redrive,
    /// A poll, a replay or recover-orders heals the row.
    Heal(Secs),
    Wait(Secs),
}

#[derive(Debug)]
pub struct OrderModel {
    pub product: Product,
    pub clock: Clock,
    /// Any number of writes may be on their way at a time, though one is all that can make a difference (`is_free`).
    pub many_writes: bool,
    /// Ends of worlds in which everything has died, found once (see `drain`).
    pub drained: Mutex<HashMap<(World, PosIs), bool>>,
}

impl Model for OrderModel {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        const FATES: [Fate; 3] = [Fate::Written, Fate::Unanswered, Fate::Slow];
        if world.row.is_none() && world.processes[SUBMIT] == Process::Idle && world.submits < MAX_SUBMITS {
            for begin in [Begin::Placing, Begin::Queued, Begin::Rejected] {
                for clock in self.clocks() {
                    steps.extend(FATES.map(|fate| Step::Submit(begin, clock, fate)));
                }
            }
        }
        for slot in 0..SLOTS {
            self.process_steps(world, slot, steps);
        }
        for place in 0..world.pos.flying.len() {
            if world.pos.flying[place] > 0 {
                steps.extend(PLACES.map(|choice| Step::LatePlace(place, choice)));
            }
        }
        if world.pos.flying_cancel {
            steps.extend(CANCELS.map(Step::LateCancel));
        }
        if world.late.is_some() {
            steps.push(Step::LateWrite);
        }
        steps.extend(self.clocks().map(Step::Heal));
        if world.message.is_none() && world.row.is_some_and(|row| row.open().is_some_and(|open| open.lease.is_some())) {
            steps.push(Step::Redrive);
        }
        steps.extend(time::next_wait(world, &self.product, self.clock).map(Step::Wait));
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = *last;
        self.take(&mut world, step)?;
        self.tidy(&mut world);
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.product.declared)
    }
}

impl OrderModel {
    pub fn new(product: Product, clock: Clock) -> Self {
        Self { product, clock, many_writes: false, drained: Mutex::default() }
    }

    pub fn promises(&self) -> Promises {
        Promises { abilities: self.product.declared, tombstones: !self.product.is_without(Premise::Tombstone) }
    }

    /// By how much a process's clock may be ahead.
    fn clocks(&self) -> impl Iterator<Item = Secs> + use<> {
        let skew = self.product.times.skew;
        std::iter::once(0).chain((skew > 0).then_some(skew))
    }

    pub fn tenure(&self, slot: usize) -> Tenure {
        if slot == SUBMIT { self.product.times.submit } else { self.product.times.worker }
    }

    fn process_steps(&self, world: &World, slot: usize, steps: &mut Vec<Step>) {
        const TWO: [Fate; 2] = [Fate::Written, Fate::Unanswered];
        const THREE: [Fate; 3] = [Fate::Written, Fate::Unanswered, Fate::Slow];
        let each = |step: &dyn Fn(usize, Fate) -> Step, steps: &mut Vec<Step>| {
            for random in 0..RANDOM.len() {
                steps.extend(THREE.map(|fate| step(random, fate)));
            }
        };
        match world.processes[slot] {
            Process::Idle => {
                // Idle workers are alike: the first of them receives.
                let first = world.processes.iter().skip(1).position(|process| *process == Process::Idle);
                if world.message == Some(0) && first.is_some_and(|first| first + 1 == slot) {
                    for clock in self.clocks() {
                        each(&|random, fate| Step::Receive(slot, clock, random, fate), steps);
                    }
                }
                return;
            }
            Process::Acting(acting) => {
                for reply in self.replies(world, &acting) {
                    each(&|random, fate| Step::Answer(slot, reply, random, fate), steps);
                }
            }
            Process::Fenced { handled, .. } => {
                let reply = handled.unwrap_or(Reply::Unknown);
                steps.push(Step::Answer(slot, reply, 0, Fate::Written));
            }
            Process::Writing(Writing { again, .. }) => {
                let fates = if again { &TWO[..] } else { &TWO[..1] };
                steps.extend(fates.iter().map(|fate| Step::Proceed(slot, *fate)));
            }
            Process::Claiming { .. } | Process::TooLate { .. } => steps.push(Step::Proceed(slot, Fate::Written)),
        }
        let choices = match world.processes[slot] {
            Process::Acting(Acting { handled: None, asked: Asked::Find, .. }) => &PLACES[..1],
            Process::Acting(Acting { handled: None, asked: Asked::Cancel, .. }) => &CANCELS[..],
            Process::Acting(Acting { handled: None, .. }) | Process::Fenced { handled: None, .. } => &PLACES[..],
            _ => &[],
        };
        steps.extend(choices.iter().map(|choice| Step::Handle(slot, *choice)));
        steps.push(Step::Crash(slot));
    }

    fn take(&self, world: &mut World, step: Step) -> Option<()> {
        match step {
            Step::Submit(begin, clock, fate) => self.submit(world, begin, clock, fate),
            Step::Receive(slot, clock, random, fate) => {
                let row = world.row?;
                let next = self.next(&row, Event::Delivered(0), slot, clock, random)?;
                let left = self.tenure(slot).timeout;
                self.write(world, slot, Writing { next, done: false, again: false, clock, left }, fate)?;
            }
            Step::Handle(slot, choice) => self.handle(world, slot, choice),
            Step::Answer(slot, reply, random, fate) => self.answer(world, slot, reply, random, fate)?,
            Step::Proceed(slot, fate) => self.proceed(world, slot, fate)?,
            Step::LatePlace(place, choice) => {
                world.pos.flying[place] = 0;
                world.pos.place(self.promises(), choice);
            }
            Step::LateCancel(choice) => {
                world.pos.flying_cancel = false;
                world.pos.cancel(self.promises(), choice);
            }
            Step::LateWrite => self.late_write(world)?,
            Step::Redrive => world.message = Some(0),
            Step::Crash(slot) => self.stop(world, slot),
            Step::Heal(clock) => self.heal(world, clock)?,
            Step::Wait(seconds) => {
                time::pass(world, &self.product, seconds);
                for slot in 0..SLOTS {
                    if world.processes[slot].left().is_some_and(|left| left <= 0) {
                        self.stop(world, slot);
                    }
                }
            }
        }
        Some(())
    }

    fn heal(&self, world: &mut World, clock: Secs) -> Option<()> {
        let row = world.row?;
        let due = self.product.heal(&row, clock)?;
        world.broken.healed_live |= row.lease_left() > clock;
        if self.product.is_without(Premise::HealingKeepsVersion) {
            self.save(world, Row { version: row.version + 1, ..row }, Writer::Healing);
        }
        let Some(Row { life: Life::Open(Open { due: stored, .. }), .. }) = &mut world.row else { return None };
        *stored = due;
        world.message = Some(0);
        Some(())
    }

    fn submit(&self, world: &mut World, begin: Begin, clock: Secs, fate: Fate) {
        let (start, next): (_, fn(Row) -> Next) = match begin {
            Begin::Placing => (Start::Placing, |row| Next::Act(row, Asked::Place)),
            Begin::Queued => (Start::Queued, |row| Next::HandOff(row, 0)),
            Begin::Rejected => (Start::Rejected(Vec::new()), Next::End),
        };
        world.submits += 1;
        let left = self.product.times.submit.timeout;
        self.claim(world, Writing { next: next(self.product.claim(start, clock)), done: false, again: false, clock, left }, fate);
    }

    fn answer(&self, world: &mut World, slot: usize, reply: Reply, random: usize, fate: Fate) -> Option<()> {
        let Acting { row, asked, began, clock, left, .. } = match world.processes[slot] {
            Process::Acting(acting) => acting,
            Process::Fenced { left, .. } => {
                self.leave(world, slot, reply);
                if matches!(reply, Reply::Done | Reply::NoNumber) {
                    world.processes[slot] = Process::TooLate { left };
                }
                return Some(());
            }
            _ => return None,
        };
        let next = self.next(&row, Event::Answered(asked, reply, began), slot, clock, random)?;
        self.leave(world, slot, reply);
        let done = matches!(reply, Reply::Done | Reply::NoNumber | Reply::WillNot);
        let left = if matches!(next, Next::Act(..)) { self.tenure(slot).timeout } else { left };
        self.write(world, slot, Writing { next, done, again: false, clock, left }, fate)
    }

    /// What the machine says; `None` when there is nothing to do, or the random number makes no difference.
    fn next(&self, row: &Row, event: Event, slot: usize, clock: Secs, random: usize) -> Option<Next> {
        let next = |random: usize| self.product.advance(row, event, self.tenure(slot), clock, RANDOM[random]);
        let told = next(random);
        (told != Next::Ignore && (random == 0 || told != next(0))).then_some(told)
    }

    fn handle(&self, world: &mut World, slot: usize, choice: Choice) {
        let (promises, arrives) = (self.promises(), self.may_arrive(world, slot));
        match &mut world.processes[slot] {
            Process::Acting(Acting { asked, handled, .. }) => {
                *handled = Some(match asked {
                    Asked::Place if !arrives && world.pos.would_take(promises) => Reply::NotStarted,
                    Asked::Place => world.pos.place(promises, choice),
                    Asked::Find => world.pos.find(),
                    Asked::Cancel => world.pos.cancel(promises, choice),
                });
            }
            Process::Fenced { handled, .. } if !arrives && world.pos.would_take(promises) => *handled = Some(Reply::NotStarted),
            Process::Fenced { handled, .. } => *handled = Some(world.pos.place(promises, choice)),
            _ => {}
        }
    }
}
