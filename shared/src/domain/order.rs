//! The order as PAR sends it: a tolerant core is read, everything else is kept and echoed as the text it came as.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    canonical::{JsonError, Members, quote},
    contract::PosOrderIdKey,
    details::Details,
    ids::{IdError, ParId, RequestUid},
    money::{Cents, is_negative},
    signature::{DigestMessage, SignedFields},
    status::{ErrorCode, OrderError, OrderStatus},
    time::unix_seconds,
};

/// What two requests for the same meal have in common: a hash of the canonical body without the members that a retry
/// may change (design section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Members that do not belong to the content.
    const SKIPPED: [&'static str; 3] = ["request_uid", "status", "request_datetime"];
}

/// A body that is strict JSON, before its fields are looked at.
#[derive(Debug)]
pub struct Body {
    text: String,
    fingerprint: Fingerprint,
}

impl Body {
    /// Reads the bytes of a request.
    ///
    /// # Errors
    /// [`JsonError`] when they are no strict JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes).map_err(|error| JsonError::Syntax(error.to_string()))?;
        let canonical = Members::parse(text)?.canonical(&Fingerprint::SKIPPED)?;
        let fingerprint = Fingerprint(URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes())));
        Ok(Self { text: text.to_owned(), fingerprint })
    }

    /// `organization_id`, which tells whose SharedIds verify the rest.
    ///
    /// # Errors
    /// [`OrderError`] when it is missing or no identifier.
    pub fn organization_id(&self) -> Result<ParId, OrderError> {
        let members = Members::parse(&self.text).unwrap_or_default();
        let mut errors = Vec::new();
        required_id(&members, "organization_id", ParId::new, &mut errors)
            .ok_or_else(|| errors.pop().unwrap_or_else(|| missing("organization_id")))
    }

    /// Reads the fields of an order.
    ///
    /// # Errors
    /// Every field that is missing or wrong, at once.
    pub fn into_order(self) -> Result<Order, Vec<OrderError>> {
        Order::read(self.text, self.fingerprint)
    }
}

/// An order: the values that are signed or decided on, and the body they came in.
#[derive(Debug, Clone)]
pub struct Order {
    text: String,
    fingerprint: Fingerprint,
    request_uid: RequestUid,
    organization_id: ParId,
    location_id: ParId,
    request_datetime: String,
    online_order_id: Option<ParId>,
    grand_total: Option<Cents>,
    subtotal: Option<Cents>,
}

impl Order {
    /// An order read back from where it was stored.
    ///
    /// # Errors
    /// Every field that is missing or wrong: the stored text is not what was accepted.
    pub fn restore(text: String, fingerprint: Fingerprint) -> Result<Self, Vec<OrderError>> {
        Self::read(text, fingerprint)
    }

    fn read(text: String, fingerprint: Fingerprint) -> Result<Self, Vec<OrderError>> {
        let mut errors = Vec::new();
        let members = Members::parse(&text).unwrap_or_default();
        let request_uid = required_id(&members, "request_uid", RequestUid::new, &mut errors);
        let organization_id = required_id(&members, "organization_id", ParId::new, &mut errors);
        let location_id = required_id(&members, "location_id", ParId::new, &mut errors);
        let request_datetime = required_string(&members, "request_datetime", &mut errors);
        if request_datetime.as_deref().is_some_and(|text| unix_seconds(text).is_none()) {
            errors.push(invalid("request_datetime", "must be a date-time such as 2025-03-15T14:30:45.123Z"));
        }
        let details = match members.get("order_details") {
            None => {
                errors.push(missing("order_details"));
                Members::default()
            }
            Some(text) => Members::parse(text).unwrap_or_else(|_| {
                errors.push(invalid("order_details", "must be an object"));
                Members::default()
            }),
        };
        let online_order_id = details
            .get("online_order_id")
            .and_then(|text| parse_id(text, "order_details.online_order_id", ParId::new, &mut errors));
        let grand_total = total(&details, "grand_total", &mut errors);
        let subtotal = total(&details, "subtotal", &mut errors);
        match (request_uid, organization_id, location_id, request_datetime) {
            (Some(request_uid), Some(organization_id), Some(location_id), Some(request_datetime)) if errors.is_empty() => {
                Ok(Self {
                    fingerprint,
                    request_uid,
                    organization_id,
                    location_id,
                    request_datetime,
                    online_order_id,
                    grand_total,
                    subtotal,
                    text,
                })
            }
            _ => Err(errors),
        }
    }

