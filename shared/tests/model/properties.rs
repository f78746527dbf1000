//! What may never happen: each property begins with the number of the rule that it proves
//! (docs/architecture.md#what-may-never-happen).

use posnext_shared::domain::{
    ability::Abilities,
    machine::Ignored,
    policy::{HANDOFF_GRACE, MAX_DELAY, PERSON_INTERVAL},
};
use stateright::Property;

use super::{
    drain::PosIs,
    model::OrderModel,
    pos::Choice,
    product::Product,
    state::{Acting, Asked, Ended, Mapping, Person, Process, Reply, SLOTS, Secs, World},
};

pub const DURABLE: &str = "1 an order answered 200 or 202 is stored";
pub const CARRIED: &str = "1 an order comes to its end though every process stops and the queue is emptied";
pub const ONE_MEAL: &str = "2 the POS never makes a second meal of an order";
pub const ERRORED: &str = "2 errored: no meal stands at the POS and none can come";
pub const REJECTED: &str = "2 rejected: no meal stands at the POS and none can come";
pub const PLACED: &str = "2 placed: a meal stands at the POS";
pub const HELD: &str = "2 waiting for its number: a meal stands at the POS";
pub const NUMBER: &str = "2 an order whose number cannot be used is never placed again and never cancelled";
pub const FINAL: &str = "3 a final status never changes";
pub const ANSWERED: &str = "3 a final status that is answered is the one stored";
pub const TOLD: &str = "4 an order that cannot be ended is marked for a person, though the POS is silent and all else stops";
pub const UNKNOWABLE: &str = "4 at a POS that promises nothing an unknown outcome stays pending, marked for a person";
pub const DUE: &str = "4 an open order is due before long";
pub const ONE_ATTEMPT: &str = "6 no attempt begins while another runs";
pub const HEALED: &str = "6 nothing is handed off while somebody works on it";
pub const IGNORED: &str = "6 a message about an earlier version, or one that meets a live lease, does nothing";
pub const FEW_FLYING: &str = "(bound) requests whose callers are gone are never more than the model counts";
pub const STALE: &str = "12 a stale writer never wins";
pub const CONTRADICTED: &str = "2 a person's end is never written against the word of the POS";
pub const ONE_POS: &str = "2 an order of which anything was attempted never reaches two POSes, nor two stores";
pub const FENCED: &str = "12 only another holder fences off a holder";

pub fn all(product: &Product) -> Vec<Property<OrderModel>> {
    let mut all = always();
    all.extend(of(product).map(|(name, condition)| Property::sometimes(name, condition)));
    all
}

fn always() -> Vec<Property<OrderModel>> {
    vec![
        Property::always(DURABLE, |_, world: &World| !world.broken.answered_unstored),
        Property::always(CARRIED, |model: &OrderModel, world: &World| model.comes_to_an_end(world, PosIs::Answering)),
        Property::always(ONE_MEAL, |_, world: &World| world.pos.taken <= 1),
        Property::always(ERRORED, |model: &OrderModel, world: &World| {
            world.ended() != Some(Ended::Errored) || no_meal(model, world)
        }),
        Property::always(REJECTED, |model: &OrderModel, world: &World| {
            world.ended() != Some(Ended::Rejected) || no_meal(model, world)
        }),
        Property::always(PLACED, |model: &OrderModel, world: &World| {
            world.ended() != Some(Ended::Placed) || meal_stays(model, world)
        }),
        Property::always(HELD, |model: &OrderModel, world: &World| {
            // A person may have it cancelled all the same.
            let waits = world.row.is_some_and(|row| row.lacks_number() && !row.open().is_some_and(|open| open.cancelling));
            !waits || meal_stays(model, world)
        }),
        Property::always(NUMBER, |_, world: &World| !world.broken.number_forgotten),
        Property::always(FINAL, |_, world: &World| !world.broken.final_changed),
        Property::always(ANSWERED, |_, world: &World| !world.broken.answered_otherwise),
        Property::always(TOLD, |model: &OrderModel, world: &World| model.comes_to_an_end(world, PosIs::Silent)),
        Property::always(UNKNOWABLE, unknown_stays_pending),
        Property::always(DUE, |_, world: &World| is_due_before_long(world)),
        Property::always(ONE_ATTEMPT, |_, world: &World| !world.broken.second_attempt),
        Property::always(HEALED, |_, world: &World| !world.broken.healed_live),
        Property::always(IGNORED, useless_messages_are_ignored),
        Property::always(FEW_FLYING, |model: &OrderModel, world: &World| {
            model.product.declared.idempotent_place || world.pos.flying.contains(&0)
        }),
        Property::always(CONTRADICTED, |_, world: &World| !world.broken.contradicted),
        Property::always(ONE_POS, |_, world: &World| !world.broken.two_poses),
        Property::always(STALE, |_, world: &World| !world.broken.stale_write),
        Property::always(FENCED, |_, world: &World| !world.broken.fenced_by_healing),
    ]
}

