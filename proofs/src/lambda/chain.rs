//! Chains of invocations (AWS: "Use Lambda recursive loop detection to prevent infinite loops"). The SDK sends the trace
//! header of the invocation, `_X_AMZN_TRACE_ID`, with each call; SQS keeps it with the message, and Lambda reads it there.
//! In its `Lineage` Lambda counts how often each function was invoked in the chain.
//!
//! AWS does not say what becomes of a batch with messages of several chains. Here the longest counts.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;

/// The function is not invoked once more after so many times (AWS Compute Blog: "Detecting and stopping recursive loops in
/// AWS Lambda functions").
const TURNS: u32 = 16;

/// An invocation of a function as a link of its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The trace header that the function is handed.
    pub trace: String,
    /// How often the function is invoked in this chain, this time included.
    pub turn: u32,
}

impl Link {
    /// The link after the one that has sent this trace header.
    #[must_use]
    pub fn after(trace: Option<&str>, function: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        function.hash(&mut hasher);
        let own = format!("{:08x}", hasher.finish() & 0xffff_ffff);
        let root =
            || format!("Root=1-{:08x}-{:024x};Parent={:016x};Sampled=0", fastrand::u32(..), fastrand::u64(..), fastrand::u64(..));
        let (before, lineage) = match trace.and_then(|trace| trace.split_once(";Lineage=")) {
            Some((before, lineage)) => (before.to_owned(), lineage),
            None => (trace.map_or_else(root, str::to_owned), ""),
        };
        let mut turn = 1;
        let mut counts: Vec<String> = Vec::new();
        for (name, count) in lineage.split('|').filter_map(|part| part.split_once(':')) {
            if name == own {
                turn = count.parse().unwrap_or(0_u32).saturating_add(1);
            } else {
                counts.push(format!("{name}:{count}"));
            }
        }
        counts.push(format!("{own}:{turn}"));
        Self { trace: format!("{before};Lineage={}", counts.join("|")), turn }
    }

    /// The link of a function that is invoked with this event: of the longest chain that has led to a message in it.
    #[must_use]
    pub fn of(event: &str, function: &str) -> Self {
        let batch: Batch = serde_json::from_str(event).unwrap_or_default();
        let traces = batch.records.iter().map(|record| record.attributes.trace.as_deref());
        let links = traces.map(|trace| Self::after(trace, function));
        links.max_by_key(|link| link.turn).unwrap_or_else(|| Self::after(None, function))
    }

    /// Whether Lambda takes the chain for a loop.
    #[must_use]
    pub fn loops(&self) -> bool {
        self.turn > TURNS
    }
}

#[derive(Debug, Default, Deserialize)]
struct Batch {
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
}

#[derive(Debug, Default, Deserialize)]
struct Record {
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Default, Deserialize)]
struct Attributes {
    #[serde(rename = "AWSTraceHeader")]
    trace: Option<String>,
}
