//! `sam deploy` of the real template, as `sam build` left it, to a local AWS: what comes up carries every kind of order.
//!
//! What the local AWS does not play, and so is not seen here: IAM, throttling, TTL, the schedule's clock, real latency,
//! alarms over more than one metric, CodeDeploy.

use std::{
    collections::HashMap,
    process::Command,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use aws_config::{Region, SdkConfig};
use futures_util::{SinkExt, StreamExt};
use posnext_aws::adapters::{clock::SystemClock, sandbox::SandboxPos};
use posnext_shared::app::ports::Clock;
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    support::{self, Caller, DATETIME, ROOT, digest_of, fresh_uid, token, until},
    tools::{AWS, Running, free_port, listening, run, tool},
};

const STACK: &str = "posnext-dev";
/// Above the order deadline: `errored` comes when it ends.
const SOON: Duration = Duration::from_secs(100);

/// An order of today. One that is older than the stack keeps orders may have been made and forgotten, and is refused.
fn order(uid: &str, location: &str) -> String {
    support::order(uid, location).replace(DATETIME, &SystemClock.now().rfc3339())
}

/// A local AWS with the stack in it.
struct Stack {
    aws: String,
    outputs: HashMap<String, String>,
    caller: Caller,
    _process: Running,
    folder: tempfile::TempDir,
}

impl Stack {
    async fn deploy() -> Self {
        Self::deploy_with("", &[]).await
    }

    /// With these parameters besides, and these variables for the functions.
    async fn deploy_with(parameters: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let aws = format!("http://127.0.0.1:{port}");
        let log = std::fs::File::create(folder.path().join("ministack.log")).unwrap();
        let mut ministack = tool("ministack", "ministack");
        ministack.current_dir(folder.path()).env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
        // Its functions inherit how AWS is reached.
        ministack.envs(AWS).env("AWS_ENDPOINT_URL", &aws).envs(variables.iter().copied());
        let process = Running::start(ministack.stdout(log.try_clone().unwrap()).stderr(log));
        listening(port).await;

        let sam = |arguments: &[&str]| {
            let mut command = tool("sam", "sam");
            command.args(arguments).envs(AWS).env("AWS_ENDPOINT_URL", &aws).env("SAM_CLI_POLL_DELAY", "0.5");
            run(&mut command)
        };
        let parameters = format!("Architecture=x86_64 AllowSandbox=true DeletionProtection=false Monitoring=false {parameters}");
        sam(&["deploy", "--config-env", "dev", "--no-confirm-changeset", "--parameter-overrides", parameters.trim()]);
        let outputs = sam(&["list", "stack-outputs", "--stack-name", STACK, "--region", "us-east-1", "--output", "json"]);
        std::fs::write(folder.path().join("outputs.json"), &outputs).unwrap();
        let outputs: Vec<Value> = serde_json::from_str(&outputs).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let outputs: HashMap<_, _> =
            outputs.iter().map(|output| (text(&output["OutputKey"]), text(&output["OutputValue"]))).collect();
        let caller = Caller::new(outputs["Url"].clone());
        let stack = Self { aws, outputs, caller, _process: process, folder };
        stack.mend_event_source_mapping().await;
        stack
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.caller.http.request(method, format!("{}{path}", self.aws));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The local AWS keeps `MaximumConcurrency` as the text that a template parameter is, and then fails to compare it.
    /// AWS makes a number of it (CloudFormation: values are coerced to the property's type).
    async fn mend_event_source_mapping(&self) {
        let mappings = self.call(reqwest::Method::GET, "/2015-03-31/event-source-mappings/", None).await;
        for mapping in mappings["EventSourceMappings"].as_array().unwrap() {
            assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
            let Some(most) = mapping["ScalingConfig"]["MaximumConcurrency"].as_str() else { continue };
            let most: u32 = most.parse().unwrap();
            let path = format!("/2015-03-31/event-source-mappings/{}", mapping["UUID"].as_str().unwrap());
            self.call(reqwest::Method::PUT, &path, Some(json!({ "ScalingConfig": { "MaximumConcurrency": most } }))).await;
        }
    }

    async fn sdk(&self) -> SdkConfig {
        let loader = posnext_aws::adapters::aws::defaults(None).unwrap();
        let credentials = aws_sdk_dynamodb::config::Credentials::new("test", "test", None, None, "test");
        loader.region(Region::new("us-east-1")).credentials_provider(credentials).endpoint_url(&self.aws).load().await
    }

    fn posnext(&self, arguments: &[&str]) -> String {
        run(Command::new(env!("CARGO_BIN_EXE_posnext")).args(arguments).envs(AWS).env("AWS_ENDPOINT_URL", &self.aws))
    }

    fn put_sandbox(&self) {
        self.posnext(&["admin", "sandbox", "--outputs", self.folder.path().join("outputs.json").to_str().unwrap()]);
    }

    async fn meals(&self, uid: &str) -> usize {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.sdk().await);
        let pos = SandboxPos::new(dynamodb, self.outputs["SandboxTable"].clone(), || SystemClock.now());
        pos.placements().await.unwrap().iter().filter(|placement| placement.order_id == uid).count()
    }
}

