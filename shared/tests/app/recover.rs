use std::time::Duration;

use posnext_fakes::*;
use posnext_shared::{
    app::{ports::*, read::Read, recover::Recover},
    domain::{
        history::{Actor, NeedsPerson},
        machine::{Context, Start, claim},
        pinned::Pinned,
        policy::Policy,
        record::{Row, State},
    },
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn queued(world: &Fake, uid: &str) {
    let policy = Policy::default();
    let ctx = Context {
        now: world.now(),
        policy: &policy,
        mapped: Some(mapped(all())),
        by: Actor::Submit,
        lease: SECOND,
        function_timeout: SECOND,
        write_id: uid.into(),
        random: 0,
    };
    let record = claim(new(uid, uid, 1), Pinned::of(mapped(all())), Start::Queued, &ctx);
    world.0.rows.lock().unwrap().insert(record.key.clone(), Row::Order(Box::new(record)));
}

fn recover(world: &Fake) -> Recover<FakeWorld> {
    Recover { orders: world.clone(), queue: world.clone(), clock: world.clone(), policy: Policy::default() }
}

#[tokio::test(start_paused = true)]
async fn what_has_stopped_moving_is_handed_off_once_however_many_see_it() {
    let world = Fake::default();
    queued(&world, "old");
    tokio::time::sleep(10 * SECOND).await;
    queued(&world, "fresh");
    let report = recover(&world).run(TIME).await.unwrap();
    assert_eq!((report.open, report.due, report.handed_off, report.overdue), (2, 0, 0, 0));
    tokio::time::sleep(6 * SECOND).await;
    let (one, two) = (recover(&world), recover(&world));
    let read = Read::<FakeWorld> { orders: world.clone(), queue: world.clone(), clock: world.clone() };
    let key = key("old");
    let (one, two, read) = tokio::join!(one.run(TIME), two.run(TIME), read.read(&key));
    read.unwrap().unwrap();
    assert_eq!((one.unwrap().due, two.unwrap().open), (1, 2));
    let sent = world.sent();
    assert_eq!((sent.len(), sent[0].0.version, world.order("old").version), (1, 1, 1), "the version is left alone");
}

#[tokio::test(start_paused = true)]
async fn an_order_past_its_deadline_is_named_whether_or_not_it_is_due() {
    let world = Fake::default();
    queued(&world, "u");
    tokio::time::sleep(61 * SECOND).await;
    let report = recover(&world).run(TIME).await.unwrap();
    assert_eq!((report.due, report.handed_off, report.overdue, report.oldest_open), (1, 1, 1, 61 * SECOND));
    let report = recover(&world).run(TIME).await.unwrap();
    assert_eq!((report.due, report.handed_off, report.overdue), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_overdue_after_its_deadline_and_not_at_it() {
    let world = Fake::default();
    queued(&world, "u");
    let left = world.order("u").deadline.since(world.now());
    tokio::time::sleep(left).await;
    assert_eq!(recover(&world).run(TIME).await.unwrap().overdue, 0);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(recover(&world).run(TIME).await.unwrap().overdue, 1);
}

#[tokio::test(start_paused = true)]
async fn orders_that_wait_for_a_person_are_counted() {
    let world = Fake::default();
    for uid in ["a", "b", "c"] {
        queued(&world, uid);
    }
    for uid in ["a", "b"] {
        let mut record = world.order(uid);
        let State::Open(open) = &mut record.state else { panic!("{record:?}") };
        open.person = Some(NeedsPerson::Unaskable);
        world.0.rows.lock().unwrap().insert(record.key.clone(), Row::Order(Box::new(record)));
    }
    tokio::time::sleep(16 * SECOND).await;
    let report = recover(&world).run(TIME).await.unwrap();
    assert_eq!((report.open, report.need_person, report.overdue), (3, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_age_reported_is_that_of_the_oldest_open_order() {
    let world = Fake::default();
    queued(&world, "old");
    tokio::time::sleep(30 * SECOND).await;
    queued(&world, "young");
    tokio::time::sleep(SECOND).await;
    assert_eq!(recover(&world).run(TIME).await.unwrap().oldest_open, 31 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_with_its_time_and_leaves_the_rest_to_the_next() {
    let world = Fake::default();
    for n in 0..40 {
        queued(&world, &format!("u{n}"));
    }
    tokio::time::sleep(16 * SECOND).await;
    for _ in 0..40 {
        world.fail_next(Fault::Slow(1_000));
    }
    let began = Instant::now();
    let report = recover(&world).run(SECOND + SECOND / 2).await.unwrap();
    assert!(began.elapsed() < 2 * SECOND && report.due == 40 && report.handed_off < 40, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_is_tried_again_when_the_order_is_due_again() {
    let world = Fake::default();
    queued(&world, "u");
    *world.0.queue_down.lock().unwrap() = true;
    tokio::time::sleep(16 * SECOND).await;
    let report = recover(&world).run(TIME).await.unwrap();
    assert_eq!((report.due, report.handed_off, report.failed), (1, 0, 1));
    *world.0.queue_down.lock().unwrap() = false;
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(recover(&world).run(TIME).await.unwrap().handed_off, 1);
}

const TIME: Duration = Duration::from_secs(27);
