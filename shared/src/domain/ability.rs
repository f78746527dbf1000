//! What a POS promises, and what one call to it can come to. The POS is what prevents the second meal
//! (docs/lifecycle.md#what-a-pos-promises); these promises decide what may be done about an outcome that nobody knows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{history::Cause, status::OrderError};

/// The promises a connector declares for its POS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Abilities {
    /// The same key and order again gives the first result, a refusal too.
    pub idempotent_place: bool,
    /// The POS can be asked for an order by its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub find: Option<Find>,
    /// The POS can cancel by key and refuses (410) a place of that key that comes later.
    pub cancel: bool,
}

/// The promise behind `find`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// Seconds after which an attempt that is not found has never happened and never will.
    pub settle_s: u32,
}

impl Find {
    /// The settle time.
    #[must_use]
    pub fn settle(self) -> Duration {
        Duration::from_secs(self.settle_s.into())
    }
}

impl Abilities {
    /// What both promise, and the longer settle time.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let settle_s = |(one, other): (Find, Find)| Find { settle_s: one.settle_s.max(other.settle_s) };
        Self {
            idempotent_place: self.idempotent_place && other.idempotent_place,
            find: self.find.zip(other.find).map(settle_s),
            cancel: self.cancel && other.cancel,
        }
    }
}

/// What one placement attempt came to (docs/lifecycle.md#what-an-attempt-comes-to).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// The POS holds the order.
    Done {
        /// The POS's own id of it.
        pos_order_id: String,
    },
    /// The POS holds the order under a number that cannot be used.
    NoNumber,
    /// The POS refused on business grounds.
    Refused(Vec<OrderError>),
    /// The order was cancelled at the POS earlier (410).
    Cancelled,
    /// Our own request can never succeed.
    Permanent(Cause),
    /// The POS certainly did nothing with it.
    NotStarted {
        /// Why.
        cause: Cause,
        /// When the POS asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// The POS may or may not hold the order.
    Unknown(Cause),
}

/// What asking the POS came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The POS holds the order.
    Placed {
        /// The POS's own id of it.
        pos_order_id: String,
    },
    /// The POS holds the order under a number that cannot be used.
    NoNumber,
    /// The POS refused it.
    Refused(Vec<OrderError>),
    /// The order was cancelled (410).
    Cancelled,
    /// The POS does not know the order, now.
    Absent,
    /// Nothing that counts, or "neither absent nor final".
    Unknown(Cause),
}

/// What cancelling came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled, and no later place of it will be taken.
    Done,
    /// The POS holds it and will not give it back.
    WillNot {
        /// The POS's own id of it.
        pos_order_id: String,
    },
    /// The same, under a number that cannot be used.
    NoNumber,
    /// The POS had refused it, and made nothing.
    Refused(Vec<OrderError>),
    /// Nothing that counts.
    Unknown(Cause),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_promise_is_what_each_does_and_the_longer_settle_time() {
        let find = |settle_s| Some(Find { settle_s });
        let all = Abilities { idempotent_place: true, find: find(3), cancel: true };
        assert_eq!(all.and(all), all);
        assert_eq!(all.and(Abilities { find: find(9), cancel: false, ..all }), Abilities { find: find(9), cancel: false, ..all });
        assert_eq!(Abilities { find: find(9), ..all }.and(all).find, find(9));
        assert_eq!(all.and(Abilities { find: None, ..all }).find, None);
        assert_eq!(Abilities::default().and(all), Abilities::default());
    }
}
