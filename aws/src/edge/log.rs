//! One JSON line an event, to standard output, where Lambda takes it from; metrics beside them.

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::metrics::Metrics;
use posnext_shared::app::METRICS;

/// Starts logging at a level, for the function of this name. Metrics are told at every level.
pub fn start(level: tracing::Level, function: String) {
    // Every byte is paid for, and the sentence tells where it comes from.
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).with_target(false);
    let of_lines = filter_fn(move |metadata| metadata.target() != METRICS && *metadata.level() <= level);
    let of_metrics = filter_fn(|metadata| metadata.target() == METRICS);
    // The hints: without them every span of the SDK's, down to trace, would be looked at.
    tracing_subscriber::registry()
        .with(lines.with_filter(of_lines.with_max_level_hint(level)))
        .with(Metrics::of(function).with_filter(of_metrics.with_max_level_hint(LevelFilter::INFO)))
        .init();
}
