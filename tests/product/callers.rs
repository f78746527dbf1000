//! Callers and secrets of more than one kind; handlers that break.

use aws_lambda_events::sqs::SqsEvent;
use posnext_aws::{adapters::sandbox::SandboxPos, edge::queue::Consumer, wiring::Production};
use posnext_local::local::Product;
use posnext_shared::{
    app::{
        ports::{Attempt, Pos},
        process::Process,
        world::World,
    },
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{Connector, Location, SandboxConnector},
        ids::{OrderKey, Tenant},
        policy::WORKER_FUNCTION_TIMEOUT,
        record::OrderRecord,
    },
};

use crate::support::{digest_of, fresh_uid, in_process, location, now, order, token, token_with};

async fn map(product: &Product, name: &str) {
    let location = location(name, Connector::Sandbox(SandboxConnector::prompt()));
    product.services.parts.directory().put_location(&location).await.unwrap();
}

fn bearer(secret: &str) -> String {
    token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, now() + 60), secret)
}

fn submission(body: &str, token: &str, digest: &str) -> http::Request<String> {
    let request = http::Request::post("/posnext/order/submit").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {token}")).header("x-pch-digest", digest);
    request.body(body.to_owned()).unwrap()
}

#[tokio::test]
async fn a_flood_of_bad_tokens_fetches_once_a_minute() {
    let (product, _) = in_process().await;
    let submit = product.services.parts.submit();
    let body = order(&fresh_uid("flood"), "PAR-LOC-12345");
    let digest = digest_of(&serde_json::from_str(&body).unwrap());
    assert_eq!(submit.handle(submission(&body, &bearer("wrong"), &digest)).await.status().as_u16(), 401);
    let live = r#"{"live":[{"id":"new","value":"the-new-client-secret"}]}"#;
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    secrets.put_secret_value().secret_id("posnext/client/par-local").secret_string(live).send().await.unwrap();
    // The one fetch is spent: what was read before serves on.
    assert_eq!(submit.handle(submission(&body, &bearer("the-new-client-secret"), &digest)).await.status().as_u16(), 401);
    assert_eq!(submit.handle(submission(&body, &token(), &digest)).await.status().as_u16(), 200);
}

/// A POS whose connector has a defect.
#[derive(Debug)]
struct Panics(SandboxPos);

impl Pos for Panics {
    type Line = ();
    async fn open(&self, _: &Location) {}
    async fn place(&self, (): (), location: &Location, record: &OrderRecord, attempt: Attempt) -> Placed {
        assert_ne!(location.location_id.as_str(), "PAR-LOC-PANIC", "a defect, on purpose");
        let Connector::Sandbox(sandbox) = &location.connector else { panic!("sandbox") };
        self.0.place(sandbox, location, &record.key, attempt.limit).await
    }
    async fn find(&self, _: &Location, _: &OrderRecord, _: std::time::Duration) -> Found {
        Found::Absent
    }
    async fn cancel(&self, _: &Location, _: &OrderRecord, _: Attempt) -> Cancelled {
        Cancelled::Done
    }
}

/// The product, but for that connector.
#[derive(Debug)]
struct Defective;

impl World for Defective {
    type Pos = Panics;
    type Clock = <Production as World>::Clock;
    type Directory = <Production as World>::Directory;
    type Secrets = <Production as World>::Secrets;
    type Menus = <Production as World>::Menus;
    type Orders = <Production as World>::Orders;
    type Queue = <Production as World>::Queue;
    type Subscribers = <Production as World>::Subscribers;
    type Deliveries = <Production as World>::Deliveries;
    type Webhooks = <Production as World>::Webhooks;
    type Connections = <Production as World>::Connections;
    type Push = <Production as World>::Push;
}

