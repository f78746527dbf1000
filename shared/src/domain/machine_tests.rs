use super::*;
use crate::domain::{
    ability::Find,
    history::PosStatus,
    ids::{RequestUid, Tenant},
    order::Body,
    pinned::tests::mapped,
    status::OrderStatus,
};

const T0: UnixMillis = UnixMillis(1_742_049_045_000);
pub(in crate::domain) const NOTHING: Abilities = Abilities { idempotent_place: false, find: None, cancel: false };
pub(in crate::domain) const IDEMPOTENT: Abilities = Abilities { idempotent_place: true, ..NOTHING };
pub(in crate::domain) const FIND: Abilities = Abilities { find: Some(Find { settle_s: 3 }), ..NOTHING };
pub(in crate::domain) const CANCEL: Abilities = Abilities { cancel: true, ..NOTHING };
const FIND_CANCEL: Abilities = Abilities { cancel: true, ..FIND };
const ALL: Abilities = Abilities { idempotent_place: true, find: Some(Find { settle_s: 3 }), cancel: true };

/// Plays an order against the machine alone.
pub(in crate::domain) struct Play {
    policy: Policy,
    abilities: Abilities,
    by: Actor,
    pub(in crate::domain) now: UnixMillis,
    pub(in crate::domain) record: OrderRecord,
}

impl Play {
    pub(in crate::domain) fn start(abilities: Abilities) -> Self {
        Self::start_as(abilities, Start::Placing)
    }

    pub(in crate::domain) fn start_as(abilities: Abilities, start: Start) -> Self {
        let text = r#"{"request_uid":"u-1","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{}}"#;
        let order = Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap());
        let key = OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u-1").unwrap() };
        let policy = Policy::default();
        let ctx = context(&policy, abilities, T0, policy.submit_lease());
        let record =
            claim(New { key, order, shared_id: "s".into(), traceparent: None }, Pinned::of(mapped(abilities)), start, &ctx);
        Self { policy, abilities, by: Actor::Submit, now: T0, record }
    }

    pub(in crate::domain) fn after(mut self, seconds: u64) -> Self {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self
    }

    pub(in crate::domain) fn at_deadline(mut self) -> Self {
        self.now = self.record.deadline;
        self
    }

    fn next(&self, input: Input) -> Next {
        let ctx = context(&self.policy, self.abilities, self.now, self.policy.worker_lease());
        advance(&self.record, input, &Context { by: self.by, ..ctx })
    }

    pub(in crate::domain) fn deliver(mut self) -> (Self, Option<Action>) {
        self.by = Actor::Worker;
        let version = self.record.version;
        self.step(Input::Delivered { version })
    }

    /// Writes what the machine asks for; returns the action it asks for.
    pub(in crate::domain) fn step(mut self, input: Input) -> (Self, Option<Action>) {
        let (record, action) = match self.next(input) {
            Next::Act(record, action) => (record, Some(action)),
            Next::End(record, _) | Next::HandOff(record, _) | Next::Park(record) => (record, None),
            Next::Ignore(why) => panic!("ignored: {why:?}"),
        };
        assert_eq!(record.version, self.record.version + 1);
        if let Some(open) = record.open() {
            assert!(open.due_at > self.now, "an open order always has a due time ahead");
            assert_eq!(open.lease.is_some(), action.is_some(), "a lease is held exactly while something is done");
        }
        self.record = record;
        (self, action)
    }

    pub(in crate::domain) fn placed(self, outcome: Placed) -> Self {
        let (play, action) = self.step(Input::Placed(outcome));
        assert_eq!(action, None);
        play
    }

    pub(in crate::domain) fn found(self, found: Found) -> (Self, Option<Action>) {
        let began_at = self.now;
        self.step(Input::Found { found, began_at })
    }

    fn status(&self) -> OrderStatus {
        self.record.status()
    }

    fn open(&self) -> &Open {
        self.record.open().expect("open")
    }
}

fn context(policy: &Policy, abilities: Abilities, now: UnixMillis, lease: Duration) -> Context<'_> {
    let function_timeout = Duration::from_secs(15);
    let (mapped, by) = (Some(mapped(abilities)), Actor::Submit);
    Context { now, policy, mapped, by, lease, function_timeout, write_id: "w".into(), random: u64::MAX / 3 }
}

pub(in crate::domain) fn unknown() -> Placed {
    Placed::Unknown(Cause::Cut("cut".into()))
}

fn not_started() -> Placed {
    Placed::NotStarted { cause: Cause::NoConnection("refused".into()), retry_after: None }
}

