//! The order as PAR sends it: a tolerant core is read, everything else is kept as the text it came as.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    answer::Identity,
    canonical::{JsonError, Layout, Members, Placed},
    details::Details,
    ids::{IdError, ParId, RequestUid},
    json_text::{readable, text_of, whole},
    money::{Cents, is_negative},
    signature::{DigestMessage, SignedFields},
    status::{ErrorCode, OrderError},
    time::unix_seconds,
};

/// What two requests for the same meal have in common: a hash of the canonical body without the members that a retry
/// may change (docs/lifecycle.md#the-idempotency-record).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Members that do not belong to the content.
    const SKIPPED: [&'static str; 3] = ["request_uid", "status", "request_datetime"];
}

/// A body that is strict JSON, read once: an order, if its fields are right.
#[derive(Debug)]
pub struct Body {
    organization_id: Result<ParId, OrderError>,
    order: Result<Order, Vec<OrderError>>,
}

impl Body {
    /// Reads the bytes of a request.
    ///
    /// # Errors
    /// [`JsonError`] when they are no strict JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let text = text_of(bytes).map_err(JsonError::Syntax)?;
        let members = Members::parse(text)?;
        let canonical = members.canonical(text, &Fingerprint::SKIPPED)?;
        let fingerprint = Fingerprint(URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes())));
        let mut errors = Vec::new();
        let organization_id = required_id(&members, "organization_id", ParId::new, &mut errors)
            .ok_or_else(|| errors.pop().unwrap_or_else(|| missing("organization_id")));
        Ok(Self { organization_id, order: Order::read(text, &members, fingerprint) })
    }

    /// `organization_id`, which tells whose SharedIds verify the rest.
    ///
    /// # Errors
    /// [`OrderError`] when it is missing or no identifier.
    pub fn organization_id(&self) -> Result<ParId, OrderError> {
        self.organization_id.clone()
    }

    /// The order.
    ///
    /// # Errors
    /// Every field that is missing or wrong, at once.
    pub fn into_order(self) -> Result<Order, Vec<OrderError>> {
        self.order
    }
}

/// An order: the values that are signed or decided on, and the body they came in.
#[derive(Debug, Clone)]
pub struct Order {
    text: String,
    /// Where its members stand in the text, and those of `order_details`.
    layout: Layout,
    details_layout: Layout,
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
    pub fn restore(text: &str, fingerprint: Fingerprint) -> Result<Self, Vec<OrderError>> {
        Self::read(text, &Members::parse(text).unwrap_or_default(), fingerprint)
    }

    fn read(text: &str, members: &Members<'_>, fingerprint: Fingerprint) -> Result<Self, Vec<OrderError>> {
        let mut errors = Vec::new();
        let request_uid = required_id(members, "request_uid", RequestUid::new, &mut errors);
        let organization_id = required_id(members, "organization_id", ParId::new, &mut errors);
        let location_id = required_id(members, "location_id", ParId::new, &mut errors);
        let request_datetime = required_string(members, "request_datetime", &mut errors);
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
                    text: text.to_owned(),
                    layout: Layout::of(members, text),
                    details_layout: Layout::of(&details, text),
                    fingerprint,
                    request_uid,
                    organization_id,
                    location_id,
                    request_datetime,
                    online_order_id,
                    grand_total,
                    subtotal,
                })
            }
            _ => Err(errors),
        }
    }

    /// The body as it was received, without a byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The body for readers that we do not know, such as a POS: half a surrogate pair, which many refuse, is U+FFFD in
    /// it.
    #[must_use]
    pub fn readable_text(&self) -> Cow<'_, str> {
        readable(&self.text)
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

    /// `request_datetime`, the text as it came (docs/contract.md#u23).
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
        let details = self.members().find(|member| member.name == "order_details");
        details.map(|member| Details::read(member.value)).unwrap_or_default()
    }

    /// Its members, each as the text it came as.
    pub(super) fn members(&self) -> impl Iterator<Item = Placed<'_>> {
        self.layout.members(&self.text)
    }

    /// The members of `order_details`.
    pub(super) fn details_members(&self) -> impl Iterator<Item = Placed<'_>> {
        self.details_layout.members(&self.text)
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
    /// both (docs/contract.md#c2).
    pub fn truncated(self) -> impl Iterator<Item = Self> {
        let less = |cents: Option<Cents>| cents.filter(|cents| cents.0 > 0).map(|cents| Cents(cents.0 - 1)).or(cents);
        let (subtotal, grand_total) = (less(self.subtotal), less(self.grand_total));
        [Self { subtotal, ..self }, Self { grand_total, ..self }, Self { subtotal, grand_total }]
            .into_iter()
            .filter(move |totals| *totals != self)
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
    whole(text).map_err(|error| errors.push(invalid(field, error))).ok()
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
    let value = whole(text).map_err(|error| errors.push(invalid(field, error))).ok()?;
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
