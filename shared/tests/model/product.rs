//! The product's own transitions, driven through a projection of its row. The model decides nothing about an order: it
//! asks `machine::claim`, `machine::advance` and `machine::heal`, with times counted from a fixed now.

use std::{sync::Arc, time::Duration};

use posnext_shared::domain::{
    ability::{Abilities, Find},
    directory::{Connector, HttpConnector, Location, Mode},
    history::Actor,
    ids::{OrderKey, ParId, RequestUid, Tenant},
    machine::{self, Context, Ignored, New, Start},
    order::Body,
    pinned::Pinned,
    policy::Policy,
    record::OrderRecord,
};

use super::{
    premises::Premise,
    projection::{asked, at, secs},
    state::{Asked, Lease, Life, NEVER, Next, Person, Reply, Row, Secs, View},
};

/// Random numbers that make the shortest and the longest delay (1 s; 20 s, or 300 s after the deadline).
pub const RANDOM: [u64; 2] = [0, 299_999];

/// The address of the POS, and that of another or of the same when it has moved.
pub const OLD: &str = "https://old.example";
pub const NEW: &str = "https://new.example";

/// Spans of time, in seconds. They are far smaller than the product's where only their order counts.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub deadline: Secs,
    pub pos_limit: Secs,
    pub settle: Secs,
    /// How far clocks differ: a process's is right or this much ahead.
    pub skew: Secs,
    pub submit: Tenure,
    pub worker: Tenure,
}

/// Lease and function time-out.
#[derive(Clone, Copy, Debug)]
pub struct Tenure {
    pub lease: Secs,
    pub timeout: Secs,
}

/// What is given to the machine.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A message about the version that is this much from the row's.
    Delivered(i8),
    /// The POS's answer to what was asked, and when it was asked.
    Answered(Asked, Reply, Secs),
}

#[derive(Debug)]
pub struct Product {
    pub declared: Abilities,
    pub times: Times,
    /// Rows know how often they were attempted; else they were never.
    pub counts_attempts: bool,
    /// A person may act.
    pub person: bool,
    pub(super) policy: Policy,
    pub(super) new: New,
    /// How the location is mapped, and how it is mapped later.
    pub(super) locations: Vec<Option<Location>>,
    without: Option<Premise>,
}

impl Product {
    pub fn new(declared: Abilities, times: Times, without: Option<Premise>) -> Self {
        let text = r#"{"request_uid":"u","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{}}"#;
        let order = Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap());
        let key = OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u").unwrap() };
        let policy = Policy { order_deadline: span(times.deadline), pos_limit: span(times.pos_limit), ..Policy::default() };
        let new = New { key, order, shared_id: String::new(), traceparent: None };
        // Without its settle time if that premise is taken away.
        let mut abilities = declared;
        if without == Some(Premise::SettleTime) {
            abilities.find = abilities.find.map(|_| Find { settle_s: 0 });
        }
        let locations = vec![Some(location(abilities, OLD, "1"))];
        Self { declared, times, counts_attempts: false, person: false, policy, new, locations, without }
    }

    pub fn is_without(&self, premise: Premise) -> bool {
        self.without == Some(premise)
    }

    /// What the use cases add wherever one clock's time is compared with another's.
    pub fn counted_skew(&self) -> Secs {
        if self.is_without(Premise::SkewCounted) { 0 } else { self.times.skew }
    }

    pub(super) fn context(&self, tenure: Tenure, view: View, random: u64) -> Context<'_> {
        Context {
            now: at(view.clock),
            policy: &self.policy,
            mapped: self.locations.get(usize::from(view.mapped)).and_then(Option::as_ref),
            by: Actor::Worker,
            lease: span(tenure.lease),
            function_timeout: span(tenure.timeout + self.counted_skew()),
            write_id: String::new(),
            random,
        }
    }

    /// The first version of the row.
    ///
    /// `None` where the location is not mapped: that request is answered as unknown.
    pub fn claim(&self, start: Start, view: View) -> Option<Row> {
        let ctx = self.context(self.times.submit, view, 0);
        let record = machine::claim(self.new.clone(), Pinned::of(ctx.mapped?), start, &ctx);
        let mut row = self.project(&record);
        row.version = 0;
        self.mend(&mut row);
        Some(row)
    }

    pub fn advance(&self, row: &Row, event: Event, tenure: Tenure, view: View, random: u64) -> Next {
        let mut shown = self.shown(row, event);
        if let (true, Some(mapped)) = (self.is_without(Premise::PromisesPinned), self.context(tenure, view, 0).mapped) {
            shown.pos = Pinned::of(mapped);
        }
        let (record, input) = (shown, self.input(event));
        let mut next = match machine::advance(&record, input, &self.context(tenure, view, random)) {
            machine::Next::Act(record, action) => Next::Act(self.project(&record), asked(action)),
            machine::Next::End(record, _) => Next::End(self.project(&record)),
            machine::Next::HandOff(record, delay) => Next::HandOff(self.project(&record), delay.as_secs().try_into().unwrap()),
            machine::Next::Park(record) => Next::Park(self.project(&record)),
            machine::Next::Ignore(_) => Next::Ignore,
        };
        if let Some(row) = next.row_mut() {
            self.mend(row);
        }
        next
    }

    /// Why a message about that version is ignored, if it is.
    pub fn ignores(&self, row: &Row, version: i8) -> Option<Ignored> {
        let (record, input) = (self.revive(row), self.input(Event::Delivered(version)));
        match machine::advance(&record, input, &self.context(self.times.worker, View::default(), 0)) {
            machine::Next::Ignore(why) => Some(why),
            _ => None,
        }
    }

    /// When the row would be due after a healing, if it is due now.
    pub fn heal(&self, row: &Row, clock: Secs) -> Option<Secs> {
        machine::heal(&self.revive(row), at(clock)).map(secs)
    }

    /// The row as the machine sees it: as it is stored, unless a premise is taken away.
    fn shown(&self, row: &Row, event: Event) -> OrderRecord {
        let mut row = *row;
        if let (Life::Open(open), Event::Delivered(_)) = (&mut row.life, event) {
            if self.is_without(Premise::LeaseRespected) {
                open.lease = open.lease.map(|lease| Lease { until: 0, ..lease });
            }
            if self.is_without(Premise::AskingAboutUnknown) {
                open.unknown_until = None;
                open.lease = open.lease.map(|lease| Lease { placing_until: None, ..lease });
            }
            if self.is_without(Premise::NumberRemembered) && open.person == Person::NoNumber {
                open.person = Person::Waits;
            }
        }
        self.revive(&row)
    }

    /// What the machine wants written, unless a premise is taken away.
    fn mend(&self, row: &mut Row) {
        let Life::Open(open) = &mut row.life else { return };
        if self.is_without(Premise::CancellingKept) {
            open.cancelling = false;
        }
        if open.lease.is_some() && self.is_without(Premise::DueNotBeforeLeaseEnds) {
            open.due = 0;
        }
        if open.lease.is_some() && self.is_without(Premise::DueWhenLeaseEnds) {
            open.due = NEVER;
        }
    }
}

/// A location at that POS and that store.
pub fn location(abilities: Abilities, base: &str, store: &str) -> Location {
    Location {
        organization_id: ParId::new("O").unwrap(),
        location_id: ParId::new("L").unwrap(),
        internal_id: store.to_owned(),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Http(HttpConnector::new(base, None, abilities)),
    }
}

pub fn span(seconds: Secs) -> Duration {
    Duration::from_secs(seconds.unsigned_abs().into())
}
