//! What is still open of a location that is switched off or mapped anew, and from when on that holds.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use posnext_shared::domain::ids::OrderKey;

use super::stage::{ORGANIZATION, Pos, Stage};
use crate::support::{fresh_uid, now};

const ID: &str = "PAR-LOC-LEFT";

/// Changes the row of an order.
async fn update(stage: &Stage, key: &OrderKey, expression: &str, values: &[(&str, &str)]) {
    let update = aws_sdk_dynamodb::Client::new(&stage.aws().dynamodb).update_item().table_name("posnext-orders");
    let mut update = update.key("pk", AttributeValue::S(key.to_string())).update_expression(expression);
    for (name, value) in values {
        update = update.expression_attribute_values(*name, AttributeValue::N((*value).to_owned()));
    }
    update.send().await.unwrap();
}

/// Rows that nobody asks for, larger together than a page of a scan.
async fn fill(stage: &Stage) {
    let dynamodb = aws_sdk_dynamodb::Client::new(&stage.aws().dynamodb);
    for _ in 0..4 {
        let put = dynamodb.put_item().table_name("posnext-orders").item("pk", AttributeValue::S(fresh_uid("full")));
        let put = put.item("owner", AttributeValue::S("par-local#full".to_owned()));
        let put = put.item("expires_at", AttributeValue::N((now() + 3_600).to_string()));
        put.item("body", AttributeValue::B(Blob::new(vec![7; 380_000]))).send().await.unwrap();
    }
}

/// The seconds from now until the time that a text says.
fn in_force_in(text: &str) -> i64 {
    let told = text.split("everywhere by ").nth(1).unwrap_or_else(|| panic!("{text}"));
    let (time, _) = told.split_once('Z').unwrap();
    let parts: Vec<i64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    let [hours, minutes, seconds] = parts[..] else { panic!("{told}") };
    (hours * 3_600 + minutes * 60 + seconds - now()).rem_euclid(86_400)
}

#[tokio::test]
async fn who_switches_a_location_off_is_told_when_that_holds_and_what_is_open_row_by_row() {
    let ((pos, base), (_, elsewhere), stage) = (Pos::start().await, Pos::start().await, Stage::new().await);
    stage.added(ID, "STORE-1", &base, &["--auth", "none"]).await;
    stage.added("PAR-LOC-OTHER", "STORE-2", &elsewhere, &["--auth", "none", "--mode", "async"]).await;
    let parts = stage.functions().await;
    let (status, ended) = stage.submit(&parts, ID).await;
    assert_eq!(status, "placed");
    pos.hide(true);
    let (_, unindexed) = stage.submit(&parts, ID).await;
    let (_, newer) = stage.submit(&parts, ID).await;
    let (_, other) = stage.submit(&parts, "PAR-LOC-OTHER").await;
    // What the index has not seen yet, or any more.
    update(&stage, &unindexed, "REMOVE due_shard", &[]).await;
    update(&stage, &newer, "SET v = :v", &[(":v", "99")]).await;
    fill(&stage).await;
    let (_, text) = stage.admin(&["orders"]).await;
    assert!(!text.contains(&unindexed.to_string()) && text.contains(&other.to_string()), "{text}");

    let shows = |text: &str| {
        let at = format!("STORE-1 at {base}");
        let line = text.lines().find(|line| line.contains(&unindexed.to_string())).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains(" s  confirming         1  ") && line.ends_with(&at), "{text}");
        assert!(text.contains(&format!("1 of location {ID} of IA-YC-01 open:")), "{text}");
        assert!(text.contains(&format!("order {newer} cannot be read, and may be of this location: ")), "{text}");
        assert!(!text.contains(&ended.to_string()) && !text.contains(&other.to_string()), "{text}");
    };
    let disable = ["location", "disable", ORGANIZATION, ID];
    let (code, text) = stage.admin(&disable).await;
    assert!(code == 0 && text.contains("it rejects every order, everywhere by ") && text.contains("in 60 s"), "{text}");
    assert!((40..=62).contains(&in_force_in(&text)), "{text}");
    assert!(text.contains(&format!("once more: posnext admin location disable IA-YC-01 {ID}")), "{text}");
    shows(&text);
    assert_eq!(stage.submit(&stage.functions().await, ID).await.0, "rejected");
    // Once more: it does not hold from now on, but from then on.
    let (code, text) = stage.admin(&disable).await;
    assert!(code == 0 && text.contains("was switched off before") && !text.contains("everywhere by "), "{text}");
    shows(&text);
    let (code, text) = stage.admin(&["location", "orders", ORGANIZATION, ID]).await;
    assert_eq!(code, 0, "{text}");
    shows(&text);
    let (code, text) = stage.admin(&["location", "enable", ORGANIZATION, ID]).await;
    assert!(code == 0 && (40..=62).contains(&in_force_in(&text)), "{text}");

    for key in [&unindexed, &newer] {
        update(&stage, key, "SET expires_at = :at REMOVE due_at, due_shard", &[(":at", "1")]).await;
    }
    let (code, text) = stage.admin(&["location", "orders", ORGANIZATION, ID]).await;
    assert!(code == 0 && text.contains(&format!("no order of location {ID} of IA-YC-01 is open")), "{text}");
}

