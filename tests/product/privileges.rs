//! Least privilege, both ways: the calls that each function's binary makes to AWS are recorded, and its policy in the
//! template must allow each of them and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::{Router, body::to_bytes, extract::Request, response::IntoResponse, routing::any};
use posnext_local::local::{SAMPLE_MENU, Services, start_services};
use posnext_shared::{
    app::ports::ListSubscribers,
    domain::{
        ability::Abilities,
        directory::{Connector, HttpAuth, HttpConnector, Location, Mode, SandboxConnector},
        ids::{ParId, SubscriberId},
        time::UnixMillis,
        webhook::{Delivery, Event, EventKind, Subscriber},
    },
};
use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;
use tokio::net::TcpListener;

use crate::{
    runtime::Runtime,
    stub_pos::answering,
    support::{ROOT, digest_of, location, now, order, selling_pos, token},
};

/// An action on a resource of the template.
type Grant = (String, String);

/// The calls of one function, with the attributes that its updates name.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<BTreeMap<Grant, BTreeSet<String>>>>);

impl Calls {
    /// The function's environment, with the services behind a recorder.
    async fn record(&self, services: &Services) -> Vec<(&'static str, String)> {
        let mut environment = services.environment();
        for (name, endpoint) in
            environment.iter_mut().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_") && !name.ends_with("LAMBDA"))
        {
            let (calls, upstream, http) = (self.clone(), endpoint.clone(), reqwest::Client::new());
            let handler = any(async move |request: Request| {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                calls.note(parts.headers["x-amz-target"].to_str().unwrap(), &serde_json::from_slice(&body).unwrap());
                let url = format!("{upstream}{}", parts.uri);
                let answer = http.request(parts.method, url).headers(parts.headers).body(body).send().await.unwrap();
                let (status, headers) = (answer.status(), answer.headers().clone());
                (status, headers, answer.bytes().await.unwrap()).into_response()
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            *endpoint = format!("http://{}", listener.local_addr().unwrap());
            assert!(name.ends_with("DYNAMODB") || name.ends_with("SQS") || name.ends_with("SECRETS_MANAGER"));
            tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
        }
        environment
    }

    fn note(&self, target: &str, request: &Value) {
        let operation = target.rsplit('.').next().unwrap();
        if operation == "TransactWriteItems" {
            for item in request["TransactItems"].as_array().unwrap() {
                let (kind, item) = item.as_object().unwrap().iter().next().unwrap();
                // IAM asks for the action of each item, not for one of the transaction.
                let action = format!("{kind}Item");
                self.add("dynamodb", &action, item);
            }
            return;
        }
        let service = match target.split(['_', '.']).next().unwrap() {
            "DynamoDB" => "dynamodb",
            "AmazonSQS" => "sqs",
            "secretsmanager" => "secretsmanager",
            other => panic!("a call to {other}"),
        };
        self.add(service, operation, request);
    }

    /// A call that this recorder does not see.
    fn add_to(&self, action: &str, resource: &str) {
        self.0.lock().unwrap().entry((action.to_owned(), resource.to_owned())).or_default();
    }

    fn add(&self, service: &str, operation: &str, request: &Value) {
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let resource = match service {
            "dynamodb" => {
                let table = match text("TableName").as_str() {
                    "posnext-orders" => "OrdersTable",
                    "posnext-directory" => "DirectoryTable",
                    "posnext-menus" => "MenusTable",
                    "posnext-sandbox" => "SandboxTable",
                    "posnext-connections" => "ConnectionsTable",
                    other => panic!("a call about the table {other:?}"),
                };
                match text("IndexName") {
                    index if index.is_empty() => table.to_owned(),
                    index => format!("{table}/index/{index}"),
                }
            }
            "sqs" if text("QueueUrl").ends_with("-dlq") => "OrdersDeadLetterQueue".to_owned(),
            "sqs" if text("QueueUrl").ends_with("-webhooks") => "WebhooksQueue".to_owned(),
            "sqs" => "OrdersQueue".to_owned(),
            _ => {
                assert!(text("SecretId").starts_with("posnext/"), "a secret outside the prefix: {request}");
                if text("SecretId").starts_with("posnext/webhook/") { "webhook secrets" } else { "secrets" }.to_owned()
            }
        };
        let mut calls = self.0.lock().unwrap();
        let attributes = calls.entry((format!("{service}:{operation}"), resource)).or_default();
        if operation == "UpdateItem" {
            attributes.extend(attributes_of(request));
        }
    }
}

/// The attributes that an update names: in its key and in its expressions.
fn attributes_of(request: &Value) -> BTreeSet<String> {
    let mut expressions = format!("{} {}", request["UpdateExpression"], request["ConditionExpression"]);
    for (name, attribute) in request["ExpressionAttributeNames"].as_object().into_iter().flatten() {
        expressions = expressions.replace(name, attribute.as_str().unwrap());
    }
    let words = expressions.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '#'));
    let names = words.filter(|word| word.chars().next().is_some_and(char::is_lowercase));
    let names = names
        .filter(|word| !matches!(*word, "if_not_exists" | "list_append" | "attribute_exists" | "attribute_not_exists" | "size"));
    names.map(str::to_owned).chain(request["Key"].as_object().unwrap().keys().cloned()).collect()
}

