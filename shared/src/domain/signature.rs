//! The signing recipe (docs/contract.md#signature): `x-pch-digest` = HMAC-SHA256 over six fields, keyed with the first
//! ten characters of a SharedId, lower-case hexadecimal. Requests and answers share key and recipe, so an answer signed
//! over unverified request values would be an oracle: until a request has verified, only [`DigestMessage::all_null`] is
//! signed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{canonical::Members, json_text::without_mark, money::Cents, time::unix_seconds};

/// How many characters of a SharedId are the key (docs/contract.md#signature).
const KEY_CHARACTERS: usize = 10;

/// The six signed values of a request or an answer, each as it stands in that body.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignedFields<'a> {
    /// `request_uid`
    pub request_uid: Option<&'a str>,
    /// `location_id`
    pub location_id: Option<&'a str>,
    /// `order_details.online_order_id`
    pub online_order_id: Option<&'a str>,
    /// `order_details.grand_total`
    pub grand_total: Option<Cents>,
    /// `order_details.subtotal`
    pub subtotal: Option<Cents>,
    /// `request_datetime`; a text that is no date-time counts as 0
    pub request_datetime: Option<&'a str>,
}

/// The text that is signed: six fields joined by `|`, what is null as `0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestMessage(String);

impl DigestMessage {
    /// Joins the fields.
    #[must_use]
    pub fn new(fields: &SignedFields<'_>) -> Self {
        Self(format!(
            "{}|{}|{}|{}|{}|{}",
            fields.request_uid.unwrap_or("0"),
            fields.location_id.unwrap_or("0"),
            fields.online_order_id.unwrap_or("0"),
            fields.grand_total.unwrap_or_default().0,
            fields.subtotal.unwrap_or_default().0,
            fields.request_datetime.and_then(unix_seconds).unwrap_or(0),
        ))
    }

    /// The message of any body, as the recipe reads it: what is absent, null or of another kind counts as null. A byte
    /// order mark before it does not count.
    #[must_use]
    pub fn of_body(body: &str) -> Self {
        fn string(members: &Members<'_>, key: &str) -> Option<String> {
            serde_json::from_str(members.get(key)?).ok()
        }
        let members = Members::parse(without_mark(body)).unwrap_or_default();
        let details = members.get("order_details").and_then(|text| Members::parse(text).ok()).unwrap_or_default();
        let cents = |key: &str| details.get(key).and_then(|text| Cents::from_json_number(text).ok());
        Self::new(&SignedFields {
            request_uid: string(&members, "request_uid").as_deref(),
            location_id: string(&members, "location_id").as_deref(),
            online_order_id: string(&details, "online_order_id").as_deref(),
            grand_total: cents("grand_total"),
            subtotal: cents("subtotal"),
            request_datetime: string(&members, "request_datetime").as_deref(),
        })
    }

    /// The message of an order without any value: what an error is signed over before its request has verified.
    #[must_use]
    pub fn all_null() -> Self {
        Self::new(&SignedFields::default())
    }

