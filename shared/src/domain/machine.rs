//! Every transition of an order. [`claim`] makes the first version of a row; [`advance`] takes the row as it is stored and
//! what has just happened, and returns the next row with what to do after it is written. Nothing here does anything.
//!
//! The rules are those of docs/lifecycle.md#what-a-pos-promises: every attempt is written before
//! it begins, is unknown until a write says otherwise, and an unknown one is acted on only as far as the POS's declared
//! abilities make that safe.

use std::{sync::Arc, time::Duration};

use super::{
    ability::{Abilities, Cancelled, Found, Placed},
    directory::Location,
    history::{Actor, Cause, NeedsPerson, Step},
    ids::OrderKey,
    order::Order,
    pinned::Pinned,
    policy::{HANDOFF_GRACE, MAX_DELAY, PERSON_INTERVAL, Policy},
    record::{Final, Lease, Open, OrderRecord, Outcome, State},
    status::{ErrorCode, OrderError, Stage},
    time::UnixMillis,
    words,
};

/// What a transition may know besides the row.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The time.
    pub now: UnixMillis,
    /// The times an order moves by.
    pub policy: &'a Policy,
    /// Where the order's location is mapped now, if it is.
    pub mapped: Option<&'a Location>,
    /// Who acts.
    pub by: Actor,
    /// How long the lease of an action is.
    pub lease: Duration,
    /// After this much of an action its function has certainly been stopped.
    pub function_timeout: Duration,
    /// A fresh id for the write.
    pub write_id: String,
    /// A random number, for jitter.
    pub random: u64,
}

/// What has just happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A queue message about this version of the row came.
    Delivered {
        /// The version the message was sent for.
        version: u64,
    },
    /// The placement attempt of this lease came to this.
    Placed(Placed),
    /// Asking the POS came to this.
    Found {
        /// What the POS says.
        found: Found,
        /// When the question was sent.
        began_at: UnixMillis,
    },
    /// Cancelling came to this.
    Cancelled(Cancelled),
}

/// What to do at the POS once the row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Place the order.
    Place,
    /// Ask for it.
    Find,
    /// Cancel it.
    Cancel,
}

/// The next row, and what follows once it is written. Every row is written on condition that the stored version is the
/// one it was made from.
#[derive(Debug, Clone)]
pub enum Next {
    /// Write, then act; what comes back is the next input.
    Act(OrderRecord, Action),
    /// Write: the order is final. With a cause, a copy goes to the dead-letter queue first.
    End(OrderRecord, Option<Cause>),
    /// Write, then send a message for the new version with this delay (whole seconds).
    HandOff(OrderRecord, Duration),
    /// Write; the row's due time brings it back.
    Park(OrderRecord),
    /// Nothing to do.
    Ignore(Ignored),
}

/// Why a message is acknowledged without acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// The order is final.
    Final,
    /// Somebody works on it.
    LiveLease,
    /// The message is about an earlier version.
    NewerVersion,
}

/// A verified order that is not stored yet.
#[derive(Debug, Clone)]
pub struct New {
    /// Whose it is, and PAR's id of it.
    pub key: OrderKey,
    /// What is ordered.
    pub order: Arc<Order>,
    /// Id of the SharedId that verified it.
    pub shared_id: String,
    /// W3C trace context it came with.
    pub traceparent: Option<String>,
}

/// How a new order starts.
#[derive(Debug, Clone)]
pub enum Start {
    /// Its first attempt begins at once.
    Placing,
    /// It goes to the queue.
    Queued,
    /// It is refused without asking the POS.
    Rejected(Vec<OrderError>),
}

/// What is noted of a change.
pub(super) struct Note(Step, Option<Cause>);

impl From<Step> for Note {
    fn from(step: Step) -> Self {
        Self(step, None)
    }
}

impl From<(Step, Cause)> for Note {
    fn from((step, cause): (Step, Cause)) -> Self {
        Self(step, Some(cause))
    }
}

/// What the order's POS promises, as far as that holds: what it promised when the order went there and still promises.
/// An order of which nothing was attempted goes where its location is mapped now. A location that is not mapped any
/// more promises nothing.
#[must_use]
pub fn promises(record: &OrderRecord, ctx: &Context<'_>) -> Abilities {
    let now = ctx.mapped.map(|location| location.connector.abilities()).unwrap_or_default();
    if record.attempts == 0 { now } else { record.pos.abilities().and(now) }
}