fn down() -> Cause {
    Cause::NoConnection("down".into())
}

fn done() -> Placed {
    Placed::Done { pos_order_id: "P-1".into() }
}

fn refused() -> Placed {
    Placed::Refused(vec![OrderError::new(ErrorCode::PosRefused, "no")])
}

#[test]
fn a_claim_is_an_attempt_under_a_lease_that_heals_at_its_end() {
    let play = Play::start(ALL);
    let lease = play.open().lease.unwrap();
    assert_eq!((play.record.version, play.record.attempts, play.open().stage), (1, 1, Stage::Received));
    assert_eq!(play.open().due_at, lease.until);
    assert_eq!(lease.placing_until, Some(T0.plus(Duration::from_secs(15))));
    assert_eq!(heal(&play.record, T0), None);
    assert_eq!(heal(&play.record, lease.until), Some(lease.until.plus(HANDOFF_GRACE)));
}

#[test]
fn a_queued_order_has_no_lease_and_no_attempt() {
    let play = Play::start_as(ALL, Start::Queued);
    assert_eq!((play.record.version, play.record.attempts), (1, 0));
    assert_eq!((play.open().lease, play.open().due_at), (None, T0.plus(HANDOFF_GRACE)));
    let (play, action) = play.deliver();
    assert_eq!((action, play.record.attempts), (Some(Action::Place), 1));
}

#[test]
fn what_the_pos_decides_is_final() {
    assert_eq!(Play::start(NOTHING).placed(done()).status(), OrderStatus::Placed);
    assert_eq!(Play::start(NOTHING).placed(refused()).status(), OrderStatus::Rejected);
    assert_eq!(Play::start(NOTHING).placed(Placed::Permanent(Cause::NotMapped)).status(), OrderStatus::Errored);
    let play = Play::start(ALL).placed(done());
    assert!(matches!(play.next(Input::Delivered { version: 9 }), Next::Ignore(Ignored::Final)));
    assert!(matches!(play.next(Input::Placed(refused())), Next::Ignore(Ignored::Final)));
    assert_eq!(heal(&play.record, UnixMillis(i64::MAX)), None);
}

#[test]
fn a_message_that_meets_a_live_lease_or_a_newer_version_does_nothing() {
    let play = Play::start(ALL);
    assert!(matches!(play.next(Input::Delivered { version: 1 }), Next::Ignore(Ignored::LiveLease)));
    let play = play.placed(not_started());
    assert!(matches!(play.next(Input::Delivered { version: 1 }), Next::Ignore(Ignored::NewerVersion)));
}

#[test]
fn an_attempt_that_did_not_start_is_retried_with_growing_delay_whatever_the_pos_can_do() {
    let mut play = Play::start(NOTHING);
    let mut delays = Vec::new();
    while play.status() == OrderStatus::Pending {
        let Next::HandOff(record, delay) = play.next(Input::Placed(not_started())) else { break };
        assert_eq!(record.open().unwrap().stage, Stage::Retrying);
        assert_eq!(record.open().unwrap().due_at, play.now.plus(delay).plus(HANDOFF_GRACE));
        delays.push(delay.as_secs());
        play.record = record;
        let (next, action) = play.after(delay.as_secs()).deliver();
        assert_eq!(action, Some(Action::Place));
        play = next;
    }
    assert!(delays.len() >= 4 && delays.first() < delays.iter().max(), "{delays:?}");
    let play = play.placed(not_started());
    assert_eq!(play.status(), OrderStatus::Errored);
    assert!(play.now <= play.record.deadline);
}

#[test]
fn a_retry_never_sleeps_through_the_last_chance_to_place() {
    for outcome in [unknown(), not_started()] {
        // Three seconds before placing ends, after so many tries that the back-off alone would be 17 s.
        let mut play = Play::start(IDEMPOTENT).after(47);
        if let State::Open(open) = &mut play.record.state {
            open.hand_offs = 6;
        }
        let Next::HandOff(record, delay) = play.next(Input::Placed(outcome)) else { panic!("handed off") };
        assert_eq!(delay, Duration::from_secs(2));
        play.record = record;
        assert_eq!(play.after(2).deliver().1, Some(Action::Place));
    }
}

#[test]
fn a_pos_that_says_when_to_come_back_is_obeyed() {
    let Next::HandOff(_, delay) = Play::start(ALL).next(Input::Placed(Placed::NotStarted {
        cause: Cause::Answered(429, PosStatus::NotStarted),
        retry_after: Some(Duration::from_secs(17)),
    })) else {
        panic!("handed off")
    };
    assert_eq!(delay, Duration::from_secs(17));
}

