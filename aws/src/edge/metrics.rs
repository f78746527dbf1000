//! Metrics in CloudWatch's embedded metric format (AWS: "Specification: Embedded metric format"): a log line of a function
//! from which CloudWatch makes metrics. They are events of the target [`METRICS`](posnext_shared::app::METRICS).

use std::{fmt, io::Write};

use serde::{Serialize, Serializer, ser::SerializeMap};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

const NAMESPACE: &str = "posnext";

/// Writes the lines to standard output.
#[derive(Debug)]
pub struct Metrics {
    function: String,
}

/// One line. Serialized as it stands: a tree of JSON values in between cost a submit a hundred thousand instructions.
struct Line<'a> {
    function: &'a str,
    now_ms: i64,
    values: Values,
}

#[derive(Default)]
struct Values {
    numbers: Vec<(&'static str, i64)>,
    texts: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    timestamp: i64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Metric>,
}

/// A name ends in its unit, or it is a count, of which nothing is said: every byte is paid for.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
}

impl Metric {
    fn of(name: &'static str) -> Self {
        Self { name, unit: ["Milliseconds", "Seconds"].into_iter().find(|unit| name.ends_with(unit)) }
    }
}

impl Metrics {
    /// Metrics of the function of this name.
    #[must_use]
    pub fn of(function: String) -> Self {
        Self { function }
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metrics = self.values.numbers.iter().map(|(name, _)| Metric::of(name)).collect();
        let directive = Directive { namespace: NAMESPACE, dimensions: [["FunctionName"]], metrics };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("_aws", &About { timestamp: self.now_ms, cloud_watch_metrics: [directive] })?;
        line.serialize_entry("FunctionName", self.function)?;
        for (name, number) in &self.values.numbers {
            line.serialize_entry(name, number)?;
        }
        for (name, text) in &self.values.texts {
            line.serialize_entry(name, text)?;
        }
        line.end()
    }
}

impl Visit for Values {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.numbers.push((field.name(), value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.numbers.push((field.name(), i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.texts.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.texts.push((field.name(), format!("{value:?}")));
    }
}

impl<S: Subscriber> Layer<S> for Metrics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut values = Values::default();
        event.record(&mut values);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let line = Line { function: &self.function, now_ms: i64::try_from(now.as_millis()).unwrap_or_default(), values };
        let Ok(mut line) = serde_json::to_vec(&line) else { return };
        line.push(b'\n');
        // A metric that cannot be written is no reason to fail an order.
        let _ = std::io::stdout().write_all(&line);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_makes_metrics_of() {
        let values = Values {
            numbers: vec![("OldestOpenSeconds", 75), ("OpenOrders", 3)],
            texts: vec![("location.id", "L\"1".to_owned())],
        };
        let line = Line { function: "posnext-RecoverOrders", now_ms: 1_742_049_045_123, values };
        let expected = json!({
            "_aws": { "Timestamp": 1_742_049_045_123_i64, "CloudWatchMetrics": [{
                "Namespace": "posnext",
                "Dimensions": [["FunctionName"]],
                "Metrics": [{ "Name": "OldestOpenSeconds", "Unit": "Seconds" }, { "Name": "OpenOrders" }],
            }] },
            "FunctionName": "posnext-RecoverOrders", "OldestOpenSeconds": 75, "OpenOrders": 3, "location.id": "L\"1",
        });
        assert_eq!(serde_json::to_value(line).unwrap(), expected);
    }
}
