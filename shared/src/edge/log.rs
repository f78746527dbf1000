//! One JSON line an event, to standard output, where Lambda takes it from; metrics beside them.

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::metrics::Metrics;
use crate::app::METRICS;

/// Starts logging at a level, for the function of this name. Metrics are told at every level.
pub fn start(level: tracing::Level, function: String) {
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    let metrics = Metrics::of(function).with_filter(filter_fn(|metadata| metadata.target() == METRICS));
    tracing_subscriber::registry()
        .with(lines.with_filter(LevelFilter::from_level(level)).with_filter(filter_fn(|metadata| metadata.target() != METRICS)))
        .with(metrics)
        .init();
}
