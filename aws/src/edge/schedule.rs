//! The schedule: one recovery run a minute.

use std::time::Duration;

use posnext_shared::app::{
    METRICS,
    ports::PortError,
    recover::{Recover, Report},
    world::Recovers,
};

/// Left of the function's time when a run stops by itself.
const RESERVE: Duration = Duration::from_secs(3);

/// One run, logged.
///
/// # Errors
/// [`PortError`] when the index cannot be read: the invocation counts as failed.
pub async fn run<W: Recovers>(recover: &Recover<W>, remaining: Duration) -> Result<Report, PortError> {
    let report = recover.run(remaining.saturating_sub(RESERVE)).await?;
    tracing::info!(
        orders.open = report.open,
        orders.due = report.due,
        orders.handed_off = report.handed_off,
        orders.failed = report.failed,
        orders.overdue = report.overdue,
        oldest_open.seconds = report.oldest_open.as_secs(),
        "recovery run"
    );
    tracing::info!(
        target: METRICS,
        OpenOrders = report.open,
        StoppedOrders = report.due,
        OverdueOrders = report.overdue,
        OrdersForAPerson = report.need_person,
        UnreadableOrders = report.failed,
        OldestOpenSeconds = report.oldest_open.as_secs(),
    );
    Ok(report)
}
