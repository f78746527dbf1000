//! The texts of JSON as others send them: a byte order mark before a body, and halves of surrogate pairs in its
//! strings. Both are within RFC 8259, and neither may cost an order (docs/decisions/0003).

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// What a JSON string says, in WTF-8: that is UTF-8, and half a surrogate pair takes three bytes of its own. So two
/// strings that say different things never have the same bytes.
pub(super) type Said<'a> = Cow<'a, [u8]>;

/// What an id or a date may not hold.
pub const HALF: &str = "must not hold half a surrogate pair, an escape such as `\\ud83d` without its other half";

/// The text of a body, without the byte order mark that a reader may ignore (RFC 8259 section 8.1).
///
/// # Errors
/// A sentence with the place of the first byte that is no UTF-8.
pub fn text_of(body: &[u8]) -> Result<&str, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        let byte = body.get(at).copied().unwrap_or_default();
        format!("the byte 0x{byte:02x} at {} is not UTF-8; send it as UTF-8", place(body, at))
    })
}

/// A text without the byte order mark before it.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Where the byte `at` stands, counted as `serde_json` counts: lines from one, and bytes of the line from one.
pub(super) fn place(text: &[u8], at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    format!("line {line} column {column}")
}

/// JSON for readers that take no half of a surrogate pair: each one that stands alone becomes U+FFFD. Nothing else
/// changes, and no byte moves.
#[must_use]
pub fn readable(json: &str) -> Cow<'_, str> {
    let halves = halves(json);
    if halves.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut from = 0;
    for at in halves {
        out.push_str(json.get(from..at).unwrap_or_default());
        out.push_str("\\ufffd");
        from = at + ESCAPE;
    }
    out.push_str(json.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// The length of `\ud83d`.
const ESCAPE: usize = 6;

/// Where the escapes of halves begin that stand alone. A backslash is in a string wherever it is.
fn halves(json: &str) -> Vec<usize> {
    let unit = |at: usize| {
        let escape = json.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let (mut halves, mut at) = (Vec::new(), 0);
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        at += match (unit(at), unit(at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                halves.push(at);
                ESCAPE
            }
            _ => 2,
        };
    }
    halves
}

/// What a JSON string says.
///
/// # Errors
/// When it is no JSON string.
pub(super) fn said(literal: &str) -> Result<Said<'_>, serde_json::Error> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    match literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // As most are: nothing to unescape.
        Some(inside) if !inside.contains('\\') => Ok(Cow::Borrowed(inside.as_bytes())),
        _ => serde_json::Deserializer::from_str(literal).deserialize_bytes(Bytes).map(Cow::Owned),
    }
}

/// The text of a JSON string for which only a whole one will do: an id, a date.
///
/// # Errors
/// What it must be.
pub fn whole(literal: &str) -> Result<String, &'static str> {
    if !literal.starts_with('"') {
        return Err("must be a string");
    }
    serde_json::from_str(literal).map_err(|_| HALF)
}

/// The text of a JSON string for people and for menus: half a surrogate pair shows as U+FFFD.
#[must_use]
pub fn shown(literal: &str) -> Option<String> {
    serde_json::from_str(&readable(literal)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_that_stand_alone_are_replaced_and_nothing_else() {
        for (json, expected) in [
            (r#""doorman \ud83c""#, r#""doorman \ufffd""#),
            (r#""\uD83C\uDF2E""#, r#""\uD83C\uDF2E""#),
            (r#""\udf2e\ud83c""#, r#""\ufffd\ufffd""#),
            (r#""\ud83c\ud83c\udf2e\udf2e""#, r#""\ufffd\ud83c\udf2e\ufffd""#),
            (r#""\\ud83c""#, r#""\\ud83c""#),
            (r#""\\\ud83c\\""#, r#""\\\ufffd\\""#),
            (r#""\ud83c\n\udf2e""#, r#""\ufffd\n\ufffd""#),
            (r#"{"\udc00":["\u0064800","é\uDFFF"]}"#, r#"{"\ufffd":["\u0064800","é\ufffd"]}"#),
            (r#""\"\ud83c\"é""#, r#""\"\ufffd\"é""#),
        ] {
            assert_eq!(readable(json), expected, "{json}");
            assert!(serde_json::from_str::<serde_json::Value>(&readable(json)).is_ok(), "{json}");
        }
    }

    #[test]
    fn strings_that_say_different_things_have_different_bytes() {
        let literals = [
            r#""\ud83d""#,
            r#""\ud83e""#,
            r#""\udc00""#,
            r#""\ufffd""#,
            r#""\ud83d\udc00""#,
            r#""\udc00\ud83d""#,
            r#""\\ud83d""#,
        ];
        let bytes: std::collections::HashSet<_> = literals.iter().map(|literal| said(literal).unwrap()).collect();
        assert_eq!(bytes.len(), literals.len());
        assert_eq!(said(r#""\uD83D x\/""#).unwrap(), said(r#""\ud83d\u0020x/""#).unwrap());
    }

    #[test]
    fn an_id_is_whole_and_a_note_is_shown() {
        assert_eq!(whole(r#""a\u0062""#), Ok("ab".to_owned()));
        assert_eq!(whole("7"), Err("must be a string"));
        assert_eq!(whole(r#""a\ud83d""#), Err(HALF));
        assert_eq!(shown(r#""a\ud83db""#).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(shown("7"), None);
    }

    #[test]
    fn a_byte_that_is_no_utf_8_is_named_with_its_place() {
        assert_eq!(text_of("\u{feff}{}".as_bytes()), Ok("{}"));
        assert_eq!(text_of("\u{feff}\u{feff}{}".as_bytes()), Ok("\u{feff}{}"), "one mark, not two");
        let error = text_of(b"\xef\xbb\xbf{\n \"caf\xe9\":1}").unwrap_err();
        assert!(error.contains("byte 0xe9 at line 2 column 6 "), "{error}");
    }
}
