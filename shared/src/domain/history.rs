//! What happened to an order, as types. They are stored as they are, and [`super::words`] alone makes sentences of
//! them.

use serde::{Deserialize, Serialize};

use super::time::UnixMillis;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    #[serde(rename = "t")]
    pub at: UnixMillis,
    /// Who made it.
    #[serde(rename = "b")]
    pub by: Actor,
    /// What was done, or found.
    #[serde(rename = "s")]
    pub step: Step,
    /// Why, where there is more to say.
    #[serde(default, rename = "c", skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Actor {
    /// submit-order, while PAR waited.
    Submit,
    /// process-order, in the background.
    Worker,
    /// An operator.
    Person,
}

/// What was done, or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Accepted, and its first attempt begins at once.
    AcceptedPlacing,
    /// Accepted, and handed to the queue.
    AcceptedQueued,
    /// Accepted, and rejected without asking the POS.
    AcceptedRejected,
    /// An attempt to place it begins.
    Placing,
    /// The POS is about to be asked for it.
    Asking,
    /// It is about to be cancelled at the POS.
    Cancelling,
    /// It waits for the time when it may be cancelled.
    WaitingToCancel,
    /// The POS may or may not hold it, and cannot be asked: it waits for a person.
    Unaskable,
    /// The POS holds it under a number that cannot be used: it waits for a person.
    NoNumber,
    /// The POS took it.
    Placed,
    /// The POS refused it.
    Refused,
    /// The POS can never take it as it was sent.
    Impossible,
    /// The POS certainly did nothing with the attempt.
    NotStarted,
    /// Nobody knows what the attempt came to.
    OutcomeUnknown,
    /// The attempt made nothing, but an earlier one may have.
    Inconclusive,
    /// The POS was asked, and holds it.
    FoundPlaced,
    /// The POS was asked, and had refused it.
    FoundRefused,
    /// It had been cancelled at the POS.
    FoundCancelled,
    /// The POS was asked, and does not know it yet.
    NotFound,
    /// The POS was asked, and nothing came of it.
    CouldNotAsk,
    /// It is cancelled at the POS.
    Cancelled,
    /// The POS holds it and will not cancel it.
    WillNotCancel,
    /// Cancelling came to nothing.
    CouldNotCancel,
    /// There was no time left to place it.
    OutOfTime,
    /// A person took it over, to end it.
    TakenOver,
    /// The end that a person wanted was refused: the POS says otherwise, or nothing.
    EndRefused,
    /// A person ended it `placed`.
    EndedPlaced,
    /// A person ended it `rejected`.
    EndedRejected,
    /// A person ended it `errored`.
    EndedErrored,
}

/// Why something came to what it came to. What is text in here is for operators: it is never read by a program, and
/// never told to a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No connection to the POS stood, so nothing was sent.
    NoConnection(String),
    /// The request was sent, and no answer came within so many milliseconds.
    NoAnswer(u64),
    /// The connection broke after the request may have been sent.
    Cut(String),
    /// The POS's own word, with its HTTP status.
    Answered(u16, PosStatus),
    /// An answer that does not count as the POS's own (docs/connector.md#an-answer-that-counts).
    NotOwn {
        /// Its HTTP status.
        status: u16,
        /// Its media type, if it named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        /// What it lacks.
        lacks: Lack,
    },
    /// The POS says that it has cancelled the order, which it does not promise to do for good.
    NeverPromised,
    /// The request can never be sent as it is.
    Unsendable(String),
    /// The secret that proves the request could not be read.
    NoSecret(String),
    /// Too little of the lease was left to begin.
    NoTimeLeft,
    /// The time-out of the function was near, and what was under way was given up.
    GivenUp,
    /// The location is not mapped any more.
    NotMapped,
    /// The mapping of the location could not be read.
    NoMapping(String),
    /// The POS was asked, and says this.
    PosSays(PosStatus),
    /// A person's own reason.
    Person(String),
    /// The same, for an end without asking the POS.
    WithoutAsking(String),
}

/// What a POS says of an order (docs/connector.md#an-answer-that-counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PosStatus {
    /// Made.
    Placed,
    /// Refused on business grounds; not made.
    Rejected,
    /// This request can never succeed; not made.
    Invalid,
    /// Neither absent nor final.
    InProgress,
    /// Nothing was done with this request.
    NotStarted,
    /// Never placed, as far as the POS knows.
    Unknown,
    /// A tombstone stands.
    Cancelled,
}

/// What an answer lacks to count as the POS's own, to this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// It is not one JSON object.
    Json,
    /// It has no `key` that is text.
    Key,
    /// Its `key` is that of another order.
    ThisKey,
    /// It has no `status` that is text.
    Status,
    /// Its `status` is none of the contract's.
    KnownStatus,
    /// It has `key`, `status` or `pos_order_id` twice.
    OneOfEach,
    /// Its HTTP status does not go with its `status`.
    Agreement,
    /// It does not repeat the id of this request.
    RequestId,
    /// It comes out of a cache (`Age`).
    Freshness,
}

/// Why an order needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedsPerson {
    /// The POS may or may not hold it, and cannot be asked.
    Unaskable,
    /// It is past its deadline, and what became of it is not certain.
    Overdue,
    /// The POS holds it under a number that cannot be used.
    NoNumber,
}