#[test]
fn an_unknown_outcome_is_placed_again_only_if_that_is_idempotent() {
    let (_, action) = Play::start(IDEMPOTENT).placed(unknown()).after(1).deliver();
    assert_eq!(action, Some(Action::Place));
    let (_, action) = Play::start(FIND).placed(unknown()).after(1).deliver();
    assert_eq!(action, Some(Action::Find));
    let (play, action) = Play::start(NOTHING).placed(unknown()).after(1).deliver();
    assert_eq!(action, None);
    assert!(play.open().person.is_some() && play.open().unknown_until.is_some());
    let Next::HandOff(..) = Play::start(CANCEL).placed(unknown()).after(1).next(Input::Delivered { version: 2 }) else {
        panic!("waits until it may cancel")
    };
}

#[test]
fn a_worker_that_died_while_placing_leaves_an_unknown_attempt() {
    let play = Play::start(FIND).after(20);
    let (play, action) = play.deliver();
    assert_eq!(action, Some(Action::Find));
    assert_eq!(play.open().unknown_until, Some(T0.plus(Duration::from_secs(15))));
    // One that died while asking does not.
    let (play, action) = play.after(60).deliver();
    assert_eq!(action, Some(Action::Find));
    assert_eq!(play.open().unknown_until, Some(T0.plus(Duration::from_secs(15))));
}

#[test]
fn absent_means_never_only_in_a_find_begun_after_the_settle_time() {
    let (play, _) = Play::start(FIND).placed(unknown()).after(17).deliver();
    let Next::HandOff(record, delay) = play.next(Input::Found { found: Found::Absent, began_at: play.now }) else {
        panic!("too early to tell")
    };
    assert_eq!((delay, record.attempts), (Duration::from_secs(1), 1));
    let (play, action) = play.after(1).found(Found::Absent);
    assert_eq!((action, play.record.attempts, play.open().unknown_until), (Some(Action::Place), 2, None));
    assert!(play.open().lease.unwrap().placing_until.is_some(), "the second attempt is written before it begins");
}

#[test]
fn a_find_that_began_too_early_settles_nothing_however_late_it_returns() {
    let (play, _) = Play::start(FIND).placed(unknown()).after(16).deliver();
    let began_at = play.now;
    let play = play.after(10);
    assert!(matches!(play.next(Input::Found { found: Found::Absent, began_at }), Next::HandOff(..)));
}

#[test]
fn what_is_found_is_final() {
    let confirm = || Play::start(FIND).placed(unknown()).after(1).deliver().0;
    assert_eq!(confirm().found(Found::Placed { pos_order_id: "P".into() }).0.status(), OrderStatus::Placed);
    assert_eq!(confirm().found(Found::Refused(vec![])).0.status(), OrderStatus::Rejected);
    let (play, _) = Play::start(FIND_CANCEL).placed(unknown()).after(1).deliver();
    assert_eq!(play.found(Found::Cancelled).0.status(), OrderStatus::Errored);
}

#[test]
fn gone_means_cancelled_only_where_the_pos_has_promised_tombstones() {
    assert_eq!(Play::start(CANCEL).placed(Placed::Cancelled).status(), OrderStatus::Errored);
    let again = Play::start(IDEMPOTENT).placed(unknown()).after(1).deliver().0;
    assert_eq!(again.placed(Placed::Cancelled).status(), OrderStatus::Pending, "the first attempt may have placed");
    let asked = Play::start(FIND).placed(unknown()).after(1).deliver().0;
    assert_eq!(asked.found(Found::Cancelled).0.status(), OrderStatus::Pending);
}

#[test]
fn waiting_for_a_find_to_settle_never_sleeps_through_the_time_to_cancel_or_to_tell_a_person() {
    let slow = |cancel| Abilities { idempotent_place: false, find: Some(Find { settle_s: 120 }), cancel };
    let wait = |abilities, seconds| {
        let (play, action) = Play::start(abilities).placed(unknown()).after(seconds).deliver();
        assert_eq!(action, Some(Action::Find));
        let Next::HandOff(record, delay) = play.next(Input::Found { found: Found::Absent, began_at: play.now }) else {
            panic!("not settled")
        };
        (delay.as_secs(), record.open().unwrap().person.is_some())
    };
    assert_eq!(wait(slow(true), 4), (47, false), "until 51 s, when it may be cancelled");
    assert_eq!(wait(slow(false), 4), (56, false), "until the deadline");
    assert_eq!(wait(slow(false), 60), (75, true), "until it has settled, and a person knows");
    let (play, _) = Play::start(slow(true)).placed(unknown()).after(51).deliver();
    assert_eq!(play.found(Found::Absent).1, Some(Action::Cancel));
}

