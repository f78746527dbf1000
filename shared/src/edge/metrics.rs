//! Metrics in CloudWatch's embedded metric format (AWS: "Specification: Embedded metric format"): a log line of a function
//! from which CloudWatch makes metrics. They are events of the target [`METRICS`](crate::app::METRICS).

use std::{fmt, io::Write};

use serde_json::{Map, Value, json};
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

impl Metrics {
    /// Metrics of the function of this name.
    #[must_use]
    pub fn of(function: String) -> Self {
        Self { function }
    }

    fn line(&self, values: Values, now_ms: i64) -> Value {
        let names: Vec<Value> = values.numbers.keys().map(|name| metric(name)).collect();
        let about = json!([{ "Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": names }]);
        let mut line = values.texts;
        line.insert("_aws".to_owned(), json!({ "Timestamp": now_ms, "CloudWatchMetrics": about }));
        line.insert("FunctionName".to_owned(), self.function.clone().into());
        line.extend(values.numbers);
        Value::Object(line)
    }
}

/// A name ends in its unit, or it is a count, of which nothing is said: every byte is paid for.
fn metric(name: &str) -> Value {
    let unit = ["Milliseconds", "Seconds"].into_iter().find(|unit| name.ends_with(unit));
    unit.map_or_else(|| json!({ "Name": name }), |unit| json!({ "Name": name, "Unit": unit }))
}

#[derive(Default)]
struct Values {
    numbers: Map<String, Value>,
    texts: Map<String, Value>,
}

impl Visit for Values {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.numbers.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.numbers.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.texts.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.texts.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

impl<S: Subscriber> Layer<S> for Metrics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut values = Values::default();
        event.record(&mut values);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let line = self.line(values, i64::try_from(now.as_millis()).unwrap_or_default());
        // A metric that cannot be written is no reason to fail an order.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_makes_metrics_of() {
        let values = Values {
            numbers: Map::from_iter([("OpenOrders".to_owned(), 3.into()), ("OldestOpenSeconds".to_owned(), 75.into())]),
            texts: Map::from_iter([("location.id".to_owned(), "L1".into())]),
        };
        let line = Metrics { function: "posnext-RecoverOrders".to_owned() }.line(values, 1_742_049_045_123);
        let expected = json!({
            "_aws": { "Timestamp": 1_742_049_045_123_i64, "CloudWatchMetrics": [{
                "Namespace": "posnext",
                "Dimensions": [["FunctionName"]],
                "Metrics": [{ "Name": "OldestOpenSeconds", "Unit": "Seconds" }, { "Name": "OpenOrders" }],
            }] },
            "FunctionName": "posnext-RecoverOrders", "OldestOpenSeconds": 75, "OpenOrders": 3, "location.id": "L1",
        });
        assert_eq!(line, expected);
    }
}
