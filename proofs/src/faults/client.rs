//! PAR under fire: submits an order, sends it again when no answer comes, sends it twice now and then, polls a 202 to its
//! end, and keeps what it was told.

use std::{collections::BTreeSet, time::Duration};

use posnext_shared::domain::order::Body;
use tokio::time::Instant;

use posnext_local::{
    local::ORGANIZATION,
    par::{Answer, Manner, Par, sample_order},
};

/// How long a client sends an order again that nobody has accepted. A function that stands still costs 15 s.
const INSISTS: Duration = Duration::from_secs(120);
/// How long it asks after one: its deadline, and a little. All are asked once more at the end.
const PATIENCE: Duration = Duration::from_secs(70);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(300);
/// The same, at last.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// One order, and what its client was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) uid: String,
    pub(super) location: String,
    /// It was answered 200 or 202: from then on it must not be lost.
    pub(super) accepted: bool,
    /// Every final status it was told, with the POS's id of the order.
    pub(super) finals: BTreeSet<(String, String)>,
    /// Answers that no promise allows.
    pub(super) wrong: Vec<String>,
}

impl Told {
    fn hear(&mut self, answer: &Answer) {
        let code = answer.code.as_u16();
        match (code, answer.status.as_str()) {
            (200, "placed" | "rejected" | "errored") => {
                self.accepted = true;
                self.finals.insert((answer.status.clone(), pos_order_id(&answer.body)));
            }
            (200 | 202, "pending") => self.accepted = true,
            // The gateway's own answers for a function that died or was throttled, and ours for a table that did: whom to sign for
            // may be unknown.
            (500 | 502, "") => return,
            (503, "" | "pending") if pos_order_id(&answer.body).is_empty() && answer.signed != Some(false) => return,
            (404, _) if !self.accepted => return,
            _ => self.wrong.push(format!("answered {code}: {}", answer.body)),
        }
        if answer.signed != Some(true) {
            self.wrong.push(format!("an answer without a right signature: {code} {}", answer.body));
        }
    }

    fn is_final(&self) -> bool {
        !self.finals.is_empty()
    }
}

/// The POS's id in an answer; empty if there is none.
pub(super) fn pos_order_id(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    body.pointer("/order_details/pos_order_id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// What becomes of one order, as its client sees it.
pub(super) async fn order(par: &Par, uid: String, location: String, twice: bool) -> Told {
    let order = sample_order(ORGANIZATION, &location, &uid);
    debug_assert!(Body::parse(order.as_bytes()).is_ok(), "a sample order is an order");
    let mut told = Told { uid, location, ..Told::default() };
    let began = Instant::now();
    let (mut twice, mut pause) = (twice, PAUSE);
    while !told.accepted && began.elapsed() < INSISTS {
        let again = async { if twice { par.submit(&order, Manner::Right).await.ok() } else { None } };
        let (first, second) = tokio::join!(par.submit(&order, Manner::Right), again);
        twice = false;
        [first.ok(), second].iter().flatten().for_each(|answer| told.hear(answer));
        if !told.accepted {
            // Were all to try again at once, a stack that is busy would stay so.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    pause = PAUSE;
    while !told.is_final() && told.wrong.is_empty() && began.elapsed() < PATIENCE {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        if let Ok(answer) = par.get(&told.uid).await {
            told.hear(&answer);
        }
    }
    told
}

/// Asks once more, at the end.
pub(super) async fn ask_again(par: &Par, told: &mut Told) {
    for _ in 0..50 {
        match par.get(&told.uid).await {
            Ok(answer) if !matches!(answer.code.as_u16(), 500 | 502 | 503) => return told.hear(&answer),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    told.wrong.push("polling was never answered at the end".to_owned());
}