#[test]
fn a_refusal_ends_the_order_only_if_no_earlier_attempt_is_unknown() {
    let again = |abilities| {
        let mut play = Play::start(IDEMPOTENT).placed(unknown()).after(1).deliver().0;
        play.abilities = abilities;
        play
    };
    assert_eq!(again(IDEMPOTENT).placed(refused()).status(), OrderStatus::Rejected);
    assert_eq!(again(FIND).placed(refused()).open().stage, Stage::Confirming);
    assert_eq!(again(IDEMPOTENT).placed(Placed::Permanent(Cause::NotMapped)).open().stage, Stage::Confirming);
    assert_eq!(again(IDEMPOTENT).placed(not_started()).open().stage, Stage::Confirming);
}

#[test]
fn no_placement_begins_that_could_run_past_the_deadline() {
    for abilities in [NOTHING, IDEMPOTENT, FIND, CANCEL, ALL] {
        let (play, action) = Play::start_as(abilities, Start::Queued).after(51).deliver();
        assert_eq!((action, play.status()), (None, OrderStatus::Errored), "{abilities:?}");
        let (_, action) = Play::start_as(abilities, Start::Queued).after(50).deliver();
        assert_eq!(action, Some(Action::Place), "{abilities:?}");
    }
}

#[test]
fn after_the_deadline_an_unknown_outcome_is_found_out_or_cancelled_never_guessed() {
    let late = |abilities| Play::start(abilities).placed(unknown()).at_deadline().deliver();
    assert_eq!(late(ALL).1, Some(Action::Find));
    assert_eq!(late(FIND).1, Some(Action::Find));
    let (play, action) = late(CANCEL);
    assert_eq!(action, Some(Action::Cancel));
    assert!(play.open().cancelling);
    for abilities in [IDEMPOTENT, NOTHING] {
        let (play, action) = late(abilities);
        assert_eq!((action, play.status()), (None, OrderStatus::Pending));
        assert!(play.open().person.is_some(), "{abilities:?}");
    }
    // Found absent and settled: certainly never placed.
    assert_eq!(late(FIND).0.found(Found::Absent).0.status(), OrderStatus::Errored);
}

#[test]
fn an_order_that_cannot_be_found_out_is_written_cancelling_before_it_is_cancelled() {
    let (play, _) = Play::start(FIND_CANCEL).placed(unknown()).at_deadline().deliver();
    let (play, action) = play.found(Found::Unknown(down()));
    assert_eq!(action, Some(Action::Cancel));
    assert!(play.open().cancelling);
    // The cancel's answer is lost: only cancelling again is left, and a person is told.
    let (play, _) = play.step(Input::Cancelled(Cancelled::Unknown(down())));
    assert!(play.open().cancelling && play.open().person.is_some());
    let (play, action) = play.after(400).deliver();
    assert_eq!(action, Some(Action::Cancel));
    let (ended, _) = play.step(Input::Cancelled(Cancelled::Done));
    assert_eq!(ended.status(), OrderStatus::Errored);
}

#[test]
fn a_cancel_that_is_no_promise_any_more_ends_nothing_and_nothing_is_placed_again() {
    let cancelling = |left| {
        let (mut play, action) = Play::start(FIND_CANCEL).placed(unknown()).at_deadline().deliver();
        assert_eq!(action, Some(Action::Find));
        play = play.found(Found::Unknown(down())).0;
        assert!(play.open().cancelling);
        play.abilities = left;
        play
    };
    for left in [FIND, NOTHING, IDEMPOTENT] {
        let (play, _) = cancelling(left).step(Input::Cancelled(Cancelled::Done));
        assert_eq!(play.status(), OrderStatus::Pending, "{left:?}: a tombstone that nobody promises");
        let (refused, _) = cancelling(left).step(Input::Cancelled(Cancelled::Refused(Vec::new())));
        assert_eq!(refused.status(), OrderStatus::Pending, "{left:?}: a place may still be under way");
        let (play, action) = play.after(400).deliver();
        assert_eq!(action, left.find.map(|_| Action::Find), "{left:?}");
        assert!(play.open().cancelling && play.open().person.is_some());
    }
    // The POS may hold it only until the cancel arrives: a person decides.
    for holds in [Found::Placed { pos_order_id: "P".into() }, Found::NoNumber] {
        let (play, _) = cancelling(FIND).after(60).deliver();
        let (play, _) = play.found(holds);
        assert_eq!((play.status(), play.open().person), (OrderStatus::Pending, Some(NeedsPerson::Overdue)));
    }
    // What else it says ends it.
    let (play, _) = cancelling(FIND).after(60).deliver();
    assert_eq!(play.found(Found::Absent).0.status(), OrderStatus::Errored, "settled: never placed, and never will be");
}

