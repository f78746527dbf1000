//! The steps of the world. A function's read and the conditional write it leads to are one step, as are a POS's answer and
//! the write it leads to: what comes in between makes the write fail, or is the same as a later answer. Between the
//! write and the POS, and between the POS and the next write, anything can happen.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};

use posnext_shared::domain::machine::Start;
use stateright::{Model, Property};

use super::{
    drain::PosIs,
    pos::Choice,
    premises::Premise,
    product::{Event, Product, RANDOM, Tenure},
    properties,
    state::{
        Acting, Asked, Life, MAX_SUBMITS, Mapping, Next, Open, Process, Reply, Row, SLOTS, SUBMIT, Secs, View, WORKERS, Wish,
        World, Writer, Writing,
    },
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
    Submit(Begin, View, Fate),
    /// A worker receives the message, reads the row and takes its turn. The number picks the random delay.
    Receive(usize, View, usize, Fate),
    /// A worker receives the message and takes the row for a placement without reading it.
    Take(usize, View, Fate),
    /// A worker begins what a person wants.
    TakeOver(View, Fate),
    /// The location is mapped otherwise, and later all know.
    Remap(Mapping),
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
    /// How many of the workers there are.
    pub workers: usize,
    /// With delays of either length, and slow writes.
    pub wide: bool,
    /// Any number of writes may be on their way at a time, though one is all that can make a difference (`is_free`).
    pub many_writes: bool,
    /// What a person has written, for the tests that it happens at all.
    pub by_hand: Mutex<BTreeSet<&'static str>>,
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
        if world.row.is_none() && world.processes[SUBMIT] == Process::Idle && world.submits < MAX_SUBMITS {
            for begin in [Begin::Placing, Begin::Queued, Begin::Rejected] {
                for view in self.views(world) {
                    steps.extend(self.fates().iter().map(|fate| Step::Submit(begin, view, *fate)));
                }
            }
        }
        for slot in 0..SLOTS {
            self.process_steps(world, slot, steps);
        }
        self.wishes(world, steps);
        steps.extend(self.next_mapping(world).map(Step::Remap));
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
        properties::all(&self.product)
    }
}

impl OrderModel {
    pub fn new(product: Product, clock: Clock) -> Self {
        Self {
            product,
            clock,
            workers: WORKERS.len(),
            wide: true,
            many_writes: false,
            by_hand: Mutex::default(),
            drained: Mutex::default(),
        }
    }

    /// By how much a process's clock may be ahead.
    pub fn clocks(&self) -> impl Iterator<Item = Secs> + use<> {
        let skew = self.product.times.skew;
        std::iter::once(0).chain((skew > 0).then_some(skew))
    }

    pub fn tenure(&self, slot: usize) -> Tenure {
        if slot == SUBMIT { self.product.times.submit } else { self.product.times.worker }
    }

