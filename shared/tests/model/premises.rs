//! The premises of the design's section 3, taken away one at a time. A model that does not notice proves nothing.

/// What can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    VersionCondition,
    LeaseRespected,
    DueNotBeforeLeaseEnds,
    DueWhenLeaseEnds,
    AttemptWrittenFirst,
    AskingAboutUnknown,
    SettleTime,
    CancellingKept,
    Tombstone,
    HealingKeepsVersion,
    PlaceOnlyOnLease,
}
