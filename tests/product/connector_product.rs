//! The whole product with a POS behind HTTP: what comes of its answers is stored, told and put aside.

use std::time::Duration;

use posnext_aws::{settings::Settings, wiring::Parts};
use posnext_shared::domain::policy::Policy;

use crate::{
    connector::{PLACED, location},
    stub_pos::answering,
    support::{fresh_uid, in_process, order},
};

#[tokio::test]
async fn the_product_places_at_a_pos_behind_http() {
    let (product, caller) = in_process().await;
    let (base, seen) = answering(200, PLACED).await;
    product.services.parts.directory().put_location(&location(&base, None)).await.unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let submission = caller.submission(&order(&fresh_uid("http"), "PAR-LOC-HTTP")).header("traceparent", trace);
    let answer = caller.send(submission).await.signed();
    assert_eq!((answer.code, answer.status(), &answer.json["order_details"]["pos_order_id"]), (200, "placed", &"T-9".into()));
    // Without one of its own, the trace is the one that Lambda began.
    let submission = caller.submission(&order(&fresh_uid("http"), "PAR-LOC-HTTP"));
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    caller.send(submission.header("x-amzn-trace-id", root)).await;
    let seen = seen.lock().unwrap();
    let traces: Vec<&str> = seen.iter().map(|seen| seen.0.headers["traceparent"].to_str().unwrap()).collect();
    assert_eq!(traces, [trace, "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"]);
}

#[tokio::test]
async fn a_wrong_secret_that_lasts_to_the_deadline_is_told_as_such() {
    let (product, caller) = in_process().await;
    let (base, _) = answering(401, r#"{"key":"$KEY","status":"not_started"}"#).await;
    product.services.parts.directory().put_location(&location(&base, None)).await.unwrap();
    // 8 seconds leave a worker no time to place.
    let settings = product.services.parts.settings().clone();
    let retention = settings.policy.retention;
    let settings =
        Settings { policy: Policy { retention, ..Policy::new(Duration::from_secs(8), Duration::from_secs(5)) }, ..settings };
    let uid = fresh_uid("http");
    let submission = caller.submission(&order(&uid, "PAR-LOC-HTTP")).build().unwrap();
    let mut request = http::Request::post(submission.url().path()).body(order(&uid, "PAR-LOC-HTTP")).unwrap();
    request.headers_mut().clone_from(submission.headers());
    let accepted = Parts::new(settings, &product.services.aws).submit().handle(request).await;
    assert_eq!(accepted.status().as_u16(), 202, "{}", accepted.body());
    let answer = caller.final_answer(&uid, Duration::from_secs(30)).await;
    assert_eq!((answer.status(), answer.error()), ("errored", "pos_misconfigured"));
    assert!(answer.text.contains("the POS did not accept our credentials before the order's deadline"), "{}", answer.text);
}

#[tokio::test]
async fn a_request_a_pos_can_never_take_ends_errored_and_is_put_aside_with_its_reason() {
    let (product, caller) = in_process().await;
    let (base, _) = answering(422, r#"{"key":"$KEY","status":"invalid"}"#).await;
    product.services.parts.directory().put_location(&location(&base, None)).await.unwrap();
    let uid = fresh_uid("http");
    let answer = caller.submit(&order(&uid, "PAR-LOC-HTTP")).await;
    assert_eq!((answer.code, answer.status(), answer.error()), (200, "errored", "pos_misconfigured"));
    let sqs = aws_sdk_sqs::Client::new(&product.services.aws.sqs);
    let queue = sqs.get_queue_url().queue_name("posnext-orders-dlq").send().await.unwrap().queue_url.unwrap();
    let received = sqs.receive_message().queue_url(queue).message_attribute_names("All").send().await.unwrap();
    let message = &received.messages()[0];
    let body: serde_json::Value = serde_json::from_str(message.body().unwrap()).unwrap();
    assert_eq!((body["key"]["request_uid"].as_str(), &body["version"]), (Some(uid.as_str()), &1.into()));
    assert_eq!(message.message_attributes().unwrap()["reason"].string_value(), Some("the POS answered 422 (invalid)"));
}
