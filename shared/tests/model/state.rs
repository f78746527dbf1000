//! What the model keeps of the world. Times are whole seconds from now, so that worlds that differ only in the time of day
//! are one state; versions are counted from the stored row's for the same reason.

/// Seconds from now; negative is past.
pub type Secs = i16;
/// Later than anything.
pub const NEVER: Secs = Secs::MAX;
/// So long past that nothing tells it from longer past.
pub const LONG_AGO: Secs = -1_000;

/// The places at which a process can run: submit, two workers, and a worker that does what a person wants.
pub const SUBMIT: usize = 0;
pub const WORKERS: [usize; 2] = [1, 2];
pub const PERSON: usize = 3;
pub const SLOTS: usize = 4;
/// Requests in flight at the POS whose callers are gone. Those that could change nothing are not counted.
pub const MAX_FLYING: usize = 2;
/// Submits of the order, as PAR repeats them until one is stored.
pub const MAX_SUBMITS: u8 = 2;

/// What a process brings along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct View {
    /// By how much its clock is ahead.
    pub clock: Secs,
    /// Which mapping of the location it believes in (`Product::locations`).
    pub mapped: u8,
    /// What a person wants, as long as that is what it does.
    pub wish: Option<Wish>,
}

/// How a person wants the order to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wish {
    pub end: Wanted,
    /// The POS is asked first.
    pub asking: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wanted {
    /// Under the POS's own number.
    Placed,
    /// Under another number.
    PlacedElse,
    Rejected,
    Errored,
}

/// Who made a write: stands for the `write_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Writer {
    /// Nobody who still looks for its own write.
    Gone,
    /// A healing that raised the version, which it must not.
    Healing,
    /// The first or second submit.
    Submit(u8),
    /// The worker at this place, a person's among them.
    Worker(usize),
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ended {
    Placed,
    Rejected,
    Errored,
}

/// What the machine decides by, of an open row: all of it but the stage, the texts and the count of hand-offs. That count
/// is only the ceiling of a random delay; the model chooses the delay freely instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Open {
    pub lease: Option<Lease>,
    pub due: Secs,
    pub unknown_until: Option<Secs>,
    pub cancelling: bool,
    pub person: Person,
}

/// Whether an order waits for a person, as far as the machine goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Person {
    No,
    /// Nobody knows what became of it.
    Waits,
    /// The POS holds it under a number that cannot be used.
    NoNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    pub until: Secs,
    pub placing_until: Option<Secs>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Life {
    Open(Open),
    Ended(Ended),
}

/// The projection of an `OrderRecord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// Counted from the stored row's, which is 0.
    pub version: i8,
    pub deadline: Secs,
    /// Attempts so far: none, one, or more; where they are not counted, none.
    pub attempts: u8,
    /// Where it goes: as this mapping says.
    pub pinned: u8,
    pub life: Life,
}

impl Row {
    pub fn open(&self) -> Option<&Open> {
        match &self.life {
            Life::Open(open) => Some(open),
            Life::Ended(_) => None,
        }
    }

    pub fn ended(&self) -> Option<Ended> {
        match self.life {
            Life::Ended(ended) => Some(ended),
            Life::Open(_) => None,
        }
    }

    pub fn lacks_number(&self) -> bool {
        self.open().is_some_and(|open| open.person == Person::NoNumber)
    }

    pub fn lease_left(&self) -> Secs {
        self.open().and_then(|open| open.lease).map_or(0, |lease| lease.until.max(0))
    }
}

/// What is asked of the POS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Asked {
    Place,
    Find,
    Cancel,
}

/// What the POS answers, or what stands for an answer that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reply {
    Done,
    /// It holds the order, under a number that cannot be used.
    NoNumber,
    Refused,
    Gone,
    Permanent,
    NotStarted,
    Absent,
    WillNot,
    Unknown,
}

/// The projection of what the machine says comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Next {
    Act(Row, Asked),
    End(Row),
    HandOff(Row, Secs),
    Park(Row),
    /// The short way of a worker: the row is taken for a placement, and where it goes is looked at then.
    Take(Row),
    Ignore,
}

impl Next {
    pub fn row(&self) -> Option<&Row> {
        match self {
            Self::Act(row, _) | Self::End(row) | Self::HandOff(row, _) | Self::Park(row) | Self::Take(row) => Some(row),
            Self::Ignore => None,
        }
    }

    pub fn row_mut(&mut self) -> Option<&mut Row> {
        match self {
            Self::Act(row, _) | Self::End(row) | Self::HandOff(row, _) | Self::Park(row) | Self::Take(row) => Some(row),
            Self::Ignore => None,
        }
    }
}

