//! The POS: it keeps the promises it has declared, and else does the worst that they allow.

use posnext_shared::domain::ability::Abilities;

use super::state::{MAX_FLYING, NEVER, Pos, Reply, Secs};

/// Where the promises leave the POS a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// Takes a place; cancels.
    Does,
    /// Refuses a place, so that `find` tells. To a cancel: will not, or says that it had refused the order.
    DoesNot,
    /// Refuses a place as if it had never been sent: `find` does not know it.
    Forgets,
}

/// What the POS goes by.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    pub abilities: Abilities,
    /// A cancel leaves its tombstone, as `cancel` promises.
    pub tombstones: bool,
}

impl Pos {
    /// Whether a place that arrives now would be another meal if the POS likes.
    pub fn would_take(&self, promises: Promises) -> bool {
        !(self.tombstone || promises.abilities.idempotent_place && self.has_result())
    }

    fn has_result(&self) -> bool {
        self.taken > 0 || self.refused
    }

    pub fn place(&mut self, promises: Promises, choice: Choice) -> Reply {
        if self.tombstone {
            return Reply::Gone;
        }
        if promises.abilities.idempotent_place && self.has_result() {
            return if self.taken > 0 { Reply::Done } else { Reply::Refused };
        }
        if choice != Choice::Does {
            self.refused = true;
            self.tells_refused |= choice == Choice::DoesNot;
            return Reply::Refused;
        }
        self.taken = (self.taken + 1).min(2);
        self.standing = (self.standing + 1).min(2);
        Reply::Done
    }

    pub fn find(&self) -> Reply {
        match self {
            Self { tombstone: true, .. } => Reply::Gone,
            Self { standing: 1.., .. } => Reply::Done,
            Self { tells_refused: true, .. } => Reply::Refused,
            _ => Reply::Absent,
        }
    }

    pub fn cancel(&mut self, promises: Promises, choice: Choice) -> Reply {
        if self.standing > 0 && (self.cooking || choice != Choice::Does) {
            self.cooking = true;
            return Reply::WillNot;
        }
        self.standing = 0;
        // Whatever it says: a place that is still under way must come to nothing.
        self.tombstone = promises.tombstones;
        if choice == Choice::DoesNot && self.refused { Reply::Refused } else { Reply::Gone }
    }

    /// A place whose caller is gone. The bound on how many there are is never met by the product: a property says so.
    pub fn fly(&mut self, promises: Promises, bound: Secs) {
        if promises.abilities.idempotent_place {
            // The same result whichever takes effect: they are as one that may do so for the longest of their times.
            self.flying[0] = self.flying[0].max(bound);
        } else if let Some(free) = self.flying.iter_mut().find(|bound| **bound == 0) {
            *free = bound;
        }
    }

    /// Forgets what can make no difference any more.
    pub fn tidy(&mut self, promises: Promises) {
        if !self.would_take(promises) {
            self.flying = [0; MAX_FLYING];
        }
        self.flying_cancel &= !self.tombstone && !self.cooking;
        self.flying.sort_unstable_by(|a, b| b.cmp(a));
    }

    pub fn pass(&mut self, seconds: Secs) {
        for bound in self.flying.iter_mut().filter(|bound| **bound != NEVER) {
            *bound = (*bound - seconds).max(0);
        }
    }
}