#[test]
fn a_pos_that_will_not_cancel_has_placed() {
    let (play, _) = Play::start(CANCEL).placed(unknown()).at_deadline().deliver();
    let (play, _) = play.step(Input::Cancelled(Cancelled::WillNot { pos_order_id: "P".into() }));
    assert_eq!(play.status(), OrderStatus::Placed);
}

#[test]
fn an_order_past_its_deadline_that_stays_open_is_marked_for_a_person() {
    let (play, _) = Play::start(FIND).placed(unknown()).at_deadline().deliver();
    let (play, _) = play.found(Found::Unknown(down()));
    assert!(play.open().person.is_some());
}

#[test]
fn waiting_for_a_person_does_not_fill_the_history() {
    let (mut play, _) = Play::start(NOTHING).placed(unknown()).after(1).deliver();
    let length = play.record.history.len();
    for _ in 0..50 {
        play = play.after(1000).deliver().0;
    }
    assert_eq!(play.record.history.len(), length);
}

#[test]
fn history_keeps_its_first_entry_and_is_capped() {
    let mut play = Play::start(FIND).placed(unknown());
    for _ in 0..40 {
        play = play.after(1).deliver().0;
        play = play.found(Found::Unknown(down())).0;
    }
    assert_eq!(play.record.history.len(), 20);
    assert_eq!(play.record.history.first().unwrap().step, Step::AcceptedPlacing);
}

#[test]
fn two_tries_of_many_orders_do_not_come_at_the_same_moment() {
    let mut play = Play::start(NOTHING);
    if let State::Open(open) = &mut play.record.state {
        open.hand_offs = 4;
    }
    let delay = |random| {
        let ctx = Context { random, ..context(&play.policy, play.abilities, play.now, play.policy.worker_lease()) };
        match advance(&play.record, Input::Placed(not_started()), &ctx) {
            Next::HandOff(_, delay) => delay,
            other => panic!("{other:?}"),
        }
    };
    let delays: std::collections::BTreeSet<_> = (0..20_u64).map(|n| delay(n * 797)).collect();
    assert!(delays.len() > 8, "{delays:?}");
}

#[test]
fn an_attempt_is_unknown_until_the_last_one_that_may_still_run() {
    let play = Play::start(IDEMPOTENT).placed(unknown());
    let first = play.open().unknown_until.unwrap();
    let play = play.after(5).deliver().0.placed(unknown());
    assert!(play.open().unknown_until.unwrap() > first);
    // A lease that is longer than the function can live is what counts.
    let play = Play::start_as(FIND, Start::Queued);
    let ctx =
        Context { function_timeout: Duration::from_secs(1), ..context(&play.policy, FIND, play.now, Duration::from_secs(9)) };
    let Next::Act(record, Action::Place) = advance(&play.record, Input::Delivered { version: 1 }, &ctx) else {
        panic!("placing")
    };
    let lease = record.open().unwrap().lease.unwrap();
    assert_eq!(lease.placing_until, Some(play.now.plus(Duration::from_secs(9))));
}

#[test]
fn a_final_row_is_kept_for_the_retention_and_a_long_wait_fits_the_queue() {
    let play = Play::start(ALL).placed(done());
    let State::Final(end) = &play.record.state else { panic!("final") };
    assert_eq!(end.expires_at, T0.plus(Duration::from_hours(30 * 24)));
    let slow = Abilities { find: Some(Find { settle_s: 5_000 }), ..NOTHING };
    let (play, _) = Play::start(slow).placed(unknown()).at_deadline().deliver();
    let Next::HandOff(record, delay) = play.next(Input::Found { found: Found::Absent, began_at: play.now }) else {
        panic!("waits")
    };
    assert_eq!((delay, record.open().unwrap().due_at), (MAX_DELAY, play.now.plus(MAX_DELAY).plus(HANDOFF_GRACE)));
}