/// Something that must be possible.
type Example = (&'static str, fn(&OrderModel, &World) -> bool);

/// Not what must hold but what must be possible: a model in which nothing happens proves nothing.
const EXAMPLES: [Example; 7] = [
    ("an order is placed", |_, world| world.ended() == Some(Ended::Placed)),
    ("an order is rejected after the POS was asked", |_, world| world.ended() == Some(Ended::Rejected) && world.pos.refused),
    ("an order is errored", |_, world| world.ended() == Some(Ended::Errored)),
    ("an open order is marked for a person", |_, world| person(world) == Some(Person::Waits)),
    ("an order waits for a person because of its number", |_, world| person(world) == Some(Person::NoNumber)),
    ("a place is in flight whose caller is gone", |_, world| world.pos.flying[0] > 0),
    ("a write may still be applied whose caller has given it up", |_, world| world.late.is_some()),
];
/// At a POS with `cancel`.
const EXAMPLES_OF_CANCEL: [Example; 1] = [("a cancel is told that the order was refused", |_, world| {
    world
        .processes
        .iter()
        .any(|process| matches!(process, Process::Acting(Acting { asked: Asked::Cancel, handled: Some(Reply::Refused), .. })))
})];

/// Where a person may act.
const EXAMPLES_OF_A_PERSON: [Example; 1] = [("a person's function died after the lease was taken", |_, world| {
    let lease = world.row.and_then(|row| row.open().and_then(|open| open.lease));
    lease.is_some_and(|lease| lease.until > 0) && world.processes.iter().all(|process| *process == Process::Idle)
})];
/// Where the mapping changes.
const EXAMPLES_OF_A_MAPPING: [Example; 2] = [
    ("an order went where the location was mapped first", |_, world| {
        world.mapping == Mapping::New && world.went.is_some_and(|went| !went.since)
    }),
    ("an order stays where it went, and the row is open when all know of the new mapping", |_, world| {
        world.mapping == Mapping::New && world.went.is_some() && world.row.is_some_and(|row| row.open().is_some())
    }),
];

/// What must be seen at a POS with these promises.
pub fn examples(product: &Product) -> impl Iterator<Item = &'static str> {
    of(product).map(|(name, _)| name)
}

fn of(product: &Product) -> impl Iterator<Item = Example> {
    let (cancel, person, changes) = (product.declared.cancel, product.person, product.locations.len() > 1);
    let of_cancel = EXAMPLES_OF_CANCEL.into_iter().filter(move |_| cancel);
    let of_a_person = EXAMPLES_OF_A_PERSON.into_iter().filter(move |_| person);
    let of_a_mapping = EXAMPLES_OF_A_MAPPING.into_iter().filter(move |_| changes);
    EXAMPLES.into_iter().chain(of_cancel).chain(of_a_person).chain(of_a_mapping)
}

fn person(world: &World) -> Option<Person> {
    world.row.and_then(|row| row.open().map(|open| open.person))
}

pub fn no_meal(model: &OrderModel, world: &World) -> bool {
    let flies = world.pos.flying[0] > 0 || (0..SLOTS).any(|slot| model.may_arrive(world, slot));
    world.pos.standing == 0 && !(flies && world.pos.would_take(model.promises(world)))
}

/// Nor is a cancel on its way that the POS would follow.
pub fn meal_stays(model: &OrderModel, world: &World) -> bool {
    let mut after = *world;
    for slot in 0..SLOTS {
        model.stop(&mut after, slot);
    }
    if after.pos.flying_cancel {
        after.pos.cancel(model.promises(world), Choice::Does);
    }
    after.pos.standing > 0
}

fn unknown_stays_pending(model: &OrderModel, world: &World) -> bool {
    let Some(open) = world.row.as_ref().and_then(|row| row.open()) else { return true };
    let something = model.product.some_promise(|promised| *promised != Abilities::default());
    // Whoever placed it may still hear the answer while it has the lease; after that nobody can.
    // A person may take it over, or give it back, before anybody has marked it: it is due soon.
    let at_hand = model.product.person && open.due <= Secs::try_from(HANDOFF_GRACE.as_secs()).unwrap_or(Secs::MAX);
    something || open.unknown_until.is_none() || open.person != Person::No || at_hand
}

fn is_due_before_long(world: &World) -> bool {
    let longest = PERSON_INTERVAL.max(MAX_DELAY + HANDOFF_GRACE).as_secs();
    let longest = Secs::try_from(longest).unwrap_or(Secs::MAX);
    world.row.and_then(|row| row.open().map(|open| open.due <= longest)).unwrap_or(true)
}

fn useless_messages_are_ignored(model: &OrderModel, world: &World) -> bool {
    let Some(row) = &world.row else { return true };
    let (older, same) = (model.product.ignores(row, -1), model.product.ignores(row, 0));
    match row.open() {
        None => (older, same) == (Some(Ignored::Final), Some(Ignored::Final)),
        Some(_) if row.lease_left() > 0 => (older, same) == (Some(Ignored::NewerVersion), Some(Ignored::LiveLease)),
        Some(_) => (older, same) == (Some(Ignored::NewerVersion), None),
    }
}
