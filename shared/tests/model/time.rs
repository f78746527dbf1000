//! The clock. A process may pause for any time between two steps, since waiting is a step like any other.

use super::{
    product::Product,
    state::{Acting, LONG_AGO, Late, Life, NEVER, Process, Row, Secs, World, Writing},
};

/// How time advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// To the next moment at which anything that is stored or in flight changes its meaning.
    Moments,
    /// Second by second up to the order's deadline, then as `Moments`: actions also begin between the moments.
    Seconds,
}

/// How far to the next moment; `None` when nothing will ever change by itself.
pub fn next_wait(world: &World, product: &Product, clock: Clock) -> Option<Secs> {
    let mut moments = Vec::with_capacity(16);
    if let Some(row) = &world.row {
        row_moments(row, product, &mut moments);
    }
    moments.extend(world.message);
    moments.extend(world.pos.flying);
    for process in &world.processes {
        moments.extend(process.left());
        match process {
            Process::Acting(acting) => moments.extend([acting.row.lease_left(), acting.began + product.times.pos_limit]),
            Process::Fenced { runs, .. } => moments.push(*runs),
            // From then on too little of the lease is left to begin a place.
            Process::Writing(Writing { next, view, .. }) | Process::Claiming { next, view, .. } => {
                moments.extend(
                    next.row().map(|row| row.lease_left() - view.clock - product.counted_skew() - product.times.pos_limit + 1),
                );
            }
            Process::Idle | Process::TooLate { .. } => {}
        }
    }
    // By a clock that is ahead each of them comes earlier.
    let clocks = [0, product.times.skew];
    let moments = moments.into_iter().filter(|moment| *moment != NEVER).flat_map(|moment| clocks.map(|clock| moment - clock));
    let next = moments.filter(|moment| *moment > 0).min()?;
    let placing = world.row.is_none_or(|row| row.open().is_some() && row.deadline >= -1);
    Some(if clock == Clock::Seconds && placing { 1 } else { next })
}

fn row_moments(row: &Row, product: &Product, moments: &mut Vec<Secs>) {
    let Life::Open(open) = row.life else { return };
    let end = row.deadline - product.times.pos_limit;
    moments.extend([open.due, row.lease_left(), end - 1, end, end + 1, row.deadline, row.deadline + 1]);
    moments.extend(open.unknown_until.map(|until| until + product.times.settle));
    if product.person {
        let until = open.unknown_until.into_iter().chain(open.lease.into_iter().filter_map(|lease| lease.placing_until));
        moments.extend(until.map(|until| until + product.times.settle + product.margin()));
        moments.extend(open.lease.map(|lease| lease.until + product.margin()));
    }
}

/// Lets time pass. What its time-out stops is stopped here.
pub fn pass(world: &mut World, product: &Product, seconds: Secs) {
    let (settle, margin) = (product.times.settle + product.margin(), product.margin());
    if let Some(row) = &mut world.row {
        age(row, seconds, margin);
        forget(row, -settle);
    }
    if let Some(Late { row, .. }) = &mut world.late {
        age(row, seconds, margin);
        forget(row, -settle);
    }
    if let Some(visible) = &mut world.message {
        *visible = (*visible - seconds).max(0);
    }
    world.pos.pass(seconds);
    for process in &mut world.processes {
        match process {
            Process::Idle => {}
            Process::Acting(Acting { row, began, left, .. }) => {
                age(row, seconds, margin);
                *began -= seconds;
                *left -= seconds;
            }
            Process::Fenced { runs, left, .. } => {
                *runs = (*runs - seconds).max(0);
                *left -= seconds;
            }
            Process::Writing(Writing { next, left, .. }) | Process::Claiming { next, left, .. } => {
                if let Some(row) = next.row_mut() {
                    age(row, seconds, margin);
                }
                *left -= seconds;
            }
            Process::TooLate { left } => *left -= seconds,
        }
    }
}

/// A row as it looks that much later.
fn age(row: &mut Row, seconds: Secs, margin: Secs) {
    row.deadline = (row.deadline - seconds).max(-1);
    let Life::Open(open) = &mut row.life else { return };
    if open.due != NEVER {
        open.due = (open.due - seconds).max(0);
    }
    if let Some(lease) = &mut open.lease {
        lease.until = (lease.until - seconds).max(-margin);
        lease.placing_until = lease.placing_until.map(|until| (until - seconds).max(LONG_AGO));
    }
    open.unknown_until = open.unknown_until.map(|until| (until - seconds).max(LONG_AGO));
}

/// Times of which it only counts that they are past (`past` or earlier) are all the same.
pub fn forget(row: &mut Row, past: Secs) {
    let Life::Open(open) = &mut row.life else {
        row.deadline = 0;
        return;
    };
    let long_ago = |until: Secs| if until <= past { LONG_AGO } else { until };
    open.unknown_until = open.unknown_until.map(long_ago);
    if let Some(lease) = &mut open.lease {
        lease.placing_until = lease.placing_until.map(long_ago);
    }
}
