//! What a caller is told of an order: the text it came as, with what we have to say set in it. Every other member is echoed
//! byte for byte.

use super::{
    canonical::{Placed, quote, write_string},
    contract::PosOrderIdKey,
    ids::RequestUid,
    money::Cents,
    order::{Order, Totals},
    processing::Processing,
    status::{OrderError, OrderStatus},
    words::Change,
};

/// The member of `order_details` with what the menu makes of the totals.
pub const CALCULATED: &str = "calculated";

/// What an answer says of an order.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Under whose name.
    pub identity: Identity<'a>,
    /// Where it stands.
    pub status: OrderStatus,
    /// The totals of the answer, which are signed.
    pub totals: Totals,
    /// What the menu makes of them, told beside them and not signed.
    pub calculated: Calculated,
    /// Its id at the POS; `null` in the answer until it has one.
    pub pos_order_id: Option<&'a str>,
    /// Why it stands there.
    pub errors: &'a [OrderError],
    /// How far it is, where that is shown.
    pub processing: Option<&'a Processing>,
}

/// What an answer says under [`CALCULATED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calculated {
    /// What came under that name: the answer is no validate's.
    AsItCame,
    /// This, or nothing where there is no menu.
    Ours(Option<Totals>),
}

impl Said<'_> {
    fn pos_order_id(&self) -> String {
        self.pos_order_id.map_or_else(|| "null".to_owned(), quote)
    }
}

/// Under whose name an order is answered.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// `request_uid` of the answer.
    pub request_uid: &'a RequestUid,
    /// `request_datetime` of the answer.
    pub request_datetime: &'a str,
}

impl Order {
    /// The answer's body: the order as it came with `status`, the POS's order id, `errors` and `calculated` set. Every other
    /// member is echoed byte for byte, and so are totals that stay what they are.
    #[must_use]
    pub fn answer(&self, said: &Said<'_>, key: &PosOrderIdKey) -> String {
        let mut out = ObjectWriter::new(self.text().len() + 128);
        out.member("status", &quote(said.status.as_str()));
        for Placed { name, key: as_sent, value } in self.members() {
            match name {
                "status" | "errors" => {}
                "processing" if said.processing.is_some() => {}
                "request_uid" => out.member(name, &quote(said.identity.request_uid.as_str())),
                "request_datetime" => out.member(name, &quote(said.identity.request_datetime)),
                "order_details" => out.member(name, &self.details_with(value.len(), said, key)),
                _ if !key.in_details && name == key.name => {}
                _ => out.echo(as_sent, value),
            }
        }
        if !key.in_details {
            out.member(&key.name, &said.pos_order_id());
        }
        if !said.errors.is_empty() {
            out.member("errors", &errors_json(said.errors));
        }
        if let Some(processing) = said.processing {
            out.member("processing", &processing.to_json());
        }
        out.finish()
    }

    /// The order's identity and signed values under one of its names, with its status and history: its digest is that of its answer.
    #[must_use]
    pub fn history_answer(&self, identity: Identity<'_>, status: OrderStatus, history: &[Change]) -> String {
        let mut out = self.signed_values(Some(status), Some(identity));
        out.member("history", &serde_json::to_string(history).unwrap_or_else(|_| "[]".to_owned()));
        out.finish()
    }

    fn details_with(&self, length: usize, said: &Said<'_>, key: &PosOrderIdKey) -> String {
        let given = self.totals();
        let totals =
            [("subtotal", given.subtotal, said.totals.subtotal), ("grand_total", given.grand_total, said.totals.grand_total)];
        let changed: Vec<_> = totals.into_iter().filter(|(_, given, said)| given != said).collect();
        let mut out = ObjectWriter::new(length + 64);
        let replaced = |name: &str| {
            changed.iter().any(|(total, ..)| *total == name)
                || (key.in_details && name == key.name)
                || (said.calculated != Calculated::AsItCame && name == CALCULATED)
        };
        for member in self.details_members().filter(|member| !replaced(member.name)) {
            out.echo(member.key, member.value);
        }
        for (name, _, total) in &changed {
            out.member(name, &amount(*total));
        }
        if let Calculated::Ours(Some(Totals { subtotal, grand_total })) = said.calculated {
            let mut totals = ObjectWriter::new(64);
            totals.member("subtotal", &amount(subtotal));
            totals.member("grand_total", &amount(grand_total));
            out.member(CALCULATED, &totals.finish());
        }
        if key.in_details {
            out.member(&key.name, &said.pos_order_id());
        }
        out.finish()
    }

    /// The body of an error about this verified request: its identity and signed values only (docs/contract.md#u12), so
    /// that the digest of the error is the digest the caller sent and nothing new gets signed. It has no status: nothing of
    /// this content is stored.
    #[must_use]
    pub fn error_answer(&self, errors: &[OrderError]) -> String {
        let mut out = self.signed_values(None, None);
        out.member("errors", &errors_json(errors));
        out.finish()
    }

    /// Identity and signed values, as they came or under another name.
    fn signed_values(&self, status: Option<OrderStatus>, identity: Option<Identity<'_>>) -> ObjectWriter {
        let mut out = ObjectWriter::new(512);
        if let Some(status) = status {
            out.member("status", &quote(status.as_str()));
        }
        for Placed { name: key, value, .. } in self.members() {
            match (key, identity) {
                ("request_uid", Some(identity)) => out.member(key, &quote(identity.request_uid.as_str())),
                ("request_datetime", Some(identity)) => out.member(key, &quote(identity.request_datetime)),
                ("request_uid" | "organization_id" | "location_id" | "request_datetime", _) => out.member(key, value),
                ("order_details", _) => {
                    let mut signed = ObjectWriter::new(128);
                    let names = ["online_order_id", "grand_total", "subtotal"];
                    self.details_members()
                        .filter(|member| names.contains(&member.name))
                        .for_each(|member| signed.member(member.name, member.value));
                    out.member(key, &signed.finish());
                }
                _ => {}
            }
        }
        out
    }
}

/// The body of an error that is about no order: a problem of RFC 9457 with `errors` beside it (docs/contract.md#u12).
/// Its `type` is a heading of docs/errors.md under `docs_url`, its code and its sentence are the first error's.
#[must_use]
pub fn problem(errors: &[OrderError], status: u16, docs_url: &str) -> String {
    let mut out = ObjectWriter::new(512);
    if let Some(OrderError { code, message, .. }) = errors.first() {
        out.member("type", &quote(&format!("{docs_url}/errors.html#{}", code.name())));
        out.member("title", &quote(code.title()));
        out.member("status", &status.to_string());
        out.member("detail", &quote(message));
    }
    out.member("errors", &errors_json(errors));
    out.finish()
}

fn amount(total: Option<Cents>) -> String {
    total.map_or_else(|| "null".to_owned(), Cents::to_json_number)
}

fn errors_json(errors: &[OrderError]) -> String {
    serde_json::to_string(errors).unwrap_or_else(|_| "[]".to_owned())
}

/// Writes an object whose values are JSON text already.
struct ObjectWriter(String);

impl ObjectWriter {
    fn new(capacity: usize) -> Self {
        Self(String::with_capacity(capacity))
    }

    fn member(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        write_string(key, &mut self.0);
        self.0.push(':');
        self.0.push_str(value);
    }

    /// A member as it came, its key with it.
    fn echo(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        [key, ":", value].iter().for_each(|part| self.0.push_str(part));
    }

    fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}
