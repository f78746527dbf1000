//! The product's own transitions, driven through a projection of its row. The model decides nothing about an order: it
//! asks `machine::claim`, `machine::advance` and `machine::heal`, with times counted from a fixed now.

use std::{sync::Arc, time::Duration};

use posnext_shared::domain::{
    ability::{Abilities, Cancelled, Find, Found, Placed},
    directory::{Connector, Location, Mode, SandboxConnector},
    history::{Actor, Cause, NeedsPerson},
    ids::{OrderKey, ParId, RequestUid, Tenant},
    machine::{self, Action, Context, Ignored, Input, New, Start},
    order::Body,
    pinned::Pinned,
    policy::Policy,
    record::{self, OrderRecord, Outcome, State},
    status::{ErrorCode, OrderError, Stage},
    time::UnixMillis,
};

use super::{
    premises::Premise,
    state::{Asked, Ended, Lease, Life, NEVER, Next, Open, Person, Reply, Row, Secs},
};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const VERSION: u64 = 1_000;
/// Hand-offs so far, in every row the machine is shown: the ceiling of its random delays is then at its highest, and the
/// choice of `random` alone makes a delay short or long.
const HAND_OFFS: u32 = 20;
/// Random numbers that make the shortest and the longest delay (1 s; 20 s, or 300 s after the deadline).
pub const RANDOM: [u64; 2] = [0, 299_999];

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
    policy: Policy,
    new: New,
    location: Location,
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
        let location = location(abilities);
        Self { declared, times, counts_attempts: false, policy, new, location, without }
    }

    pub fn is_without(&self, premise: Premise) -> bool {
        self.without == Some(premise)
    }

    /// What the use cases add wherever one clock's time is compared with another's.
    pub fn counted_skew(&self) -> Secs {
        if self.is_without(Premise::SkewCounted) { 0 } else { self.times.skew }
    }

    fn context(&self, tenure: Tenure, clock: Secs, random: u64) -> Context<'_> {
        Context {
            now: at(clock),
            policy: &self.policy,
            mapped: Some(&self.location),
            by: Actor::Worker,
            lease: span(tenure.lease),
            function_timeout: span(tenure.timeout + self.counted_skew()),
            write_id: String::new(),
            random,
        }
    }

    /// The first version of the row.
    pub fn claim(&self, start: Start, clock: Secs) -> Row {
        let record =
            machine::claim(self.new.clone(), Pinned::of(&self.location), start, &self.context(self.times.submit, clock, 0));
        let mut row = self.project(&record);
        row.version = 0;
        self.mend(&mut row);
        row
    }

    pub fn advance(&self, row: &Row, event: Event, tenure: Tenure, clock: Secs, random: u64) -> Next {
        let (record, input) = (self.shown(row, event), self.input(event));
        let mut next = match machine::advance(&record, input, &self.context(tenure, clock, random)) {
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
        match machine::advance(&record, input, &self.context(self.times.worker, 0, 0)) {
            machine::Next::Ignore(why) => Some(why),
            _ => None,
        }
    }

    /// When the row would be due after a healing, if it is due now.
    pub fn heal(&self, row: &Row, clock: Secs) -> Option<Secs> {
        machine::heal(&self.revive(row), at(clock)).map(secs)
    }

    fn input(&self, event: Event) -> Input {
        let text = String::new;
        let cause = || Cause::GivenUp;
        let errors = || vec![OrderError::new(ErrorCode::PosRefused, "")];
        match event {
            Event::Delivered(version) => Input::Delivered { version: VERSION.saturating_add_signed(version.into()) },
            Event::Answered(Asked::Place, reply, _) => Input::Placed(match reply {
                Reply::Done => Placed::Done { pos_order_id: text() },
                Reply::NoNumber => Placed::NoNumber,
                Reply::Refused => Placed::Refused(errors()),
                Reply::Gone => Placed::Cancelled,
                Reply::Permanent => Placed::Permanent(cause()),
                Reply::NotStarted => Placed::NotStarted { cause: cause(), retry_after: None },
                _ if self.is_without(Premise::AskingAboutUnknown) => Placed::NotStarted { cause: cause(), retry_after: None },
                _ => Placed::Unknown(cause()),
            }),
            Event::Answered(Asked::Find, reply, began) => {
                let found = match reply {
                    Reply::Done => Found::Placed { pos_order_id: text() },
                    Reply::NoNumber => Found::NoNumber,
                    Reply::Refused => Found::Refused(errors()),
                    Reply::Gone => Found::Cancelled,
                    Reply::Absent => Found::Absent,
                    _ => Found::Unknown(cause()),
                };
                Input::Found { found, began_at: at(began) }
            }
            Event::Answered(Asked::Cancel, reply, _) => Input::Cancelled(match reply {
                Reply::Gone => Cancelled::Done,
                Reply::WillNot => Cancelled::WillNot { pos_order_id: text() },
                Reply::NoNumber => Cancelled::NoNumber,
                Reply::Refused => Cancelled::Refused(errors()),
                _ => Cancelled::Unknown(cause()),
            }),
        }
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

    fn project(&self, record: &OrderRecord) -> Row {
        let counts = record.open().is_some() && self.counts_attempts;
        project(record, if counts { record.attempts.min(2).try_into().unwrap() } else { 0 })
    }

    fn revive(&self, row: &Row) -> OrderRecord {
        let New { key, order, shared_id, traceparent } = self.new.clone();
        let state = match row.life {
            Life::Open(open) => State::Open(record::Open {
                stage: Stage::Received,
                lease: open
                    .lease
                    .map(|lease| record::Lease { until: at(lease.until), placing_until: lease.placing_until.map(at) }),
                due_at: at(open.due),
                unknown_until: open.unknown_until.map(at),
                cancelling: open.cancelling,
                hand_offs: HAND_OFFS,
                person: match open.person {
                    Person::No => None,
                    Person::Waits => Some(NeedsPerson::Overdue),
                    Person::NoNumber => Some(NeedsPerson::NoNumber),
                },
            }),
            Life::Ended(ended) => State::Final(record::Final { outcome: outcome(ended), expires_at: NOW }),
        };
        OrderRecord {
            key,
            version: VERSION.saturating_add_signed(row.version.into()),
            write_id: String::new(),
            order,
            pos: Pinned::of(&self.location),
            shared_id,
            accepted_at: at(row.deadline - self.times.deadline),
            deadline: at(row.deadline),
            attempts: row.attempts.into(),
            state,
            history: Vec::new(),
            traceparent,
        }
    }
}

fn project(record: &OrderRecord, attempts: u8) -> Row {
    let life = match &record.state {
        State::Open(open) => Life::Open(Open {
            lease: open.lease.map(|lease| Lease { until: secs(lease.until), placing_until: lease.placing_until.map(secs) }),
            due: secs(open.due_at),
            unknown_until: open.unknown_until.map(secs),
            cancelling: open.cancelling,
            person: match open.person {
                None => Person::No,
                Some(NeedsPerson::NoNumber) => Person::NoNumber,
                Some(NeedsPerson::Overdue | NeedsPerson::Unaskable) => Person::Waits,
            },
        }),
        State::Final(end) => Life::Ended(match end.outcome {
            Outcome::Placed { .. } => Ended::Placed,
            Outcome::Rejected(_) => Ended::Rejected,
            Outcome::Errored(_) => Ended::Errored,
        }),
    };
    let version = record.version.checked_signed_diff(VERSION).unwrap_or_default();
    Row { version: version.try_into().unwrap_or_default(), deadline: secs(record.deadline), attempts, life }
}

fn location(abilities: Abilities) -> Location {
    Location {
        organization_id: ParId::new("O").unwrap(),
        location_id: ParId::new("L").unwrap(),
        internal_id: String::new(),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Sandbox(SandboxConnector { abilities, ..SandboxConnector::default() }),
    }
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Placed => Outcome::Placed { pos_order_id: String::new() },
        Ended::Rejected => Outcome::Rejected(Vec::new()),
        Ended::Errored => Outcome::Errored(Vec::new()),
    }
}

fn asked(action: Action) -> Asked {
    match action {
        Action::Place => Asked::Place,
        Action::Find => Asked::Find,
        Action::Cancel => Asked::Cancel,
    }
}

fn span(seconds: Secs) -> Duration {
    Duration::from_secs(seconds.unsigned_abs().into())
}

fn at(seconds: Secs) -> UnixMillis {
    UnixMillis(NOW.0 + i64::from(seconds) * 1_000)
}

fn secs(time: UnixMillis) -> Secs {
    let millis = time.0 - NOW.0;
    assert_eq!(millis % 1_000, 0, "the model's times are whole seconds");
    (millis / 1_000).try_into().unwrap()
}