/// What a function's policy allows, with the attributes that a condition limits it to.
fn policy(function: &str) -> BTreeMap<Grant, Option<BTreeSet<String>>> {
    let text = std::fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap();
    let template: Yaml = serde_yaml_ng::from_str(&text).unwrap();
    let statements = template["Resources"][function]["Properties"]["Policies"][0]["Statement"].as_sequence().unwrap();
    let many = |value: &Yaml| value.as_sequence().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut grants = BTreeMap::new();
    for statement in statements {
        // What a statement depends on is switched on.
        let statement = match statement {
            Yaml::Tagged(choice) if choice.tag == "If" => &choice.value[1],
            statement => statement,
        };
        let condition = &statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"];
        let attributes: Option<BTreeSet<String>> =
            condition.as_sequence().map(|names| names.iter().map(|name| name.as_str().unwrap().to_owned()).collect());
        for action in many(&statement["Action"]) {
            for resource in many(&statement["Resource"]) {
                let grant = (action.as_str().unwrap().to_owned(), resource_name(&resource));
                assert!(grants.insert(grant.clone(), attributes.clone()).is_none(), "{function}: {grant:?} is granted twice");
            }
        }
    }
    grants
}

/// `!GetAtt X.Arn` and `!Sub ${X.Arn}/...` as `X` and `X/...`; the secrets of the stack as `secrets`.
fn resource_name(value: &Yaml) -> String {
    let Yaml::Tagged(tagged) = value else { panic!("a resource that is not of this stack: {value:?}") };
    let text = tagged.value.as_str().unwrap();
    for (end, name) in [
        (":secret:${AWS::StackName}/*", "secrets"),
        (":secret:${AWS::StackName}/webhook/*", "webhook secrets"),
        (":${WebSocketApi}/live/POST/@connections/*", "connections"),
    ] {
        if text.ends_with(end) {
            return name.to_owned();
        }
    }
    text.replace("${", "").replace('}', "").replacen(".Arn", "", 1)
}

/// What Lambda's event source mapping calls with the function's role (AWS: "Using Lambda with Amazon SQS", permissions).
const EVENT_SOURCE_MAPPING: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// The same for a stream, with the queue for what could not be told (AWS: "Using Lambda with Amazon DynamoDB", permissions).
const STREAM_MAPPING: [&str; 4] =
    ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];

