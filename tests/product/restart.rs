//! The process is killed, the queue is lost, the table stays.

use std::time::Duration;

use crate::support::{Binary, fresh_uid, order};

#[tokio::test]
async fn an_order_answered_202_is_finished_after_a_kill_and_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let uids: Vec<String> = (0..3).map(|_| fresh_uid("restart")).collect();
    let locations = ["PAR-LOC-SLOW", "PAR-LOC-FLAKY", "PAR-LOC-LOSTREPLY"];
    let settings = [("POSNEXT_ANSWER_DEADLINE_MS", "500")];
    {
        let binary = Binary::start(&settings, Some(data.path()));
        for (uid, location) in uids.iter().zip(locations) {
            assert_eq!(binary.caller.submit(&order(uid, location)).await.code, 202);
        }
    }
    let binary = Binary::start(&settings, Some(data.path()));
    for uid in &uids {
        let answer = binary.caller.final_answer(uid, Duration::from_secs(60)).await;
        assert_eq!(answer.status(), "placed", "{}", answer.text);
        assert_eq!(binary.caller.placements(uid).await.len(), 1, "{uid}");
    }
}

#[tokio::test]
async fn an_order_answered_200_is_still_there_after_a_kill_and_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let uid = fresh_uid("restart");
    let first = Binary::start(&[], Some(data.path())).caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    let binary = Binary::start(&[], Some(data.path()));
    assert_eq!(binary.caller.get(&uid).await.text, first.text);
    assert_eq!(binary.caller.submit(&order(&uid, "PAR-LOC-12345")).await.text, first.text);
}
