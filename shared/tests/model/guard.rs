//! The guard on an online order id, and second names (docs/lifecycle.md#the-guard): requests of a few names, two of
//! them with the same content, a few at a time and each any number of times, over a table that tells a read less than it
//! holds. The product judges (`guard::judge`); what a claimant does around it is `claim`, `judged`, `alias` and `replay`
//! in `app/accept.rs` and `app/accept/claim.rs`, step by step.
//!
//! The life of an order is no more here than what the guard goes by: it is open, and may become a meal until it ends. That it
//! ends as it should is what the other models show. Whether a row is as it was read stands for its version.

use stateright::{Model, Property};

use super::{
    guard_product::GuardProduct,
    guard_state::{At, CLAIMANTS, CONTENT, Claimant, Former, Guarded, Meal, Order, Stored},
    premises::Premise,
    state::Ended,
};
use posnext_shared::domain::guard::Verdict;

pub const ONE_ORDER: &str = "2 content is no second order while its first is open, or placed within its hours";
pub const ONE_MEAL: &str = "2 content is no second meal while its first is open, or placed within its hours";
pub const KNOWN: &str = "1 an order answered 200 or 202 is stored under the name it was sent, or is known by it";
pub const SAME: &str = "5 a second name is that of an order of the same content";
pub const REFUSED: &str = "1 an order is refused only for another one of its number, open or placed within its hours";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A request of this name, and its first claim. An order that is refused at once is one that ends at once.
    Submit(usize, bool),
    /// The claim that takes the guard over. One whose answer is lost is one that comes later, or whose process stops before.
    Claim(usize, bool),
    /// Reads see what was claimed, which they need not at once.
    Show(usize),
    /// Reads the guard's owner, and judges.
    Judge(usize),
    /// Writes the second name. The answer arrives, or not.
    Name(usize, bool),
    Crash(usize),
    /// A write of the order's holder that leaves it open.
    Touch(usize),
    /// The POS makes it.
    Make(usize),
    End(usize, Ended),
    HoursPass(usize),
    /// The table forgets.
    Forget(usize),
    ForgetGuard(usize),
}

/// What a claim comes to.
enum Claimed {
    Ours,
    Exists,
    Guarded(usize),
    Contended,
}

#[derive(Debug)]
pub struct GuardModel {
    product: GuardProduct,
    /// How many names there are, and requests at a time.
    names: usize,
    claimants: usize,
    without: Option<Premise>,
}

impl Model for GuardModel {
    type State = Guarded;
    type Action = Step;

    fn init_states(&self) -> Vec<Guarded> {
        vec![Guarded::default()]
    }

    fn actions(&self, world: &Guarded, steps: &mut Vec<Step>) {
        if world.claimants.iter().filter(|claimant| **claimant != Claimant::IDLE).count() < self.claimants {
            steps.extend((0..self.names).flat_map(|name| [Step::Submit(name, true), Step::Submit(name, false)]));
        }
        for slot in 0..CLAIMANTS {
            match world.claimants[slot].at {
                At::Idle => continue,
                At::Claiming(_) => steps.extend([Step::Claim(slot, true), Step::Claim(slot, false)]),
                At::Judging { .. } => steps.push(Step::Judge(slot)),
                At::Naming { .. } => steps.extend([Step::Name(slot, true), Step::Name(slot, false)]),
            }
            steps.push(Step::Crash(slot));
        }
        for name in 0..self.names {
            steps.extend([Step::Show(name), Step::Touch(name), Step::Make(name), Step::HoursPass(name), Step::Forget(name)]);
            steps.extend([Ended::Placed, Ended::Rejected, Ended::Errored].map(|ended| Step::End(name, ended)));
        }
        steps.extend((0..world.guards.len()).map(Step::ForgetGuard));
    }