#[tokio::test]
async fn who_replaces_a_mapping_is_told_when_that_holds_and_what_stays() {
    let ((pos, base), stage) = (Pos::start().await, Stage::new().await);
    let all = ["--auth", "none", "--idempotent-place", "--find-settle", "5", "--cancel"];
    stage.added(ID, "STORE-1", &base, &all).await;
    pos.hide(true);
    let (_, key) = stage.submit(&stage.functions().await, ID).await;
    let other = "http://127.0.0.1:9/other";
    let gone = "a promise that is gone, or settles later, is so for orders under way as well";
    let new = "a promise that is new, or settles sooner, does not count for an order that was attempted before";
    let stays = "stays where it was sent";
    // Store, base, promises; what is said, and whether what is open is listed.
    type Case<'c> = (&'c str, &'c str, &'c [&'c str], &'c [&'c str], bool);
    let cases: [Case<'_>; 7] = [
        // The same mapping once more.
        ("STORE-1", &base, &["--idempotent-place", "--find-settle", "5", "--cancel"], &[], false),
        ("STORE-1", &base, &["--idempotent-place", "--find-settle", "6", "--cancel"], &[gone], true),
        ("STORE-1", &base, &["--idempotent-place", "--find-settle", "5", "--cancel"], &[new], false),
        ("STORE-1", &base, &["--find-settle", "4", "--cancel"], &[gone, new], true),
        ("STORE-2", &base, &["--find-settle", "4", "--cancel"], &[stays], true),
        ("STORE-2", other, &["--find-settle", "4", "--cancel"], &[stays], true),
        ("STORE-1", &base, &["--idempotent-place", "--find-settle", "4", "--cancel"], &[stays, new], true),
    ];
    for (store, base, promises, says, lists) in cases {
        let text = stage.added(ID, store, base, &[&["--auth", "none", "--replace"], promises].concat()).await;
        assert!((40..=62).contains(&in_force_in(&text)), "{text}");
        for sentence in [gone, new, stays] {
            assert_eq!(text.contains(sentence), says.contains(&sentence), "{promises:?}: {sentence}: {text}");
        }
        assert_eq!(text.contains(&key.to_string()), lists, "{promises:?}: {text}");
        let once_more = format!("once more: posnext admin location orders IA-YC-01 {ID}");
        assert_eq!(text.contains(&once_more), lists, "{promises:?}: {text}");
    }
    assert_eq!(pos.asked(), ["PUT STORE-1"], "a mapping by itself sends nothing");
}

#[tokio::test]
async fn a_location_that_leaves_the_sandbox_says_what_is_open_there() {
    let stage = Stage::new().await;
    let (_, key) = stage.submit(&stage.functions().await, "PAR-LOC-DOWN").await;
    let text = stage.added("PAR-LOC-DOWN", "N", "http://127.0.0.1:9", &["--auth", "none", "--replace"]).await;
    let line = text.lines().find(|line| line.contains(&key.to_string())).unwrap_or_else(|| panic!("{text}"));
    assert!(line.ends_with(" at the sandbox"), "{text}");
}
