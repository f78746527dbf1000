//! JSON read strictly and without touching it: values stay the text they came as, so an echo is exact to the digit
//! (docs/decisions/0003), and the canonical form tells whether two requests say the same thing.

use std::{collections::HashSet, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

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

/// The members of one JSON object in the order they came, values as untouched text.
#[derive(Debug, Default)]
pub struct Members<'a>(pub Vec<(String, &'a RawValue)>);

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
                while let Some(member) = map.next_entry()? {
                    members.push(member);
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
        if self.0.len() <= FEW {
            return self.0.iter().enumerate().any(|(at, (key, _))| self.0.iter().take(at).any(|(earlier, _)| earlier == key));
        }
        let mut seen = HashSet::with_capacity(self.0.len());
        !self.0.iter().all(|(key, _)| seen.insert(key.as_str()))
    }

    /// The text of the member `key`; `None` when it is absent or `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.get()).filter(|text| *text != "null")
    }

    /// Whether the member `key` is there, and is `null`.
    #[must_use]
    pub fn says_null(&self, key: &str) -> bool {
        self.0.iter().any(|(name, value)| name == key && value.get() == "null")
    }

    /// Writes the canonical form of the object without the members named in `skip`, and in doing so checks every value
    /// inside: sorted keys, numbers by value, strings unescaped, no white space.
    ///
    /// # Errors
    /// [`JsonError`] for what is wrong at any depth.
    pub fn canonical(&self, skip: &[&str]) -> Result<String, JsonError> {
        let mut out = String::new();
        write_object(self, skip, 1, &mut out)?;
        Ok(out)
    }
}

/// Where the members of an object stand in the text that holds it, so that the text is read once.
#[derive(Debug, Clone, Default)]
pub struct Layout(Vec<(String, Range<usize>)>);

impl Layout {
    /// Where these members stand in `text`, which they were split from.
    #[must_use]
    pub fn of(members: &Members<'_>, text: &str) -> Self {
        let start_of = |value: &str| (value.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let range = |value: &str| start_of(value)..start_of(value) + value.len();
        Self(members.0.iter().map(|(name, value)| (name.clone(), range(value.get()))).collect())
    }

    /// The members in the order they came.
    pub fn members<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.0.iter().filter_map(|(name, range)| Some((name.as_str(), text.get(range.clone())?)))
    }
}

fn write_object(object: &Members<'_>, skip: &[&str], depth: usize, out: &mut String) -> Result<(), JsonError> {
    let mut members: Vec<_> = object.0.iter().collect();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    out.push('{');
    for (key, value) in members {
        if skip.contains(&key.as_str()) {
            write_value(value.get(), depth + 1, &mut String::new())?;
            continue;
        }
        write_string(key, out);
        out.push(':');
        write_value(value.get(), depth + 1, out)?;
        out.push(',');
    }
    out.push('}');
    Ok(())
}

fn write_value(text: &str, depth: usize, out: &mut String) -> Result<(), JsonError> {
    let syntax = |error: serde_json::Error| JsonError::Syntax(error.to_string());
    match text.bytes().next() {
        Some(b'{' | b'[') if depth > MAX_DEPTH => return Err(JsonError::TooDeep),
        Some(b'{') => write_object(&Members::parse(text)?, &[], depth, out)?,
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
            out.push('[');
            for item in items {
                write_value(item.get(), depth + 1, out)?;
                out.push(',');
            }
            out.push(']');
        }
        Some(b'"') => write_string(&serde_json::from_str::<String>(text).map_err(syntax)?, out),
        Some(b'-' | b'0'..=b'9') => write_number(text, out)?,
        _ => out.push_str(text),
    }
    Ok(())
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