/// A function at work. It stops by itself when its time-out is over (`left`), and at any moment before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    Idle,
    /// Waits for the POS.
    Acting(Acting),
    /// As `Acting` on a place, but the row has moved on: whatever it would write is refused. `runs` is for how
    /// long its caller means to wait.
    Fenced {
        runs: Secs,
        handled: Option<Reply>,
        view: View,
        left: Secs,
    },
    /// A write is on its way.
    Writing(Writing),
    /// The claim is on its way, or its answer is lost and the row is about to be read.
    Claiming {
        next: Next,
        lost: bool,
        view: View,
        left: Secs,
    },
    /// The POS holds the order and the row is somebody else's: about to read whether it ended errored.
    TooLate {
        left: Secs,
    },
}

/// A request at the POS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acting {
    pub row: Row,
    pub asked: Asked,
    /// When: of a find by the caller's clock, of a place in fact.
    pub began: Secs,
    /// What the POS has made of it, if it has, whether or not the answer arrives.
    pub handled: Option<Reply>,
    pub view: View,
    pub left: Secs,
}

/// A write and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Writing {
    pub next: Next,
    /// It is due to an answer of the POS that it holds the order.
    pub done: bool,
    /// It is the second try of a result.
    pub again: bool,
    pub view: View,
    pub left: Secs,
}

impl Process {
    pub fn left(&self) -> Option<Secs> {
        match self {
            Self::Idle => None,
            Self::Acting(Acting { left, .. })
            | Self::Fenced { left, .. }
            | Self::Writing(Writing { left, .. })
            | Self::Claiming { left, .. }
            | Self::TooLate { left } => Some(*left),
        }
    }

    pub fn view(&self) -> Option<View> {
        match self {
            Self::Idle | Self::TooLate { .. } => None,
            Self::Acting(Acting { view, .. })
            | Self::Fenced { view, .. }
            | Self::Writing(Writing { view, .. })
            | Self::Claiming { view, .. } => Some(*view),
        }
    }
}

/// The POS as it is, and the requests in flight whose callers are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pos {
    /// Times the order was taken into the kitchen.
    pub taken: u8,
    /// Meals that stand now.
    pub standing: u8,
    /// It has refused the order, and tells so when it is asked.
    pub refused: bool,
    pub tells_refused: bool,
    pub tombstone: bool,
    /// It has said that it will not cancel.
    pub cooking: bool,
    /// Seconds for which a place may still take effect; 0 is none.
    pub flying: [Secs; MAX_FLYING],
    /// A cancel may still take effect.
    pub flying_cancel: bool,
}

/// Where an order went: which store of which POS, and whether since its mapping began to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Went {
    pub place: u8,
    pub since: bool,
}

/// A function believes the directory for a time, so that a change is in force everywhere after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mapping {
    Old,
    /// Each function may still believe either.
    Changing,
    New,
}

/// A write that the caller has given up and that may still be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Late {
    pub row: Row,
    pub claim: bool,
    pub by: Writer,
}

/// What a single step can break, noted where it happens: what no state alone shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Broken {
    pub answered_unstored: bool,
    pub answered_otherwise: bool,
    pub final_changed: bool,
    pub stale_write: bool,
    pub second_attempt: bool,
    pub healed_live: bool,
    pub fenced_by_healing: bool,
    pub number_forgotten: bool,
    /// A person's end was written that the POS's answer speaks against.
    pub contradicted: bool,
    /// A request about the order went elsewhere than its first.
    pub two_poses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub row: Option<Row>,
    pub row_by: Writer,
    pub late: Option<Late>,
    /// Seconds until a message about the stored version can be received. It may be received any number of times, or
    /// never: that is every loss, duplicate, delay and reordering at once. One about an older version changes nothing
    /// (a property checks that), so it is not kept.
    pub message: Option<Secs>,
    pub processes: [Process; SLOTS],
    pub submits: u8,
    /// How far a new mapping has got.
    pub mapping: Mapping,
    /// Where the first place was sent.
    pub went: Option<Went>,
    pub pos: Pos,
    pub broken: Broken,
}

impl World {
    pub fn new() -> Self {
        Self {
            row: None,
            row_by: Writer::Gone,
            late: None,
            message: None,
            processes: [Process::Idle; SLOTS],
            submits: 0,
            mapping: Mapping::Old,
            went: None,
            pos: Pos::default(),
            broken: Broken::default(),
        }
    }
}