/// The first version of an order's row. `pos`: where it goes.
#[must_use]
pub fn claim(new: New, pos: Pinned, start: Start, ctx: &Context<'_>) -> OrderRecord {
    let New { key, order, shared_id, traceparent } = new;
    let open = Open {
        stage: Stage::Received,
        lease: None,
        due_at: ctx.now,
        unknown_until: None,
        cancelling: false,
        hand_offs: 0,
        person: None,
    };
    let record = OrderRecord {
        key,
        version: 0,
        write_id: String::new(),
        order,
        pos,
        shared_id,
        accepted_at: ctx.now,
        deadline: ctx.now.plus(ctx.policy.order_deadline),
        attempts: 0,
        state: State::Open(open.clone()),
        history: Vec::new(),
        traceparent,
    };
    match start {
        Start::Placing => {
            let mut record = begin(&record, open, Action::Place, ctx);
            if let (State::Open(open), Some(first)) = (&mut record.state, record.history.first_mut()) {
                open.stage = Stage::Received;
                first.step = Step::AcceptedPlacing;
            }
            record
        }
        Start::Queued => hand_off(&record, open, Stage::Queued, Duration::ZERO, Step::AcceptedQueued, ctx),
        Start::Rejected(errors) => end(&record, Outcome::Rejected(errors), Step::AcceptedRejected, ctx),
    }
}

/// The next row for a stored row and what has just happened.
#[must_use]
pub fn advance(record: &OrderRecord, input: Input, ctx: &Context<'_>) -> Next {
    let State::Open(open) = &record.state else { return Next::Ignore(Ignored::Final) };
    let open = open.clone();
    match input {
        Input::Delivered { version } => delivered(record, open, version, ctx),
        Input::Placed(placed) => after_place(record, open, placed, ctx),
        Input::Found { found, began_at } => after_find(record, open, found, began_at, ctx),
        Input::Cancelled(cancelled) => after_cancel(record, open, cancelled, ctx),
    }
}

/// The next version of a row that was just taken for its first attempt, if it is to go elsewhere than where its
/// location was mapped when it was claimed. To be written before the attempt.
#[must_use]
pub fn follow(record: &OrderRecord, ctx: &Context<'_>) -> Option<OrderRecord> {
    let pos = Pinned::of(ctx.mapped?);
    (record.attempts == 1 && record.pos != pos).then(|| OrderRecord { pos, ..bump(record, record.state.clone(), ctx) })
}

/// When a healing of this row would move its due time to; `None` while it is final or not due.
///
/// Healing never raises the version: that would fence off a live holder.
#[must_use]
pub fn heal(record: &OrderRecord, now: UnixMillis) -> Option<UnixMillis> {
    record.open().filter(|open| open.due_at <= now).map(|_| now.plus(HANDOFF_GRACE))
}

fn delivered(record: &OrderRecord, mut open: Open, version: u64, ctx: &Context<'_>) -> Next {
    if record.version > version {
        return Next::Ignore(Ignored::NewerVersion);
    }
    if record.has_live_lease(ctx.now) {
        return Next::Ignore(Ignored::LiveLease);
    }
    // A lease that ran out while placing is an attempt whose outcome was never written.
    if let Some(placing_until) = open.lease.take().and_then(|lease| lease.placing_until) {
        open.unknown_until = open.unknown_until.max(Some(placing_until));
    }
    decide(record, open, ctx)
}

/// What may be done with an order that nobody works on.
fn decide(record: &OrderRecord, open: Open, ctx: &Context<'_>) -> Next {
    let (may_place, promises) = (may_place(record, ctx), promises(record, ctx));
    if open.person == Some(NeedsPerson::NoNumber) {
        return park_for_person(record, open, None, NeedsPerson::NoNumber, ctx);
    }
    if open.cancelling {
        // It is never placed again. A cancel that is no promise any more proves nothing.
        return match promises {
            Abilities { cancel: true, .. } => act(record, open, Action::Cancel, ctx),
            Abilities { find: Some(_), .. } => act(record, open, Action::Find, ctx),
            _ => park_for_person(record, open, None, NeedsPerson::Unaskable, ctx),
        };
    }
    if open.unknown_until.is_none() {
        return if may_place { act(record, open, Action::Place, ctx) } else { give_up(record, ctx) };
    }
    if may_place && promises.idempotent_place {
        act(record, open, Action::Place, ctx)
    } else if promises.find.is_some() {
        act(record, open, Action::Find, ctx)
    } else if promises.cancel {
        if may_place {
            // Nothing can tell whether it was placed, but at the end of placing it can be cancelled for certain.
            let wait = end_of_placing(record, ctx).since(ctx.now);
            later(record, open, Stage::Confirming, wait, Step::WaitingToCancel, ctx)
        } else {
            act(record, open, Action::Cancel, ctx)
        }
    } else {
        park_for_person(record, open, None, NeedsPerson::Unaskable, ctx)
    }
}