/// Writes a number by value: `21.50`, `21.5` and `2150e-2` are one, `-0` is `0`; digits are never lost.
fn write_number(text: &str, out: &mut String) -> Result<(), JsonError> {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        out.push('0');
        return Ok(());
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let shift = i64::try_from(trailing).unwrap_or(0) - i64::try_from(fraction.len()).unwrap_or(0);
    let exponent = exponent
        .parse::<i64>()
        .ok()
        .and_then(|exponent| exponent.checked_add(shift))
        .ok_or_else(|| JsonError::Syntax("the exponent of a number is out of range".into()))?;
    out.push_str(&format!("{sign}{significant}e{exponent}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, JsonError> {
        Members::parse(text)?.canonical(&[])
    }

    #[test]
    fn the_same_content_in_another_spelling_is_equal() {
        let one = canonical(r#"{"a": 21.50, "b": ["\u00e9", 100, -0, 1e2], "c": {"y": null, "x": true}}"#);
        let two = canonical(r#"{"c":{"x":true,"y":null},"b":["é",1E+2,0.0,1e2],"a":2150e-2}"#);
        assert!(one.is_ok());
        assert_eq!(one, two);
    }

    #[test]
    fn a_number_is_its_value_whatever_its_spelling() {
        for spellings in [
            &["2100", "21e2", "2.1E+3", "2100.00", "0.21e4", "210000e-2"][..],
            &["-0.0305", "-305e-4", "-3.05e-2", "-0.03050", "-30500E-6"],
            &["0", "-0", "0.000", "0e99999999999999999999"],
        ] {
            let forms: HashSet<_> = spellings.iter().map(|text| canonical(&format!("{{\"a\":{text}}}")).unwrap()).collect();
            assert_eq!(forms.len(), 1, "{forms:?}");
        }
    }

    #[test]
    fn other_content_is_different() {
        let texts = [
            r#"{"a":1}"#,
            r#"{"a":10}"#,
            r#"{"a":0.1}"#,
            r#"{"a":-1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":null}"#,
            "{}",
            r#"{"a":12345678901234567890}"#,
            r#"{"a":12345678901234567891}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":12}"#,
        ];
        let forms: HashSet<_> = texts.iter().map(|text| canonical(text).unwrap()).collect();
        assert_eq!(forms.len(), texts.len());
    }

    #[test]
    fn a_repeated_key_is_refused_at_any_depth_and_in_any_spelling() {
        assert_eq!(canonical(r#"{"a":1,"\u0061":2}"#), Err(JsonError::RepeatedKey));
        assert_eq!(canonical(r#"{"a":[{"b":1,"b":1}]}"#), Err(JsonError::RepeatedKey));
    }

    #[test]
    fn a_repeated_key_inside_a_skipped_member_is_refused_too() {
        let text = r#"{"status":{"b":1,"b":1}}"#;
        let result = Members::parse(text).unwrap().canonical(&["status"]);
        assert_eq!(result, Err(JsonError::RepeatedKey));
    }

    #[test]
    fn deep_nesting_is_refused_without_recursing_into_it() {
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(canonical(&deep(MAX_DEPTH - 1)).is_ok());
        assert_eq!(canonical(&deep(MAX_DEPTH)), Err(JsonError::TooDeep));
        assert_eq!(canonical(&deep(100_000)), Err(JsonError::TooDeep));
        let skipping = |text: &str| Members::parse(text)?.canonical(&["a"]);
        assert!(skipping(&deep(MAX_DEPTH - 1)).is_ok());
        assert_eq!(skipping(&deep(MAX_DEPTH)), Err(JsonError::TooDeep));
    }

    #[test]
    fn what_is_not_json_or_not_an_object_is_told_apart() {
        for text in
            ["", "{", "{\"a\":}", "{\"a\":01}", "{\"a\":1}x", "nonsense", "{\"a\":\"\\ud800\"}", "{\"a\":1e99999999999999999999}"]
        {
            assert!(matches!(canonical(text), Err(JsonError::Syntax(_))), "{text}");
        }
        for text in ["[]", "1", "null", "\"{}\""] {
            assert_eq!(canonical(text), Err(JsonError::NotAnObject), "{text}");
        }
    }
}
