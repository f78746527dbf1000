//! A location that is mapped anew while an order is under way.

use posnext_shared::domain::{
    history::NeedsPerson,
    record::{OrderRecord, Outcome, State},
};

use super::{
    revealed,
    stage::{Pos, Stage, short},
};
use crate::support::until;

const ID: &str = "PAR-LOC-MOVED";
const GENERATED: [&str; 4] = ["--auth", "hmac", "--pos-secret-from", "generate"];

fn is_placed(record: &OrderRecord) -> bool {
    matches!(&record.state, State::Final(end) if matches!(end.outcome, Outcome::Placed { .. }))
}

#[tokio::test]
async fn an_order_under_way_is_found_out_at_its_old_pos_and_store_and_new_ones_go_to_the_new_pos() {
    for (promise, then) in [(&["--find-settle", "1"][..], "GET"), (&["--idempotent-place"], "PUT STORE-A")] {
        let ((a, base_a), (b, base_b), stage) = (Pos::start().await, Pos::start().await, Stage::new().await);
        let text = stage.added(ID, "STORE-A", &base_a, &[&GENERATED, promise].concat()).await;
        let secret_a = revealed(&text, "POS secret");
        let old_name = stage.secret_of(ID).await;
        a.hide(true);
        let (status, key) = stage.submit(&stage.functions().await, ID).await;
        assert_eq!((status.as_str(), a.asked()), ("pending", vec!["PUT STORE-A".to_owned()]));

        let text = stage.added(ID, "STORE-B", &base_b, &[&GENERATED, promise, &["--replace"]].concat()).await;
        let secret_b = revealed(&text, "POS secret");
        let (line, new_name) = (listed(&text, &key.to_string()), stage.secret_of(ID).await);
        assert!(line.contains("confirming         1") && line.ends_with(&format!("STORE-A at {base_a}")), "{text}");
        assert!(text.contains(&format!("stays where it was sent, STORE-A at {base_a}; others follow")), "{text}");
        assert!(text.contains(&format!("the secret {old_name} is kept")) && old_name != new_name, "{text}");

        a.hide(false);
        assert!(is_placed(&stage.turn(&stage.functions().await, &key).await), "{then}");
        let found_out = a.sent();
        assert_eq!(found_out.len(), 1, "{found_out:?}");
        assert!(found_out[0].is_proved_by(&secret_a) && !found_out[0].is_proved_by(&secret_b));
        assert_eq!(then, found_out[0].store.as_ref().map_or("GET".to_owned(), |store| format!("PUT {store}")));
        assert!(b.sent().is_empty(), "the new POS never heard of it");

        let (status, _) = stage.submit(&stage.functions().await, ID).await;
        let placed = b.sent();
        assert_eq!((status.as_str(), placed[0].store.as_deref(), placed.len()), ("placed", Some("STORE-B"), 1));
        assert!(placed[0].is_proved_by(&secret_b) && a.sent().is_empty());
    }
}

/// The line about this order.
fn listed<'t>(text: &'t str, key: &str) -> &'t str {
    text.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("{key} is not listed: {text}"))
}

#[tokio::test]
async fn an_order_of_which_nothing_was_attempted_follows_the_new_mapping_and_the_command_says_so() {
    let ((a, base_a), (b, base_b), stage) = (Pos::start().await, Pos::start().await, Stage::new().await);
    stage.added(ID, "STORE-A", &base_a, &["--auth", "none", "--mode", "async"]).await;
    let (_, key) = stage.submit(&stage.functions().await, ID).await;
    let text = stage.added(ID, "STORE-B", &base_b, &["--auth", "none", "--mode", "async", "--replace"]).await;
    let line = listed(&text, &key.to_string());
    let says = format!("STORE-A at {base_a}; nothing was attempted: it follows the mapping");
    assert!(line.contains("queued             0") && line.ends_with(&says), "{text}");
    assert!(text.contains("may still be attempted there for the first time, and then stays there, too"), "{text}");
    let (_, explained) = stage.admin(&["explain", &key.to_string()]).await;
    assert!(explained.contains("nothing was attempted, so it follows the mapping"), "{explained}");
    assert!(is_placed(&stage.turn(&stage.functions().await, &key).await));
    assert_eq!((a.asked(), b.asked()), (vec![], vec!["PUT STORE-B".to_owned()]));
    let (_, explained) = stage.admin(&["explain", &key.to_string()]).await;
    assert!(explained.contains(&format!("  POS       STORE-B at {base_b}\n")), "{explained}");
}

