//! The model's rows are projections of the product's, and its events stand for the product's inputs.

use posnext_shared::domain::{
    ability::{Cancelled, Found, Placed},
    directory::Location,
    history::{Cause, NeedsPerson},
    machine::{Action, Input, New},
    pinned::Pinned,
    record::{self, OrderRecord, Outcome, State},
    status::{ErrorCode, OrderError, Stage},
    time::UnixMillis,
};

use super::{
    premises::Premise,
    product::{Event, Product},
    state::{Asked, Ended, Lease, Life, Open, Person, Reply, Row, Secs},
};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
pub const VERSION: u64 = 1_000;
/// Hand-offs so far, in every row the machine is shown: the ceiling of its random delays is then at its highest, and the
/// choice of `random` alone makes a delay short or long.
const HAND_OFFS: u32 = 20;
/// The POS's number of the order.
pub const NUMBER: &str = "T-1";

impl Product {
    pub(super) fn input(&self, event: Event) -> Input {
        let text = || NUMBER.to_owned();
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
            Event::Answered(Asked::Find, reply, began) => Input::Found { found: found(reply), began_at: at(began) },
            Event::Answered(Asked::Cancel, reply, _) => Input::Cancelled(match reply {
                Reply::Gone => Cancelled::Done,
                Reply::WillNot => Cancelled::WillNot { pos_order_id: text() },
                Reply::NoNumber => Cancelled::NoNumber,
                Reply::Refused => Cancelled::Refused(errors()),
                _ => Cancelled::Unknown(cause()),
            }),
        }
    }

    pub(super) fn project(&self, record: &OrderRecord) -> Row {
        let counts = record.open().is_some() && self.counts_attempts;
        let row = project(record, if counts { record.attempts.min(2).try_into().unwrap() } else { 0 });
        let is_pinned = |location: &Option<Location>| location.as_ref().map(Pinned::of).as_ref() == Some(&record.pos);
        let changes = record.open().is_some() && self.locations.len() > 1;
        let pinned = if changes { self.locations.iter().position(is_pinned).unwrap() } else { 0 };
        Row { pinned: pinned.try_into().unwrap(), ..row }
    }

    pub(super) fn revive(&self, row: &Row) -> OrderRecord {
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
            pos: self.locations[usize::from(row.pinned)].as_ref().map(Pinned::of).unwrap(),
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
    Row { version: version.try_into().unwrap_or_default(), deadline: secs(record.deadline), attempts, pinned: 0, life }
}

/// What the answer to a question is, in the product's words.
pub fn found(reply: Reply) -> Found {
    match reply {
        Reply::Done => Found::Placed { pos_order_id: NUMBER.to_owned() },
        Reply::NoNumber => Found::NoNumber,
        Reply::Refused => Found::Refused(Vec::new()),
        Reply::Gone => Found::Cancelled,
        Reply::Absent => Found::Absent,
        _ => Found::Unknown(Cause::GivenUp),
    }
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Placed => Outcome::Placed { pos_order_id: String::new() },
        Ended::Rejected => Outcome::Rejected(Vec::new()),
        Ended::Errored => Outcome::Errored(Vec::new()),
    }
}

pub fn asked(action: Action) -> Asked {
    match action {
        Action::Place => Asked::Place,
        Action::Find => Asked::Find,
        Action::Cancel => Asked::Cancel,
    }
}

pub fn at(seconds: Secs) -> UnixMillis {
    UnixMillis(NOW.0 + i64::from(seconds) * 1_000)
}

pub fn secs(time: UnixMillis) -> Secs {
    let millis = time.0 - NOW.0;
    assert_eq!(millis % 1_000, 0, "the model's times are whole seconds");
    (millis / 1_000).try_into().unwrap()
}