fn after_place(record: &OrderRecord, mut open: Open, placed: Placed, ctx: &Context<'_>) -> Next {
    let promises = promises(record, ctx);
    let earlier_unknown = open.unknown_until.is_some();
    let this_attempt = open.lease.take().and_then(|lease| lease.placing_until);
    match placed {
        Placed::Done { pos_order_id } => Next::End(end(record, Outcome::Placed { pos_order_id }, Step::Placed, ctx), None),
        Placed::NoNumber => {
            open.unknown_until = open.unknown_until.max(this_attempt);
            park_for_person(record, open, None, NeedsPerson::NoNumber, ctx)
        }
        // Only a POS that promised tombstones means one by it.
        Placed::Cancelled if promises.cancel => Next::End(end(record, cancelled_outcome(), Step::FoundCancelled, ctx), None),
        Placed::Cancelled => {
            open.lease = record.open().and_then(|open| open.lease);
            after_place(record, open, Placed::Unknown(Cause::NeverPromised), ctx)
        }
        Placed::Refused(errors) if !earlier_unknown || promises.idempotent_place => {
            Next::End(end(record, Outcome::Rejected(errors), Step::Refused, ctx), None)
        }
        Placed::Permanent(cause) if !earlier_unknown => {
            let error = OrderError::new(ErrorCode::PosMisconfigured, "the POS cannot take this order as it was sent to it");
            let note = (Step::Impossible, cause.clone());
            Next::End(end(record, Outcome::Errored(vec![error]), note, ctx), Some(cause))
        }
        Placed::NotStarted { cause, retry_after } if !earlier_unknown => retry(record, open, cause, retry_after, ctx),
        Placed::Unknown(cause) => {
            open.unknown_until = open.unknown_until.max(this_attempt);
            let note = (Step::OutcomeUnknown, cause);
            if promises.find.is_some() && !promises.idempotent_place {
                // Asking does no harm, and the answer is most likely there already.
                return later(record, open, Stage::Confirming, Duration::ZERO, note, ctx);
            }
            ask_later(record, open, note, ctx)
        }
        Placed::Refused(_) => ask_later(record, open, Step::Inconclusive, ctx),
        Placed::Permanent(cause) => ask_later(record, open, (Step::Inconclusive, cause), ctx),
        Placed::NotStarted { cause, .. } => ask_later(record, open, (Step::NotStarted, cause), ctx),
    }
}

fn after_find(record: &OrderRecord, mut open: Open, found: Found, began_at: UnixMillis, ctx: &Context<'_>) -> Next {
    let (may_place, promises) = (may_place(record, ctx), promises(record, ctx));
    match found {
        // A cancel may still be under way. Only the answer to one says that it will not be followed.
        Found::Placed { .. } | Found::NoNumber if open.cancelling => {
            ask_later(record, open, (Step::CouldNotCancel, Cause::NeverPromised), ctx)
        }
        Found::Placed { pos_order_id } => Next::End(end(record, Outcome::Placed { pos_order_id }, Step::FoundPlaced, ctx), None),
        Found::NoNumber => park_for_person(record, open, None, NeedsPerson::NoNumber, ctx),
        Found::Refused(errors) => Next::End(end(record, Outcome::Rejected(errors), Step::FoundRefused, ctx), None),
        Found::Cancelled if promises.cancel => Next::End(end(record, cancelled_outcome(), Step::FoundCancelled, ctx), None),
        Found::Cancelled => ask_later(record, open, (Step::CouldNotAsk, Cause::NeverPromised), ctx),
        Found::Absent => {
            let settled_at = match (open.unknown_until, promises.find) {
                (Some(until), Some(find)) => Some(until.plus(find.settle())),
                _ => None,
            };
            match settled_at {
                Some(at) if began_at >= at => {
                    open.unknown_until = None;
                    if may_place && !open.cancelling { act(record, open, Action::Place, ctx) } else { give_up(record, ctx) }
                }
                _ if !may_place && promises.cancel => act(record, open, Action::Cancel, ctx),
                Some(at) => {
                    // Not past the time when it may be cancelled, nor past the deadline, when a person must know of it.
                    let limit = if promises.cancel { end_of_placing(record, ctx) } else { record.deadline };
                    let overdue = ctx.now >= limit;
                    if overdue {
                        open.person.get_or_insert(NeedsPerson::Overdue);
                    }
                    let wait = if overdue { at } else { at.min(limit) }.since(ctx.now);
                    later(record, open, Stage::Confirming, wait, Step::NotFound, ctx)
                }
                None => ask_later(record, open, Step::NotFound, ctx),
            }
        }
        Found::Unknown(_) if !may_place && promises.cancel => act(record, open, Action::Cancel, ctx),
        Found::Unknown(cause) => ask_later(record, open, (Step::CouldNotAsk, cause), ctx),
    }
}