#[tokio::test]
async fn a_promise_that_is_taken_away_is_gone_for_an_order_under_way_as_well() {
    let ((taken, base), (kept, kept_base), stage) = (Pos::start().await, Pos::start().await, Stage::new().await);
    let parts = stage.functions_with(short()).await;
    stage.added(ID, "S", &base, &["--auth", "none", "--cancel"]).await;
    stage.added("PAR-LOC-KEPT", "S", &kept_base, &["--auth", "none", "--cancel"]).await;
    let mut keys = Vec::new();
    for (pos, id) in [(&taken, ID), (&kept, "PAR-LOC-KEPT")] {
        pos.hide(true);
        let (status, key) = stage.submit(&parts, id).await;
        assert_eq!((status.as_str(), pos.asked()), ("pending", vec!["PUT S".to_owned()]));
        pos.hide(false);
        keys.push(key);
    }
    let text = stage.added(ID, "S", &base, &["--auth", "none", "--replace"]).await;
    assert!(text.contains("a promise that is gone, or settles later, is so for orders under way as well"), "{text}");
    assert!(listed(&text, &keys[0].to_string()).ends_with(&format!("S at {base}")), "{text}");

    // The one that still promises it shows when it is time for that.
    let parts = stage.functions_with(short()).await;
    let cancelled = async || {
        let ended = stage.turn(&parts, &keys[1]).await.open().is_none();
        ended.then(|| kept.asked())
    };
    let asked = until(std::time::Duration::from_secs(20), "it is cancelled", cancelled).await;
    assert_eq!(asked, ["DELETE"]);
    let waits = stage.turn(&parts, &keys[0]).await;
    assert_eq!(waits.open().unwrap().person, Some(NeedsPerson::Unaskable));
    assert_eq!(taken.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_system_that_moved_is_asked_at_its_new_address_with_the_secret_that_it_has() {
    for (promise, then) in [("--find-settle=1", "GET"), ("--idempotent-place", "PUT STORE-A")] {
        let ((pos, old), stage) = (Pos::start().await, Stage::new().await);
        let text = stage.added(ID, "STORE-A", &old, &[&GENERATED[..], &[promise]].concat()).await;
        let (secret, name, new) = (revealed(&text, "POS secret"), stage.secret_of(ID).await, pos.listen().await);
        pos.hide(true);
        let (_, key) = stage.submit(&stage.functions().await, ID).await;
        assert_eq!(pos.asked(), ["PUT STORE-A"]);
        pos.hide(false);
        // Another store as well: the order stays at its own.
        let moved = ["--auth", "hmac", promise, "--replace", "--same-pos"];
        let text = stage.added(ID, "STORE-B", &new, &moved).await;
        assert!(text.contains(&format!("what was sent to {old} is asked for at {new}")), "{text}");
        let line = listed(&text, &key.to_string());
        assert!(line.ends_with(&format!("STORE-A at {old}, which is {new} now")), "{text}");
        let (_, shown) = stage.admin(&["location", "show", super::stage::ORGANIZATION, ID]).await;
        assert!(shown.contains(&format!("connector.formerly: [\"{old}\"]")), "{shown}");
        assert_eq!(stage.secret_of(ID).await, name);

        assert!(is_placed(&stage.turn(&stage.functions().await, &key).await), "{then}");
        let sent = pos.sent();
        assert!(new.contains(&sent[0].host) && sent[0].is_proved_by(&secret) && sent.len() == 1, "{sent:?}");
        assert_eq!(then, sent[0].store.as_ref().map_or("GET".to_owned(), |store| format!("PUT {store}")));
    }
}
