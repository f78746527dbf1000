//! One JSON line an event, to standard output, where Lambda takes it from.

/// Starts logging at a level.
pub fn start(level: tracing::Level) {
    tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_max_level(level).init();
}