fn after_cancel(record: &OrderRecord, open: Open, cancelled: Cancelled, ctx: &Context<'_>) -> Next {
    match cancelled {
        Cancelled::WillNot { pos_order_id } => {
            Next::End(end(record, Outcome::Placed { pos_order_id }, Step::WillNotCancel, ctx), None)
        }
        Cancelled::NoNumber => park_for_person(record, open, None, NeedsPerson::NoNumber, ctx),
        // A tombstone is what makes either certain: a place may still be under way.
        Cancelled::Done | Cancelled::Refused(_) if !promises(record, ctx).cancel => {
            ask_later(record, open, (Step::CouldNotCancel, Cause::NeverPromised), ctx)
        }
        Cancelled::Done => Next::End(end(record, cancelled_outcome(), Step::Cancelled, ctx), None),
        Cancelled::Refused(errors) => Next::End(end(record, Outcome::Rejected(errors), Step::FoundRefused, ctx), None),
        Cancelled::Unknown(cause) => ask_later(record, open, (Step::CouldNotCancel, cause), ctx),
    }
}

fn may_place(record: &OrderRecord, ctx: &Context<'_>) -> bool {
    ctx.now.plus(ctx.policy.pos_limit) <= record.deadline
}

/// From then on no placement begins any more.
fn end_of_placing(record: &OrderRecord, ctx: &Context<'_>) -> UnixMillis {
    record.deadline.minus(ctx.policy.pos_limit).plus(Duration::from_secs(1))
}

fn act(record: &OrderRecord, open: Open, action: Action, ctx: &Context<'_>) -> Next {
    Next::Act(begin(record, open, action, ctx), action)
}

/// Takes (or renews) the lease for one action. For a place this is the write that must come before the attempt.
pub(super) fn begin(record: &OrderRecord, mut open: Open, action: Action, ctx: &Context<'_>) -> OrderRecord {
    let lease = lease(action, ctx);
    let placing = action == Action::Place;
    open.lease = Some(lease);
    open.due_at = lease.until;
    open.stage = if placing { Stage::Placing } else { Stage::Confirming };
    open.cancelling |= action == Action::Cancel;
    let step = match action {
        Action::Place => Step::Placing,
        Action::Find => Step::Asking,
        Action::Cancel => Step::Cancelling,
    };
    let mut next = next_version(record, State::Open(open), step, ctx);
    if let (true, 0, Some(mapped)) = (placing, record.attempts, ctx.mapped) {
        next.pos = Pinned::of(mapped);
    }
    next.attempts += u32::from(placing);
    next
}

/// The lease of one action that begins now.
pub(super) fn lease(action: Action, ctx: &Context<'_>) -> Lease {
    let until = ctx.now.plus(ctx.lease);
    let placing_until = (action == Action::Place).then(|| until.max(ctx.now.plus(ctx.function_timeout)));
    Lease { until, placing_until }
}

/// Hands off with a delay, rounded to what the queue can express.
fn later(record: &OrderRecord, open: Open, stage: Stage, delay: Duration, note: impl Into<Note>, ctx: &Context<'_>) -> Next {
    let delay = whole_seconds(delay);
    Next::HandOff(hand_off(record, open, stage, delay, note, ctx), delay)
}

/// Releases the lease and says when the order counts as stopped if the message does not arrive.
fn hand_off(
    record: &OrderRecord,
    mut open: Open,
    stage: Stage,
    delay: Duration,
    note: impl Into<Note>,
    ctx: &Context<'_>,
) -> OrderRecord {
    open.lease = None;
    open.stage = stage;
    open.due_at = ctx.now.plus(delay).plus(HANDOFF_GRACE);
    open.hand_offs += 1;
    next_version(record, State::Open(open), note, ctx)
}

/// Nothing was placed and nothing may be placed any more.
fn give_up(record: &OrderRecord, ctx: &Context<'_>) -> Next {
    let last = record.history.iter().rfind(|entry| matches!(entry.step, Step::NotStarted | Step::OutcomeUnknown));
    out_of_time(record, last.and_then(|entry| entry.cause.clone()), ctx)
}

