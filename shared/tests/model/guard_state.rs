//! What the model of the guard keeps of the world.

/// Names under which orders are sent at the most: `request_uid`s of one online order id.
pub const NAMES: usize = 4;
/// What is ordered under each.
pub const CONTENT: [usize; NAMES] = [0, 0, 1, 1];
/// Requests under way at a time, at the most.
pub const CLAIMANTS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Meal {
    /// Open, and not made.
    None,
    /// Open, and made.
    Made,
    Placed,
    Rejected,
    Errored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Order {
    pub meal: Meal,
    /// The hours of the guard that was written with it are not over.
    pub in_hours: bool,
    /// It is open, and its guard went to other content after its hours.
    pub passed: bool,
    /// Reads see it.
    pub seen: bool,
}

impl Order {
    pub fn is_open(&self) -> bool {
        matches!(self.meal, Meal::None | Meal::Made)
    }

    /// Whether its content may not be ordered again because of it.
    pub fn holds_off(&self) -> bool {
        self.is_open() || (self.meal == Meal::Placed && self.in_hours)
    }
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stored {
    Order(Order),
    Alias { owner: usize },
}

impl Stored {
    pub fn order(self) -> Option<Order> {
        match self {
            Self::Order(order) => Some(order),
            Self::Alias { .. } => None,
        }
    }

    pub fn is(self, what: impl Fn(Order) -> bool) -> bool {
        self.order().is_some_and(what)
    }
}

/// The owner of whom a guard is to be taken over. `same`: still as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Former {
    pub owner: usize,
    pub same: bool,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    #[default]
    Idle,
    Claiming(Former),
    Judging {
        owner: usize,
        holds: bool,
    },
    Naming {
        owner: usize,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claimant {
    pub name: usize,
    pub at: At,
}

impl Claimant {
    pub const IDLE: Self = Self { name: 0, at: At::Idle };
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Guarded {
    pub rows: [Option<Stored>; NAMES],
    /// The owner of each guard: there is one, unless there are two tenants.
    pub guards: [Option<usize>; 2],
    pub claimants: [Claimant; CLAIMANTS],
    /// Which requests are older than a row.
    pub older: [[bool; CLAIMANTS]; NAMES],
    pub second_order: bool,
    pub second_meal: bool,
    pub answered_unstored: bool,
    pub refused_for_nothing: bool,
}

impl Guarded {
    pub fn order(&self, name: usize) -> Option<Order> {
        self.rows[name].and_then(Stored::order)
    }

    pub fn order_mut(&mut self, name: usize) -> Option<&mut Order> {
        match &mut self.rows[name] {
            Some(Stored::Order(order)) => Some(order),
            _ => None,
        }
    }

    /// What a read sees.
    pub fn read(&self, name: usize) -> Option<Stored> {
        self.rows[name].filter(|row| !row.is(|order| !order.seen))
    }

    pub fn in_hours(&self, name: usize) -> bool {
        self.order(name).is_some_and(|order| order.in_hours)
    }

    /// Orders of the same content under other names.
    pub fn others(&self, name: usize) -> impl Iterator<Item = Order> + use<> {
        let rows = self.rows;
        let others = (0..NAMES).filter(move |other| *other != name && CONTENT[*other] == CONTENT[name]);
        others.filter_map(move |other| rows[other].and_then(Stored::order))
    }

    /// Nothing under this name is as it was read before.
    pub fn change(&mut self, name: usize) {
        for claimant in &mut self.claimants {
            if let At::Claiming(former) = &mut claimant.at {
                former.same &= former.owner != name;
            }
        }
    }

    /// A row is written now.
    pub fn born(&mut self, name: usize) {
        self.older[name] = self.claimants.map(|claimant| claimant != Claimant::IDLE);
    }

    /// A request that is older than the row is still under way.
    pub fn is_young(&self, name: usize) -> bool {
        self.older[name].contains(&true)
    }

    /// The request is answered, or stops.
    pub fn leave(&mut self, slot: usize) {
        self.claimants[slot] = Claimant::IDLE;
        self.older.iter_mut().for_each(|older| older[slot] = false);
    }

    /// A request has met the guard of this order.
    pub fn is_looked_at(&self, name: usize) -> bool {
        self.claimants.iter().any(|claimant| match claimant.at {
            At::Idle => false,
            At::Claiming(Former { owner, .. }) | At::Judging { owner, .. } | At::Naming { owner } => {
                owner == name && claimant.name != name
            }
        })
    }

    pub fn names_are_right(&self) -> bool {
        (0..NAMES).all(|name| match self.rows[name] {
            Some(Stored::Alias { owner }) => owner != name && CONTENT[owner] == CONTENT[name],
            _ => true,
        })
    }

    /// Makes one state of worlds that cannot be told apart.
    pub fn tidy(&mut self) {
        for name in 0..NAMES {
            if let Some(order) = self.order_mut(name) {
                // The guard does not go by the hours of an order that made no meal.
                order.in_hours &= !matches!(order.meal, Meal::Rejected | Meal::Errored);
                order.passed &= order.is_open();
            }
        }
        // Requests are alike.
        let mut order: [usize; CLAIMANTS] = std::array::from_fn(|slot| slot);
        order.sort_by_key(|slot| (self.claimants[*slot], self.older.map(|older| older[*slot])));
        self.claimants = order.map(|slot| self.claimants[slot]);
        self.older = self.older.map(|older| order.map(|slot| older[slot]));
    }
}
