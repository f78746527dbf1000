//! What an answer about an order says.

use posnext_shared::domain::{canonical::Members, contract::PosOrderIdKey, money::Cents};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The five of PAR's `GenericOrderStatuses` (docs/contract.md#status-values).
pub(crate) const STATUSES: [&str; 5] = ["validated", "placed", "pending", "errored", "rejected"];

/// The members that are looked at; `None` for what is absent, null or of another kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: Option<String>,
    pub(crate) request_uid: Option<String>,
    pub(crate) organization_id: Option<String>,
    pub(crate) location_id: Option<String>,
    pub(crate) request_datetime: Option<String>,
    pub(crate) online_order_id: Option<String>,
    pub(crate) pos_order_id: Option<String>,
    pub(crate) subtotal: Option<i64>,
    pub(crate) grand_total: Option<i64>,
    /// The totals that were calculated, where they stand beside the order's own.
    pub(crate) calculated: Option<(Option<i64>, Option<i64>)>,
    /// Each reason's code and message; empty texts for what is missing.
    pub(crate) errors: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Told {
    /// Reads an answer's body.
    pub(crate) fn read(body: &str, pos_order_id: &PosOrderIdKey) -> Self {
        let members = Members::parse(body).unwrap_or_default();
        let details = members.get("order_details").and_then(|text| Members::parse(text).ok()).unwrap_or_default();
        let calculated = details.get("calculated").and_then(|text| Members::parse(text).ok());
        let reasons: Vec<&RawValue> = members.get("errors").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let reason = |raw: &&RawValue| {
            serde_json::from_str(raw.get())
                .map_or_else(|_| (String::new(), String::new()), |Reason { code, message }| (code, message))
        };
        Self {
            status: string(&members, "status"),
            request_uid: string(&members, "request_uid"),
            organization_id: string(&members, "organization_id"),
            location_id: string(&members, "location_id"),
            request_datetime: string(&members, "request_datetime"),
            online_order_id: string(&details, "online_order_id"),
            pos_order_id: id(if pos_order_id.in_details { &details } else { &members }, &pos_order_id.name),
            subtotal: cents(&details, "subtotal"),
            grand_total: cents(&details, "grand_total"),
            calculated: calculated.map(|totals| (cents(&totals, "subtotal"), cents(&totals, "grand_total"))),
            errors: reasons.iter().map(reason).collect(),
        }
    }

    /// What was calculated: beside the order's own totals, or instead of them.
    pub(crate) fn worked_out(&self) -> (Option<i64>, Option<i64>) {
        self.calculated.unwrap_or((self.subtotal, self.grand_total))
    }

    /// The status, or a word for its absence.
    pub(crate) fn status(&self) -> &str {
        self.status.as_deref().unwrap_or("no status")
    }

    /// Whether no later answer may say otherwise.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.status(), "placed" | "rejected" | "errored")
    }

    /// Whether each reason has a code and a sentence, and there is one.
    pub(crate) fn says_why(&self) -> bool {
        !self.errors.is_empty() && self.errors.iter().all(|(code, message)| !code.is_empty() && !message.is_empty())
    }
}

fn cents(members: &Members<'_>, key: &str) -> Option<i64> {
    members.get(key).and_then(|text| Cents::from_json_number(text).ok()).map(|cents| cents.0)
}

fn string(members: &Members<'_>, key: &str) -> Option<String> {
    serde_json::from_str(members.get(key)?).ok()
}

/// An id that is not empty; a POS that numbers its orders may give a number.
fn id(members: &Members<'_>, key: &str) -> Option<String> {
    let text = members.get(key)?;
    serde_json::from_str(text).ok().or_else(|| Some(text.to_owned())).filter(|id: &String| !id.is_empty())
}
