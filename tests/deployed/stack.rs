//! `sam deploy` of the real template, as `sam build` left it, to a local AWS: what comes up carries every kind of order.
//!
//! What the local AWS does not play, and so is not seen here: IAM, throttling, TTL, the schedule's clock, real latency,
//! alarms over more than one metric, CodeDeploy.

use std::{collections::HashMap, process::Command, time::Duration};

use aws_config::{Region, SdkConfig};
use posnext_shared::adapters::{clock::SystemClock, sandbox::SandboxPos};
use posnext_shared::app::ports::Clock;
use serde_json::{Value, json};

use crate::{
    support::{Caller, ROOT, fresh_uid, order, token, until},
    tools::{AWS, Running, free_port, listening, run, tool},
};

const STACK: &str = "posnext-dev";
/// Above the order deadline: `errored` comes when it ends.
const SOON: Duration = Duration::from_secs(100);

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
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let aws = format!("http://127.0.0.1:{port}");
        let log = std::fs::File::create(folder.path().join("ministack.log")).unwrap();
        let mut ministack = tool("ministack", "ministack");
        ministack.current_dir(folder.path()).env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
        // Its functions inherit how AWS is reached.
        ministack.envs(AWS).env("AWS_ENDPOINT_URL", &aws);
        let process = Running::start(ministack.stdout(log.try_clone().unwrap()).stderr(log));
        listening(port).await;

        let sam = |arguments: &[&str]| {
            let mut command = tool("sam", "sam");
            command.args(arguments).envs(AWS).env("AWS_ENDPOINT_URL", &aws).env("SAM_CLI_POLL_DELAY", "0.5");
            run(&mut command)
        };
        let parameters = "Architecture=x86_64 AllowSandbox=true DeletionProtection=false Monitoring=false";
        sam(&["deploy", "--config-env", "dev", "--no-confirm-changeset", "--parameter-overrides", parameters]);
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
        let mapping = &mappings["EventSourceMappings"][0];
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!(mapping["ScalingConfig"]["MaximumConcurrency"].as_str().unwrap_or("50"), "50");
        let path = format!("/2015-03-31/event-source-mappings/{}", mapping["UUID"].as_str().unwrap());
        self.call(reqwest::Method::PUT, &path, Some(json!({ "ScalingConfig": { "MaximumConcurrency": 50 } }))).await;
    }

    async fn sdk(&self) -> SdkConfig {
        let loader = posnext_shared::adapters::aws::defaults(None).unwrap();
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
    let mut keys: Vec<_> = routes.map(|route| route["Properties"]["RouteKey"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

#[tokio::test]
#[ignore = "needs the AWS tools and `sam build`; tests/run sees to both"]
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
#[ignore = "needs the AWS tools and `sam build`; tests/run sees to both"]
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
