//! Polling heals, and a message that is done with is gone.

use std::time::Duration;

use crate::support::{fresh_uid, in_process, order};

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
