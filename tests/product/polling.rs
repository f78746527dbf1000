//! Polling, as design section 7 has it, and healing by it.

use std::{sync::Arc, time::Duration};

use posnext_shared::domain::ids::{OrderKey, RequestUid, Tenant};

use crate::support::{fresh_uid, in_process, order, token};

#[tokio::test]
async fn a_final_order_has_an_etag_may_be_cached_and_is_not_sent_twice() {
    let (_product, caller) = in_process().await;
    let uid = fresh_uid("poll");
    let submitted = caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    let first = caller.get(&uid).await;
    assert_eq!((first.code, &first.text), (200, &submitted.text));
    assert_eq!((first.header("cache-control"), first.header("retry-after")), (Some("private, max-age=86400"), None));
    let etag = first.header("etag").unwrap();
    for condition in [etag, &format!("W/{etag}"), &format!("\"x\", {etag}"), "*"] {
        let request = caller.http.get(format!("{}/posnext/orders/{uid}", caller.url)).bearer_auth(token());
        let answer = caller.send(request.header("if-none-match", condition)).await;
        assert_eq!((answer.code, answer.text.as_str(), answer.header("etag")), (304, "", Some(etag)));
        assert_eq!(answer.header("x-pch-digest"), first.header("x-pch-digest"), "a 304 is signed over the order");
    }
    let request = caller.http.get(format!("{}/posnext/orders/{uid}", caller.url)).bearer_auth(token());
    assert_eq!(caller.send(request.header("if-none-match", "\"v0\"")).await.code, 200);
}

/// Without what changes with the time.
fn bare(mut body: serde_json::Value) -> serde_json::Value {
    assert!(body.as_object_mut().unwrap().remove("processing").is_some());
    body
}

#[tokio::test]
async fn a_pending_order_is_not_cached_and_changes_its_etag_when_it_is_decided() {
    let (_product, caller) = in_process().await;
    let uid = fresh_uid("poll");
    let submitted = caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await;
    let pending = caller.get(&uid).await;
    assert_eq!((pending.code, pending.status(), bare(pending.json.clone())), (200, "pending", bare(submitted.json)));
    assert_eq!((pending.header("cache-control"), pending.header("retry-after")), (Some("no-store"), Some("1")));
    let placed = caller.final_answer(&uid, Duration::from_secs(30)).await;
    assert_ne!(placed.header("etag"), pending.header("etag"));
}

#[tokio::test]
async fn an_order_whose_message_was_lost_is_brought_back_by_a_poll_once_it_is_due() {
    let (product, caller) = in_process().await;
    let uid = fresh_uid("lost");
    // A worker that stopped after its write: the row is there, no message is, and its due time has passed.
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let row = async || {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("par-local#{uid}"));
        let got = dynamodb.get_item().table_name("posnext-orders").key("pk", key).consistent_read(true).send().await.unwrap();
        got.item.unwrap()
    };
    assert_eq!(caller.submit(&order(&uid, "PAR-LOC-DOWN")).await.code, 202);
    let mut item = row().await;
    let dead = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    item.insert("due_at".to_owned(), dead);
    // A version of which no message is under way.
    item.insert("ver".to_owned(), aws_sdk_dynamodb::types::AttributeValue::N("50".to_owned()));
    let attempts = item["n"].clone();
    dynamodb.put_item().table_name("posnext-orders").set_item(Some(item)).send().await.unwrap();
    assert_eq!(caller.get(&uid).await.status(), "pending");
    assert!(row().await["due_at"].as_n().unwrap().parse::<i64>().unwrap() > 1_000_000_000_000);
    // The message arrives, about version 50: had healing raised the version, no worker could take its turn.
    let began = std::time::Instant::now();
    while row().await["n"] == attempts {
        assert!(began.elapsed() < Duration::from_secs(20), "no worker took the order");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_message_that_is_done_with_is_deleted_from_the_queue() {
    use aws_sdk_sqs::types::QueueAttributeName;
    let (product, caller) = in_process().await;
    let uid = fresh_uid("deleted");
    caller.submit(&order(&uid, "PAR-LOC-ASYNC")).await;
    caller.final_answer(&uid, Duration::from_secs(20)).await;
    let sqs = aws_sdk_sqs::Client::new(&product.services.aws.sqs);
    let queue = &product.services.parts.settings().queue_url;
    let names = [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    let began = std::time::Instant::now();
    loop {
        let got = sqs.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        let counts = got.attributes.unwrap();
        if names.iter().all(|name| counts[name] == "0") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "left in the queue: {counts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn another_tenants_order_is_unknown() {
    let (product, caller) = in_process().await;
    let uid = fresh_uid("tenant");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    // A second client with a secret and a tenant of its own.
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    let text = r#"{"live":[{"id":"a","value":"the-other-clients-secret"}]}"#;
    secrets.create_secret().name("other").secret_string(text).send().await.unwrap();
    let client = posnext_shared::domain::directory::Client {
        client_id: "other".to_owned(),
        tenant: Tenant::new("other").unwrap(),
        secret: "other".to_owned(),
        organizations: vec!["IA-YC-01".to_owned().try_into().unwrap()],
    };
    product.services.parts.directory().put_client(&client).await.unwrap();
    let fresh = Arc::new(posnext_aws::wiring::Parts::new(product.services.parts.settings().clone(), &product.services.aws).get());
    let get = async |secret: &str| {
        let token =
            crate::support::token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, crate::support::now() + 60), secret);
        let request = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {token}"));
        fresh.handle(request.body(()).unwrap()).await
    };
    let foreign = get("the-other-clients-secret").await;
    assert_eq!((foreign.status().as_u16(), foreign.body().contains("unknown_order")), (404, true));
    assert_eq!(get(crate::support::CLIENT_SECRET).await.status().as_u16(), 200);
    let key = OrderKey { tenant: Tenant::new("other").unwrap(), request_uid: RequestUid::new(uid.as_str()).unwrap() };
    assert!(key.to_string().starts_with("other#"));
}

#[tokio::test]
async fn an_order_whose_organization_is_not_mapped_any_more_is_not_answered_unsigned() {
    let (product, caller) = in_process().await;
    let uid = fresh_uid("unmapped");
    assert_eq!(caller.submit(&order(&uid, "PAR-LOC-12345")).await.status(), "placed");
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let delete = dynamodb.delete_item().table_name("posnext-directory").key("pk", text("organization"));
    delete.key("sk", text("IA-YC-01")).send().await.unwrap();
    let fresh = posnext_aws::wiring::Parts::new(product.services.parts.settings().clone(), &product.services.aws).get();
    let request = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()));
    let answer = fresh.handle(request.body(()).unwrap()).await;
    assert_eq!((answer.status().as_u16(), answer.body().contains("placed")), (503, false), "{}", answer.body());
}