    /// The body as it was received.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The hash of its content.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// `request_uid`
    #[must_use]
    pub fn request_uid(&self) -> &RequestUid {
        &self.request_uid
    }

    /// `organization_id`
    #[must_use]
    pub fn organization_id(&self) -> &ParId {
        &self.organization_id
    }

    /// `location_id`
    #[must_use]
    pub fn location_id(&self) -> &ParId {
        &self.location_id
    }

    /// `request_datetime`, the text as it came (contract U23).
    #[must_use]
    pub fn request_datetime(&self) -> &str {
        &self.request_datetime
    }

    /// `order_details.online_order_id`
    #[must_use]
    pub fn online_order_id(&self) -> Option<&ParId> {
        self.online_order_id.as_ref()
    }

    /// `order_details.subtotal` and `order_details.grand_total`
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { subtotal: self.subtotal, grand_total: self.grand_total }
    }

    /// What it is of.
    #[must_use]
    pub fn details(&self) -> Details {
        Members::parse(&self.text).unwrap_or_default().get("order_details").map(Details::read).unwrap_or_default()
    }

    /// What the order says under another request's identity (an alias; its own for a plain answer).
    #[must_use]
    pub fn message(&self, identity: Identity<'_>) -> DigestMessage {
        self.message_with(identity, self.totals())
    }

    /// The same with other totals.
    #[must_use]
    pub fn message_with(&self, identity: Identity<'_>, totals: Totals) -> DigestMessage {
        DigestMessage::new(&SignedFields {
            request_uid: Some(identity.request_uid.as_str()),
            location_id: Some(self.location_id.as_str()),
            online_order_id: self.online_order_id.as_ref().map(ParId::as_str),
            grand_total: totals.grand_total,
            subtotal: totals.subtotal,
            request_datetime: Some(identity.request_datetime),
        })
    }

    /// The request's own identity.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity { request_uid: &self.request_uid, request_datetime: &self.request_datetime }
    }

    /// The answer's body: the order as it came with `status`, the totals, the POS's order id and `errors` set. Every other
    /// member is echoed byte for byte, and so are totals that stay what they are.
    #[must_use]
    pub fn answer(&self, said: &Said<'_>, key: &PosOrderIdKey) -> String {
        let members = Members::parse(&self.text).unwrap_or_default();
        let mut out = ObjectWriter::new(self.text.len() + 128);
        out.member("status", &quote(said.status.as_str()));
        for (name, value) in &members.0 {
            match name.as_str() {
                "status" | "errors" => {}
                "request_uid" => out.member(name, &quote(said.identity.request_uid.as_str())),
                "request_datetime" => out.member(name, &quote(said.identity.request_datetime)),
                "order_details" => out.member(name, &self.details_with(value, said, key)),
                _ if !key.in_details && *name == key.name => {}
                _ => out.member(name, value.get()),
            }
        }
        if !key.in_details {
            out.member(&key.name, &said.pos_order_id());
        }
        if !said.errors.is_empty() {
            out.member("errors", &errors_json(said.errors));
        }
        out.finish()
    }

    fn details_with(&self, details: &RawValue, said: &Said<'_>, key: &PosOrderIdKey) -> String {
        let totals =
            [("subtotal", self.subtotal, said.totals.subtotal), ("grand_total", self.grand_total, said.totals.grand_total)];
        let changed: Vec<_> = totals.into_iter().filter(|(_, given, said)| given != said).collect();
        let members = Members::parse(details.get()).unwrap_or_default();
        let mut out = ObjectWriter::new(details.get().len() + 64);
        let replaced = |name: &str| changed.iter().any(|(total, ..)| *total == name) || (key.in_details && name == key.name);
        for (name, value) in members.0.iter().filter(|(name, _)| !replaced(name)) {
            out.member(name, value.get());
        }
        for (name, _, total) in &changed {
            out.member(name, &total.map_or_else(|| "null".to_owned(), Cents::to_json_number));
        }
        if key.in_details {
            out.member(&key.name, &said.pos_order_id());
        }
        out.finish()
    }

    /// The body of an error about this verified request: its identity and signed values only (contract U12), so that the
    /// digest of the error is the digest the caller sent and nothing new gets signed.
    #[must_use]
    pub fn error_answer(&self, status: Option<OrderStatus>, errors: &[OrderError]) -> String {
        let members = Members::parse(&self.text).unwrap_or_default();
        let mut out = ObjectWriter::new(512);
        if let Some(status) = status {
            out.member("status", &quote(status.as_str()));
        }
        for (key, value) in &members.0 {
            match key.as_str() {
                "request_uid" | "organization_id" | "location_id" | "request_datetime" => out.member(key, value.get()),
                "order_details" => {
                    let mut signed = ObjectWriter::new(128);
                    for (key, value) in &Members::parse(value.get()).unwrap_or_default().0 {
                        if matches!(key.as_str(), "online_order_id" | "grand_total" | "subtotal") {
                            signed.member(key, value.get());
                        }
                    }
                    out.member(key, &signed.finish());
                }
                _ => {}
            }
        }
        out.member("errors", &errors_json(errors));
        out.finish()
    }
}

