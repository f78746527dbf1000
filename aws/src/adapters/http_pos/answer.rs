//! What a POS says, and whether it counts: only if the POS itself said it, to this request
//! (docs/connector.md#an-answer-that-counts). Reading is tolerant of everything that nobody reads.

use std::fmt;

use http::Method;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use posnext_shared::domain::{
    history::{Lack, PosStatus},
    status::{ErrorCode, OrderError},
};

const NO_REASON: &str = "the POS refused the order without a reason";
/// Characters that are kept of a text for people.
const LONGEST_TEXT: usize = 256;
/// Characters that a number of an order may have.
const LONGEST_NUMBER: usize = 256;
/// Errors that are kept of a refusal.
const MOST_ERRORS: usize = 20;

/// An answer that counts as the POS's own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: PosStatus,
    /// The POS's own number of the order, if it can be used.
    pub(super) pos_order_id: Option<String>,
    /// Why it was refused; never empty.
    pub(super) errors: Vec<OrderError>,
}

/// What is looked at of an answer besides its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    pub(super) status: u16,
    /// It repeats the id of the request.
    pub(super) repeats_request: bool,
    /// It comes out of a cache.
    pub(super) aged: bool,
    /// A refusal of an earlier attempt would not be one of this: the order was placed before, at a POS that need not say the same again.
    pub(super) refused_anew: bool,
}

/// What the answer to a request about the order of this key says.
///
/// # Errors
/// What it lacks to count.
pub(super) fn read(head: Head<'_>, body: &[u8], key: &str) -> Result<Said, Lack> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Bytes that are no UTF-8 may stand where nobody reads. Where somebody does, their replacement gives them away.
    let text = String::from_utf8_lossy(body);
    let Members { key: said_key, status, pos_order_id, errors, repeated } =
        serde_json::from_str(&text).map_err(|_| Lack::Json)?;
    if repeated {
        return Err(Lack::OneOfEach);
    }
    match said_key.and_then(text_of).filter(|said| !said.contains(char::REPLACEMENT_CHARACTER)) {
        None => return Err(Lack::Key),
        Some(said) if said != key => return Err(Lack::ThisKey),
        Some(_) => {}
    }
    let status = status.and_then(text_of).ok_or(Lack::Status)?;
    let status = PosStatus::ALL.into_iter().find(|known| known.as_str() == status).ok_or(Lack::KnownStatus)?;
    if !agree(head.method, head.status, status) {
        return Err(Lack::Agreement);
    }
    // A cache, or what an earlier attempt has left, may not deny anything.
    let denies = match status {
        PosStatus::Unknown | PosStatus::Cancelled | PosStatus::NotStarted | PosStatus::Invalid => true,
        PosStatus::Rejected => head.refused_anew,
        PosStatus::Placed | PosStatus::InProgress => false,
    };
    if denies {
        if !head.repeats_request {
            return Err(Lack::RequestId);
        }
        if head.aged {
            return Err(Lack::Freshness);
        }
    }
    Ok(Said { status, pos_order_id: pos_order_id.and_then(number_of), errors: refusal(errors) })
}

/// Which HTTP statuses go with a status.
fn agree(method: &Method, http: u16, status: PosStatus) -> bool {
    use PosStatus::{Cancelled, InProgress, Invalid, NotStarted, Placed, Rejected, Unknown};
    match (method, status) {
        (&Method::PUT, Placed) => matches!(http, 200 | 201),
        (&Method::PUT, Rejected) => matches!(http, 200 | 422),
        (&Method::PUT, InProgress) => http == 202,
        (&Method::GET, Placed | Rejected | InProgress) => http == 200,
        (&Method::GET, Unknown) => http == 404,
        (&Method::DELETE, Placed | Rejected) => http == 409,
        (&Method::DELETE, Cancelled) => matches!(http, 200 | 410),
        (&Method::PUT | &Method::GET, Cancelled) => http == 410,
        // Of a GET or DELETE they say no more than that it came to nothing.
        (_, Invalid) => matches!(http, 400 | 413 | 422),
        (_, NotStarted) => matches!(http, 401 | 403 | 429 | 503),
        _ => false,
    }
}

/// The members that are read of an answer, each alone and as raw text.
#[derive(Default)]
struct Members<'a> {
    key: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    pos_order_id: Option<&'a RawValue>,
    errors: Option<&'a RawValue>,
    /// One of the first three is there twice.
    repeated: bool,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                // A name may be no Unicode, too.
                while let Some(name) = map.next_key::<&RawValue>()? {
                    let member = match text_of(name).as_deref() {
                        Some("key") => &mut members.key,
                        Some("status") => &mut members.status,
                        Some("pos_order_id") => &mut members.pos_order_id,
                        Some("errors") => {
                            members.errors = Some(map.next_value()?);
                            continue;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    members.repeated |= member.replace(map.next_value()?).is_some();
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The text of a JSON string that is Unicode.
fn text_of(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The number of something at the POS: text, or a number with its digits as they were written.
pub(super) fn number_of(value: &RawValue) -> Option<String> {
    let raw = value.get();
    let text = match raw.as_bytes().first()? {
        b'"' => text_of(value)?,
        b'-' | b'0'..=b'9' => raw.to_owned(),
        _ => return None,
    };
    let usable =
        !text.chars().all(is_blank) && text.chars().count() <= LONGEST_NUMBER && !text.contains(char::REPLACEMENT_CHARACTER);
    usable.then_some(text)
}

/// Whether a character shows nothing.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn refusal(errors: Option<&RawValue>) -> Vec<OrderError> {
    let errors: Vec<&RawValue> = errors.and_then(|errors| serde_json::from_str(errors.get()).ok()).unwrap_or_default();
    let errors: Vec<OrderError> = errors.into_iter().take(MOST_ERRORS).map(error).collect();
    if errors.is_empty() { vec![OrderError::new(ErrorCode::PosRefused, NO_REASON)] } else { errors }
}

fn error(error: &RawValue) -> OrderError {
    /// The members of an error, each alone.
    #[derive(Default)]
    struct Parts<'a>([Option<&'a RawValue>; 3]);
    impl<'de> Visitor<'de> for Parts<'de> {
        type Value = Self;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
            while let Some(name) = map.next_key::<&RawValue>()? {
                let (name, value) = (text_of(name), map.next_value()?);
                let place = ["message", "code", "field"].iter().position(|known| name.as_deref() == Some(known));
                if let Some(part) = place.and_then(|place| self.0.get_mut(place)) {
                    *part = Some(value);
                }
            }
            Ok(self)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(error.get());
    let Parts([message, code, field]) = deserializer.deserialize_map(Parts::default()).unwrap_or_default();
    OrderError {
        code: ErrorCode::PosRefused,
        message: message.and_then(shown).or_else(|| code.and_then(shown)).unwrap_or_else(|| NO_REASON.to_owned()),
        field: field.and_then(shown),
    }
}

/// A text or a number for people: what is no Unicode in it is replaced, and its end may be cut off.
fn shown(value: &RawValue) -> Option<String> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        // The bytes of half a surrogate pair are no UTF-8.
        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }
    let raw = value.get();
    let text = match raw.as_bytes().first()? {
        b'"' => serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes).ok()?,
        b'-' | b'0'..=b'9' => raw.to_owned(),
        _ => return None,
    };
    Some(text.chars().take(LONGEST_TEXT).collect::<String>()).filter(|text| !text.is_empty())
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