    fn next_state(&self, last: &Guarded, step: Step) -> Option<Guarded> {
        let mut world = *last;
        self.take(&mut world, step)?;
        world.tidy();
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_ORDER, |_, world: &Guarded| !world.second_order),
            Property::always(ONE_MEAL, |_, world: &Guarded| !world.second_meal),
            Property::always(KNOWN, |_, world: &Guarded| !world.answered_unstored),
            Property::always(REFUSED, |_, world: &Guarded| !world.refused_for_nothing),
            Property::always(SAME, |_, world: &Guarded| world.names_are_right()),
            Property::sometimes("an order has two names", |_, world: &Guarded| {
                world.rows.iter().flatten().any(|row| matches!(row, Stored::Alias { .. }))
            }),
            Property::sometimes("two orders of one content are placed, one after the other's hours", |_, world: &Guarded| {
                world.rows[..2].iter().flatten().filter(|row| row.is(|order| order.meal == Meal::Placed)).count() == 2
            }),
            Property::sometimes("an order is open whose guard another one holds", |_, world: &Guarded| {
                world.rows.iter().flatten().any(|row| row.is(|order| order.passed))
            }),
        ]
    }
}

impl GuardModel {
    pub fn new(names: usize, claimants: usize, without: Option<Premise>) -> Self {
        Self { product: GuardProduct::new(without != Some(Premise::OneTenant)), names, claimants, without }
    }

    fn take(&self, world: &mut Guarded, step: Step) -> Option<()> {
        match step {
            Step::Submit(name, seen) => {
                let slot = world.claimants.iter().position(|claimant| *claimant == Claimant::IDLE)?;
                world.claimants[slot].name = name;
                self.claim(world, slot, None, seen)?;
            }
            Step::Claim(slot, seen) => {
                let At::Claiming(former) = world.claimants[slot].at else { return None };
                self.claim(world, slot, Some(former), seen)?;
            }
            Step::Judge(slot) => self.judge(world, slot)?,
            Step::Name(slot, heard) => self.name(world, slot, heard)?,
            Step::Crash(slot) => world.leave(slot),
            _ => return self.live(world, step),
        }
        Some(())
    }

    /// What becomes of an order and its rows, whoever asks.
    fn live(&self, world: &mut Guarded, step: Step) -> Option<()> {
        match step {
            Step::Show(name) => world.order_mut(name)?.seen = true,
            Step::Touch(name) => {
                world.order_mut(name).filter(|order| order.is_open())?.seen = true;
                world.change(name);
            }
            Step::Make(name) => {
                let order = world.order(name).filter(|order| order.meal == Meal::None && order.seen)?;
                let made = |other: &Order| matches!(other.meal, Meal::Made | Meal::Placed);
                world.second_meal |= order.is_open() && world.others(name).any(|other| made(&other) && other.holds_off());
                world.order_mut(name)?.meal = Meal::Made;
            }
            Step::End(name, ended) => {
                let order = world.order_mut(name)?;
                order.meal = match (order.meal, ended) {
                    (Meal::Made, Ended::Placed) => Meal::Placed,
                    (Meal::None, Ended::Rejected) => Meal::Rejected,
                    (Meal::None, Ended::Errored) => Meal::Errored,
                    _ => return None,
                };
                order.seen = true;
                world.change(name);
            }
            // Hours, and far more so days, are longer than any request.
            Step::HoursPass(name) if !world.is_young(name) => world.order_mut(name)?.in_hours = false,
            // The retention is longer than the guard's hours.
            Step::Forget(name) if !world.is_young(name) => {
                let may = match world.rows[name]? {
                    Stored::Order(order) => !order.is_open() && !order.in_hours,
                    Stored::Alias { owner, .. } => world.order(owner).is_none_or(|owner| !owner.in_hours),
                };
                if !may {
                    return None;
                }
                world.rows[name] = None;
                world.change(name);
            }
            Step::ForgetGuard(key) => {
                let owner = world.guards[key].filter(|owner| !world.is_young(*owner))?;
                let owner = world.order(owner);
                let outlived = self.without == Some(Premise::GuardOutlivesOrder);
                let earlier =
                    |name: &usize| self.product.guard(*name) == key && world.order(*name).is_some_and(|order| order.passed);
                let remembers = !outlived && (0..self.names).any(|name| earlier(&name));
                if remembers || owner.is_some_and(|order| order.in_hours || (order.is_open() && !outlived)) {
                    return None;
                }
                world.guards[key] = None;
            }
            _ => return None,
        }
        Some(())
    }

