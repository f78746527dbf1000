//! JSON read strictly and without touching it: values stay the text they came as, so an echo is exact to the digit
//! (docs/decisions/0003), and the canonical form tells whether two requests say the same thing.

use std::{collections::HashSet, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    json_text::{Said, place, said},
    number::Number,
};

/// Deepest nesting of arrays and objects that is read. An order with modifiers of modifiers needs about ten.
pub const MAX_DEPTH: usize = 64;

/// So many keys are compared with each other one by one.
const FEW: usize = 16;

/// Why a text is refused as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8, or against the grammar of RFC 8259.
    #[error("the body is not valid JSON: {0}")]
    Syntax(String),
    /// JSON, but not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// An object names a key twice: two readers could disagree on which one counts.
    #[error("an object names one of its keys twice")]
    RepeatedKey,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("arrays and objects are nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

/// The members of one JSON object in the order they came, keys and values as untouched text.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<Member<'a>>);

#[derive(Debug)]
struct Member<'a> {
    name: Said<'a>,
    key: &'a str,
    value: &'a str,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let (key, value) = (key.get(), value.get());
                    members.push(Member { name: said(key).map_err(A::Error::custom)?, key, value });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl<'a> Members<'a> {
    /// Splits the text of an object into its members.
    ///
    /// # Errors
    /// [`JsonError`] when the text is no object or repeats a key. What is inside the values is not looked at.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        if !text.trim_start().starts_with('{') {
            // Tell "not JSON" from "JSON of another kind".
            serde_json::from_str::<&RawValue>(text).map_err(|error| JsonError::Syntax(error.to_string()))?;
            return Err(JsonError::NotAnObject);
        }
        let members: Self = serde_json::from_str(text).map_err(|error| JsonError::Syntax(error.to_string()))?;
        if members.repeat_a_key() { Err(JsonError::RepeatedKey) } else { Ok(members) }
    }

    fn repeat_a_key(&self) -> bool {
        // The objects of an order have a few keys each, and comparing those is quicker than hashing them.
        let names = || self.0.iter().map(|member| &member.name);
        if self.0.len() <= FEW {
            return names().enumerate().any(|(at, name)| names().take(at).any(|earlier| earlier == name));
        }
        let mut seen = HashSet::with_capacity(self.0.len());
        !names().all(|name| seen.insert(name))
    }

    /// The text of the member `key`; `None` when it is absent or `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.values(key).next().filter(|text| *text != "null")
    }

    /// The texts of all members of this name, for an object that may name it twice.
    pub(super) fn values(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(|member| *member.name == *key.as_bytes()).map(|member| member.value)
    }

    /// Whether the member `key` is there, and is `null`.
    #[must_use]
    pub fn says_null(&self, key: &str) -> bool {
        self.values(key).any(|value| value == "null")
    }

    /// Writes the canonical form of the object without the members named in `skip`, and in doing so checks every value
    /// inside: sorted keys, numbers by value, strings unescaped, no white space. `whole` is the text that it was split
    /// from.
    ///
    /// # Errors
    /// [`JsonError`] for what is wrong at any depth.
    pub fn canonical(&self, whole: &str, skip: &[&str]) -> Result<String, JsonError> {
        let mut writer = Writer { whole, out: String::new() };
        writer.object(self, skip, 1)?;
        Ok(writer.out)
    }
}

/// Where the members of an object stand in the text that holds it, so that the text is read once.
#[derive(Debug, Clone, Default)]
pub struct Layout(Vec<(String, [Range<usize>; 2])>);

/// A member where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'t> {
    /// What its key says. Half a surrogate pair in it shows as U+FFFD: no name that is looked for has either.
    pub(super) name: &'t str,
    /// Its key as it came, in quotes.
    pub(super) key: &'t str,
    /// Its value as it came.
    pub(super) value: &'t str,
}

impl Layout {
    /// Where these members stand in `text`, which they were split from.
    #[must_use]
    pub fn of(members: &Members<'_>, text: &str) -> Self {
        let range = |part: &str| start_in(text, part)..start_in(text, part) + part.len();
        let member =
            |member: &Member<'_>| (String::from_utf8_lossy(&member.name).into_owned(), [range(member.key), range(member.value)]);
        Self(members.0.iter().map(member).collect())
    }

    /// The members in the order they came.
    pub(super) fn members<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Placed<'t>> {
        self.0.iter().filter_map(|(name, [key, value])| {
            Some(Placed { name, key: text.get(key.clone())?, value: text.get(value.clone())? })
        })
    }
}

/// Where a part of a text begins in it.
fn start_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Writes the canonical form of parts of a text.
struct Writer<'a> {
    /// The text, for the places of faults.
    whole: &'a str,
    out: String,
}

impl Writer<'_> {
    fn object(&mut self, object: &Members<'_>, skip: &[&str], depth: usize) -> Result<(), JsonError> {
        let mut members: Vec<_> = object.0.iter().collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        self.out.push('{');
        for Member { name, value, .. } in members {
            if skip.iter().any(|skipped| *skipped.as_bytes() == **name) {
                Writer { whole: self.whole, out: String::new() }.value(value, depth + 1)?;
                continue;
            }
            write_said(name, &mut self.out);
            self.out.push(':');
            self.value(value, depth + 1)?;
            self.out.push(',');
        }
        self.out.push('}');
        Ok(())
    }

    fn value(&mut self, text: &str, depth: usize) -> Result<(), JsonError> {
        let syntax = |error: serde_json::Error| JsonError::Syntax(error.to_string());
        match text.bytes().next() {
            Some(b'{' | b'[') if depth > MAX_DEPTH => return Err(JsonError::TooDeep),
            Some(b'{') => self.object(&Members::parse(text)?, &[], depth)?,
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
                self.out.push('[');
                for item in items {
                    self.value(item.get(), depth + 1)?;
                    self.out.push(',');
                }
                self.out.push(']');
            }
            Some(b'"') => write_said(&said(text).map_err(syntax)?, &mut self.out),
            Some(b'-' | b'0'..=b'9') => write_number(text, &mut self.out).ok_or_else(|| {
                let place = place(self.whole.as_bytes(), start_in(self.whole, text));
                JsonError::Syntax(format!("the number at {place} has an exponent out of range"))
            })?,
            _ => self.out.push_str(text),
        }
        Ok(())
    }
}

/// Writes what a string says. What is no text has a form that no other value has.
fn write_said(said: &[u8], out: &mut String) {
    match std::str::from_utf8(said) {
        Ok(text) => write_string(text, out),
        Err(_) => out.push_str(&format!("'{}'", hex::encode(said))),
    }
}

/// Writes the JSON string literal of a text.
pub(super) fn write_string(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&quote(text));
        return;
    }
    // As most are: nothing to escape, and nothing to make room for.
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// The JSON string literal of a text.
#[must_use]
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a number by value: `21.50`, `21.5` and `2150e-2` are one, `-0` is `0`; digits are never lost. `None` for an
/// exponent of more than 64 bits.
fn write_number(text: &str, out: &mut String) -> Option<()> {
    let Number { negative, digits, exponent } = Number::read(text)?;
    if digits.is_empty() {
        out.push('0');
        return Some(());
    }
    out.push_str(&format!("{}{digits}e{}", if negative { "-" } else { "" }, exponent.ok()?));
    Some(())
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