/// The routes as the template has them.
fn template_routes() -> Vec<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap();
    let template: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    let resources = template["Resources"].as_mapping().unwrap();
    let routes = resources.values().filter(|resource| resource["Type"] == "AWS::ApiGatewayV2::Route");
    let routes = routes.filter(|route| route["Condition"].is_null());
    let mut keys: Vec<_> = routes.map(|route| route["Properties"]["RouteKey"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

#[tokio::test]
#[ignore = "needs the AWS tools and `sam build`; tests/run full sees to both"]
async fn the_template_deploys_and_what_comes_up_carries_every_kind_of_order() {
    let stack = Stack::deploy().await;
    let api = stack.call(reqwest::Method::GET, "/v2/apis", None).await["items"][0]["apiId"].as_str().unwrap().to_owned();
    let routes = stack.call(reqwest::Method::GET, &format!("/v2/apis/{api}/routes"), None).await;
    let mut keys: Vec<_> = routes["items"].as_array().unwrap().iter().map(|route| route["routeKey"].as_str().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, template_routes());

    // Before anybody is known to it, it refuses, and says so.
    let refused = stack.caller.send(stack.caller.submission(&order("early", "PAR-LOC-12345"))).await;
    assert_eq!(refused.code, 401, "{}", refused.text);

    stack.put_sandbox();
    // Each function caches the list of clients, for a minute at most.
    until(Duration::from_secs(70), "submit-order knows the client", async || {
        let unsigned = stack.caller.bare_submission(&order("early", "PAR-LOC-12345")).bearer_auth(token());
        (stack.caller.send(unsigned).await.code == 412).then_some(())
    })
    .await;
    stack.posnext(&["smoke", &stack.outputs["Url"]]);
    let report = stack.posnext(&["certify", &stack.outputs["Url"]]);
    assert!(report.contains("0 failed, 0 not tried"), "{report}");

    // Location, HTTP statuses that are right at first, final status, meals.
    let walk: [(&str, &[u16], &str, usize); 10] = [
        ("PAR-LOC-12345", &[200], "placed", 1),
        // Not of its menu.
        ("PAR-LOC-MENU", &[200], "rejected", 0),
        ("PAR-LOC-SLOW", &[202], "placed", 1),
        ("PAR-LOC-ASYNC", &[202], "placed", 1),
        ("PAR-LOC-REJECT", &[200], "rejected", 0),
        ("PAR-LOC-FLAKY", &[202], "placed", 1),
        ("PAR-LOC-LOSTREPLY", &[202], "placed", 1),
        ("PAR-LOC-DOWN", &[202], "errored", 0),
        ("PAR-LOC-OFF", &[200], "rejected", 0),
        ("PAR-LOC-FIND", &[202], "placed", 1),
    ];
    let orders = futures_util::future::join_all(walk.map(|(location, codes, status, meals)| {
        let stack = &stack;
        async move {
            let uid = fresh_uid("deployed");
            let answer = stack.caller.submit(&order(&uid, location)).await;
            assert!(codes.contains(&answer.code), "{location}: {} {}", answer.code, answer.text);
            let end = stack.caller.final_answer(&uid, SOON).await;
            assert_eq!(end.status(), status, "{location}: {}", end.text);
            assert_eq!(stack.meals(&uid).await, meals, "{location}");
        }
    }));
    orders.await;
    let outputs = stack.folder.path().join("outputs.json");
    let admin = |arguments: &[&str]| stack.posnext(&[&["admin", "--outputs", outputs.to_str().unwrap()], arguments].concat());
    assert_eq!(admin(&["orders"]), "no open orders\n");
    assert_eq!(admin(&["redrive"]), "0 sent again, 0 dropped, 0 kept\n");
    let known = fresh_uid("explained");
    stack.caller.submit(&order(&known, "PAR-LOC-12345")).await;
    assert!(admin(&["explain", &format!("par-local#{known}")]).contains("nothing; the row expires at"));
}

#[tokio::test]
#[ignore = "needs the AWS tools and `sam build`; tests/run full sees to both"]
async fn a_poison_message_goes_to_the_dead_letter_queue_and_keeps_no_order_waiting() {
    let stack = Stack::deploy().await;
    stack.put_sandbox();
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk().await);
    let queue = &stack.outputs["OrdersQueue"];
    sqs.send_message().queue_url(queue).message_body("no order message").send().await.unwrap();
    let uid = fresh_uid("deployed");
    assert_eq!(stack.caller.submit(&order(&uid, "PAR-LOC-ASYNC")).await.code, 202);
    assert_eq!(stack.caller.final_answer(&uid, SOON).await.status(), "placed");
    let dead = &stack.outputs["OrdersDeadLetterQueue"];
    let message = until(Duration::from_secs(30), "the poison message is in the dead-letter queue", async || {
        let received = sqs.receive_message().queue_url(dead).message_attribute_names("All").send().await.unwrap();
        received.messages.unwrap_or_default().into_iter().next()
    })
    .await;
    assert_eq!(message.body(), Some("no order message"));
    let reason = message.message_attributes.unwrap()["reason"].string_value.clone().unwrap();
    assert!(reason.starts_with("not an order message"), "{reason}");
}

/// What comes at an address, forwarded to another that is known only later; and the paths of it.
async fn forwarder(to: Arc<OnceLock<String>>) -> String {
    let http = Caller::new("http://127.0.0.1".to_owned()).http;
    let forward = axum::routing::any(async move |request: axum::extract::Request| {
        let (parts, body) = request.into_parts();
        let url = format!("{}{}", to.get().unwrap(), parts.uri.path());
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let answer = http.request(parts.method, url).body(body).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(forward)).await.unwrap() });
    url
}

