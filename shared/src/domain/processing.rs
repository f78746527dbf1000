//! What somebody who waits for an order is shown of it: how far it is, and when to look again. Derived from the row, stored nowhere.

use std::time::Duration;

use serde::Serialize;

use super::{
    ids::RequestUid,
    record::{OrderRecord, Outcome, State},
    status::Stage,
    time::{UnixMillis, millis},
};

/// The member `processing` of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Processing {
    /// `received`, `queued`, `placing`, `retrying` or `confirming`; of a final order its status.
    pub stage: &'static str,
    /// 0 to 100, and 100 only once it is final. By the stage; by the time as well, where it is known how long orders take, which another
    /// answer may not know.
    pub progress: u8,
    /// What there is to do, in its order.
    pub steps: [Step; 3],
    /// Placements at the POS begun so far.
    pub attempts: u32,
    /// When it will probably be final, from what the location's POS has taken lately; absent where that is not known, or is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false, format = DateTime))]
    pub estimated_completion: Option<String>,
    /// When to look again; absent once it is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false))]
    pub poll_after_seconds: Option<u64>,
    /// Where to look.
    pub status_url: String,
}

/// One thing there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// `accept`: it is stored. `place`: it is sent to the POS. `confirm`: what became of it there is known.
    pub name: &'static str,
    /// Where it stands.
    pub status: StepStatus,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Under way, or to be tried once more.
    InProgress,
    /// Done.
    Completed,
    /// It will not be done.
    Failed,
}

/// How long to wait before the next poll: growing with the order's age.
#[must_use]
pub fn poll_after(age: Duration) -> Duration {
    Duration::from_secs(match age.as_secs() {
        0..5 => 1,
        5..20 => 2,
        20..60 => 5,
        60..300 => 15,
        _ => 60,
    })
}

/// What is shown of an order under one of its names. `typical`: what orders of its location have taken lately.
#[must_use]
pub fn processing(record: &OrderRecord, uid: &RequestUid, now: UnixMillis, typical: Option<Duration>) -> Processing {
    use StepStatus::{Completed, Failed, InProgress, Pending};
    let age = now.since(record.accepted_at);
    let (stage, floor, place, confirm) = match &record.state {
        State::Open(open) => {
            // What came of an attempt is being found out, whatever else is done meanwhile.
            let sent = open.unknown_until.is_some();
            let (stage, floor, place) = match open.stage {
                Stage::Received => ("received", 20, InProgress),
                Stage::Queued => ("queued", 20, Pending),
                Stage::Placing => ("placing", 40, InProgress),
                Stage::Retrying => ("retrying", 40, InProgress),
                Stage::Confirming => ("confirming", 60, InProgress),
            };
            let confirming = sent || open.stage == Stage::Confirming;
            (stage, if confirming { 60 } else { floor }, place, if confirming { InProgress } else { Pending })
        }
        State::Final(end) => match end.outcome {
            Outcome::Placed { .. } => ("placed", 100, Completed, Completed),
            Outcome::Rejected(_) => ("rejected", 100, if record.attempts == 0 { Failed } else { Completed }, Failed),
            Outcome::Errored(_) => ("errored", 100, Failed, Failed),
        },
    };
    let open = record.open().is_some();
    let by_time = typical.filter(|typical| open && !typical.is_zero()).map_or(0, |typical| {
        let percent = millis(age).saturating_mul(100) / millis(typical).max(1);
        u8::try_from(percent).unwrap_or(u8::MAX).min(95)
    });
    let estimate = typical.map(|typical| record.accepted_at.plus(typical)).filter(|at| open && *at > now);
    Processing {
        stage,
        progress: by_time.max(floor),
        steps: [("accept", Completed), ("place", place), ("confirm", confirm)].map(|(name, status)| Step { name, status }),
        attempts: record.attempts,
        estimated_completion: estimate.map(UnixMillis::rfc3339),
        poll_after_seconds: open.then(|| poll_after(age).as_secs()),
        status_url: format!("/posnext/orders/{uid}"),
    }
}

impl Processing {
    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "null".to_owned())
    }
}

#[cfg(test)]
#[path = "processing_tests.rs"]
mod tests;
