//! What the functions tell CloudWatch.

use std::{
    collections::BTreeMap,
    fmt,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use posnext_shared::app::METRICS;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer::SubscriberExt};

use crate::support::{fresh_uid, in_process, order, signed_request, token};

type Line = BTreeMap<String, u64>;

/// Keeps the metrics that are told in this thread.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Line>>>);

impl Kept {
    /// What was told since, but for what runs beside: recovery's gauges, the breaker.
    fn take(&self) -> Vec<Line> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        lines.into_iter().filter(|line| !line.contains_key("OpenOrders") && !line.contains_key("BreakerOpened")).collect()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == METRICS {
            let mut line = Numbers::default();
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

#[derive(Default)]
struct Numbers(Line);

impl Visit for Numbers {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.try_into().unwrap());
    }
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Their names.
fn names(lines: &[Line]) -> Vec<String> {
    lines.iter().flat_map(|line| line.keys().cloned()).collect()
}

#[tokio::test]
async fn every_submit_tells_what_became_of_it() {
    let (product, _) = in_process().await;
    let kept = Kept::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(kept.clone()));
    let submit = product.services.parts.submit();
    let uid = fresh_uid("metric");
    let body = order(&uid, "PAR-LOC-12345");
    let told = async |request: Request<String>| {
        let response: Response<String> = submit.handle(request).await;
        (response.status().as_u16(), names(&kept.take()))
    };
    let request = |body: &str| signed_request("/posnext/order/submit", body);

    let placed = ["Attempts", "Submits", "TimeToFinalMilliseconds"].map(str::to_owned).to_vec();
    assert_eq!(told(request(&body)).await, (200, placed));
    assert_eq!(told(request(&body)).await, (200, vec!["Replays".to_owned()]));
    let other = body.replace("Taco", "Burrito");
    assert_eq!(told(request(&other)).await, (409, vec!["Conflicts".to_owned()]));

    let mut unsigned = request(&body);
    unsigned.headers_mut().insert("x-pch-digest", "00".parse().unwrap());
    assert_eq!(told(unsigned).await, (412, vec!["SignatureFailures".to_owned()]));
    let mut stranger = request(&body);
    stranger.headers_mut().insert("authorization", format!("Bearer {}x", token()).parse().unwrap());
    assert_eq!(told(stranger).await, (401, vec!["TokenFailures".to_owned()]));
}

#[tokio::test]
async fn a_202_counts_as_one_only_where_the_answer_was_to_come_at_once() {
    let (product, caller) = in_process().await;
    let kept = Kept::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(kept.clone()));
    let submit = product.services.parts.submit();
    let told = async |location: &str| {
        let uid = fresh_uid("metric");
        let response = submit.handle(signed_request("/posnext/order/submit", &order(&uid, location))).await;
        assert_eq!(response.status().as_u16(), 202);
        let lines = kept.take();
        let of_submit: Vec<Line> =
            lines.into_iter().filter(|line| names(std::slice::from_ref(line)) != ["BreakerOpened"]).collect();
        (uid, names(&of_submit))
    };
    let (uid, names_told) = told("PAR-LOC-ASYNC").await;
    assert_eq!(names_told, ["SubmitsForLater"]);
    // The worker tells of its end.
    caller.final_answer(&uid, Duration::from_secs(20)).await;
    let ended = kept.take();
    assert_eq!(names(&ended), ["Attempts", "TimeToFinalMilliseconds"]);
    assert_eq!(ended[0]["Attempts"], 1);
    assert_eq!(told("PAR-LOC-DOWN").await.1, ["Accepted202", "Submits"]);
}

#[tokio::test]
async fn a_function_that_starts_says_so() {
    let (product, _) = in_process().await;
    let binary = std::path::PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name("get-order");
    let mut function = Command::new(binary);
    function.env_clear().envs(product.services.environment()).env("AWS_LAMBDA_FUNCTION_NAME", "posnext-GetOrder");
    // Nobody hands it events.
    let output = tokio::task::spawn_blocking(move || function.stdout(Stdio::piped()).output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line: Value =
        serde_json::from_str(text.lines().next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr))))
            .unwrap();
    assert_eq!((&line["ColdStarts"], &line["FunctionName"]), (&1.into(), &"posnext-GetOrder".into()), "{text}");
    assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "ColdStarts");
}