/// What an order comes to. Absent where neither the order nor a menu says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// All lines together.
    pub subtotal: Option<Cents>,
    /// With discounts, taxes, fees and the tip.
    pub grand_total: Option<Cents>,
}

impl Totals {
    /// These, and `other` where one is absent.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { subtotal: self.subtotal.or(other.subtotal), grand_total: self.grand_total.or(other.grand_total) }
    }

    /// What a reader could make of these that multiplies binary doubles by 100 and cuts off the rest: a cent less of either or
    /// both (contract C2).
    pub fn truncated(self) -> impl Iterator<Item = Self> {
        let less = |cents: Option<Cents>| cents.filter(|cents| cents.0 > 0).map(|cents| Cents(cents.0 - 1)).or(cents);
        let (subtotal, grand_total) = (less(self.subtotal), less(self.grand_total));
        [Self { subtotal, ..self }, Self { grand_total, ..self }, Self { subtotal, grand_total }]
            .into_iter()
            .filter(move |totals| *totals != self)
    }
}

/// What an answer says of an order.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Under whose name.
    pub identity: Identity<'a>,
    /// Where it stands.
    pub status: OrderStatus,
    /// What it comes to.
    pub totals: Totals,
    /// Its id at the POS; `null` in the answer until it has one.
    pub pos_order_id: Option<&'a str>,
    /// Why it stands there.
    pub errors: &'a [OrderError],
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

/// The body of an error that echoes no order field.
#[must_use]
pub fn bare_error(errors: &[OrderError]) -> String {
    let mut out = ObjectWriter::new(256);
    out.member("errors", &errors_json(errors));
    out.finish()
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
        self.0.push_str(&quote(key));
        self.0.push(':');
        self.0.push_str(value);
    }

    fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

fn missing(field: &str) -> OrderError {
    OrderError::field(ErrorCode::MissingField, field, format!("`{field}` is required"))
}

fn invalid(field: &str, what: impl std::fmt::Display) -> OrderError {
    OrderError::field(ErrorCode::InvalidField, field, format!("`{field}` {what}"))
}

fn required_string(members: &Members<'_>, field: &str, errors: &mut Vec<OrderError>) -> Option<String> {
    let Some(text) = members.get(field) else {
        errors.push(missing(field));
        return None;
    };
    let value = serde_json::from_str(text).ok();
    if value.is_none() {
        errors.push(invalid(field, "must be a string"));
    }
    value
}

fn required_id<T>(
    members: &Members<'_>,
    field: &str,
    new: impl Fn(String) -> Result<T, IdError>,
    errors: &mut Vec<OrderError>,
) -> Option<T> {
    if let Some(text) = members.get(field) {
        return parse_id(text, field, new, errors);
    }
    errors.push(missing(field));
    None
}

fn parse_id<T>(text: &str, field: &str, new: impl Fn(String) -> Result<T, IdError>, errors: &mut Vec<OrderError>) -> Option<T> {
    let Ok(value) = serde_json::from_str::<String>(text) else {
        errors.push(invalid(field, "must be a string"));
        return None;
    };
    new(value).map_err(|error| errors.push(invalid(field, error))).ok()
}

fn total(details: &Members<'_>, name: &str, errors: &mut Vec<OrderError>) -> Option<Cents> {
    let field = format!("order_details.{name}");
    let text = details.get(name)?;
    match Cents::from_json_number(text) {
        Ok(_) if is_negative(text) => errors.push(invalid(&field, "must not be negative")),
        Ok(cents) => return Some(cents),
        Err(error) => errors.push(invalid(&field, error)),
    }
    None
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