#[track_caller]
fn check(function: &str, calls: &Calls) {
    let mut granted = policy(function);
    for (grant, attributes) in calls.0.lock().unwrap().iter() {
        let limit = granted.remove(grant).unwrap_or_else(|| panic!("{function}: {grant:?} is called and not granted"));
        if let Some(limit) = limit {
            assert_eq!(*attributes, limit, "{function}: the attributes of {grant:?}, called and granted");
        }
    }
    granted.retain(|(action, resource), _| match function {
        "ProcessOrder" | "DeliverWebhooks" => !EVENT_SOURCE_MAPPING.contains(&action.as_str()),
        "AnnounceOrders" => !STREAM_MAPPING.contains(&action.as_str()) && resource != "ChangesDeadLetterQueue",
        _ => true,
    });
    assert!(granted.is_empty(), "{function}: granted and never called: {:?}", granted.keys());
}

/// A submit as API Gateway hands it over.
fn submit_event(body: &str) -> String {
    let mut event: Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{ROOT}/events/submit-order/200-placed.json")).unwrap()).unwrap();
    event["headers"]["x-pch-digest"] = digest_of(&serde_json::from_str(body).unwrap()).into();
    event["headers"]["authorization"] = format!("Bearer {}", token()).into();
    event["body"] = body.into();
    event.to_string()
}

/// A message as the queue hands it over, newer than the order.
fn message_event(uid: &str) -> String {
    let body = json!({ "v": 1, "key": { "tenant": "par-local", "request_uid": uid }, "version": 999, "group": "L" });
    json!({ "Records": [{ "messageId": "1", "body": body.to_string(), "eventSource": "aws:sqs" }] }).to_string()
}

async fn make_due(services: &Services, uid: &str) {
    let update = aws_sdk_dynamodb::Client::new(&services.aws.dynamodb).update_item().table_name("posnext-orders");
    let update = update.key("pk", AttributeValue::S(format!("par-local#{uid}"))).update_expression("SET due_at = :past");
    update.expression_attribute_values(":past", AttributeValue::N("1".to_owned())).send().await.unwrap();
}

async fn put_location(services: &Services, location: &Location) {
    services.parts.directory().put_location(location).await.unwrap();
}

