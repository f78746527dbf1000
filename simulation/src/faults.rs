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
    /// The same, for longer than the SDK tries.
    ThrottledLong,
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
    /// The same, of a place that is sent again.
    ShortRepeat,
    /// It hands on half an answer as if that were all.
    ShortAnswer,
    /// It hands a request on, and gives an answer that an earlier one had.
    LeftOver,
    /// The same, of a place that is sent again.
    LeftRepeat,
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
    /// A cancel is held on its way to a POS, and operators have the POS promise none from then on.
    CancelTaken,
    /// A caller sends other content under a name that it has used.
    Changed,
    /// A stranger with a token takes a signature that was heard for an order of his own.
    Thief,
    /// Another day's order has a number that was used before.
    NumberReused,
    /// A caller sends an order again under another name, another day, while it is open.
    RenamedLater,
    /// A caller sends an order again when it is forgotten.
    SentMonthsLater,
    /// The secrets are changed.
    SecretsChanged,
    /// Some processes have other settings.
    SettingsChanged,
    /// What is sold costs more.
    PriceChanged,
    /// What is sold is switched off.
    SoldOut,
    /// A read that need not be consistent sees what was there before.
    StaleRead,
    /// A person wants an order ended.
    Person,
    /// Premise broken: a POS makes orders after their not-after.
    NotAfterIgnored,
    /// Premise broken: something before a POS hands a place on twice, whatever the POS promises.
    PlaceRepeated,
    /// Premise broken: something before a POS says in the POS's own words that an order is not there.
    ProxyDenies,
    /// Premise broken: a POS is set back to an earlier time.
    PosSetBack,
    /// Premise broken: a POS makes a second meal of a place that is repeated, although it promised not to.
    PromiseBroken,
    /// Premise broken: a location is said to promise what its POS does not.
    PromisesTooMuch,
    /// Premise broken: a write is done although its condition does not hold.
    NotConditional,
    /// Premise broken: a strongly consistent read sees what was there before.
    NotConsistent,
    /// Premise broken: TTL forgets rows that have not expired.
    ForgetsEarly,
    /// Premise broken: a machine does not learn AWS's time.
    DateUnheard,
    /// Premise broken: the schedule never runs.
    ScheduleStops,
    /// Premise broken: a secret is dropped that callers still use.
    SecretDropped,
    /// Premise broken: a person ends an order as he likes, without asking its POS.
    WithoutAsking,
    /// Premise broken: a caller sends a decided order under another name after the guard's hours.
    RenamedAfterHours,
    /// Premise broken: a caller sends an order that has no online order id under another name.
    RenamedWithoutId,
}

use Fault::*;

impl Fault {
    /// Every kind, its name, and how often it happens in a thousand times that it could.
    pub const ALL: [(Self, &'static str, u32); 54] = [
        (CallLost, "call-lost", 8),
        (ReplyLost, "reply-lost", 12),
        (ServerError, "server-error", 5),
        (ServerErrorDone, "server-error-done", 5),
        (Throttled, "throttled", 6),
        (ThrottledLong, "throttled-long", 4),
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
        (ShortRepeat, "short-repeat", 300),
        (ShortAnswer, "short-answer", 40),
        (LeftOver, "left-over", 40),
        (LeftRepeat, "left-repeat", 250),
        (Twice, "twice", 40),
        (AnswerLost, "answer-lost", 60),
        (SentTwice, "sent-twice", 120),
        (Renamed, "renamed", 250),
        (Restamped, "restamped", 150),
        (OtherClient, "other-client", 200),
        (SentLater, "sent-later", 100),
        (Remapped, "remapped", 150),
        (PromiseTaken, "promise-taken", 80),
        (CancelTaken, "cancel-taken", 250),
        (Changed, "changed", 40),
        (Thief, "thief", 50),
        (NumberReused, "number-reused", 700),
        (RenamedLater, "renamed-later", 400),
        (SentMonthsLater, "sent-months-later", 60),
        (SecretsChanged, "secrets-changed", 300),
        (SettingsChanged, "settings-changed", 80),
        (PriceChanged, "price-changed", 150),
        (SoldOut, "sold-out", 80),
        (StaleRead, "stale-read", 300),
        (Person, "person", 150),
    ];

    /// What must not go wrong, for some order is lost then, or made twice: the premises (docs/premises.md), each with the
    /// name of what breaks it, how often, and its heading there. No run has them unless it is told to.
    pub const PREMISES: [(Self, &'static str, u32, &'static str); 15] = [
        (NotAfterIgnored, "not-after-ignored", 1_000, "It makes nothing of a place after its `Posnext-Not-After`"),
        (PlaceRepeated, "place-repeated", 60, "A request reaches the POS once"),
        (ProxyDenies, "proxy-denies", 60, "Who answers is the POS"),
        (PosSetBack, "pos-set-back", 20, "It is not set back to an earlier time"),
        (PromiseBroken, "promise-broken", 1_000, "It keeps what it has promised"),
        (PromisesTooMuch, "promises-too-much", 300, "It keeps what it has promised"),
        (NotConditional, "not-conditional", 300, "A conditional write finds what was written before"),
        (NotConsistent, "not-consistent", 100, "A strongly consistent read has what was answered before"),
        (ForgetsEarly, "forgets-early", 300, "TTL forgets late and in any order"),
        (DateUnheard, "date-unheard", 1_000, "Two machines' clocks differ by 3 s at most"),
        (ScheduleStops, "schedule-stops", 1_000, "recover-orders runs every minute"),
        (SecretDropped, "secret-dropped", 1_000, "A secret may change under an order"),
        (WithoutAsking, "without-asking", 1_000, "Who ends an order by hand is right"),
        (RenamedAfterHours, "renamed-after-hours", 300, "Online order ids are used again, with other content"),
        (
            RenamedWithoutId,
            "renamed-without-id",
            1_000,
            "An order that is sent again has the same `request_uid`, or its online order id",
        ),
    ];

    /// Each kind with its name and how often it happens, premises included.
    fn each() -> impl Iterator<Item = (Self, &'static str, u32)> {
        Self::ALL.into_iter().chain(Self::PREMISES.map(|(fault, name, times, _)| (fault, name, times)))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::each().find(|(fault, ..)| *fault == self).map_or("", |(_, name, _)| name)
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::each().find(|(_, other, _)| *other == name).map(|(fault, ..)| fault)
    }

    pub(crate) fn in_a_thousand(self) -> u32 {
        Self::each().find(|(fault, ..)| *fault == self).map_or(0, |(.., times)| times)
    }
}
