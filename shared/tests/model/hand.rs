//! What a person may do, asked of the product: `domain/by_hand.rs`.

use posnext_shared::domain::{
    by_hand::{self, Decision, Judged},
    history::Cause,
    policy::CLOCK_SKEW,
};

use super::{
    product::{Product, Tenure},
    projection::{NUMBER, found},
    state::{Asked, Ended, Next, Reply, Row, Secs, View, Wanted, Wish},
};

impl Product {
    /// A person may act.
    pub fn with_a_person(mut self) -> Self {
        self.person = true;
        self
    }

    /// Where a person may act, times are kept for as much longer as `by_hand::earliest` counts for clocks that differ.
    pub fn margin(&self) -> Secs {
        if self.person { CLOCK_SKEW.as_secs().try_into().unwrap() } else { 0 }
    }

    /// The row in a person's hand, if the rules allow it. The POS is asked next, or not.
    pub fn take_over(&self, row: &Row, wish: Wish, view: View) -> Option<Next> {
        let ctx = self.context(self.times.worker, view, 0);
        let taken = by_hand::take_over(&self.revive(row), &decision(wish.end), why(wish), &ctx).ok()?;
        Some(Next::Act(self.project(&taken), Asked::Find))
    }

    /// What follows from what the POS says to whom a person asks: `end` in `app/by_person.rs`.
    pub fn judged(&self, row: &Row, wish: Wish, reply: Reply, tenure: Tenure, view: View) -> Next {
        let (taken, ctx) = (self.revive(row), self.context(tenure, view, 0));
        let (decision, end) = (decision(wish.end), |decision| by_hand::decide(&taken, decision, why(wish), &ctx));
        if !wish.asking {
            return Next::End(self.project(&end(decision)));
        }
        match by_hand::judge(&taken, &decision, found(reply), &ctx) {
            Judged::Confirmed => Next::End(self.project(&end(decision))),
            Judged::Cancel => Next::Act(self.project(&by_hand::cancelling(&taken, &ctx)), Asked::Cancel),
            // It was due at once before, which brings it back soonest.
            Judged::Refused(why) => Next::Park(self.project(&by_hand::give_back(&taken, &taken, &why, &ctx))),
        }
    }

    /// The end of an order that a person wanted errored and that is cancelled now.
    pub fn cancelled_for(&self, row: &Row, wish: Wish, tenure: Tenure, view: View) -> Next {
        let ctx = self.context(tenure, view, 0);
        Next::End(self.project(&by_hand::decide(&self.revive(row), decision(wish.end), why(wish), &ctx)))
    }

    /// Whether a POS says that a person is wrong. Of the answers, not of the product's judgement.
    pub fn contradicts(&self, wish: Wish, reply: Reply, ended: Option<Ended>) -> bool {
        let against: &[Reply] = match wish.end {
            Wanted::Placed => &[Reply::Refused, Reply::Absent, Reply::Gone, Reply::Unknown],
            Wanted::PlacedElse => &[Reply::Done, Reply::Refused, Reply::Absent, Reply::Gone, Reply::Unknown],
            Wanted::Rejected => &[Reply::Done, Reply::NoNumber, Reply::Gone, Reply::Unknown],
            Wanted::Errored => &[Reply::Done, Reply::NoNumber, Reply::Refused, Reply::Unknown],
        };
        wish.asking && ended.is_some() && against.contains(&reply)
    }
}

fn decision(wanted: Wanted) -> Decision {
    match wanted {
        Wanted::Placed => Decision::Placed { pos_order_id: NUMBER.to_owned() },
        Wanted::PlacedElse => Decision::Placed { pos_order_id: "T-2".to_owned() },
        Wanted::Rejected => Decision::Rejected,
        Wanted::Errored => Decision::Errored,
    }
}

fn why(wish: Wish) -> Cause {
    if wish.asking { Cause::Person(String::new()) } else { Cause::WithoutAsking(String::new()) }
}
