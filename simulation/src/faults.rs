//! What goes wrong, and how often. Every run has the same mix.

/// One kind of what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A call of AWS does not arrive.
    CallLost,
    /// A call of AWS is done, and its reply does not arrive.
    ReplyLost,
    /// A call of AWS fails, and was not done.
    ServerError,
    /// A call of AWS fails, and was done.
    ServerErrorDone,
    /// AWS has no room for a call.
    Throttled,
    /// A write meets a transaction.
    Conflict,
    /// A call of AWS takes long.
    SlowCall,
    /// A read beside a transaction sees a part of it.
    HalfSeen,
    /// The index is not up to date.
    IndexLags,
    /// A message is lost.
    MessageLost,
    /// A message comes twice.
    MessageDoubled,
    /// A message comes late.
    MessageLate,
    /// The schedule leaves a run out.
    RunMissed,
    /// A process dies.
    Dies,
    /// A process stands still, and goes on later.
    StandsStill,
    /// There is no room for an invocation.
    NoRoom,
    /// A machine's clock is off, within what is allowed.
    ClockOff,
    /// A machine's clock is off by more than that.
    ClockFarOff,
    /// A POS refuses a connection.
    NoConnection,
    /// A POS, or what stands before it, is slow.
    SlowPos,
    /// A connection to a POS breaks before the request is there.
    RequestCut,
    /// The POS has done it, and the connection breaks.
    AnswerCut,
    /// Something before a POS answers with a page of its own.
    Page,
    /// It answers as the same request was answered before.
    Cached,
    /// The same, and it says so.
    Aged,
    /// It answers as for another order.
    Stranger,
    /// It hands a request on after its sender has gone.
    HeldRequest,
    /// It hands on half a request as if that were all.
    ShortRequest,
    /// It hands on half an answer as if that were all.
    ShortAnswer,
    /// It hands a request on, and gives an answer that an earlier one had.
    LeftOver,
    /// It hands a request on twice.
    Twice,
    /// A caller does not get its answer.
    AnswerLost,
    /// A caller sends an order twice at once.
    SentTwice,
    /// A caller sends an order again under another `request_uid`.
    Renamed,
    /// A caller sends an order again with another time.
    Restamped,
    /// A caller sends an order again as another client.
    OtherClient,
    /// A caller sends an order again long after it is decided.
    SentLater,
    /// A location is mapped to another POS.
    Remapped,
    /// A location's POS is said to promise less.
    PromiseTaken,
    /// A person wants an order ended.
    Person,
}

use Fault::*;

impl Fault {
    /// Every kind, its name, and how often it happens in a thousand times that it could.
    pub const ALL: [(Self, &'static str, u32); 40] = [
        (CallLost, "call-lost", 8),
        (ReplyLost, "reply-lost", 12),
        (ServerError, "server-error", 5),
        (ServerErrorDone, "server-error-done", 5),
        (Throttled, "throttled", 6),
        (Conflict, "conflict", 15),
        (SlowCall, "slow-call", 12),
        (HalfSeen, "half-seen", 300),
        (IndexLags, "index-lags", 200),
        (MessageLost, "message-lost", 50),
        (MessageDoubled, "message-doubled", 60),
        (MessageLate, "message-late", 80),
        (RunMissed, "run-missed", 100),
        (Dies, "dies", 40),
        (StandsStill, "stands-still", 60),
        (NoRoom, "no-room", 10),
        (ClockOff, "clock-off", 500),
        (ClockFarOff, "clock-far-off", 30),
        (NoConnection, "no-connection", 30),
        (SlowPos, "slow-pos", 60),
        (RequestCut, "request-cut", 20),
        (AnswerCut, "answer-cut", 40),
        (Page, "page", 40),
        (Cached, "cached", 40),
        (Aged, "aged", 20),
        (Stranger, "stranger", 30),
        (HeldRequest, "held-request", 50),
        (ShortRequest, "short-request", 15),
        (ShortAnswer, "short-answer", 20),
        (LeftOver, "left-over", 40),
        (Twice, "twice", 40),
        (AnswerLost, "answer-lost", 60),
        (SentTwice, "sent-twice", 120),
        (Renamed, "renamed", 250),
        (Restamped, "restamped", 150),
        (OtherClient, "other-client", 200),
        (SentLater, "sent-later", 100),
        (Remapped, "remapped", 150),
        (PromiseTaken, "promise-taken", 80),
        (Person, "person", 60),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(fault, ..)| *fault == self).map_or("", |(_, name, _)| name)
    }

    pub(crate) fn in_a_thousand(self) -> u32 {
        Self::ALL.iter().find(|(fault, ..)| *fault == self).map_or(0, |(.., times)| *times)
    }
}