    /// Whether it names no order: no id, no amount, no time. Errors and menus are signed over such, so that their digests
    /// are in the hands of every caller whose token is good.
    #[must_use]
    pub fn names_no_order(&self) -> bool {
        self.0.starts_with("0|") && self.0.ends_with("|0|0|0|0")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a SharedId cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SharedId must have at least {KEY_CHARACTERS} characters")]
pub struct SharedIdError;

/// A SharedId ready to sign and verify. Its value cannot be read back or printed.
#[derive(Clone)]
pub struct SharedId {
    id: String,
    mac: Hmac<Sha256>,
}

impl SharedId {
    /// Takes the value and the name it is logged by.
    ///
    /// # Errors
    /// [`SharedIdError`] for a value that is blank or too short.
    pub fn new(id: impl Into<String>, value: &str) -> Result<Self, SharedIdError> {
        if value.trim().is_empty() || value.chars().count() < KEY_CHARACTERS {
            return Err(SharedIdError);
        }
        let key: String = value.chars().take(KEY_CHARACTERS).collect();
        let mac = Hmac::new_from_slice(key.as_bytes()).map_err(|_| SharedIdError)?;
        Ok(Self { id: id.into(), mac })
    }

    /// The name by which it may be logged.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The digest of a message: 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn sign(&self, message: &DigestMessage) -> String {
        let mut mac = self.mac.clone();
        mac.update(message.0.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// Whether `digest`, in either letter case, is a request's digest of `message`; compared in constant time.
    ///
    /// A message that names no order is never a request's.
    #[must_use]
    pub fn verify_request(&self, message: &DigestMessage, digest: &str) -> bool {
        let Ok(bytes) = hex::decode(digest) else { return false };
        let mut mac = self.mac.clone();
        mac.update(message.0.as_bytes());
        mac.verify_slice(&bytes).is_ok() && !message.names_no_order()
    }
}

impl fmt::Debug for SharedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedId").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        shared_id: String,
        vectors: Vec<Vector>,
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        name: String,
        expect: String,
        body: String,
        message: String,
        digest: String,
    }

    #[test]
    fn the_vectors_that_partners_are_given_hold_in_both_directions() {
        let file: Vectors = serde_json::from_str(include_str!("../../../docs/signing-vectors.json")).unwrap();
        let shared_id = SharedId::new("vectors", &file.shared_id).unwrap();
        assert_eq!(file.vectors.len(), 10);
        for vector in file.vectors {
            let message = DigestMessage::of_body(&vector.body);
            let expected = vector.expect == "sign";
            assert_eq!(shared_id.sign(&message) == vector.digest, expected, "{}", vector.name);
            assert_eq!(shared_id.verify_request(&message, &vector.digest), expected, "{}", vector.name);
            assert_eq!(shared_id.verify_request(&message, &vector.digest.to_uppercase()), expected, "{}", vector.name);
            assert_eq!(message.as_str() == vector.message, vector.name != "V5b", "{}", vector.name);
        }
    }

    #[test]
    fn the_key_is_ten_characters_not_ten_bytes() {
        let long = SharedId::new("a", "éééééééééétail").unwrap();
        let short = SharedId::new("b", "éééééééééé").unwrap();
        let message = DigestMessage::new(&SignedFields { request_uid: Some("x"), ..SignedFields::default() });
        assert_eq!(long.sign(&message), short.sign(&message));
    }

    #[test]
    fn a_short_or_blank_shared_id_is_refused() {
        for value in ["", "a1b2c3d4e", "            "] {
            assert!(SharedId::new("a", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn the_digest_of_a_menu_never_verifies_as_a_request() {
        let shared_id = SharedId::new("a", "a1b2c3d4e5f6a7b8c9d0").unwrap();
        let menu = DigestMessage::of_body(r#"{"organization_id":"O","location_id":"L"}"#);
        let order = SignedFields { request_uid: Some("0"), location_id: Some("L"), ..SignedFields::default() };
        assert_eq!(menu, DigestMessage::new(&order));
        assert!(!shared_id.verify_request(&menu, &shared_id.sign(&menu)));
        let free = DigestMessage::new(&SignedFields { request_uid: Some("1"), ..order });
        assert!(shared_id.verify_request(&free, &shared_id.sign(&free)), "an order that costs nothing is one");
    }

    #[test]
    fn the_digest_of_errors_never_verifies_as_a_request() {
        let shared_id = SharedId::new("a", "a1b2c3d4e5f6a7b8c9d0").unwrap();
        let digest = shared_id.sign(&DigestMessage::all_null());
        let zeros = SignedFields {
            request_uid: Some("0"),
            location_id: Some("0"),
            online_order_id: Some("0"),
            grand_total: Some(Cents(0)),
            subtotal: None,
            request_datetime: Some("1970-01-01T00:00:00Z"),
        };
        assert_eq!(DigestMessage::new(&zeros), DigestMessage::all_null());
        assert!(!shared_id.verify_request(&DigestMessage::new(&zeros), &digest));
    }

    #[test]
    fn nothing_printed_holds_the_value() {
        let shared_id = SharedId::new("key-2026", "a1b2c3d4e5f6a7b8c9d0").unwrap();
        assert_eq!(format!("{shared_id:?}"), "SharedId { id: \"key-2026\", .. }");
        assert_eq!(shared_id.id(), "key-2026");
    }
}
