use std::time::Duration;

use posnext_fakes::*;
use posnext_shared::{
    app::{lately::Lately, ports::*, read::Read},
    domain::{
        ability::Placed,
        history::{Actor, Cause},
        machine::{Context, Input, Next, Start, advance, claim},
        pinned::Pinned,
        policy::Policy,
        record::{OrderRecord, Row},
    },
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn context<'a>(world: &Fake, policy: &'a Policy) -> Context<'a> {
    Context {
        now: world.now(),
        policy,
        mapped: Some(mapped(all())),
        by: Actor::Submit,
        lease: 20 * SECOND,
        function_timeout: 30 * SECOND,
        write_id: world.fresh_id(),
        random: 0,
    }
}

fn put(world: &Fake, record: OrderRecord) -> OrderRecord {
    world.0.rows.lock().unwrap().insert(record.key.clone(), Row::Order(Box::new(record.clone())));
    record
}

/// An order of which an attempt has begun.
fn pending(world: &Fake, uid: &str) -> OrderRecord {
    let policy = Policy::default();
    put(world, claim(new(uid, uid, 1), Pinned::of(mapped(all())), Start::Placing, &context(world, &policy)))
}

fn place(world: &Fake, record: &OrderRecord) -> OrderRecord {
    let policy = Policy::default();
    let Next::End(record, _) = advance(record, Input::Placed(done()), &context(world, &policy)) else { panic!("not ended") };
    put(world, record)
}

fn read(world: &Fake) -> Read<FakeWorld> {
    Read { orders: world.clone(), queue: world.clone(), clock: world.clone() }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_answered_as_soon_as_the_order_changes() {
    let world = Fake::default();
    let record = pending(&world, "u");
    let began = Instant::now();
    let (read, key) = (read(&world), key("u"));
    let waiting = read.changed(&key, (record.clone(), None), 12 * SECOND);
    let placing = async {
        tokio::time::sleep(Duration::from_millis(4_300)).await;
        place(&world, &record);
    };
    let (changed, ()) = tokio::join!(waiting, placing);
    assert_eq!(changed.unwrap().0.status().as_str(), "placed");
    assert_eq!(began.elapsed(), 5 * SECOND, "at the next look");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_answered_when_the_time_is_over_and_never_later() {
    let world = Fake::default();
    let record = pending(&world, "u");
    for (limit, waited) in [(10_000, 10_000), (2_500, 2_500), (900, 900), (0, 0)] {
        let began = Instant::now();
        let found = read(&world).changed(&key("u"), (record.clone(), None), Duration::from_millis(limit)).await;
        assert_eq!((found.unwrap().0.version, began.elapsed()), (record.version, Duration::from_millis(waited)));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_an_order_that_is_final() {
    let world = Fake::default();
    let placed = place(&world, &pending(&world, "u"));
    let began = Instant::now();
    read(&world).changed(&key("u"), (placed, None), 12 * SECOND).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn while_somebody_waits_an_order_that_has_stopped_is_handed_off_again() {
    let world = Fake::default();
    let record = pending(&world, "u");
    tokio::time::sleep(19 * SECOND).await;
    read(&world).changed(&key("u"), (record, None), 5 * SECOND).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn how_long_orders_take_is_the_median_of_those_that_were_seen_to_end() {
    let (world, lately) = (Fake::default(), Lately::default());
    let mut typical = Vec::new();
    for (n, takes) in [3, 90, 5, 4].into_iter().enumerate() {
        let record = pending(&world, &format!("u{n}"));
        lately.saw(&record);
        tokio::time::sleep(takes * SECOND).await;
        let placed = place(&world, &record);
        lately.saw(&placed);
        lately.saw(&placed);
        typical.push(lately.typical(&record).map(|typical| typical.as_secs()));
    }
    assert_eq!(typical, [None, None, Some(5), Some(5)], "two are too few, and each counts once");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_never_seen_pending_says_nothing_about_how_long_orders_take() {
    let (world, lately) = (Fake::default(), Lately::default());
    for n in 0..5 {
        lately.saw(&place(&world, &pending(&world, &format!("u{n}"))));
    }
    assert_eq!(lately.typical(&world.order("u0")), None);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_ended_errored_says_nothing_about_how_long_orders_take() {
    let (world, lately, policy) = (Fake::default(), Lately::default(), Policy::default());
    for n in 0..5 {
        let record = pending(&world, &format!("u{n}"));
        lately.saw(&record);
        let input = Input::Placed(Placed::Permanent(Cause::NotMapped));
        let Next::End(ended, _) = advance(&record, input, &context(&world, &policy)) else { panic!("not ended") };
        lately.saw(&ended);
    }
    assert_eq!(lately.typical(&world.order("u0")), None);
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_orders_say_how_long_orders_take() {
    let (world, lately) = (Fake::default(), Lately::default());
    for n in 0..40 {
        let record = pending(&world, &format!("u{n}"));
        lately.saw(&record);
        tokio::time::sleep(if n < 20 { 50 * SECOND } else { 2 * SECOND }).await;
        lately.saw(&place(&world, &record));
    }
    assert_eq!(lately.typical(&world.order("u0")), Some(2 * SECOND));
}
