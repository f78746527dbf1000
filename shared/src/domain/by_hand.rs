//! What a person may do to an order, and what an order would do next by itself. A person follows the rules of every other
//! writer: takes the lease, which nobody may hold, then writes under it (docs/lifecycle.md#a-person).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ability::{Abilities, Find, Found},
    history::{Cause, NeedsPerson, PosStatus, Step},
    ids::OrderKey,
    machine::{self, Action, Context, Input, Next, begin, end, next_version, promises},
    policy::{CLOCK_SKEW, HANDOFF_GRACE, MAX_DELAY, PERSON_INTERVAL},
    record::{Final, Lease, Open, OrderRecord, Outcome, State},
    status::{ErrorCode, OrderError, OrderStatus},
    time::UnixMillis,
};

/// How a person decides an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is in the POS under this id.
    Placed {
        /// The POS's own id of it.
        pos_order_id: String,
    },
    /// The POS refuses it; PAR refunds.
    Rejected,
    /// It is not in the POS and will not be.
    Errored,
}

/// What a person wants done with an order. process-order does it, which has the way to the POS and its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// The POS is asked for it now. Nothing is written.
    Ask {
        /// The order.
        key: OrderKey,
    },
    /// It is ended.
    End {
        /// The order.
        key: OrderKey,
        /// How.
        decision: Decision,
        /// Why, and who says so.
        reason: String,
        /// `false`: whatever the POS holds or says.
        asking: bool,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granted {
    /// What the POS says.
    Told(Found),
    /// The order is final.
    Ended(OrderStatus),
    /// The rules forbid it. The order is as it was.
    Refused(Refusal),
    /// It is marked to be cancelled, and the POS has not answered that: it ends `errored` when the POS does.
    Cancelling(Cause),
    /// Asked to cancel it, the POS said otherwise, and that decides.
    AsThePosSays(Found),
    /// There is no such order.
    NoOrder,
    /// Somebody else wrote to the order first. Look at it again.
    Lost,
    /// A service failed. What was written is not known; look at the order again.
    Failed(String),
}

/// Why a person may not, now or ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A final status never changes.
    #[error("the order is final; a final status never changes")]
    Final,
    /// Somebody works on it.
    #[error("a worker holds the order until {}; try again then", .0.rfc3339())]
    Held(UnixMillis),
    /// An attempt may still be running at the POS.
    #[error("an attempt may still reach the POS until {}; try again after that", .0.rfc3339())]
    AttemptMayRun(UnixMillis),
    /// The order is being cancelled at the POS.
    #[error(
        "the order is being cancelled at the POS, so it can only end errored, or as the POS says if it will not cancel; \
             if you know that it is made, use --placed with --without-asking"
    )]
    Cancelling,
    /// The POS says otherwise.
    #[error("the POS was asked, and {0}; end it so, or with --without-asking if you know that the POS is wrong")]
    Contradicted(Found),
    /// The POS says nothing that counts.
    #[error("the POS was asked, and {}; try again when it answers, or use --without-asking", Found::Unknown(.0.clone()))]
    NoAnswer(Cause),
}

/// From when on a person may end an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earliest {
    /// In any way: nobody works on it by then.
    pub at_all: UnixMillis,
    /// `rejected` or `errored`: no attempt may reach the POS any more by then.
    pub not_placed: UnixMillis,
}

/// From when on a person may end an open order as it stands, by any machine's clock.
#[must_use]
pub fn earliest(record: &OrderRecord, ctx: &Context<'_>) -> Option<Earliest> {
    let open = record.open()?;
    let at_all = open.lease.map_or(record.accepted_at, |lease| lease.until.plus(CLOCK_SKEW));
    let unknown_until = open.unknown_until.max(open.lease.and_then(|lease| lease.placing_until));
    // What may still land, a person cannot see either: as long as either promise says, in force or not.
    let now = ctx.mapped.and_then(|location| location.connector.abilities().find);
    let settle = record.pos.abilities().find.max(now).map(Find::settle).unwrap_or_default();
    let settled = unknown_until.map_or(at_all, |until| until.plus(settle).plus(CLOCK_SKEW));
    Some(Earliest { at_all, not_placed: settled.max(at_all) })
}

