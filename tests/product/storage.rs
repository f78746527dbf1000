//! The orders table's promises, over the wire: every change is conditional, and a repeat of our own write is no conflict.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use posnext_aws::adapters::orders::OrderTable;
use posnext_local::local::Product;
use posnext_shared::{
    app::ports::{ClaimOrder, Claimed, ListOpen, NudgeOrder, ReadOrder, SaveOrder, TakeOrder, Taken},
    domain::{
        ability::Placed,
        directory::{Connector, Location, SandboxConnector},
        guard::{Former, Guard},
        history::{Actor, Cause},
        ids::{OrderKey, RequestUid, Tenant},
        machine::{Context, Input, New, Next, Start, advance, claim},
        order::Body,
        pinned::Pinned,
        policy::Policy,
        record::{OrderRecord, Row},
        take::Take,
        time::UnixMillis,
    },
};

use crate::support::{fresh_uid, in_process, location, order};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn table(product: &Product) -> OrderTable {
    OrderTable::new(
        aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb),
        product.services.parts.settings().orders_table.clone(),
    )
}

/// The orders' location.
fn mapped() -> &'static Location {
    static MAPPED: LazyLock<Location> =
        LazyLock::new(|| location("PAR-LOC-12345", Connector::Sandbox(SandboxConnector::prompt())));
    &MAPPED
}

fn context<'a>(policy: &'a Policy, write_id: &str) -> Context<'a> {
    let (lease, function_timeout) = (policy.submit_lease(), Duration::from_secs(15));
    let (mapped, by) = (Some(mapped()), Actor::Submit);
    Context { now: NOW, policy, mapped, by, lease, function_timeout, write_id: write_id.into(), random: 0 }
}

fn key(uid: &str) -> OrderKey {
    OrderKey { tenant: Tenant::new("storage").unwrap(), request_uid: RequestUid::new(uid).unwrap() }
}

fn new(uid: &str) -> New {
    let order = Arc::new(Body::parse(order(uid, "PAR-LOC-12345").as_bytes()).unwrap().into_order().unwrap());
    New { key: key(uid), order, shared_id: "s".into(), traceparent: Some("00-a-b-01".into()) }
}

fn claimed(uid: &str, write_id: &str) -> OrderRecord {
    claim(new(uid), Pinned::of(mapped()), Start::Placing, &context(&Policy::default(), write_id))
}

fn placed(record: &OrderRecord, write_id: &str) -> OrderRecord {
    let input = Input::Placed(Placed::Done { pos_order_id: format!("P-{write_id}") });
    match advance(record, input, &context(&Policy::default(), write_id)) {
        Next::End(record, _) => record,
        other => panic!("{other:?}"),
    }
}

