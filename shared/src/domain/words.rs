//! Sentences about what happened to an order: the one place that makes them, for operators and for callers. A caller is
//! told nothing of what is behind the API: no address, no secret's name, no person's reason.

use std::fmt;

use serde::Serialize;

use super::{
    ability::Found,
    history::{Actor, Cause, HistoryEntry, Lack, NeedsPerson, PosStatus, Step},
    record::OrderRecord,
    status::{ErrorCode, OrderError},
};

/// One change, as a caller is told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub actor: Actor,
    /// What.
    pub event: String,
    /// Why, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    pub reason: Option<String>,
}

/// The changes of an order, oldest first; of one that has had more than are kept, the first and the latest.
#[must_use]
pub fn history(record: &OrderRecord) -> Vec<Change> {
    let told = record.history.iter().map(|entry| Change {
        at: entry.at.rfc3339(),
        actor: entry.by,
        event: entry.step.event().to_owned(),
        reason: entry.step.detail().map(str::to_owned).or_else(|| entry.cause.as_ref()?.told()),
    });
    told.collect()
}

/// Why an attempt that was still to be tried again at the deadline ended the order. The last cause decides the words.
#[must_use]
pub fn out_of_time(last: Option<&Cause>) -> OrderError {
    let (code, message) = match last {
        Some(Cause::Answered(401 | 403, _)) => {
            (ErrorCode::PosMisconfigured, "the POS did not accept our credentials before the order's deadline")
        }
        Some(Cause::NoSecret(_)) => {
            (ErrorCode::PosMisconfigured, "our credentials for the POS could not be read before the order's deadline")
        }
        Some(Cause::Answered(429, _)) => (ErrorCode::PosUnreachable, "the POS took no more orders before the order's deadline"),
        Some(Cause::Answered(..)) => (ErrorCode::PosUnreachable, "the POS was not ready to take the order before its deadline"),
        Some(Cause::NoConnection(_)) => {
            (ErrorCode::PosUnreachable, "no connection to the POS could be made before the order's deadline")
        }
        _ => (ErrorCode::PosUnreachable, "the POS could not take the order before its deadline"),
    };
    OrderError::new(code, message)
}

impl Step {
    /// What was done, in a few words.
    #[must_use]
    pub fn event(self) -> &'static str {
        match self {
            Self::AcceptedPlacing | Self::AcceptedQueued | Self::AcceptedRejected => "accepted",
            Self::Placing => "an attempt begins",
            Self::Asking => "asking the POS",
            Self::Cancelling => "cancelling at the POS",
            Self::WaitingToCancel => "waiting to cancel",
            Self::Unaskable | Self::NoNumber => "waiting for a person",
            Self::Placed => "placed",
            Self::Refused => "refused by the POS",
            Self::Impossible => "cannot be placed",
            Self::NotStarted => "not started",
            Self::OutcomeUnknown => "outcome unknown",
            Self::Inconclusive => "not placed, but an earlier attempt is unknown",
            Self::FoundPlaced => "found placed",
            Self::FoundRefused => "found refused",
            Self::FoundCancelled => "found cancelled at the POS",
            Self::NotFound => "not found yet",
            Self::CouldNotAsk => "could not ask",
            Self::Cancelled => "cancelled at the POS",
            Self::WillNotCancel => "the POS will not cancel it",
            Self::CouldNotCancel => "could not cancel",
            Self::OutOfTime => "not placed before the deadline",
            Self::TakenOver => "taken over by a person",
            Self::EndRefused => "the end that a person wanted was refused",
            Self::EndedPlaced => "placed by a person",
            Self::EndedRejected => "rejected by a person",
            Self::EndedErrored => "errored by a person",
        }
    }

    /// What the step says besides, whatever its cause.
    fn detail(self) -> Option<&'static str> {
        match self {
            Self::AcceptedPlacing => Some(Self::Placing.event()),
            Self::AcceptedQueued => Some("queued"),
            Self::AcceptedRejected => Some("rejected without asking the POS"),
            Self::Unaskable => Some(UNASKABLE),
            Self::NoNumber => Some(NO_NUMBER),
            _ => None,
        }
    }
}

