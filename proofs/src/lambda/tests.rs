use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    chain::Link,
    runtime_api::{Event, RuntimeApi},
};

/// The Runtime API, and a runtime that is played: a request for an event, and an answer to one.
struct Runtime {
    api: RuntimeApi,
    url: String,
    http: reqwest::Client,
}

/// What the runtime was handed: the request id, the invocation's own id, the event.
type Handed = (String, String, String);

impl Runtime {
    async fn start() -> Self {
        let api = RuntimeApi::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/2018-06-01/runtime/invocation", listener.local_addr().unwrap());
        let routes = api.routes();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { api, url, http: posnext_local::par::http_client().build().unwrap() }
    }

    fn hand(&self, body: &str) -> (String, tokio::sync::oneshot::Receiver<Result<Value, String>>) {
        self.api.hand(Event::from(body.to_owned()), SystemTime::now() + Duration::from_secs(9))
    }

    async fn next(&self) -> Handed {
        let answer = self.http.get(format!("{}/next", self.url)).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let ids = (header("lambda-runtime-aws-request-id"), header("lambda-runtime-invocation-id"));
        (ids.0, ids.1, answer.text().await.unwrap())
    }

    async fn answer(&self, id: &str, own: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = self.http.post(format!("{}/{id}/response", self.url)).body(body.to_string());
        if let Some(own) = own {
            request = request.header("lambda-runtime-invocation-id", own);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }
}

#[tokio::test]
async fn an_answer_counts_for_its_own_invocation_and_once() {
    let runtime = Runtime::start().await;
    let (id, answered) = runtime.hand("first");
    let (handed, own, event) = runtime.next().await;
    assert_eq!((&handed, event.as_str()), (&id, "first"));
    let foreign = runtime.answer("another", None, &json!(1)).await;
    assert_eq!((foreign.0, &foreign.1["errorType"]), (400, &json!("InvalidRequestID")));
    // The same request id, as a caller may give it to two invocations, of another invocation.
    assert_eq!(runtime.answer(&id, Some("another"), &json!(1)).await.0, 400);
    assert_eq!(runtime.answer(&id, Some(&own), &json!(2)).await.0, 202);
    assert_eq!(runtime.answer(&id, Some(&own), &json!(3)).await.0, 400, "it is answered");
    assert_eq!(answered.await.unwrap().unwrap(), json!(2));
}

#[tokio::test]
async fn an_answer_past_its_time_is_gone_and_never_that_of_the_next_invocation() {
    let runtime = Runtime::start().await;
    let (first, _late) = runtime.hand("first");
    runtime.next().await;
    runtime.api.end(&first);
    let (second, answered) = runtime.hand("second");
    let stale = runtime.answer(&first, None, &json!("of the first")).await;
    assert_eq!((stale.0, runtime.api.stale()), (410, 1), "{}", stale.1);
    let (handed, own, event) = runtime.next().await;
    assert_eq!((&handed, event.as_str()), (&second, "second"));
    assert_eq!(runtime.answer(&first, Some(&own), &json!("of the first")).await.0, 410);
    assert_eq!(runtime.answer(&second, Some(&own), &json!("of the second")).await.0, 202);
    assert_eq!(answered.await.unwrap().unwrap(), json!("of the second"));
}

#[tokio::test]
async fn a_runtime_gets_no_event_before_it_has_answered_the_last() {
    let runtime = Runtime::start().await;
    let _first = runtime.hand("first");
    runtime.next().await;
    let _second = runtime.hand("second");
    let answer = runtime.http.get(format!("{}/next", runtime.url)).send().await.unwrap();
    assert_eq!(answer.status(), 403);
}

#[test]
fn a_chain_is_counted_for_each_function_and_is_a_loop_after_sixteen_turns() {
    let mut link = Link::after(None, "process-order");
    for turn in 1..=16 {
        assert_eq!((link.turn, link.loops()), (turn, false));
        let between = Link::after(Some(&link.trace), "recover-orders");
        assert_eq!(between.turn, turn, "counted apart");
        link = Link::after(Some(&between.trace), "process-order");
    }
    assert!(link.loops(), "{}", link.trace);
    let root = |trace: &str| trace.split(';').next().unwrap().to_owned();
    assert_eq!(root(&link.trace), root(&Link::after(Some(&link.trace), "process-order").trace));
}

#[test]
fn of_a_batch_the_longest_chain_counts() {
    let long = (0..3).fold(None, |trace: Option<String>, _| Some(Link::after(trace.as_deref(), "f").trace));
    let records = json!({ "Records": [
        { "body": "{}" },
        { "body": "{}", "attributes": { "AWSTraceHeader": long } },
        { "body": "{}", "attributes": { "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793" } },
    ] });
    assert_eq!(Link::of(&records.to_string(), "f").turn, 4);
    assert_eq!(Link::of(r#"{"version":"2.0"}"#, "f").turn, 1);
}
