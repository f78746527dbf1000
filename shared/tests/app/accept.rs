use std::{sync::Arc, time::Duration};

use posnext_fakes::*;
use posnext_shared::{
    app::{
        accept::{Accept, Accepted, Submission},
        limits::Limits,
        ports::*,
    },
    domain::{
        ability::{Abilities, Placed},
        check::{Rules, check},
        contract::PricePolicy,
        directory::{Location, Mode},
        history::Cause,
        ids::ParId,
        machine::New,
        order::Body,
        policy::Policy,
        record::{OrderRecord, Row, State},
        status::{OrderStatus, Stage},
        time::UnixMillis,
    },
};
use tokio::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn accept_in(world: &Fake) -> Accept<FakeWorld> {
    Accept {
        orders: world.clone(),
        queue: world.clone(),
        pos: world.clone(),
        clock: world.clone(),
        policy: Policy::default(),
        limits: Arc::default(),
        location_rate: 1_000,
    }
}

pub(crate) async fn submit_to(world: &Fake, new: New, location: Location) -> Accepted {
    let accept = accept_in(world);
    let rules = Rules { prices: PricePolicy::Reject, menu_required: false };
    let refusals = check(&location, None, &new.order, rules).err().unwrap_or_default();
    let submission = Submission { new, location: Arc::new(location), refusals, prefer_async: false, arrived: Instant::now() };
    accept.accept(submission).await
}

pub(crate) async fn submit(world: &Fake, new: New) -> Accepted {
    submit_to(world, new, location(all())).await
}

