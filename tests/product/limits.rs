//! Limits that keep one caller, one store or one failing POS from taking the rest along.

use std::{sync::Arc, time::Duration};

use posnext_aws::adapters::clock::SystemClock;
use posnext_shared::{
    app::ports::Clock,
    domain::directory::{Connector, SandboxConnector},
};

use crate::support::{Binary, fresh_uid, in_process, location, order};

#[tokio::test]
async fn a_location_over_its_rate_gets_429_signed_with_retry_after_and_other_locations_are_served() {
    let binary = Binary::start(&[("POSNEXT_LOCATION_RATE", "1")], None);
    let body = order(&fresh_uid("rate"), "PAR-LOC-ASYNC");
    let mut refused = None;
    for _ in 0..5 {
        let answer = binary.caller.submit(&body).await;
        assert!([202, 200, 429].contains(&answer.code), "{}", answer.text);
        refused = refused.or_else(|| (answer.code == 429).then_some(answer));
    }
    let refused = refused.unwrap();
    assert_eq!((refused.error(), refused.header("retry-after")), ("too_many_requests", Some("1")));
    assert_eq!(binary.caller.submit(&order(&fresh_uid("rate"), "PAR-LOC-12345")).await.code, 200);
}

#[tokio::test]
async fn a_pos_that_keeps_failing_is_answered_202_at_once() {
    let binary = Binary::start(&[("POSNEXT_ANSWER_DEADLINE_MS", "2000")], None);
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = std::time::Instant::now();
        let answer = binary.caller.submit(&order(&fresh_uid("breaker"), "PAR-LOC-SLOW")).await;
        assert_eq!(answer.code, 202, "{}", answer.text);
        times.push(began.elapsed());
    }
    // Waited for, three times; then not.
    assert!(times[..3].iter().all(|time| time.as_millis() >= 1300), "{times:?}");
    assert!(times[3..].iter().all(|time| time.as_millis() < 1000), "{times:?}");
}

#[tokio::test]
async fn an_order_that_a_worker_places_ends_the_pause_of_the_submits_beside_it() {
    let (product, caller) = in_process().await;
    let limits = Arc::clone(&product.services.parts.submit().accept.limits);
    let location = location("PAR-LOC-12345", Connector::Sandbox(SandboxConnector::prompt()));
    for _ in 0..3 {
        limits.admit(&location, SystemClock.now()).unwrap().failed(SystemClock.now());
    }
    let waits = fresh_uid("paused");
    assert_eq!(caller.submit(&order(&waits, "PAR-LOC-12345")).await.code, 202);
    assert_eq!(caller.final_answer(&waits, Duration::from_secs(20)).await.status(), "placed");
    assert_eq!(caller.submit(&order(&fresh_uid("asked"), "PAR-LOC-12345")).await.code, 200);
}

/// Memory that a process has held at most, in KiB (Linux).
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_flood_of_large_bodies_takes_bounded_memory() {
    let binary = Binary::start(&[], None);
    let caller = &binary.caller;
    // As large as is read, refused at its end (the digest is wrong), sixty at a time.
    let filler = "x".repeat(250 * 1024);
    let flood = async |count: usize| {
        let requests = (0..count).map(|_| {
            let body = order(&fresh_uid("flood"), "PAR-LOC-12345").replacen('{', &format!("{{\"filler\":\"{filler}\","), 1);
            caller.send(caller.bare_submission(&body).bearer_auth(crate::support::token()).header("x-pch-digest", "00"))
        });
        for answer in futures_util::future::join_all(requests).await {
            assert_eq!(answer.code, 412, "{}", answer.text);
        }
    };
    flood(60).await;
    let warm = peak_kib(binary.pid());
    for _ in 0..4 {
        flood(60).await;
    }
    let peak = peak_kib(binary.pid());
    // 60 MB have gone through since; were they kept, it would show.
    assert!(peak < warm + 30 * 1024, "{warm} KiB, then {peak} KiB");
    let oversized = "x".repeat(300 * 1024);
    let refused = caller.send(caller.submission(&order("big", "PAR-LOC-12345")).body(oversized)).await;
    assert_eq!(refused.code, 413, "{}", refused.text);
}