#[tokio::test]
#[ignore = "needs the AWS tools and `sam build`; tests/run full sees to both"]
async fn a_stack_that_pushes_tells_subscribers_and_watchers() {
    // AWS says where connections are managed; the local one listens elsewhere, at an address that has the API's id.
    let managed = Arc::new(OnceLock::new());
    let endpoint = forwarder(Arc::clone(&managed)).await;
    let stack =
        Stack::deploy_with("Webhooks=true WebSocket=true", &[("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", &endpoint)]).await;
    let apis = stack.call(reqwest::Method::GET, "/v2/apis", None).await;
    let socket = apis["items"].as_array().unwrap().iter().find(|api| api["protocolType"] == "WEBSOCKET").unwrap();
    let api = socket["apiId"].as_str().unwrap();
    assert_eq!(stack.outputs["WebSocketUrl"], format!("wss://{api}.execute-api.us-east-1.amazonaws.com/live"));
    managed.set(format!("{}/_aws/execute-api/{api}/live", stack.aws)).unwrap();
    stack.put_sandbox();

    let (told, receiver) =
        (Arc::new(Mutex::new(Vec::<Value>::new())), tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}/hook", receiver.local_addr().unwrap());
    let seen = Arc::clone(&told);
    let take = axum::routing::post(async move |body: String| seen.lock().unwrap().push(serde_json::from_str(&body).unwrap()));
    tokio::spawn(async move { axum::serve(receiver, axum::Router::new().route("/hook", take)).await.unwrap() });
    let outputs = stack.folder.path().join("outputs.json");
    let added = run(Command::new(env!("CARGO_BIN_EXE_posnext"))
        .args(["admin", "--outputs", outputs.to_str().unwrap(), "webhook", "add", "IA-YC-01", "deployed", "--url", &url])
        .envs(AWS)
        .envs([("AWS_ENDPOINT_URL", stack.aws.as_str()), ("POSNEXT_ALLOW_SANDBOX", "true")]));
    assert!(added.contains("whsec_"), "{added}");

    let address = format!("{}/_aws/execute-api/{api}/live", stack.aws.replace("http://", "ws://"));
    let mut socket = until(Duration::from_secs(70), "watch-orders knows the client", async || {
        let mut request = address.clone().into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", token()).parse().unwrap());
        connect_async(request).await.ok().map(|(socket, _)| socket)
    })
    .await;
    let wish = json!({ "action": "subscribe", "organization_id": "IA-YC-01", "location_id": "PAR-LOC-ASYNC" });
    socket.send(Message::text(wish.to_string())).await.unwrap();
    let mut hear = async || {
        let heard = tokio::time::timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap();
        serde_json::from_str::<Value>(heard.to_text().unwrap()).unwrap()
    };
    assert_eq!(hear().await["type"], "subscribed");

    let uid = fresh_uid("deployed");
    until(Duration::from_secs(70), "submit-order knows the client", async || {
        let submission = stack.caller.submission(&order(&uid, "PAR-LOC-ASYNC"));
        (stack.caller.send(submission).await.code == 202).then_some(())
    })
    .await;
    loop {
        let change = hear().await;
        assert_eq!((change["type"].as_str().unwrap(), change["request_uid"].as_str().unwrap()), ("change", uid.as_str()));
        assert_eq!(change["digest"], digest_of(&change["order"]));
        if change["status"] == "placed" {
            break;
        }
    }
    let event = until(SOON, "the subscriber is told", async || told.lock().unwrap().first().cloned()).await;
    assert_eq!((&event["type"], &event["data"]["request_uid"]), (&json!("order.placed"), &json!(uid)));
}
