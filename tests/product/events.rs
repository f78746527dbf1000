//! Every file of `events/` is fed to its function's handler, as Lambda would: the names of the HTTP ones begin with the
//! status they must be answered with. They are fed in the order of their names; later ones build on earlier ones.

use std::{path::PathBuf, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_sqs::types::QueueAttributeName;
use posnext_aws::{
    adapters::order_item,
    edge::{queue::Invocation, schedule},
    settings::Settings,
    wiring::Parts,
};
use posnext_local::local::start_services;
use posnext_shared::domain::policy::WORKER_FUNCTION_TIMEOUT;

use crate::support::{ROOT, in_process};

fn files(function: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(ROOT).join("events").join(function);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

#[tokio::test]
async fn every_event_file_is_answered_by_its_function() {
    let (product, caller) = in_process().await;
    let submit = product.services.parts.submit();
    for (name, event) in files("submit-order") {
        let response = submit.handle(lambda_http::request::from_str(&event).unwrap()).await;
        assert_eq!(response.status().as_str(), &name[..3], "submit-order/{name}: {}", response.body());
    }
    let get = product.services.parts.get();
    for (name, event) in files("get-order") {
        let response = get.handle(lambda_http::request::from_str(&event).unwrap()).await;
        assert_eq!(response.status().as_str(), &name[..3], "get-order/{name}: {}", response.body());
    }
    let validate = product.services.parts.validate();
    for (name, event) in files("validate-order") {
        let response = validate.handle(lambda_http::request::from_str(&event).unwrap()).await;
        assert_eq!(response.status().as_str(), &name[..3], "validate-order/{name}: {}", response.body());
        if let Some(said) = name.strip_prefix("200-") {
            assert!(response.body().starts_with(&format!("{{\"status\":\"{said}\"")), "{}", response.body());
        }
    }
    let menu = product.services.parts.menu();
    for (name, event) in files("get-menu") {
        let response = menu.handle(lambda_http::request::from_str(&event).unwrap()).await;
        assert_eq!(response.status().as_str(), &name[..3], "get-menu/{name}");
    }
    let process = product.services.parts.process();
    for (name, event) in files("process-order") {
        let invocation: Invocation = serde_json::from_str(&event).unwrap();
        let answer = process.invoke(invocation, WORKER_FUNCTION_TIMEOUT).await.unwrap();
        let json = serde_json::to_string(&answer).unwrap();
        let expected = if name == "ask" { r#"{"told":{"placed":{"pos_order_id":""# } else { r#"{"batchItemFailures":[]}"# };
        assert!(json.starts_with(expected), "process-order/{name}: {json}");
    }
    let neither = process.invoke(Invocation::default(), WORKER_FUNCTION_TIMEOUT).await;
    assert!(neither.unwrap_err().contains("neither a batch of messages nor a wish"));
    let changes: aws_lambda_events::dynamodb::Event = serde_json::from_str(&files("announce-orders")[0].1).unwrap();
    let read: Vec<_> = changes.records.iter().map(|record| order_item::changed(record.change.new_image.clone().into())).collect();
    // A guard and a row that has expired are no orders, and nothing to wake somebody for; a newer version is.
    assert!(matches!(read.as_slice(), [Ok(None), Err(_), Ok(Some(_)), Ok(None)]), "{read:?}");
    let announce = product.services.parts.announce();
    for (name, event) in files("announce-orders") {
        let response = announce.handle(serde_json::from_str(&event).unwrap(), WORKER_FUNCTION_TIMEOUT).await;
        assert!(response.batch_item_failures.is_empty(), "announce-orders/{name}");
    }
    let deliver = product.services.parts.deliver().unwrap();
    for (name, event) in files("deliver-webhooks") {
        let response = deliver.handle(serde_json::from_str(&event).unwrap(), WORKER_FUNCTION_TIMEOUT).await;
        assert!(response.batch_item_failures.is_empty(), "deliver-webhooks/{name}");
    }
    let watch = product.services.parts.watch().unwrap();
    for (name, event) in files("watch-orders") {
        let answer = watch.handle(serde_json::from_str(&event).unwrap()).await;
        assert_eq!(answer.status_code.to_string(), name[2..5], "watch-orders/{name}");
    }
    for uid in ["event-async", "event-prefer", "event-placed"] {
        let placements = caller.placements(uid).await;
        assert_eq!(placements.len(), 1, "{uid}");
    }
    assert_eq!(dead_letters(&product.services.aws).await, ["no such order", "not an order message"]);
    for (_, event) in files("recover-orders") {
        let _: aws_lambda_events::eventbridge::EventBridgeEvent = serde_json::from_str(&event).unwrap();
        let report = schedule::run(&product.services.parts.recover(), WORKER_FUNCTION_TIMEOUT).await.unwrap();
        assert_eq!((report.open, report.failed), (0, 0));
    }
}

/// The reasons in the dead-letter queue, as far as the colon.
async fn dead_letters(aws: &posnext_aws::wiring::Aws) -> Vec<String> {
    let sqs = aws_sdk_sqs::Client::new(&aws.sqs);
    let queue = sqs.get_queue_url().queue_name("posnext-orders-dlq").send().await.unwrap().queue_url.unwrap();
    let mut reasons = Vec::new();
    while reasons.len() < 2 {
        let received =
            sqs.receive_message().queue_url(&queue).message_attribute_names("All").max_number_of_messages(10).send().await;
        for message in received.unwrap().messages.unwrap_or_default() {
            let reason = message.message_attributes.unwrap()["reason"].string_value.clone().unwrap();
            reasons.push(reason.split(':').next().unwrap().to_owned());
        }
    }
    reasons.sort();
    reasons
}

#[tokio::test]
async fn a_message_that_fails_comes_back_alone() {
    let (product, caller) = in_process().await;
    let uid = crate::support::fresh_uid("batch");
    caller.submit(&crate::support::order(&uid, "PAR-LOC-12345")).await;
    let message = |uid: &str, id: &str| {
        let mut record = aws_lambda_events::sqs::SqsMessage::default();
        record.message_id = Some(id.to_owned());
        record.body = Some(format!(r#"{{"v":1,"key":{{"tenant":"par-local","request_uid":"{uid}"}},"version":9,"group":"L"}}"#));
        record
    };
    let mut event = SqsEvent::default();
    event.records = vec![message(&uid, "good"), message(&uid, "good-too")];
    // Too little time for a turn: left to come back, and not begun.
    let process = product.services.parts.process();
    let response = process.handle(event.clone(), Duration::from_secs(3)).await;
    let failed: Vec<_> = response.batch_item_failures.iter().map(|failure| failure.item_identifier.clone()).collect();
    assert_eq!(failed, ["good", "good-too"]);
    // A poison message that cannot be put aside either fails alone.
    let settings =
        Settings { dead_letter_queue_url: "http://127.0.0.1:9/nowhere".to_owned(), ..product.services.parts.settings().clone() };
    let process = Parts::new(settings, &product.services.aws).process();
    let mut poison = message(&uid, "bad");
    poison.body = Some("poison".to_owned());
    event.records.push(poison);
    let response = process.handle(event, WORKER_FUNCTION_TIMEOUT).await;
    assert_eq!(serde_json::to_string(&response).unwrap(), r#"{"batchItemFailures":[{"itemIdentifier":"bad"}]}"#);
}

#[tokio::test]
async fn a_batch_response_that_names_a_stranger_makes_the_whole_batch_come_back() {
    for answer in
        [r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, r#"{"batchItemFailures":[{"itemIdentifier":"stranger"}]}"#, "{}"]
    {
        // A function that answers so about the first message, behind Lambda's Invoke API; the second it has done.
        let invoke = axum::routing::post(
            async move |event: String| {
                if event.contains("first") { answer } else { r#"{"batchItemFailures":[]}"# }
            },
        );
        let routes = axum::Router::new().route("/2015-03-31/functions/{name}/invocations", invoke);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

        let services = start_services(None, &url).await.unwrap();
        let sqs = aws_sdk_sqs::Client::new(&services.aws.sqs);
        let queue = &services.parts.settings().queue_url;
        let count = async |name: &QueueAttributeName| {
            let got = sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All).send().await;
            got.unwrap().attributes.unwrap()[name].parse::<u32>().unwrap()
        };
        let (waiting, held) =
            (QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        for body in ["first", "second"] {
            sqs.send_message().queue_url(queue).message_body(body).send().await.unwrap();
            while count(&waiting).await > 0 {
                tokio::task::yield_now().await;
            }
        }
        while count(&held).await > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!((count(&waiting).await, count(&held).await), (0, 1), "{answer}");
    }
}