/// A POS that knows no path, behind a secret.
async fn misconfigured_pos(services: &Services) -> Connector {
    let secret = "posnext/pos".to_owned();
    let secrets = aws_sdk_secretsmanager::Client::new(&services.aws.secrets);
    let value = json!({ "live": [{ "id": "1", "value": "0123456789abcdef0123456789abcdef" }] }).to_string();
    secrets.create_secret().name(&secret).secret_string(value).send().await.unwrap();
    let (base, _) = answering(422, r#"{"key":"$KEY","status":"invalid"}"#).await;
    Connector::Http(HttpConnector::new(base, Some(HttpAuth::Bearer { secret }), Abilities::default()))
}

/// A POS during whose placement somebody else writes the order's row.
async fn overtaking_pos(services: &Services, uid: &'static str) -> Connector {
    let dynamodb = aws_sdk_dynamodb::Client::new(&services.aws.dynamodb);
    let place = axum::routing::put(async move || {
        let update = dynamodb.update_item().table_name("posnext-orders");
        let update = update.key("pk", AttributeValue::S(format!("par-local#{uid}"))).update_expression("SET ver = ver + :one");
        update.expression_attribute_values(":one", AttributeValue::N("1".to_owned())).send().await.unwrap();
        axum::Json(json!({ "key": format!("par-local.{uid}"), "status": "placed", "pos_order_id": "P-1" }))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/orders/{key}", place)).await.unwrap() });
    Connector::Http(HttpConnector::new(base, None, Abilities::default()))
}

/// A stored menu, and one that is fetched from a POS behind a secret, replacing one of long ago.
async fn menus_read(services: &Services, connector: Connector) -> Calls {
    let menu = Arc::new(Mutex::new(SAMPLE_MENU.to_owned()));
    let Connector::Http(settings) = connector else { panic!("{connector:?}") };
    let connector = Connector::Http(HttpConnector { base: selling_pos(menu, &[]).await, ..settings });
    put_location(services, &Location { pull_menu: true, ..location("PAR-LOC-PULL", connector) }).await;
    let left_over =
        [("pk", "IA-YC-01|PAR-LOC-PULL"), ("sk", "data#0123#0000")].map(|(k, v)| (k.to_owned(), AttributeValue::S(v.to_owned())));
    let put = aws_sdk_dynamodb::Client::new(&services.aws.dynamodb).put_item().table_name("posnext-menus");
    put.set_item(Some(left_over.into())).item("at", AttributeValue::N("1".to_owned())).send().await.unwrap();

    let calls = Calls::default();
    let mut function = Runtime::start("get-menu", calls.record(services).await).await;
    assert_eq!(function.invoke_file("get-menu/200-menu").await["statusCode"], 200);
    let event = std::fs::read_to_string(format!("{ROOT}/events/get-menu/200-menu.json")).unwrap();
    let pulled = function.invoke(event.replace("PAR-LOC-MENU", "PAR-LOC-PULL")).await;
    assert_eq!(pulled["statusCode"], 200, "{pulled}");
    calls
}

#[tokio::test]
async fn each_function_is_allowed_the_calls_it_makes_and_no_other() {
    // Nobody listens on port 9: what the queue holds is left to this test.
    let services = start_services(None, "http://127.0.0.1:9").await.unwrap();
    let pos = misconfigured_pos(&services).await;
    put_location(&services, &location("PAR-LOC-WRONG", pos.clone())).await;
    put_location(&services, &Location { mode: Mode::Async, ..location("PAR-LOC-WRONG-ASYNC", pos.clone()) }).await;
    let overtaking = overtaking_pos(&services, "overtaken").await;
    put_location(&services, &Location { mode: Mode::Async, ..location("PAR-LOC-OVERTAKEN", overtaking) }).await;
    let takes_a_while = SandboxConnector { delay_ms: 400, ..SandboxConnector::prompt() };
    put_location(&services, &location("PAR-LOC-WHILE", Connector::Sandbox(takes_a_while))).await;

    let submitted = Calls::default();
    let mut submit = Runtime::start("submit-order", submitted.record(&services).await).await;
    for file in [
        "200-placed",
        "200-rejected",
        "200-rejected-off-menu",
        "202-async",
        "202-respond-async",
        "404-unknown-location",
        "409-conflict",
    ] {
        submit.invoke_file(&format!("submit-order/{file}")).await;
    }
    // The POS refuses the request itself: a copy goes to the dead-letter queue.
    let misconfigured = submit.invoke(submit_event(&order("wrong", "PAR-LOC-WRONG"))).await;
    assert!(misconfigured["body"].as_str().unwrap().contains("pos_misconfigured"), "{misconfigured}");
    // Of an order that made no meal another takes the guard over.
    submit.invoke(submit_event(&order("wrong", "PAR-LOC-WRONG").replacen("\"wrong\"", "\"anew\"", 1))).await;
    assert_eq!(submit.invoke(submit_event(&order("while", "PAR-LOC-WHILE"))).await["statusCode"], 200);
    // A lost reply, a retry that finds its order due, and a second name of the same order.
    assert_eq!(submit.invoke(submit_event(&order("find", "PAR-LOC-FIND"))).await["statusCode"], 202);
    make_due(&services, "event-async").await;
    submit.invoke_file("submit-order/202-async").await;
    submit.invoke(submit_event(&order("find", "PAR-LOC-FIND").replacen("\"find\"", "\"again\"", 1))).await;
    check("SubmitOrder", &submitted);

    let validated = Calls::default();
    let mut validate = Runtime::start("validate-order", validated.record(&services).await).await;
    validate.invoke_file("validate-order/200-validated").await;
    check("ValidateOrder", &validated);

    check("GetMenu", &menus_read(&services, pos).await);

    let read = Calls::default();
    let mut get = Runtime::start("get-order", read.record(&services).await).await;
    let event = std::fs::read_to_string(format!("{ROOT}/events/get-order/200-placed.json")).unwrap();
    assert_eq!(get.invoke(event.clone()).await["statusCode"], 200);
    make_due(&services, "event-async").await;
    assert_eq!(get.invoke(event.replace("event-placed", "event-async")).await["statusCode"], 200);
    check("GetOrder", &read);

    let recovered = Calls::default();
    make_due(&services, "event-async").await;
    Runtime::start("recover-orders", recovered.record(&services).await).await.invoke_file("recover-orders/schedule").await;
    check("RecoverOrders", &recovered);

    let processed = Calls::default();
    let mut process = Runtime::start("process-order", processed.record(&services).await).await;
    process.invoke_file("process-order/poison-among-good").await;
    submit.invoke(submit_event(&order("flaky", "PAR-LOC-FLAKY"))).await;
    submit.invoke(submit_event(&order("wrong-async", "PAR-LOC-WRONG-ASYNC"))).await;
    submit.invoke(submit_event(&order("overtaken", "PAR-LOC-OVERTAKEN"))).await;
    for uid in ["event-async", "find", "flaky", "wrong-async", "overtaken"] {
        let answer = process.invoke(message_event(uid)).await;
        assert_eq!(answer, json!({ "batchItemFailures": [] }), "{uid}");
    }
    check("ProcessOrder", &processed);
}

/// A change as the table's stream hands it over.
async fn change_event(services: &Services, uid: &str) -> String {
    let get = aws_sdk_dynamodb::Client::new(&services.aws.dynamodb).get_item().table_name("posnext-orders");
    let item = get.key("pk", AttributeValue::S(format!("par-local#{uid}"))).send().await.unwrap().item.unwrap();
    let image: serde_dynamo::Item = item.into();
    let change = json!({ "NewImage": image, "SequenceNumber": "111", "SizeBytes": 1, "StreamViewType": "NEW_IMAGE" });
    json!({ "Records": [{ "eventID": "1", "eventName": "MODIFY", "awsRegion": "us-east-1", "dynamodb": change }] }).to_string()
}

#[tokio::test]
async fn each_function_that_pushes_is_allowed_the_calls_it_makes_and_no_other() {
    let services = start_services(None, "http://127.0.0.1:9").await.unwrap();
    let (told, url) = (Arc::new(Mutex::new(Vec::new())), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = url.local_addr().unwrap();
    let seen = Arc::clone(&told);
    let answer = any(async move |request: Request| {
        let path = request.uri().path().to_owned();
        let status = match path.as_str() {
            "/works" => http::StatusCode::OK,
            "/fails" => http::StatusCode::FOUND,
            // A watcher who hears both answers, and is gone then.
            "/live/@connections/c-1" if seen.lock().unwrap().len() < 2 => http::StatusCode::OK,
            _ => http::StatusCode::GONE,
        };
        seen.lock().unwrap().push(path);
        status
    });
    tokio::spawn(async move { axum::serve(url, Router::new().fallback(answer)).await.unwrap() });
    for (id, failing_since) in [("gone", None), ("works", Some(UnixMillis(1))), ("fails", None)] {
        let secret = format!("posnext/webhook/IA-YC-01/{id}");
        let secrets = aws_sdk_secretsmanager::Client::new(&services.aws.secrets);
        let value = json!({ "live": [{ "id": "1", "value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }] }).to_string();
        secrets.create_secret().name(&secret).secret_string(value).send().await.unwrap();
        let subscriber = Subscriber {
            organization_id: ParId::new("IA-YC-01").unwrap(),
            id: SubscriberId::new(id).unwrap(),
            url: format!("http://{address}/{id}"),
            secret,
            events: EventKind::OF_ORDERS.to_vec(),
            enabled: true,
            off_because: None,
            failing_since,
            given_up: None,
        };
        services.parts.subscribers().create(&subscriber).await.unwrap();
    }

    let connect = |what: &str, body: Value| {
        let authorization = format!("Bearer {}", token());
        let context =
            json!({ "connectionId": "c-1", "eventType": what, "connectedAt": 1, "requestTimeEpoch": 1, "messageId": null });
        json!({ "headers": { "authorization": authorization }, "requestContext": context, "body": body.to_string() }).to_string()
    };
    let watched = Calls::default();
    let endpoint = ("POSNEXT_CONNECTIONS_ENDPOINT", format!("http://{address}/live"));
    let mut environment = watched.record(&services).await;
    environment.push(endpoint.clone());
    let mut watch = Runtime::start("watch-orders", environment).await;
    assert_eq!(watch.invoke(connect("CONNECT", Value::Null)).await["statusCode"], 200);
    let location = json!({ "organization_id": "IA-YC-01", "location_id": "PAR-LOC-12345", "action": "subscribe" });
    for wish in [json!({ "action": "subscribe", "order": "event-placed" }), location] {
        assert_eq!(watch.invoke(connect("MESSAGE", wish)).await["statusCode"], 200);
    }
    assert_eq!(*told.lock().unwrap(), ["/live/@connections/c-1"; 2]);

    let mut submit = Runtime::start("submit-order", services.environment()).await;
    submit.invoke_file("submit-order/200-placed").await;
    let announced = Calls::default();
    let mut environment = announced.record(&services).await;
    environment.push(endpoint);
    let mut announce = Runtime::start("announce-orders", environment).await;
    let answer = announce.invoke(change_event(&services, "event-placed").await).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(*told.lock().unwrap(), ["/live/@connections/c-1"; 3], "once, though it watches both");
    announced.add_to("execute-api:ManageConnections", "connections");
    check("AnnounceOrders", &announced);
    // Of that it was gone, nothing is left; now it closes.
    assert_eq!(watch.invoke(connect("CONNECT", Value::Null)).await["statusCode"], 200);
    assert_eq!(watch.invoke(connect("DISCONNECT", Value::Null)).await["statusCode"], 200);
    watched.add_to("execute-api:ManageConnections", "connections");
    check("WatchOrders", &watched);

    let delivered = Calls::default();
    let mut deliver = Runtime::start("deliver-webhooks", delivered.record(&services).await).await;
    let subscribers = services.parts.subscribers().subscribers(&ParId::new("IA-YC-01").unwrap()).await.unwrap();
    let records = subscribers.iter().map(|subscriber| {
        let now = UnixMillis(now() * 1_000);
        let delivery = Delivery::first(Event::test(subscriber.id.as_str(), subscriber, now), subscriber, now);
        json!({ "messageId": subscriber.id, "body": json!({ "v": 1, "delivery": delivery }).to_string() })
    });
    let records: Vec<Value> = records.collect();
    let answer = deliver.invoke(json!({ "Records": records }).to_string()).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    check("DeliverWebhooks", &delivered);
}

#[test]
fn who_calls_addresses_of_others_sees_subscribers_alone_of_the_directory() {
    let text = std::fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap();
    let template: Yaml = serde_yaml_ng::from_str(&text).unwrap();
    let statements = template["Resources"]["DeliverWebhooks"]["Properties"]["Policies"][0]["Statement"].as_sequence().unwrap();
    let of_directory = |statement: &&Yaml| resource_name(&statement["Resource"]) == "DirectoryTable";
    let limits: Vec<&Yaml> =
        statements.iter().filter(of_directory).map(|one| &one["Condition"]["ForAllValues:StringLike"]).collect();
    assert_eq!(limits.len(), 2);
    assert!(limits.iter().all(|limit| limit["dynamodb:LeadingKeys"][0] == "webhook#*"), "{limits:?}");
}