async fn stored(table: &OrderTable, uid: &str) -> OrderRecord {
    match table.read(&key(uid)).await.unwrap() {
        Some(Row::Order(record)) => *record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_row_comes_back_as_it_was_written() {
    let (product, _) = in_process().await;
    let (table, uid) = (table(&product), fresh_uid("row"));
    let record = claimed(&uid, "w1");
    assert!(matches!(table.claim(&record, None).await, Ok(Claimed::Ours)));
    let open = stored(&table, &uid).await;
    assert_eq!((open.order.text(), &open.state, &open.history), (record.order.text(), &record.state, &record.history));
    assert_eq!((open.accepted_at, open.deadline, &open.traceparent), (record.accepted_at, record.deadline, &record.traceparent));
    let end = placed(&record, "w2");
    assert!(table.save(&end).await.unwrap());
    let stored = stored(&table, &uid).await;
    assert_eq!((&stored.state, stored.version, stored.attempts), (&end.state, 2, 1));
}

#[tokio::test]
async fn a_stale_writer_never_wins_and_a_repeat_of_the_same_write_is_a_success() {
    let (product, _) = in_process().await;
    let (table, uid) = (table(&product), fresh_uid("stale"));
    let record = claimed(&uid, "w1");
    table.claim(&record, None).await.unwrap();
    let (first, second) = (placed(&record, "first"), placed(&record, "second"));
    assert!(table.save(&first).await.unwrap());
    assert!(table.save(&first).await.unwrap(), "the SDK repeats a write whose reply was lost");
    assert!(!table.save(&second).await.unwrap());
    assert_eq!(stored(&table, &uid).await.write_id, "first");
    let nobody = placed(&claimed(&fresh_uid("nobody"), "w"), "x");
    assert!(!table.save(&nobody).await.unwrap(), "a save never creates a row");
}

#[tokio::test]
async fn a_claim_is_ours_once() {
    let (product, _) = in_process().await;
    let (table, uid) = (table(&product), fresh_uid("claim"));
    let guard = |owner: &str| guard(&uid, owner, None);
    let record = claimed(&uid, "w1");
    assert!(matches!(table.claim(&record, Some(&guard(&uid))).await, Ok(Claimed::Ours)));
    assert!(matches!(table.claim(&record, Some(&guard(&uid))).await, Ok(Claimed::Ours)), "repeated by the SDK");
    let again = claimed(&uid, "w2");
    for guard in [None, Some(guard(&uid))] {
        let Ok(Claimed::Exists(row)) = table.claim(&again, guard.as_ref()).await else { panic!("exists") };
        assert!(matches!(*row, Row::Order(stored) if stored.write_id == "w1"));
    }
    // Without a guard it is one conditional put, which the SDK may repeat as well.
    let alone = claimed(&fresh_uid("alone"), "w3");
    for _ in 0..2 {
        assert!(matches!(table.claim(&alone, None).await, Ok(Claimed::Ours)));
    }
}

/// The guard that the first of an online order's ids took.
fn guard(first: &str, owner: &str, former: Option<(&str, Option<u64>)>) -> Guard {
    Guard {
        key: format!("guard-of-{first}"),
        owner: key(owner),
        former: former.map(|(owner, version)| Former { owner: key(owner), version }),
        earlier: vec![key("earlier")],
        holds_until: NOW.plus(Duration::from_hours(24)),
        expires_at: NOW.plus(Duration::from_hours(48)),
    }
}

#[tokio::test]
async fn a_guard_holds_until_it_is_taken_over_from_its_owner_as_that_was_read() {
    let (product, _) = in_process().await;
    let table = table(&product);
    let uids: Vec<_> = (0..4).map(|_| fresh_uid("guard")).collect();
    let claim = async |uid: &str, former: Option<(&str, Option<u64>)>| {
        let write_id = uuid::Uuid::now_v7().simple().to_string();
        table.claim(&claimed(uid, &write_id), Some(&guard(&uids[0], uid, former))).await.unwrap()
    };
    let owned_by = |claimed, owner: &str| match claimed {
        Claimed::Guarded { owner: stands, holds_until, earlier } => {
            let expected = (key(owner), NOW.plus(Duration::from_hours(24)), vec![key("earlier")]);
            assert_eq!((stands, holds_until, earlier), expected);
        }
        other => panic!("{other:?}"),
    };
    assert!(matches!(claim(&uids[0], None).await, Claimed::Ours));
    owned_by(claim(&uids[1], None).await, &uids[0]);
    assert!(table.read(&key(&uids[1])).await.unwrap().is_none(), "nothing was written");
    owned_by(claim(&uids[1], Some(("somebody-else", None))).await, &uids[0]);
    // Its owner was taken for gone, or was read in another version.
    for version in [None, Some(0), Some(2)] {
        assert!(matches!(claim(&uids[1], Some((&uids[0], version))).await, Claimed::Contended), "{version:?}");
    }
    assert!(table.read(&key(&uids[1])).await.unwrap().is_none(), "nothing was written");
    assert!(matches!(claim(&uids[2], Some((&uids[0], Some(1)))).await, Claimed::Ours));
    owned_by(claim(&uids[1], Some((&uids[0], Some(1)))).await, &uids[2]);
    // Its owner is forgotten, and comes again under its own name.
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let forget = async |pk: String| {
        let row = dynamodb.delete_item().table_name(&product.services.parts.settings().orders_table);
        row.key("pk", aws_sdk_dynamodb::types::AttributeValue::S(pk)).send().await.unwrap();
    };
    forget(key(&uids[2]).to_string()).await;
    assert!(matches!(claim(&uids[2], Some((&uids[2], None))).await, Claimed::Ours));
    // Forgotten by the table, the guard as well as its owner.
    for pk in [format!("guard-of-{}", uids[0]), key(&uids[2]).to_string()] {
        forget(pk).await;
    }
    assert!(matches!(claim(&uids[3], Some((&uids[2], None))).await, Claimed::Ours));
    owned_by(claim(&uids[1], None).await, &uids[3]);
}

#[tokio::test]
async fn a_waiting_order_is_taken_once_and_the_row_is_what_the_taker_was_given() {
    let (product, _) = in_process().await;
    let (table, uid) = (table(&product), fresh_uid("take"));
    let queued = claim(new(&uid), Pinned::of(mapped()), Start::Queued, &context(&Policy::default(), "w1"));
    table.claim(&queued, None).await.unwrap();
    let take = |write_id: &str, version| Take::new(key(&uid), version, &context(&Policy::default(), write_id));
    assert!(matches!(table.take(&take("early", 2)).await, Ok(Taken::Stands(_))), "another version");
    let Ok(Taken::Ours(taken)) = table.take(&take("w2", 1)).await else { panic!("taken") };
    assert_eq!((taken.version, taken.attempts, taken.has_live_lease(NOW)), (2, 1, true));
    assert_eq!(format!("{taken:?}"), format!("{:?}", stored(&table, &uid).await));
    let Ok(Taken::Ours(again)) = table.take(&take("w2", 1)).await else { panic!("the SDK repeats a write whose reply was lost") };
    assert_eq!(format!("{again:?}"), format!("{taken:?}"));
    let Ok(Taken::Stands(row)) = table.take(&take("w3", 2)).await else { panic!("somebody works on it") };
    assert!(matches!(*row, Row::Order(stored) if stored.write_id == "w2"));
    assert!(table.save(&placed(&taken, "end")).await.unwrap(), "its holder goes on from it");
    assert!(matches!(table.take(&take("w4", 3)).await, Ok(Taken::Stands(_))), "it is final");
}

#[tokio::test]
async fn what_may_not_be_placed_without_a_look_is_not_taken() {
    let (product, _) = in_process().await;
    let table = table(&product);
    let policy = Policy::default();
    let take = |uid: &str, ctx: &Context<'_>| Take::new(key(uid), 2, ctx);
    let ctx = context(&policy, "w3");
    assert!(matches!(table.take(&take("nobody", &ctx)).await, Ok(Taken::Absent)));
    for (placed, late, taken) in [
        (Placed::NotStarted { cause: Cause::NoConnection("down".into()), retry_after: None }, Duration::ZERO, true),
        (Placed::NotStarted { cause: Cause::NoConnection("down".into()), retry_after: None }, Duration::from_secs(51), false),
        (Placed::Unknown(Cause::Cut("cut".into())), Duration::ZERO, false),
    ] {
        let uid = fresh_uid("look");
        let record = claimed(&uid, "w1");
        table.claim(&record, None).await.unwrap();
        let name = format!("{placed:?}, {late:?}");
        let Next::HandOff(record, _) = advance(&record, Input::Placed(placed), &context(&policy, "w2")) else { panic!("{name}") };
        assert!(table.save(&record).await.unwrap());
        let ctx = Context { now: NOW.plus(late), ..context(&policy, "w3") };
        assert_eq!(matches!(table.take(&take(&uid, &ctx)).await, Ok(Taken::Ours(_))), taken, "{name}");
    }
}

#[tokio::test]
async fn a_nudge_moves_the_due_time_of_the_very_row_it_was_meant_for() {
    let (product, _) = in_process().await;
    let (table, uid) = (table(&product), fresh_uid("nudge"));
    let record = claimed(&uid, "w1");
    table.claim(&record, None).await.unwrap();
    let due = record.open().unwrap().due_at;
    let later = due.plus(Duration::from_secs(15));
    assert!(!table.nudge(&key(&uid), 2, due, later).await.unwrap(), "another version");
    assert!(!table.nudge(&key(&uid), 1, later, later).await.unwrap(), "another due time");
    assert!(!table.nudge(&key("nobody"), 1, due, later).await.unwrap(), "no row");
    assert!(table.nudge(&key(&uid), 1, due, later).await.unwrap());
    assert!(!table.nudge(&key(&uid), 1, due, later).await.unwrap(), "once");
    let nudged = stored(&table, &uid).await;
    assert_eq!((nudged.open().unwrap().due_at, nudged.version), (later, 1));
    assert!(table.save(&placed(&record, "end")).await.unwrap(), "the holder is not fenced off");
    assert!(!table.nudge(&key(&uid), 2, later, later).await.unwrap(), "a final row has no due time");
}

#[tokio::test]
async fn the_index_holds_open_orders_only() {
    let (product, _) = in_process().await;
    let (table, one, two) = (table(&product), fresh_uid("open"), fresh_uid("open"));
    let record = claimed(&one, "w1");
    table.claim(&record, None).await.unwrap();
    table.claim(&claimed(&two, "w2"), None).await.unwrap();
    table.save(&placed(&record, "end")).await.unwrap();
    let open = table.list_open(100).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0].key, open[0].accepted_at), (&key(&two), NOW));
}
