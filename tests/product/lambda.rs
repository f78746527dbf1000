//! What the local product makes of an account's concurrency and of a loop that Lambda has ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use posnext_local::{
    lambda::Account,
    local::{Services, start_in, start_services},
};
use tokio::net::TcpListener;

use crate::support::{Caller, fresh_uid, order, until};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn above_the_accounts_concurrency_a_caller_is_answered_503_and_what_waits_in_the_queue_is_done_later() {
    let account = Account::new(1);
    let product = start_in(&account, "127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let caller = Caller::new(format!("http://{}", product.address));
    let uid = fresh_uid("queued");
    // The schedule may be at it.
    until(PATIENCE, "it is accepted", async || {
        (caller.send(caller.submission(&order(&uid, "PAR-LOC-ASYNC"))).await.code == 202).then_some(())
    })
    .await;
    let busy = until(PATIENCE, "nothing runs", async || account.begin()).await;
    let before = account.throttled();
    let refused = caller.get_any(&uid).await;
    assert_eq!((refused.code, refused.json["message"].as_str()), (503, Some("Service Unavailable")), "{}", refused.text);
    // The mapping, or the schedule, has tried as well.
    until(PATIENCE, "the queue's batch is throttled", async || (account.throttled() > before + 1).then_some(())).await;
    drop(busy);
    until(PATIENCE, "the order is placed", async || {
        let answer = caller.get_any(&uid).await;
        (answer.code == 200 && answer.json["status"] == "placed").then_some(())
    })
    .await;
}

/// A Lambda that refuses the first invocations of process-order with this, and runs none.
async fn refusing(status: StatusCode, kind: &'static str, times: usize) -> (Services, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let invoke = async move |State(seen): State<Arc<AtomicUsize>>, Path(function): Path<String>| -> Response {
        if function != "process-order" {
            return r#"{"batchItemFailures":[]}"#.into_response();
        }
        if seen.fetch_add(1, Ordering::SeqCst) < times {
            return (status, [("x-amzn-errortype", kind)], "").into_response();
        }
        r#"{"batchItemFailures":[]}"#.into_response()
    };
    let routes = Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(Arc::clone(&seen));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (start_services(None, &url).await.unwrap(), seen)
}

fn variable(services: &Services, name: &str) -> String {
    services.environment().into_iter().find(|(variable, _)| *variable == name).unwrap().1
}

#[tokio::test]
async fn a_batch_that_is_throttled_is_tried_again_before_it_is_visible_in_its_queue() {
    let (services, seen) = refusing(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", 3).await;
    let sqs = aws_sdk_sqs::Client::new(&services.aws.sqs);
    sqs.send_message().queue_url(variable(&services, "POSNEXT_QUEUE_URL")).message_body("{}").send().await.unwrap();
    // In a queue whose messages are visible again after three minutes.
    until(PATIENCE, "three times throttled and once done", async || (seen.load(Ordering::SeqCst) == 4).then_some(())).await;
}

#[tokio::test]
async fn a_message_that_ends_a_loop_is_put_aside() {
    let (services, seen) = refusing(StatusCode::BAD_REQUEST, "RecursiveInvocationException", usize::MAX).await;
    let sqs = aws_sdk_sqs::Client::new(&services.aws.sqs);
    let queue = variable(&services, "POSNEXT_QUEUE_URL");
    sqs.send_message().queue_url(&queue).message_body("the seventeenth").send().await.unwrap();
    let aside = until(PATIENCE, "it is in the dead-letter queue", async || {
        let received = sqs.receive_message().queue_url(variable(&services, "POSNEXT_DLQ_URL")).send().await.unwrap();
        received.messages.unwrap_or_default().pop()
    })
    .await;
    assert_eq!((aside.body.as_deref(), seen.load(Ordering::SeqCst)), (Some("the seventeenth"), 1));
}