#[tokio::test]
async fn a_message_that_panics_comes_back_alone() {
    let (product, caller) = in_process().await;
    map(&product, "PAR-LOC-PANIC").await;
    let Consumer { process, parse, secrets } = product.services.parts.process();
    let Process { orders, queue, directory, clock, policy, limits, .. } = process;
    let pos = Panics(product.services.parts.sandbox());
    let process = Process { orders, queue, directory, clock, policy, limits, pos };
    let broken = Consumer::<Defective> { process, parse, secrets };
    let (bad, good) = (fresh_uid("bad"), fresh_uid("good"));
    // Two orders that wait in the queue, as far as this consumer knows: their own messages are dropped by a higher version.
    let mut event = SqsEvent::default();
    for (uid, location) in [(&bad, "PAR-LOC-PANIC"), (&good, "PAR-LOC-12345")] {
        put_waiting(&product, uid, location).await;
        let mut record = aws_lambda_events::sqs::SqsMessage::default();
        record.message_id = Some(uid.clone());
        record.body =
            Some(format!(r#"{{"v":1,"key":{{"tenant":"par-local","request_uid":"{uid}"}},"version":1,"group":"{location}"}}"#));
        event.records.push(record);
    }
    let response = broken.handle(event, WORKER_FUNCTION_TIMEOUT).await;
    let failed: Vec<_> = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    assert_eq!(failed, [bad]);
    assert_eq!(caller.get(&good).await.status(), "placed");
}

/// An order that is stored as queued, with no message under way.
async fn put_waiting(product: &Product, uid: &str, location: &str) {
    use posnext_aws::adapters::orders::OrderTable;
    use posnext_shared::{
        app::ports::{ClaimOrder, Clock},
        domain::{history::Actor, machine, order::Body, pinned::Pinned, policy::Policy},
    };
    let policy = Policy::default();
    let mapped = self::location(location, Connector::Sandbox(SandboxConnector::prompt()));
    let ctx = machine::Context {
        now: posnext_aws::adapters::clock::SystemClock.now(),
        policy: &policy,
        mapped: Some(&mapped),
        by: Actor::Submit,
        lease: policy.submit_lease(),
        function_timeout: WORKER_FUNCTION_TIMEOUT,
        write_id: fresh_uid("w"),
        random: 0,
    };
    let order = std::sync::Arc::new(Body::parse(order(uid, location).as_bytes()).unwrap().into_order().unwrap());
    let key = OrderKey { tenant: Tenant::new("par-local").unwrap(), request_uid: order.request_uid().clone() };
    let new = machine::New { key, order, shared_id: "local".into(), traceparent: None };
    let record = machine::claim(new, Pinned::of(&mapped), machine::Start::Queued, &ctx);
    let table = OrderTable::new(
        aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb),
        product.services.parts.settings().orders_table.clone(),
    );
    table.claim(&record, None).await.unwrap();
}

#[tokio::test]
async fn a_row_of_a_newer_format_is_put_aside_and_left_alone() {
    let (product, _) = in_process().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let put = dynamodb.put_item().table_name(&product.services.parts.settings().orders_table);
    let put = put.item("pk", aws_sdk_dynamodb::types::AttributeValue::S("par-local#newer".to_owned()));
    put.item("v", aws_sdk_dynamodb::types::AttributeValue::N("99".to_owned())).send().await.unwrap();
    let mut record = aws_lambda_events::sqs::SqsMessage::default();
    record.message_id = Some("newer".to_owned());
    record.body = Some(r#"{"v":1,"key":{"tenant":"par-local","request_uid":"newer"},"version":1,"group":"L"}"#.to_owned());
    let mut event = SqsEvent::default();
    event.records.push(record);
    let response = product.services.parts.process().handle(event, WORKER_FUNCTION_TIMEOUT).await;
    assert!(response.batch_item_failures.is_empty());
    let sqs = aws_sdk_sqs::Client::new(&product.services.aws.sqs);
    let dead = &product.services.parts.settings().dead_letter_queue_url;
    let received = sqs.receive_message().queue_url(dead).message_attribute_names("All").send().await.unwrap();
    let reason = received.messages()[0].message_attributes().unwrap()["reason"].string_value().unwrap().to_owned();
    assert!(reason.contains("row format"), "{reason}");
}