const UNASKABLE: &str = "the POS may or may not hold this order, and cannot be asked";
const NO_NUMBER: &str = "the POS holds this order under a number that cannot be used";

impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.event())?;
        if let Some(detail) = self.step.detail() {
            write!(f, ": {detail}")?;
        }
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl fmt::Display for NeedsPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unaskable => UNASKABLE,
            Self::Overdue => "it is past its deadline, and what became of it is not certain",
            Self::NoNumber => NO_NUMBER,
        })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placed { pos_order_id } => write!(f, "it holds the order under {pos_order_id}"),
            Self::NoNumber => f.write_str("it holds the order under a number that cannot be used"),
            Self::Refused(errors) => {
                f.write_str("it has refused the order")?;
                errors.iter().try_for_each(|error| write!(f, ": {}", error.message))
            }
            Self::Cancelled => f.write_str("the order is cancelled there"),
            Self::Absent => f.write_str("it does not know the order"),
            Self::Unknown(cause) => write!(f, "it does not say: {cause}"),
        }
    }
}

impl Cause {
    /// What a caller is told of it.
    fn told(&self) -> Option<String> {
        Some(match self {
            Self::NoConnection(_) => "could not connect".to_owned(),
            Self::NoAnswer(_) => "no answer in time".to_owned(),
            Self::Cut(_) => "the connection was cut".to_owned(),
            Self::Answered(status, said) => format!("the POS answered {status} ({})", said.as_str()),
            Self::NotOwn { status, .. } => format!("answered {status}, which is not the POS's own answer"),
            _ => return None,
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(why) => write!(f, "could not connect: {why}"),
            Self::NoAnswer(limit) => write!(f, "no answer within {limit} ms"),
            Self::Cut(why) => write!(f, "the connection was cut: {why}"),
            Self::Answered(401 | 403, said) => {
                write!(f, "the POS does not accept our credentials ({})", said.as_str())
            }
            Self::Answered(status, said) => write!(f, "the POS answered {status} ({})", said.as_str()),
            Self::NotOwn { status, media_type, lacks } => {
                let media_type = media_type.as_deref().unwrap_or("without a media type");
                write!(f, "{status} {media_type}: not the POS's own answer: {lacks}")
            }
            Self::NeverPromised => f.write_str("the POS says that it is cancelled, and does not promise to cancel"),
            Self::Unsendable(why) => f.write_str(why),
            Self::NoSecret(why) => write!(f, "the POS secret cannot be read: {why}"),
            Self::NoTimeLeft => f.write_str("too little of the lease was left to place it"),
            Self::GivenUp => f.write_str("the time-out of the function was near"),
            Self::NotMapped => f.write_str("the location is no longer mapped"),
            Self::NoMapping(why) => write!(f, "the location cannot be read: {why}"),
            Self::PosSays(said) => write!(f, "the POS says {}", said.as_str()),
            Self::Person(why) => f.write_str(why),
            Self::WithoutAsking(why) => write!(f, "without asking the POS: {why}"),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "it is not one JSON object",
            Self::Key => "it has no key",
            Self::ThisKey => "its key is another order's",
            Self::Status => "it has no status",
            Self::KnownStatus => "its status is none of the contract's",
            Self::OneOfEach => "key, status or pos_order_id is there twice",
            Self::Agreement => "its HTTP status does not go with its status",
            Self::RequestId => "it does not repeat Posnext-Request",
            Self::Freshness => "it comes out of a cache (Age)",
        })
    }
}

impl PosStatus {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Placed, Self::Rejected, Self::Invalid, Self::InProgress, Self::NotStarted, Self::Unknown, Self::Cancelled];

    /// The value as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
            Self::InProgress => "in_progress",
            Self::NotStarted => "not_started",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
