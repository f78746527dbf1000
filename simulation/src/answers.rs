//! What callers are answered, held to what each of them was told before.

use http::Response;
use posnext_shared::domain::{canonical::Members, signature::DigestMessage};

use crate::{
    callers::Callers,
    fleet::Kind,
    paid::{Paid, Told},
    sim::lock,
};

/// What a caller heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Final,
    Pending,
    Refused,
    Nothing,
}

impl Callers {
    /// Whether an answer is one that may be given, and what it says. `known`: what had been told of this name when the
    /// request was sent.
    pub(crate) fn looked_at(&self, paid: &Paid, uid: &str, (kind, known): (Kind, &Told), answer: &Response<String>) -> Heard {
        self.hold_to_signatures(uid, answer);
        let (code, body) = (answer.status().as_u16(), answer.body());
        let status = member(body, "status").unwrap_or_default();
        let conflict = code == 409 && paid.was_changed();
        match (code, status.as_str()) {
            (200, "placed" | "rejected" | "errored") | (500, "errored") => self.is_final(paid, uid, status, body),
            (200 | 202, "pending") => self.is_pending(paid, uid, known),
            // It is the stored order's, and this one is refused.
            (409, "placed" | "rejected" | "errored") if conflict => {
                self.is_final(paid, uid, status, body);
                Heard::Refused
            }
            (409, "pending") if conflict => {
                self.is_pending(paid, uid, known);
                Heard::Refused
            }
            // Under a name of its own, the number is another content's.
            (409, "") if conflict => Heard::Refused,
            (404, _) if kind == Kind::Get => {
                if known.accepted {
                    self.sim.harm("an accepted order is not known", uid.to_owned());
                }
                Heard::Nothing
            }
            (400, _) if body.contains("days ago") && kind == Kind::Submit => Heard::Refused,
            (429 | 503, _) => Heard::Nothing,
            _ => {
                self.sim.harm("an answer that no promise allows", format!("{uid}: {code} {body}"));
                Heard::Refused
            }
        }
    }

    fn is_final(&self, paid: &Paid, uid: &str, status: String, body: &str) -> Heard {
        paid.told(uid, |told| {
            told.accepted = true;
            told.finals.insert((status, number(body).unwrap_or_default()));
            if told.finals.len() > 1 {
                self.sim.harm("a final answer changed", format!("{uid}: {:?}", told.finals));
            }
        });
        Heard::Final
    }

    fn is_pending(&self, paid: &Paid, uid: &str, known: &Told) -> Heard {
        if !known.finals.is_empty() {
            self.sim.harm("an answer is older than one before it", format!("{uid}: pending after {:?}", known.finals));
        }
        paid.told(uid, |told| told.accepted = true);
        Heard::Pending
    }

    /// An answer is signed, with a SharedId of ours, over what a caller has signed.
    pub(crate) fn hold_to_signatures(&self, uid: &str, answer: &Response<String>) {
        let (code, body) = (answer.status().as_u16(), answer.body());
        let message = DigestMessage::of_body(body);
        let digest = answer.headers().get("x-pch-digest").and_then(|digest| digest.to_str().ok());
        let is_ours = |digest: &str| self.shared_ids.iter().any(|id| id.sign(&message) == digest);
        if !digest.is_some_and(is_ours) && !matches!(code, 503 | 500) {
            self.sim.harm("an answer without a right signature", format!("{uid}: {code} {body}"));
        }
        if digest.is_some() && !lock(&self.signed).contains(message.as_str()) {
            self.sim.harm("something is signed that no caller has signed", format!("{uid}: {code} {body}"));
        }
    }
}

/// A text of an answer.
pub(crate) fn member(body: &str, name: &str) -> Option<String> {
    serde_json::from_str(Members::parse(body).ok()?.get(name)?).ok()
}

/// The grand total of an order, or of an answer, as it is written.
pub(crate) fn total(body: &str) -> Option<String> {
    let body = Members::parse(body).ok()?;
    let details = Members::parse(body.get("order_details")?).ok()?;
    details.get("grand_total").map(ToString::to_string)
}

/// The POS's number in an answer.
fn number(body: &str) -> Option<String> {
    let details = Members::parse(body).ok()?;
    let details = Members::parse(details.get("order_details")?).ok()?;
    serde_json::from_str(details.get("pos_order_id")?).ok()
}