/// The last cause decides the words.
fn out_of_time(record: &OrderRecord, last: Option<Cause>, ctx: &Context<'_>) -> Next {
    let outcome = Outcome::Errored(vec![words::out_of_time(last.as_ref())]);
    Next::End(end(record, outcome, Note(Step::OutOfTime, last), ctx), None)
}

/// The attempt certainly did not start: try again while the deadline allows it.
fn retry(record: &OrderRecord, open: Open, cause: Cause, retry_after: Option<Duration>, ctx: &Context<'_>) -> Next {
    let wanted = backoff(&open, false, ctx).max(retry_after.unwrap_or_default());
    let delay = whole_seconds(wanted).min(last_chance(record, ctx));
    if delay.is_zero() {
        return out_of_time(record, Some(cause), ctx);
    }
    later(record, open, Stage::Retrying, delay, (Step::NotStarted, cause), ctx)
}

/// Whole seconds until the last moment for a placement to begin, less one for the message to arrive.
fn last_chance(record: &OrderRecord, ctx: &Context<'_>) -> Duration {
    let last = record.deadline.minus(ctx.policy.pos_limit).minus(Duration::from_secs(1));
    Duration::from_secs(last.since(ctx.now).as_secs())
}

/// The outcome is unknown: come back to find out, soon at first. After the deadline a person is told as well.
fn ask_later(record: &OrderRecord, mut open: Open, note: impl Into<Note>, ctx: &Context<'_>) -> Next {
    let promises = promises(record, ctx);
    let known_way = promises.idempotent_place || promises.find.is_some() || promises.cancel;
    if !known_way {
        return park_for_person(record, open, Some(note.into()), NeedsPerson::Unaskable, ctx);
    }
    let overdue = ctx.now >= record.deadline;
    if overdue || open.cancelling {
        open.person.get_or_insert(NeedsPerson::Overdue);
    }
    let mut delay = backoff(&open, overdue, ctx);
    if promises.idempotent_place && !last_chance(record, ctx).is_zero() {
        // Placing again is the best way to find out, as long as it is allowed.
        delay = delay.min(last_chance(record, ctx));
    }
    later(record, open, Stage::Confirming, delay, note, ctx)
}

/// Nothing more can be done by itself. `note`: what came of what was just tried.
fn park_for_person(record: &OrderRecord, mut open: Open, note: Option<Note>, why: NeedsPerson, ctx: &Context<'_>) -> Next {
    let told = open.person.replace(why) == Some(why);
    open.lease = None;
    open.stage = Stage::Confirming;
    open.due_at = ctx.now.plus(PERSON_INTERVAL);
    let mut next = bump(record, State::Open(open), ctx);
    let waits = match why {
        NeedsPerson::NoNumber => Step::NoNumber,
        NeedsPerson::Unaskable | NeedsPerson::Overdue => Step::Unaskable,
    };
    for Note(step, cause) in note.into_iter().chain((!told).then_some(Note(waits, None))) {
        next.note(ctx.now, ctx.by, step, cause);
    }
    Next::Park(next)
}

pub(super) fn end(record: &OrderRecord, outcome: Outcome, note: impl Into<Note>, ctx: &Context<'_>) -> OrderRecord {
    let expires_at = ctx.now.plus(ctx.policy.retention);
    next_version(record, State::Final(Final { outcome, expires_at }), note, ctx)
}

pub(super) fn next_version(record: &OrderRecord, state: State, note: impl Into<Note>, ctx: &Context<'_>) -> OrderRecord {
    let (mut next, Note(step, cause)) = (bump(record, state, ctx), note.into());
    next.note(ctx.now, ctx.by, step, cause);
    next
}

fn bump(record: &OrderRecord, state: State, ctx: &Context<'_>) -> OrderRecord {
    OrderRecord { state, version: record.version + 1, write_id: ctx.write_id.clone(), ..record.clone() }
}

fn cancelled_outcome() -> Outcome {
    Outcome::Errored(vec![OrderError::new(
        ErrorCode::DeadlineExceeded,
        "the order was not confirmed before its deadline and is cancelled at the POS",
    )])
}

/// Growing delay with full jitter: uniform up to 1, 2, 4 ... 20 s (300 s once the deadline has passed).
fn backoff(open: &Open, overdue: bool, ctx: &Context<'_>) -> Duration {
    let cap = if overdue { 300_000 } else { 20_000 };
    let ceiling = 1_000_u64.saturating_mul(1 << open.hand_offs.min(20)).min(cap);
    Duration::from_millis(ctx.random % ceiling + 1)
}

/// Rounded up to what a queue's delay can express.
fn whole_seconds(delay: Duration) -> Duration {
    Duration::from_secs(delay.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)).min(MAX_DELAY)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
pub(super) mod tests;
