//! The process is killed, the queue is lost, the table stays.

use std::time::Duration;

use crate::support::{Binary, Caller, fresh_uid, order};

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

/// An order, the status it must end with, and what its client was told.
type Promise = (String, &'static str, Option<(u16, String)>);

/// What a client was told before the process was killed; nothing if it was told nothing.
async fn told(caller: Caller, uid: String, location: &str) -> Promise {
    let request = caller.submission(&order(&uid, location));
    let response = request.send().await.ok();
    let code = response.as_ref().map(|response| response.status().as_u16());
    let text = match response {
        Some(response) => response.text().await.ok(),
        None => None,
    };
    let told = code.zip(text).filter(|(code, _)| *code != 503);
    (uid, if location == "PAR-LOC-REJECT" { "rejected" } else { "placed" }, told)
}

#[tokio::test]
async fn every_promise_made_under_load_is_kept_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let settings = [("POSNEXT_ANSWER_DEADLINE_MS", "700")];
    let locations = ["PAR-LOC-12345", "PAR-LOC-ASYNC", "PAR-LOC-FLAKY", "PAR-LOC-LOSTREPLY", "PAR-LOC-REJECT", "PAR-LOC-FIND"];
    let mut promises = Vec::new();
    for round in 0..3 {
        let binary = Binary::start(&settings, Some(data.path()));
        let clients: Vec<_> = (0..40)
            .map(|number| {
                let location = locations[number % locations.len()];
                tokio::spawn(told(binary.caller.clone(), fresh_uid(&format!("load-{round}")), location))
            })
            .collect();
        // Killed while most are under way: once some have been answered.
        let mut clients = clients.into_iter();
        for client in clients.by_ref().take(5 + round * 10) {
            promises.push(client.await.unwrap());
        }
        drop(binary);
        for client in clients {
            promises.push(client.await.unwrap());
        }
    }
    let made = promises.iter().filter(|(_, _, told)| told.is_some()).count();
    assert!(made >= 30 && made < promises.len(), "{made} of {} were answered before a kill", promises.len());
    let binary = Binary::start(&settings, Some(data.path()));
    for (uid, right_end, told) in promises {
        let Some((code, text)) = told else {
            // Nothing was promised. If it was stored, it comes to an end like any other; it is never made twice.
            assert!(binary.caller.placements(&uid).await.len() <= 1, "{uid}");
            continue;
        };
        let end = binary.caller.final_answer(&uid, Duration::from_secs(100)).await;
        match code {
            200 => assert_eq!(end.text, text, "a final answer changed"),
            202 => assert_eq!(end.status(), right_end, "{}", end.text),
            _ => panic!("{code} {text}"),
        }
        let placements = binary.caller.placements(&uid).await;
        assert_eq!(placements.len(), usize::from(end.status() == "placed"), "{uid}: {placements:?}");
    }
}

/// The functions' binaries, killed and cut off between any two effects; `.ci/full` runs it large (docs/proofs.md#the-fault-run).
#[tokio::test]
async fn a_fault_run_keeps_every_promise() {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    let (folder, run) = (tempfile::tempdir().unwrap(), ["faults", "--orders", "60", "--seed", "3", "--rate", "25", "--json"]);
    let file = folder.path().join("figures.json");
    let output = command.args(run).arg(&file).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let killed = |function: &str| text.lines().any(|line| line.starts_with(function));
    assert!(killed("submit-order") && killed("process-order") && text.contains("accepted 60 of 60"), "{text}");
    let figures: Vec<(String, u64)> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for wanted in [("orders", 60), ("accepted", 60), ("promises broken", 0)] {
        assert!(figures.iter().any(|(what, count)| (what.as_str(), *count) == wanted), "{wanted:?}: {figures:?}");
    }
    assert!(figures.iter().any(|(what, count)| what == "faults" && *count > 0), "{figures:?}");
}

#[tokio::test]
async fn the_local_product_uses_its_own_services_whatever_the_environment_says_of_others() {
    let elsewhere = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SECRETS_MANAGER"];
    let product = Binary::start(&elsewhere.map(|name| (name, "http://127.0.0.1:9")), None);
    let placed = product.caller.submit(&order("own", "PAR-LOC-12345")).await;
    assert_eq!((placed.code, placed.status()), (200, "placed"));
}