    /// What may become of a write.
    pub fn fates(&self) -> &'static [Fate] {
        const FATES: [Fate; 3] = [Fate::Written, Fate::Unanswered, Fate::Slow];
        if self.wide { &FATES } else { &FATES[..2] }
    }

    /// Who receives the next message. Idle workers are alike.
    fn receives(&self, world: &World) -> Option<usize> {
        let mut idle = WORKERS.into_iter().filter(|slot| world.processes[*slot] == Process::Idle);
        idle.next().filter(|_| self.workers == WORKERS.len() || idle.next().is_some())
    }

    fn process_steps(&self, world: &World, slot: usize, steps: &mut Vec<Step>) {
        const TWO: [Fate; 2] = [Fate::Written, Fate::Unanswered];
        let fates = self.fates();
        let each = |step: &dyn Fn(usize, Fate) -> Step, steps: &mut Vec<Step>| {
            for random in 0..if self.wide { RANDOM.len() } else { 1 } {
                steps.extend(fates.iter().map(|fate| step(random, *fate)));
            }
        };
        match world.processes[slot] {
            Process::Idle => {
                if world.message == Some(0) && self.receives(world) == Some(slot) {
                    for view in self.views(world) {
                        each(&|random, fate| Step::Receive(slot, view, random, fate), steps);
                        // Where the mapping stays it is the same transition: `take_tests.rs`.
                        if self.product.locations.len() > 1 {
                            steps.extend(fates.iter().map(|fate| Step::Take(slot, view, *fate)));
                        }
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
            Process::Acting(Acting { handled: None, view: View { wish: Some(Wish { asking: false, .. }), .. }, .. }) => &[],
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
            Step::Submit(begin, view, fate) => self.submit(world, begin, view, fate)?,
            Step::Receive(slot, view, random, fate) => {
                let next = self.next(&world.row?, Event::Delivered(0), slot, view, random)?;
                let left = self.tenure(slot).timeout;
                self.write(world, slot, Writing { next, done: false, again: false, view, left }, fate)?;
            }
            Step::Take(slot, view, fate) => {
                let (next, left) = (self.product.take(&world.row?, view)?, self.tenure(slot).timeout);
                self.write(world, slot, Writing { next, done: false, again: false, view, left }, fate)?;
            }
            Step::TakeOver(view, fate) => self.take_over(world, view, fate)?,
            Step::Remap(mapping) => world.mapping = mapping,
            Step::Handle(slot, choice) => self.handle(world, slot, choice),
            Step::Answer(slot, reply, random, fate) => self.answer(world, slot, reply, random, fate)?,
            Step::Proceed(slot, fate) => self.proceed(world, slot, fate)?,
            Step::LatePlace(place, choice) => {
                world.pos.flying[place] = 0;
                // Copies of what was sent under that promise are one.
                let idempotent_place = self.product.declared.idempotent_place && world.went.is_some_and(|went| !went.since);
                let mut promises = self.promises(world);
                promises.abilities.idempotent_place |= idempotent_place;
                world.pos.place(promises, choice);
            }
            Step::LateCancel(choice) => {
                world.pos.flying_cancel = false;
                world.pos.cancel(self.promises(world), choice);
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

    fn submit(&self, world: &mut World, begin: Begin, view: View, fate: Fate) -> Option<()> {
        let (start, next): (_, fn(Row) -> Next) = match begin {
            Begin::Placing => (Start::Placing, |row| Next::Act(row, Asked::Place)),
            Begin::Queued => (Start::Queued, |row| Next::HandOff(row, 0)),
            Begin::Rejected => (Start::Rejected(Vec::new()), Next::End),
        };
        let next = next(self.product.claim(start, view)?);
        world.submits += 1;
        let left = self.product.times.submit.timeout;
        self.claim(world, Writing { next, done: false, again: false, view, left }, fate);
        Some(())
    }

    fn answer(&self, world: &mut World, slot: usize, reply: Reply, random: usize, fate: Fate) -> Option<()> {
        let Acting { row, asked, began, view, left, .. } = match world.processes[slot] {
            Process::Acting(acting) => {
                if let Some(wish) = acting.view.wish
                    && (acting.asked == Asked::Find || reply == Reply::Gone)
                {
                    return self.answered_person(world, acting, wish, reply, fate);
                }
                acting
            }
            Process::Fenced { left, .. } => {
                self.leave(world, slot, reply);
                if matches!(reply, Reply::Done | Reply::NoNumber) {
                    world.processes[slot] = Process::TooLate { left };
                }
                return Some(());
            }
            _ => return None,
        };
        // What is not as a person wants it is carried on as ever.
        let view = View { wish: None, ..view };
        let next = self.next(&row, Event::Answered(asked, reply, began), slot, view, random)?;
        self.leave(world, slot, reply);
        let done = matches!(reply, Reply::Done | Reply::NoNumber | Reply::WillNot);
        let left = if matches!(next, Next::Act(..)) { self.tenure(slot).timeout } else { left };
        self.write(world, slot, Writing { next, done, again: false, view, left }, fate)
    }

    /// What the machine says; `None` when there is nothing to do, or the random number makes no difference.
    fn next(&self, row: &Row, event: Event, slot: usize, view: View, random: usize) -> Option<Next> {
        let next = |random: usize| self.product.advance(row, event, self.tenure(slot), view, RANDOM[random]);
        let told = next(random);
        (told != Next::Ignore && (random == 0 || told != next(0))).then_some(told)
    }

    fn handle(&self, world: &mut World, slot: usize, choice: Choice) {
        let (promises, arrives) = (self.promises(world), self.may_arrive(world, slot));
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