/// The row with the lease in a person's hand.
///
/// # Errors
/// [`Refusal`], with what to do.
pub fn take_over(record: &OrderRecord, decision: &Decision, why: Cause, ctx: &Context<'_>) -> Result<OrderRecord, Refusal> {
    let mut open = record.open().cloned().ok_or(Refusal::Final)?;
    let earliest = earliest(record, ctx).ok_or(Refusal::Final)?;
    if ctx.now < earliest.at_all {
        return Err(Refusal::Held(earliest.at_all));
    }
    if matches!(decision, Decision::Rejected | Decision::Errored) && ctx.now < earliest.not_placed {
        return Err(Refusal::AttemptMayRun(earliest.not_placed));
    }
    // A cancel may still take effect, whatever the POS says now, unless it was the answer to one that it holds the order.
    let made = open.person == Some(NeedsPerson::NoNumber) || matches!(why, Cause::WithoutAsking(_));
    let may_end_so = match decision {
        Decision::Errored => true,
        Decision::Placed { .. } => made,
        Decision::Rejected => false,
    };
    if open.cancelling && !may_end_so {
        return Err(Refusal::Cancelling);
    }
    let lease = open.lease.take();
    open.unknown_until = open.unknown_until.max(lease.and_then(|lease| lease.placing_until));
    open.lease = Some(Lease { until: ctx.now.plus(ctx.lease), placing_until: None });
    open.due_at = ctx.now.plus(ctx.lease);
    Ok(next_version(record, State::Open(open), (Step::TakenOver, why), ctx))
}

/// What the POS's answer means for what a person has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It does not contradict.
    Confirmed,
    /// It does not contradict, and cancelling makes it certain.
    Cancel,
    /// It does, or it says nothing.
    Refused(Refusal),
}

/// Judges a decision by what the POS says.
#[must_use]
pub fn judge(taken: &OrderRecord, decision: &Decision, found: Found, ctx: &Context<'_>) -> Judged {
    let Abilities { cancel, find, .. } = promises(taken, ctx);
    // Of what certainly never reached the POS there is nothing to cancel.
    let reached = taken.open().is_some_and(|open| open.unknown_until.is_some());
    match (decision, found) {
        (Decision::Placed { pos_order_id: said }, Found::Placed { pos_order_id }) if *said == pos_order_id => Judged::Confirmed,
        // A person can read what is no number for us.
        (Decision::Placed { .. }, Found::NoNumber) => Judged::Confirmed,
        (Decision::Rejected, Found::Refused(_) | Found::Absent) => Judged::Confirmed,
        (Decision::Errored, Found::Absent) if cancel && reached => Judged::Cancel,
        // Where nothing else is promised, cancelling is the question.
        (Decision::Errored, Found::Unknown(_)) if cancel && reached && find.is_none() => Judged::Cancel,
        (Decision::Errored, Found::Absent) => Judged::Confirmed,
        (Decision::Errored, Found::Cancelled) if cancel => Judged::Confirmed,
        (_, Found::Unknown(cause)) => Judged::Refused(Refusal::NoAnswer(cause)),
        (_, Found::Cancelled) if !cancel => Judged::Refused(Refusal::NoAnswer(Cause::NeverPromised)),
        (_, found) => Judged::Refused(Refusal::Contradicted(found)),
    }
}

/// The row of an order that a person has taken over, before it is cancelled at the POS. Its number does not matter any more:
/// it is cancelled until the POS says what came of it.
#[must_use]
pub fn cancelling(taken: &OrderRecord, ctx: &Context<'_>) -> OrderRecord {
    match taken.open().cloned() {
        Some(open) => {
            let person = open.person.filter(|why| *why != NeedsPerson::NoNumber);
            begin(taken, Open { person, ..open }, Action::Cancel, ctx)
        }
        None => taken.clone(),
    }
}

