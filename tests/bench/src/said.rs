//! What an invocation says that is paid for by the byte: its log, its metrics and its answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// In bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Lines to standard output that are no metrics.
    pub(crate) log: u64,
    /// Lines in CloudWatch's embedded metric format.
    pub(crate) metrics: u64,
    /// The answer to PAR: status line, headers that the function sets, body.
    pub(crate) answer: u64,
}

impl Said {
    /// What a function wrote to standard output, and its last answer.
    pub(crate) fn of(output: &str, answer: &Value) -> Self {
        let (metrics, log): (Vec<&str>, Vec<&str>) = output.lines().partition(|line| is_metric(line));
        let bytes = |lines: Vec<&str>| lines.into_iter().map(|line| line.len() as u64 + 1).sum();
        Self { log: bytes(log), metrics: bytes(metrics), answer: of_answer(answer) }
    }

    /// What was said since then.
    pub(crate) fn since(self, before: Self) -> Self {
        let Self { log, metrics, answer } = self;
        Self { log: log.saturating_sub(before.log), metrics: metrics.saturating_sub(before.metrics), answer }
    }
}

fn is_metric(line: &str) -> bool {
    serde_json::from_str(line).is_ok_and(|line: Value| line.get("_aws").is_some())
}

/// Nothing of what a queue or a schedule is answered leaves AWS.
fn of_answer(answer: &Value) -> u64 {
    if answer.get("statusCode").is_none() {
        return 0;
    }
    let headers = |name: &str| answer.get(name).and_then(Value::as_object).into_iter().flatten();
    let lines = headers("headers").map(|(name, value)| (name, value.as_str()));
    let many = headers("multiValueHeaders")
        .flat_map(|(name, values)| values.as_array().into_iter().flatten().map(move |value| (name, value.as_str())));
    let lines = lines.chain(many).map(|(name, value)| format!("{name}: {}\r\n", value.unwrap_or_default()).len() as u64);
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    "HTTP/1.1 200 OK\r\n\r\n".len() as u64 + lines.sum::<u64>() + body.len() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metrics_are_told_from_the_log() {
        let output = "{\"message\":\"_aws\"}\n{\"_aws\":{},\"N\":1}\nplain\n";
        assert_eq!(Said::of(output, &Value::Null), Said { log: 19 + 6, metrics: 18, answer: 0 });
    }

    #[test]
    fn an_answer_is_its_status_its_headers_and_its_body() {
        let answer = json!({ "statusCode": 200, "headers": { "a": "b" }, "multiValueHeaders": {}, "body": "12345" });
        assert_eq!(Said::of("", &answer).answer, "HTTP/1.1 200 OK\r\na: b\r\n\r\n12345".len() as u64);
        assert_eq!(Said::of("", &json!({ "batchItemFailures": [] })).answer, 0);
    }
}