#[track_caller]
pub(crate) fn stored(accepted: Accepted) -> (OrderRecord, bool) {
    match accepted {
        Accepted::Stored { record, replay, .. } => (*record, replay),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_reply_was_lost_is_ours_and_placed_once() {
    let world = Fake::default();
    world.fail_next(Fault::ReplyLost);
    world.pos_does(SECOND, done());
    let (record, replay) = stored(submit(&world, new("u", "X", 1)).await);
    assert_eq!((record.status(), replay, world.calls()), (OrderStatus::Placed, false, vec!["place"]));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_not_written_promises_nothing_and_places_nothing() {
    let world = Fake::default();
    world.fail_next(Fault::NotWritten);
    assert!(matches!(submit(&world, new("u", "X", 1)).await, Accepted::Unavailable(_)));
    assert!(world.calls().is_empty() && world.0.rows.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_meets_the_first_attempt_waits_for_its_answer() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    let (first, second) = tokio::join!(submit(&world, new("u", "X", 1)), async {
        tokio::time::sleep(SECOND / 10).await;
        submit(&world, new("u", "X", 1)).await
    });
    let ((first, _), (second, replay)) = (stored(first), stored(second));
    assert_eq!((first.status(), second.version, replay), (OrderStatus::Placed, first.version, true));
    assert_eq!(world.calls(), ["place"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_only_briefly_and_starts_no_second_attempt() {
    let world = Fake::default();
    world.pos_does(3 * SECOND, done());
    let began = Instant::now();
    let (first, (second, waited)) = tokio::join!(submit(&world, new("u", "X", 1)), async {
        tokio::time::sleep(SECOND / 10).await;
        (submit(&world, new("u", "X", 1)).await, began.elapsed())
    });
    assert_eq!(stored(first).0.status(), OrderStatus::Placed);
    assert_eq!(stored(second).0.status(), OrderStatus::Pending);
    assert!(waited < 2 * SECOND, "{waited:?}");
    assert_eq!(world.calls(), ["place"]);
}

#[tokio::test(start_paused = true)]
async fn a_pos_that_is_too_slow_is_handed_off_within_the_answer_deadline() {
    let world = Fake::default();
    world.pos_does(60 * SECOND, done());
    let began = Instant::now();
    let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
    assert!(began.elapsed() <= 5 * SECOND);
    assert_eq!((record.status(), record.has_live_lease(world.now())), (OrderStatus::Pending, false));
    let [(message, _)] = world.sent().try_into().unwrap();
    assert_eq!((message.version, message.version), (record.version, world.order("u").version));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_to_wait_is_sent_to_the_queue_at_once_and_not_placed() {
    for (mode, prefer_async) in [(Mode::Async, false), (Mode::Sync, true)] {
        let world = Fake::default();
        let accept = accept_in(&world);
        let location = Arc::new(Location { mode, ..location(all()) });
        let new = New { traceparent: Some("00-trace".into()), ..new("u", "X", 1) };
        let (record, _) = stored(
            accept.accept(Submission { new, location, refusals: Vec::new(), prefer_async, arrived: Instant::now() }).await,
        );
        assert_eq!((record.status(), record.version), (OrderStatus::Pending, 1));
        let [(message, delay)] = world.sent().try_into().unwrap();
        assert_eq!((message.version, delay, message.traceparent.as_deref()), (1, Duration::ZERO, Some("00-trace")));
        assert!(world.calls().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_down_leaves_the_order_due() {
    let world = Fake::default();
    *world.0.queue_down.lock().unwrap() = true;
    world.pos_does(60 * SECOND, done());
    let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
    assert_eq!(record.status(), OrderStatus::Pending);
    let due = world.order("u").open().unwrap().due_at;
    assert!(due > world.now() && due.since(world.now()) < 20 * SECOND);
    // Once it is due and the queue is back, a replay sends the message, and only one.
    *world.0.queue_down.lock().unwrap() = false;
    tokio::time::sleep(20 * SECOND).await;
    stored(submit(&world, new("u", "X", 1)).await);
    stored(submit(&world, new("u", "X", 1)).await);
    assert_eq!(world.sent().len(), 1);
    assert_eq!(world.sent()[0].0.version, world.order("u").version);
}

#[tokio::test(start_paused = true)]
async fn a_result_whose_reply_was_lost_is_told_once_it_is_known_to_be_stored() {
    for faults in [&[Fault::None, Fault::ReplyLost][..], &[Fault::None, Fault::NotWritten]] {
        let world = Fake::default();
        faults.iter().for_each(|fault| world.fail_next(*fault));
        world.pos_does(SECOND, done());
        let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
        assert_eq!((record.status(), world.order("u").status()), (OrderStatus::Placed, OrderStatus::Placed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_not_stored_is_not_told() {
    let world = Fake::default();
    for fault in [Fault::None, Fault::NotWritten, Fault::NotWritten] {
        world.fail_next(fault);
    }
    world.pos_does(SECOND, done());
    let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
    assert_eq!((record.status(), world.order("u").status()), (OrderStatus::Pending, OrderStatus::Pending));
    // Its lease brings it back.
    let open = world.order("u").open().unwrap().clone();
    assert_eq!(Some(open.due_at), open.lease.map(|lease| lease.until));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_not_final_before_its_copy_is_put_aside() {
    let world = Fake::default();
    *world.0.queue_down.lock().unwrap() = true;
    world.pos_does(SECOND, Placed::Permanent(Cause::NotMapped));
    assert_eq!(stored(submit(&world, new("u", "X", 1)).await).0.status(), OrderStatus::Pending);
    let world = Fake::default();
    world.pos_does(SECOND, Placed::Permanent(Cause::NotMapped));
    assert_eq!(stored(submit(&world, new("u", "X", 1)).await).0.status(), OrderStatus::Errored);
    assert!(world.0.aside.lock().unwrap()[0].starts_with("the location is no longer mapped"));
}

#[tokio::test(start_paused = true)]
async fn other_content_under_the_same_id_is_a_conflict_in_every_state() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    submit(&world, new("u", "X", 1)).await;
    assert!(
        matches!(submit(&world, new("u", "X", 2)).await, Accepted::Conflict { record, .. } if record.status() == OrderStatus::Placed)
    );
    world.pos_does(60 * SECOND, done());
    submit(&world, new("v", "Y", 1)).await;
    assert!(
        matches!(submit(&world, new("v", "Y", 2)).await, Accepted::Conflict { record, .. } if record.status() == OrderStatus::Pending)
    );
    assert_eq!(world.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_shows_the_stored_order_to_callers_of_its_own_organization_alone() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    let accepted = submit(&world, new("u", "X", 1)).await;
    assert!(accepted.stands_in_the_way_of(&new("u", "X", 1).order).is_none(), "no conflict: {accepted:?}");
    let (own, foreign) = (new("u", "X", 2), of_organization("P", "u"));
    let conflict = submit(&world, own.clone()).await;
    assert_eq!(conflict.stands_in_the_way_of(&own.order).map(|record| &record.key), Some(&key("u")));
    assert!(conflict.stands_in_the_way_of(&foreign.order).is_none());
}

fn of_organization(organization: &str, uid: &str) -> New {
    let text =
        new(uid, "X", 2).order.text().replace(r#""organization_id":"O""#, &format!(r#""organization_id":"{organization}""#));
    New { order: Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap()), ..new(uid, "X", 2) }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_others_get_in_the_way_of_is_tried_again_and_at_last_promises_nothing() {
    let world = Fake::default();
    for fault in [Fault::Contended, Fault::InProgress, Fault::Contended] {
        world.fail_next(fault);
    }
    world.pos_does(SECOND, done());
    assert_eq!(stored(submit(&world, new("u", "X", 1)).await).0.status(), OrderStatus::Placed);
    // Each definite refusal was followed by another token, the claim in progress by the same one.
    assert_eq!(world.0.tokens.lock().unwrap().len(), 3);
    for _ in 0..10 {
        world.fail_next(Fault::Contended);
    }
    assert!(matches!(submit(&world, new("v", "Y", 1)).await, Accepted::Unavailable(_)));
    assert_eq!(world.calls(), ["place"]);
}

#[tokio::test(start_paused = true)]
async fn the_line_to_the_pos_is_opened_while_the_claim_is_written() {
    let world = Fake::default();
    world.0.opening.lock().unwrap().0 = 2 * SECOND;
    world.fail_next(Fault::Slow(2_000));
    world.pos_does(SECOND, done());
    let began = Instant::now();
    let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
    assert_eq!((record.status(), began.elapsed()), (OrderStatus::Placed, 3 * SECOND));
    assert_eq!(world.0.opening.lock().unwrap().1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_come_to_be_in_time_is_no_attempt_that_anybody_need_ask_about() {
    let world = Fake::default();
    world.0.opening.lock().unwrap().0 = 60 * SECOND;
    let began = Instant::now();
    let (record, _) = stored(submit(&world, new("u", "X", 1)).await);
    assert!(began.elapsed() <= 5 * SECOND);
    let open = record.open().unwrap();
    assert_eq!((open.stage, open.unknown_until, world.calls().len()), (Stage::Retrying, None, 0));
    assert!(matches!(record.history.last().unwrap().cause, Some(Cause::NoConnection(_))));
}

#[tokio::test(start_paused = true)]
async fn no_line_is_opened_for_an_order_that_is_not_placed_at_once() {
    let world = Fake::default();
    submit_to(&world, new("u", "X", 1), Location { mode: Mode::Async, ..location(all()) }).await;
    submit_to(&world, new("v", "Y", 1), Location { enabled: false, ..location(all()) }).await;
    assert_eq!(world.0.opening.lock().unwrap().1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_submit_that_stood_still_after_its_claim_places_nothing() {
    let world = Fake::default();
    world.0.opening.lock().unwrap().0 = SECOND;
    let (accepted, ()) = tokio::join!(submit(&world, new("u", "X", 1)), async {
        tokio::time::sleep(SECOND / 2).await;
        world.stand_still(7 * SECOND);
    });
    let (record, _) = stored(accepted);
    assert_eq!(record.open().unwrap().unknown_until, None, "it certainly did not begin");
    assert_eq!(record.history.last().unwrap().cause, Some(Cause::NoTimeLeft));
}

async fn submit_late(world: &Fake, policy: Policy, late: Duration) -> Duration {
    let accept = Accept { policy, ..accept_in(world) };
    let arrived = Instant::now();
    tokio::time::sleep(late).await;
    let location = Arc::new(location(all()));
    accept.accept(Submission { new: new("u", "X", 1), location, refusals: Vec::new(), prefer_async: false, arrived }).await;
    arrived.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_went_before_is_taken_from_the_time_of_the_pos() {
    let world = Fake::default();
    world.fail_next(Fault::Slow(1_000));
    world.pos_does(60 * SECOND, done());
    let took = submit_late(&world, Policy::default(), SECOND).await;
    assert!(took <= 4 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn no_place_of_a_submit_outlives_the_orders_own_deadline() {
    let world = Fake::default();
    world.pos_does(60 * SECOND, done());
    let took = submit_late(&world, Policy::new(2 * SECOND, 5 * SECOND), Duration::ZERO).await;
    assert!(took <= 2 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_placed_that_somebody_else_wrote_too_is_not_cancelled() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    let (accepted, ()) = tokio::join!(submit(&world, new("u", "X", 1)), async {
        tokio::time::sleep(SECOND / 2).await;
        let mut record = world.order("u");
        record.version += 5;
        let outcome = posnext_shared::domain::record::Outcome::Placed { pos_order_id: "P".into() };
        record.state = State::Final(posnext_shared::domain::record::Final { outcome, expires_at: world.now() });
        world.0.rows.lock().unwrap().insert(key("u"), Row::Order(Box::new(record)));
    });
    assert_eq!((stored(accepted).0.status(), world.calls()), (OrderStatus::Placed, vec!["place"]));
}

#[tokio::test(start_paused = true)]
async fn a_location_that_closes_does_not_refuse_a_second_name_of_a_placed_order() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    submit(&world, new("u", "X", 1)).await;
    let closed = Location { enabled: false, ..location(all()) };
    let (record, replay) = stored(submit_to(&world, new("v", "X", 1), closed.clone()).await);
    assert_eq!((record.status(), replay), (OrderStatus::Placed, true));
    assert_eq!(stored(submit_to(&world, new("w", "Z", 1), closed).await).0.status(), OrderStatus::Rejected);
    assert_eq!(world.calls(), ["place"]);
}

#[tokio::test(start_paused = true)]
async fn a_placed_that_comes_after_the_order_ended_errored_is_cancelled_at_the_pos() {
    let world = Fake::default();
    world.pos_does(SECOND, done());
    let meddle = async {
        // Another holder has ended it meanwhile, as one may once a lease has run out.
        tokio::time::sleep(SECOND / 2).await;
        let mut record = world.order("u");
        record.version += 5;
        record.state = State::Final(posnext_shared::domain::record::Final {
            outcome: posnext_shared::domain::record::Outcome::Errored(Vec::new()),
            expires_at: world.now(),
        });
        world.0.rows.lock().unwrap().insert(key("u"), Row::Order(Box::new(record)));
    };
    let (accepted, ()) = tokio::join!(submit(&world, new("u", "X", 1)), meddle);
    assert_eq!(stored(accepted).0.status(), OrderStatus::Errored, "what is stored is told");
    assert_eq!(world.calls(), ["place", "cancel"]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_took_too_long_leaves_the_placing_to_a_worker() {
    let world = Fake::default();
    world.fail_next(Fault::Slow(4_900));
    let (record, _) = stored(submit_to(&world, new("u", "X", 1), location(Abilities::default())).await);
    assert_eq!((record.status(), world.calls().len(), world.sent().len()), (OrderStatus::Pending, 0, 1));
    assert_eq!(record.open().unwrap().unknown_until, None, "it certainly did not start");
}

#[tokio::test(start_paused = true)]
async fn a_pos_that_keeps_failing_is_not_waited_for_until_a_trial_succeeds() {
    let world = Fake::default();
    let accept = accept_in(&world);
    let submit = async |uid: &str| {
        let began = Instant::now();
        let submission = Submission {
            new: new(uid, uid, 1),
            location: Arc::new(location(all())),
            refusals: Vec::new(),
            prefer_async: false,
            arrived: Instant::now(),
        };
        let (record, _) = stored(accept.accept(submission).await);
        (record.status(), began.elapsed())
    };
    for uid in ["1", "2", "3"] {
        world.pos_does(60 * SECOND, done());
        let (status, took) = submit(uid).await;
        assert!(status == OrderStatus::Pending && took > 3 * SECOND, "{took:?}");
    }
    // Open: answered at once, the POS is not asked, the order is on the queue.
    let (status, took) = submit("4").await;
    assert!(status == OrderStatus::Pending && took < SECOND / 10, "{took:?}");
    assert_eq!((world.calls().len(), world.sent().len()), (3, 4));
    // Half open: one trial, and nobody else waits with it.
    tokio::time::sleep(11 * SECOND).await;
    world.pos_does(2 * SECOND, done());
    let (trial, other) = tokio::join!(submit("5"), async {
        tokio::time::sleep(SECOND).await;
        submit("6").await
    });
    assert_eq!((trial.0, other.0, world.calls().len()), (OrderStatus::Placed, OrderStatus::Pending, 4));
    // Closed again.
    world.pos_does(SECOND, done());
    assert_eq!(submit("7").await.0, OrderStatus::Placed);
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_a_failing_pos_is_over_by_whichever_clock_goes_on() {
    let (location, wall) = (location(all()), UnixMillis(1_742_049_045_000));
    for (wall_goes_on, monotonic_goes_on) in [(11 * SECOND, Duration::ZERO), (Duration::ZERO, 11 * SECOND)] {
        let limits = Limits::default();
        for _ in 0..3 {
            limits.admit(&location, wall).unwrap().failed(wall);
        }
        assert!(limits.admit(&location, wall).is_none());
        tokio::time::advance(monotonic_goes_on).await;
        assert!(limits.admit(&location, wall.plus(wall_goes_on)).is_some(), "{wall_goes_on:?} {monotonic_goes_on:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_uses_up_no_trial_and_other_locations_are_not_kept_waiting() {
    let world = Fake::default();
    let accept = accept_in(&world);
    let submit = async |uid: &str, location_id: &str| {
        let location = Arc::new(Location { location_id: ParId::new(location_id).unwrap(), ..location(all()) });
        let submission =
            Submission { new: new(uid, uid, 1), location, refusals: Vec::new(), prefer_async: false, arrived: Instant::now() };
        stored(accept.accept(submission).await).0.status()
    };
    for uid in ["1", "2", "3"] {
        world.pos_does(60 * SECOND, done());
        submit(uid, "L").await;
    }
    world.pos_does(SECOND, done());
    assert_eq!(submit("other", "M").await, OrderStatus::Placed);
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(submit("1", "L").await, OrderStatus::Pending);
    world.pos_does(SECOND, done());
    assert_eq!(submit("4", "L").await, OrderStatus::Placed);
}

#[tokio::test(start_paused = true)]
async fn a_location_over_its_rate_is_told_when_to_come_back_and_nothing_is_written() {
    let world = Fake::default();
    let accept = Accept { location_rate: 2, ..accept_in(&world) };
    let mut accepted = Vec::new();
    for uid in ["1", "2", "3"] {
        let (new, location) = (new(uid, uid, 1), Arc::new(location(all())));
        accepted.push(
            accept.accept(Submission { new, location, refusals: Vec::new(), prefer_async: true, arrived: Instant::now() }).await,
        );
    }
    assert!(matches!(&accepted[2], Accepted::TooMany(wait) if *wait <= SECOND), "{accepted:?}");
    assert_eq!(world.0.rows.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_let_in_before_the_breaker_opened_does_not_end_or_prolong_its_trial() {
    let (limits, location, now) = (Limits::default(), location(all()), UnixMillis(1_000_000));
    let [early, late]: [_; 2] = std::array::from_fn(|_| limits.admit(&location, now).unwrap());
    for _ in 0..3 {
        limits.admit(&location, now).unwrap().failed(now);
    }
    let then = now.plus(11 * SECOND);
    let trial = limits.admit(&location, then).unwrap();
    drop(early);
    late.failed(then);
    assert!(limits.admit(&location, then).is_none(), "the trial is still under way");
    trial.answered();
    assert!(limits.admit(&location, then).is_some());
}