/// The row given back, since the end that a person wanted is refused. It goes on as before.
#[must_use]
pub fn give_back(taken: &OrderRecord, before: &OrderRecord, why: &Refusal, ctx: &Context<'_>) -> OrderRecord {
    let State::Open(mut open) = taken.state.clone() else { return taken.clone() };
    open.lease = None;
    let due = before.open().map_or(ctx.now, |open| open.due_at);
    open.due_at = due.max(ctx.now.plus(HANDOFF_GRACE)).min(ctx.now.plus(PERSON_INTERVAL));
    let said = match why {
        Refusal::NoAnswer(cause) => Some(cause.clone()),
        Refusal::Contradicted(Found::Placed { .. } | Found::NoNumber) => Some(Cause::PosSays(PosStatus::Placed)),
        Refusal::Contradicted(Found::Refused(_)) => Some(Cause::PosSays(PosStatus::Rejected)),
        Refusal::Contradicted(Found::Cancelled) => Some(Cause::PosSays(PosStatus::Cancelled)),
        Refusal::Contradicted(Found::Absent) => Some(Cause::PosSays(PosStatus::Unknown)),
        _ => None,
    };
    let mut back = match said {
        Some(cause) => next_version(taken, State::Open(open), (Step::EndRefused, cause), ctx),
        None => next_version(taken, State::Open(open), Step::EndRefused, ctx),
    };
    // One entry for a refused end: however many there are, they drive out little of what happened before.
    if let Some(last) =
        back.history.len().checked_sub(2).filter(|at| back.history.get(*at).is_some_and(|entry| entry.step == Step::TakenOver))
    {
        back.history.remove(last);
    }
    back
}

/// When the message of a row that was given back is to arrive: when the one before was to.
#[must_use]
pub fn resumed_in(back: &OrderRecord, ctx: &Context<'_>) -> Duration {
    let due = back.open().map_or(ctx.now, |open| open.due_at);
    Duration::from_secs(due.minus(HANDOFF_GRACE).since(ctx.now).as_secs()).min(MAX_DELAY)
}

/// The final row of an order that a person has taken over.
#[must_use]
pub fn decide(taken: &OrderRecord, decision: Decision, why: Cause, ctx: &Context<'_>) -> OrderRecord {
    let error = || vec![OrderError::new(ErrorCode::EndedByOperator, "the order was ended by the restaurant's operator")];
    let (outcome, step) = match decision {
        Decision::Placed { pos_order_id } => (Outcome::Placed { pos_order_id }, Step::EndedPlaced),
        Decision::Rejected => (Outcome::Rejected(error()), Step::EndedRejected),
        Decision::Errored => (Outcome::Errored(error()), Step::EndedErrored),
    };
    end(taken, outcome, (step, why), ctx)
}

/// What would happen next to an order if nobody did anything, in words for an operator.
#[must_use]
pub fn outlook(record: &OrderRecord, ctx: &Context<'_>) -> String {
    let open = match &record.state {
        State::Open(open) => open,
        State::Final(Final { expires_at, .. }) => return format!("nothing; the row expires at {}", expires_at.rfc3339()),
    };
    if let Some(lease) = open.lease.filter(|lease| lease.until > ctx.now) {
        return format!("somebody works on it; without a result by {} it is handed off again", lease.until.rfc3339());
    }
    let at = ctx.now.max(open.due_at.minus(HANDOFF_GRACE));
    let then = Context { now: at, write_id: ctx.write_id.clone(), ..*ctx };
    let next = match machine::advance(record, Input::Delivered { version: record.version }, &then) {
        Next::Act(_, Action::Place) => "placing it is tried".to_owned(),
        Next::Act(_, Action::Find) => "the POS is asked for it".to_owned(),
        Next::Act(_, Action::Cancel) => "it is cancelled at the POS".to_owned(),
        Next::End(end, _) => format!("it ends {}", end.status().as_str()),
        Next::HandOff(_, delay) => format!("it waits {} s more", delay.as_secs()),
        Next::Park(_) => "it goes on waiting for a person".to_owned(),
        Next::Ignore(_) => "nothing".to_owned(),
    };
    format!("when its message arrives, or it is handed off again at {}: {next}", open.due_at.rfc3339())
}

#[cfg(test)]
#[path = "by_hand_tests.rs"]
mod tests;
