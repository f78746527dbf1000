//! Whether this machine's clock may be believed. Leases, due times and deadlines are compared with those of other machines
//! ([`CLOCK_SKEW`]). So a machine whose clock is further off takes no lease.

use crate::domain::policy::CLOCK_SKEW;

use super::ports::Clock;

/// Why nothing may be begun now, if nothing may.
pub(super) fn out_of_step(clock: &impl Clock) -> Option<String> {
    let off = clock.off();
    (off > CLOCK_SKEW).then(|| {
        tracing::error!(alarm = "clock_off", off.ms = off.as_millis(), "this machine's clock is off: no lease is taken");
        format!("this machine's clock is off by {} s, so no lease is taken", off.as_secs())
    })
}