    /// An open order of this content whose guard went to other content: the guard remembers it.
    fn earlier(&self, world: &Guarded, name: usize) -> Option<usize> {
        if self.without == Some(Premise::EarlierRemembered) {
            return None;
        }
        let same = |other: &usize| {
            self.product.guard(*other) == self.product.guard(name) && CONTENT[*other] == CONTENT[name] && *other != name
        };
        (0..self.names).filter(same).find(|other| world.order(*other).is_some_and(|order| order.passed && order.is_open()))
    }

    /// The claim's transaction: the order's row if there is none, the guard's row if it is free or taken over, and the former
    /// owner as it was read.
    fn write(&self, world: &mut Guarded, name: usize, former: Option<Former>, seen: bool) -> Claimed {
        let key = self.product.guard(name);
        if world.rows[name].is_some() {
            return Claimed::Exists;
        }
        if let Some(owner) = world.guards[key] {
            let lapsed = self.without == Some(Premise::HeldWhileOpen) && !world.in_hours(owner);
            if !lapsed && former.is_none_or(|former| former.owner != owner) {
                return Claimed::Guarded(owner);
            }
        }
        if let Some(former) = former {
            if !former.same && self.without != Some(Premise::OwnerChecked) {
                return Claimed::Contended;
            }
            let passes = |order: &mut Order| order.passed |= order.is_open() && CONTENT[former.owner] != CONTENT[name];
            world.order_mut(former.owner).into_iter().for_each(passes);
        }
        world.second_order |= world.others(name).any(|other| other.holds_off());
        world.rows[name] = Some(Stored::Order(Order { meal: Meal::None, in_hours: true, passed: false, seen }));
        world.born(name);
        world.guards[key] = Some(name);
        world.change(name);
        Claimed::Ours
    }

    fn claim(&self, world: &mut Guarded, slot: usize, former: Option<Former>, seen: bool) -> Option<()> {
        let name = world.claimants[slot].name;
        // A name is not forgotten and sent again, all while another request is about its order.
        if world.rows[name].is_none() && world.is_looked_at(name) {
            return None;
        }
        let claimed = self.write(world, name, former, seen);
        if let Claimed::Guarded(owner) = claimed {
            world.claimants[slot].at = At::Judging { owner, holds: world.in_hours(owner) };
            return Some(());
        }
        // Contended: it begins again, as any request may.
        world.leave(slot);
        world.answered_unstored |= !matches!(claimed, Claimed::Contended) && world.rows[name].is_none();
        Some(())
    }

    /// The owner is read beside the transaction that made it, so it may not be seen yet.
    fn judge(&self, world: &mut Guarded, slot: usize) -> Option<()> {
        let Claimant { name, at: At::Judging { owner, holds } } = world.claimants[slot] else { return None };
        if let Some(owner) = self.earlier(world, name) {
            world.claimants[slot].at = At::Naming { owner };
            return Some(());
        }
        let read = world.read(owner).and_then(|row| row.order());
        match self.product.judge(read.map(|order| (order, CONTENT[owner])), CONTENT[name], holds) {
            Verdict::Alias => world.claimants[slot].at = At::Naming { owner },
            Verdict::Conflict => {
                let other = CONTENT[owner] != CONTENT[name];
                let stands = |order: Order| other && (order.is_open() || order.meal == Meal::Placed);
                world.refused_for_nothing |= !(holds && read.is_some_and(stands));
                world.leave(slot);
            }
            Verdict::TakeOver => {
                let same = read.is_some() == world.rows[owner].is_some();
                world.claimants[slot].at = At::Claiming(Former { owner, same });
            }
        }
        Some(())
    }

    fn name(&self, world: &mut Guarded, slot: usize, heard: bool) -> Option<()> {
        let Claimant { name, at: At::Naming { owner } } = world.claimants[slot] else { return None };
        world.leave(slot);
        if world.rows[name].is_none() {
            world.rows[name] = Some(Stored::Alias { owner });
            world.born(name);
            world.change(name);
        }
        // Where the owner is gone by then, the answer is 503.
        world.answered_unstored |= heard && world.rows[name].is_none();
        Some(())
    }
}
