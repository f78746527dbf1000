//! A location that is mapped to another POS or another store while an order is under way, or whose POS promises other
//! things: what the product makes of it, and what the POS keeps to.

use posnext_shared::domain::{
    ability::Abilities,
    directory::{Connector, Location},
    machine,
    take::Take,
};

use super::{
    model::OrderModel,
    pos::Promises,
    premises::Premise,
    product::{NEW, Product},
    projection::VERSION,
    state::{Asked, Mapping, Next, Process, Row, View, Went, World},
};

impl Product {
    /// The location is mapped so later.
    pub fn remapped(mut self, later: Option<Location>) -> Self {
        self.locations.push(later);
        self.counts_attempts = true;
        self
    }

    /// What is promised as the location is mapped now, and later if that changes.
    fn promised(&self, mapping: usize) -> Abilities {
        let location = self.locations.get(mapping).and_then(Option::as_ref);
        location.map_or(self.declared, |location| location.connector.abilities())
    }

    pub fn all_promise(&self, promise: fn(&Abilities) -> bool) -> bool {
        self.locations.iter().all(|location| location.as_ref().is_some_and(|location| promise(&location.connector.abilities())))
    }

    pub fn some_promise(&self, promise: fn(&Abilities) -> bool) -> bool {
        (0..self.locations.len()).any(|mapping| promise(&self.promised(mapping)))
    }

    /// What the machine goes by.
    pub fn in_force(&self, row: &Row, view: View) -> Abilities {
        machine::promises(&self.revive(row), &self.context(self.times.worker, view, 0))
    }

    /// Which store of which POS a request about the order goes to; none where the location is mapped no more.
    pub fn goes_to(&self, row: &Row, view: View) -> Option<u8> {
        let mapped = self.locations[usize::from(view.mapped)].as_ref()?;
        if self.locations.len() == 1 || self.is_without(Premise::PosPinned) {
            return Some(self.place(mapped));
        }
        Some(self.place(&self.revive(row).pos.target(mapped)))
    }

    /// POS and store in one number. A POS that has moved is the same one.
    fn place(&self, target: &Location) -> u8 {
        let http = |location: &Location| match &location.connector {
            Connector::Http(http) => http.clone(),
            Connector::Sandbox(_) => panic!("a sandbox"),
        };
        let moved = self.locations.iter().flatten().any(|location| !http(location).formerly.is_empty());
        let system = if http(target).base == NEW && !moved { 20 } else { 10 };
        system + target.internal_id.parse::<u8>().unwrap()
    }

    /// The short way: the row is taken, and nothing is known yet of where it goes.
    pub fn take(&self, row: &Row, view: View) -> Option<Next> {
        let record = self.revive(row);
        let ctx = self.context(self.times.worker, view, 0);
        let take = Take::new(record.key.clone(), VERSION, &machine::Context { mapped: None, ..ctx });
        Some(Next::Take(self.project(&take.take(record)?)))
    }

    /// The write before the attempt if it goes elsewhere than it was claimed for.
    pub fn follow(&self, row: &Row, view: View) -> Option<Row> {
        machine::follow(&self.revive(row), &self.context(self.times.worker, view, 0)).map(|record| self.project(&record))
    }
}

/// What one or the other promises.
fn either(one: Abilities, other: Abilities) -> Abilities {
    Abilities {
        idempotent_place: one.idempotent_place || other.idempotent_place,
        find: one.find.or(other.find),
        cancel: one.cancel || other.cancel,
    }
}

impl OrderModel {
    /// What the POS keeps to. A promise that is taken away it keeps until all functions know; one that is made later it keeps
    /// to orders that went there since.
    pub fn promises(&self, world: &World) -> Promises {
        let (first, later) = (self.product.declared, self.product.promised(self.product.locations.len() - 1));
        let abilities = match (world.went.map(|went| went.since), world.mapping) {
            (Some(true), Mapping::New) => later,
            (Some(true), _) => either(first, later),
            (_, Mapping::New) => first.and(later),
            _ => first,
        };
        Promises { abilities, tombstones: abilities.cancel && !self.product.is_without(Premise::Tombstone) }
    }

    /// What a process that begins now may believe, and by how much its clock may be ahead.
    pub fn views(&self, world: &World) -> Vec<View> {
        let mapped: &[u8] = match world.mapping {
            Mapping::Old => &[0],
            Mapping::Changing => &[0, 1],
            Mapping::New => &[1],
        };
        self.clocks().flat_map(|clock| mapped.iter().map(move |mapped| View { clock, mapped: *mapped, wish: None })).collect()
    }

    /// The mapping changes; later, all know.
    pub fn next_mapping(&self, world: &World) -> Option<Mapping> {
        match world.mapping {
            _ if self.product.locations.len() < 2 || world.ended().is_some() => None,
            Mapping::Old => Some(Mapping::Changing),
            Mapping::Changing => {
                let old = |process: &Process| process.view().is_some_and(|view| view.mapped == 0);
                (!world.processes.iter().any(old)).then_some(Mapping::New)
            }
            Mapping::New => None,
        }
    }

    /// A request leaves. The first place says where the order is.
    pub fn goes(&self, world: &mut World, asked: Asked, place: u8) {
        match world.went {
            Some(went) => world.broken.two_poses |= went.place != place,
            None if asked == Asked::Place => {
                let changes = self.product.promised(self.product.locations.len() - 1) != self.product.declared;
                world.went = Some(Went { place, since: changes && world.mapping != Mapping::Old });
            }
            None => {}
        }
    }
}
