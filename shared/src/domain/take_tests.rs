use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::domain::{
    ability::Abilities,
    history::Actor,
    ids::{RequestUid, Tenant},
    machine::{Input, Next, advance},
    order::Body,
    pinned::{Pinned, tests::mapped},
    policy::Policy,
    record::{Final, Open, Outcome},
};

const NOW: UnixMillis = UnixMillis(1_742_049_045_000);

fn key() -> OrderKey {
    OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u").unwrap() }
}

fn record(state: State, version: u64, deadline: UnixMillis, entries: usize) -> OrderRecord {
    let text = r#"{"request_uid":"u","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{}}"#;
    OrderRecord {
        key: key(),
        version,
        write_id: "before".to_owned(),
        order: Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap()),
        pos: Pinned::of(mapped(Abilities::default())),
        shared_id: "s".to_owned(),
        accepted_at: NOW,
        deadline,
        attempts: 1,
        state,
        history: vec![HistoryEntry { at: NOW, by: Actor::Submit, step: Step::AcceptedQueued, cause: None }; entries],
        traceparent: None,
    }
}

fn time() -> impl Strategy<Value = UnixMillis> {
    (-40_i64..80).prop_map(|seconds| UnixMillis(NOW.0 + seconds * 1_000))
}

/// Mostly rows that wait, so that both outcomes are met often.
fn state() -> impl Strategy<Value = State> {
    let lease = (time(), proptest::option::of(time())).prop_map(|(until, placing_until)| Lease { until, placing_until });
    let lease = prop_oneof![7 => Just(None), 1 => lease.prop_map(Some)];
    let unknown_until = prop_oneof![7 => Just(None), 1 => time().prop_map(Some)];
    let cancelling = prop_oneof![9 => Just(false), 1 => Just(true)];
    let open = (lease, unknown_until, cancelling, time(), 0_u32..4);
    let open = open.prop_map(|(lease, unknown_until, cancelling, due_at, hand_offs)| {
        State::Open(Open { stage: Stage::Retrying, lease, due_at, unknown_until, cancelling, hand_offs, person: None })
    });
    let end = Just(State::Final(Final { outcome: Outcome::Placed { pos_order_id: "P".to_owned() }, expires_at: NOW }));
    prop_oneof![9 => open, 1 => end]
}

proptest! {
    /// A take is the transition of the state machine or none at all, and it is one wherever the machine places a row that
    /// nothing is unknown about.
    #[test]
    fn what_is_taken_is_what_the_state_machine_makes_of_the_row(
        state in state(), version in 3_u64..6, deadline in time(), entries in 1_usize..=HISTORY_CAP,
        idempotent_place: bool, cancel: bool,
    ) {
        let policy = Policy::default();
        let mapped = mapped(Abilities { idempotent_place, find: None, cancel });
        let ctx = Context {
            now: NOW,
            policy: &policy,
            mapped: Some(mapped),
            by: Actor::Worker,
            lease: policy.worker_lease(),
            function_timeout: Duration::from_secs(33),
            write_id: "taken".to_owned(),
            random: 7,
        };
        let row = record(state, version, deadline, entries);
        let taken = Take::new(key(), 4, &ctx).take(row.clone());
        match (taken, advance(&row, Input::Delivered { version: 4 }, &ctx)) {
            (Some(taken), Next::Act(next, Action::Place)) => prop_assert_eq!(format!("{taken:?}"), format!("{next:?}")),
            (Some(taken), other) => prop_assert!(false, "{:?} was taken, the machine says {:?}", taken, other),
            (None, Next::Act(_, Action::Place)) => {
                let lease = row.open().and_then(|open| open.lease.or(open.unknown_until.map(|until| Lease { until, placing_until: None })));
                prop_assert!(lease.is_some() || version != 4 || entries == HISTORY_CAP, "{:?} was not taken", row);
            }
            (None, _) => {}
        }
    }
}
