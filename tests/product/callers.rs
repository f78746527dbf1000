//! Callers and secrets of more than one kind; handlers that break.

use aws_lambda_events::sqs::SqsEvent;
use posnext_aws::{
    adapters::sandbox::SandboxPos,
    edge::{queue::Consumer, submit::Submit},
};
use posnext_local::local::Product;
use posnext_shared::{
    app::{accept::Accept, ports::Pos, process::Process},
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{Client, Connector, Location, Mode, Organization, SandboxConnector},
        ids::{OrderKey, ParId, Tenant},
        policy::WORKER_FUNCTION_TIMEOUT,
        record::OrderRecord,
    },
};

use crate::support::{
    CLIENT_SECRET, Caller, SHARED_ID, digest_of, fresh_uid, hmac_hex, in_process, now, order, token, token_with,
};

const OTHER_SHARED_ID: &str = "0123456789-other";
const OTHER_SECRET: &str = "the-other-clients-secret";

fn id(text: &str) -> ParId {
    ParId::new(text).unwrap()
}

async fn secret(product: &Product, name: &str, value: &str) {
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    let text = format!(r#"{{"live":[{{"id":"{name}","value":"{value}"}}]}}"#);
    secrets.create_secret().name(name).secret_string(text).send().await.unwrap();
}

/// A second organization, a location of it, and a client of the first one's tenant that speaks for these organizations.
async fn second_client(product: &Product, organizations: &[&str]) {
    secret(product, "other-client", OTHER_SECRET).await;
    secret(product, "other-shared-id", OTHER_SHARED_ID).await;
    let directory = product.services.parts.directory();
    let organizations = organizations.iter().map(|text| id(text)).collect();
    let tenant = Tenant::new("par-local").unwrap();
    directory
        .put_client(&Client { client_id: "other".into(), tenant, secret: "other-client".into(), organizations })
        .await
        .unwrap();
    let other = Organization { organization_id: id("IA-OT-02"), internal_id: "OT".into(), shared_ids: "other-shared-id".into() };
    directory.put_organization(&other).await.unwrap();
}

async fn location(product: &Product, organization: &str, name: &str, shared_ids: Option<&str>) {
    let location = Location {
        organization_id: id(organization),
        location_id: id(name),
        internal_id: "X".into(),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: shared_ids.map(str::to_owned),
        pull_menu: false,
        live_availability: false,
        connector: Connector::Sandbox(SandboxConnector::prompt()),
    };
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

fn message(uid: &str, location: &str) -> String {
    format!("{uid}|{location}|ORD-{uid}|2345|2150|1742049045")
}

fn header(response: &http::Response<String>, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

fn fresh(product: &Product) -> posnext_aws::wiring::Parts {
    posnext_aws::wiring::Parts::new(product.services.parts.settings().clone(), &product.services.aws)
}

#[tokio::test]
async fn a_caller_with_several_organizations_gets_field_errors_signed_for_the_one_it_names() {
    let (product, _) = in_process().await;
    second_client(&product, &["IA-YC-01", "IA-OT-02"]).await;
    let submit = fresh(&product).submit();
    let all_null = |shared_id: &str| hmac_hex(&shared_id[..10], "0|0|0|0|0|0");
    for (organization, shared_id) in [("IA-YC-01", SHARED_ID), ("IA-OT-02", OTHER_SHARED_ID)] {
        let body = format!(r#"{{"organization_id":"{organization}"}}"#);
        let response = submit.handle(submission(&body, &bearer(OTHER_SECRET), "00")).await;
        assert_eq!((response.status().as_u16(), header(&response, "x-pch-digest")), (400, all_null(shared_id)), "{organization}");
    }
    let nobodys = submit.handle(submission("nonsense", &bearer(OTHER_SECRET), "00")).await;
    assert_eq!((nobodys.status().as_u16(), header(&nobodys, "x-pch-digest")), (400, String::new()), "whose it is is not known");
}

#[tokio::test]
async fn a_location_with_shared_ids_of_its_own_is_verified_and_answered_with_them() {
    let (product, _) = in_process().await;
    secret(&product, "own-shared-id", OTHER_SHARED_ID).await;
    location(&product, "IA-YC-01", "PAR-LOC-OWN", Some("own-shared-id")).await;
    let (submit, get, uid) = (product.services.parts.submit(), product.services.parts.get(), fresh_uid("own"));
    let body = order(&uid, "PAR-LOC-OWN");
    let organizations = digest_of(&serde_json::from_str(&body).unwrap());
    assert_eq!(submit.handle(submission(&body, &token(), &organizations)).await.status().as_u16(), 412);
    let own = hmac_hex(&OTHER_SHARED_ID[..10], &message(&uid, "PAR-LOC-OWN"));
    let placed = submit.handle(submission(&body, &token(), &own)).await;
    assert_eq!((placed.status().as_u16(), header(&placed, "x-pch-digest")), (200, own.clone()));
    let request = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()));
    assert_eq!(header(&get.handle(request.body(()).unwrap()).await, "x-pch-digest"), own);
}

#[tokio::test]
async fn a_poll_is_signed_with_the_shared_id_that_verified_the_submit() {
    let (product, caller) = in_process().await;
    let uid = fresh_uid("rotated");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    let live = format!(r#"{{"live":[{{"id":"new","value":"{OTHER_SHARED_ID}"}},{{"id":"local","value":"{SHARED_ID}"}}]}}"#);
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    secrets.put_secret_value().secret_id("posnext/shared-id/IA-YC-01").secret_string(live).send().await.unwrap();
    let request = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()));
    let response = fresh(&product).get().handle(request.body(()).unwrap()).await;
    assert_eq!(header(&response, "x-pch-digest"), hmac_hex(&SHARED_ID[..10], &message(&uid, "PAR-LOC-12345")));
}

#[tokio::test]
async fn a_client_sees_only_the_orders_of_its_own_organizations() {
    let (product, caller) = in_process().await;
    second_client(&product, &["IA-OT-02"]).await;
    let uid = fresh_uid("org");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    let get = fresh(&product).get();
    let status = async |secret: &str| {
        let request =
            http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", bearer(secret)));
        get.handle(request.body(()).unwrap()).await.status().as_u16()
    };
    assert_eq!((status(OTHER_SECRET).await, status(CLIENT_SECRET).await), (404, 200));
    // Nor may it submit for another one.
    let body = order(&fresh_uid("org"), "PAR-LOC-12345");
    let response = fresh(&product).submit().handle(submission(&body, &bearer(OTHER_SECRET), "00")).await;
    assert!(response.status().as_u16() == 404 && response.body().contains("unknown_organization"), "{}", response.body());
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

#[tokio::test]
async fn a_body_may_have_256_kib_and_no_byte_more() {
    let (_product, caller) = in_process().await;
    let body = order(&fresh_uid("large"), "PAR-LOC-12345");
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    let send = async |caller: &Caller, text: String| caller.send(caller.submission(&body).body(text)).await;
    assert_eq!(send(&caller, padded(256 * 1024 + 1)).await.code, 413);
    let answer = send(&caller, padded(256 * 1024)).await.signed();
    assert_eq!((answer.code, answer.status()), (200, "placed"));
}

/// A POS whose connector has a defect.
struct Panics(SandboxPos);

impl Pos for Panics {
    async fn place(&self, location: &Location, record: &OrderRecord, limit: std::time::Duration) -> Placed {
        assert_ne!(location.location_id.as_str(), "PAR-LOC-PANIC", "a defect, on purpose");
        let Connector::Sandbox(sandbox) = &location.connector else { panic!("sandbox") };
        self.0.place(sandbox, location, &record.key, limit).await
    }
    async fn find(&self, _: &Location, _: &OrderRecord, _: std::time::Duration) -> Found {
        Found::Absent
    }
    async fn cancel(&self, _: &Location, _: &OrderRecord, _: std::time::Duration) -> Cancelled {
        Cancelled::Done
    }
}

#[tokio::test]
async fn a_panic_is_answered_signed_and_the_order_is_carried_to_its_end() {
    let (product, caller) = in_process().await;
    location(&product, "IA-YC-01", "PAR-LOC-PANIC", None).await;
    let Submit { gate, check, accept } = product.services.parts.submit();
    let Accept { orders, queue, clock, policy, limits, location_rate, .. } = accept;
    let broken = Submit {
        check,
        gate,
        accept: Accept { orders, queue, clock, policy, limits, location_rate, pos: Panics(product.services.parts.sandbox()) },
    };
    let uid = fresh_uid("panic");
    let body = order(&uid, "PAR-LOC-PANIC");
    let digest = digest_of(&serde_json::from_str(&body).unwrap());
    let response = broken.handle(submission(&body, &token(), &digest)).await;
    assert!(response.status().as_u16() == 500 && response.body().contains("internal_error"), "{}", response.body());
    assert_eq!(header(&response, "x-pch-digest"), hmac_hex(&SHARED_ID[..10], "0|0|0|0|0|0"));
    // Its row is claimed; once the lease is over, a poll brings it back and a sound worker places it.
    let placed = caller.final_answer(&uid, std::time::Duration::from_secs(40)).await;
    assert_eq!((placed.status(), caller.placements(&uid).await.len()), ("placed", 1));
}

#[tokio::test]
async fn a_message_that_panics_comes_back_alone() {
    let (product, caller) = in_process().await;
    location(&product, "IA-YC-01", "PAR-LOC-PANIC", None).await;
    let Consumer { process, parse, secrets } = product.services.parts.process();
    let Process { orders, queue, directory, clock, policy, .. } = process;
    let pos = Panics(product.services.parts.sandbox());
    let broken = Consumer { process: Process { orders, queue, directory, clock, policy, pos }, parse, secrets };
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
        domain::{machine, order::Body, policy::Policy},
    };
    let policy = Policy::default();
    let ctx = machine::Context {
        now: posnext_aws::adapters::clock::SystemClock.now(),
        policy: &policy,
        abilities: SandboxConnector::prompt().abilities,
        lease: policy.submit_lease(),
        function_timeout: WORKER_FUNCTION_TIMEOUT,
        write_id: fresh_uid("w"),
        random: 0,
    };
    let order = std::sync::Arc::new(Body::parse(order(uid, location).as_bytes()).unwrap().into_order().unwrap());
    let key = OrderKey { tenant: Tenant::new("par-local").unwrap(), request_uid: order.request_uid().clone() };
    let new = machine::New { key, order, shared_id: "local".into(), traceparent: None };
    let record = machine::claim(new, machine::Start::Queued, &ctx);
    let table = OrderTable::new(
        aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb),
        product.services.parts.settings().orders_table.clone(),
    );
    table.claim(&record, None, ctx.now).await.unwrap();
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
