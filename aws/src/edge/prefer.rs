//! What a caller prefers (RFC 7240): one reader for every endpoint.

use std::time::Duration;

use http::HeaderMap;

/// The preferences that are known here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Preferences {
    /// `respond-async`: answer before the order is done.
    pub(super) respond_async: bool,
    /// `wait=N`: so long may an answer be held back.
    pub(super) wait: Option<Duration>,
}

impl Preferences {
    /// Of all `Prefer` lines of a request. Of a preference that is there more than once the first counts (section 2).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all("prefer").iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        let (mut respond_async, mut wait) = (None, None);
        for line in lines {
            for (name, value) in separated(&line, ',').filter_map(preference) {
                match name.to_ascii_lowercase().as_str() {
                    "respond-async" => drop(respond_async.get_or_insert(value.is_empty())),
                    "wait" => drop(wait.get_or_insert_with(|| seconds(&value))),
                    _ => {}
                }
            }
        }
        Self { respond_async: respond_async.unwrap_or_default(), wait: wait.flatten() }
    }
}

/// The name of a preference and its value; none is an empty one. Its parameters mean nothing here.
fn preference(text: &str) -> Option<(&str, String)> {
    let text = separated(text, ';').next()?;
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Some((name.trim(), unquoted(value.trim())))
}

/// A token as it is, a quoted string as it is meant (RFC 9110 section 5.6.4).
fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let mut escaped = false;
    let keep = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    inside.chars().filter(keep).collect()
}

/// Seconds as digits; more than can be counted is very long.
fn seconds(value: &str) -> Option<Duration> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

/// The parts of a header value between separators; one in a quoted string separates nothing.
pub(super) fn separated(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let plain = !escaped;
        escaped = quoted && plain && c == '\\';
        quoted ^= plain && c == '"';
        !quoted && c == separator
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> (bool, Option<u64>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", line.parse().unwrap());
        }
        let Preferences { respond_async, wait } = Preferences::of(&headers);
        (respond_async, wait.map(|wait| wait.as_secs()))
    }

    #[test]
    fn preferences_are_read_in_every_form_of_rfc_7240() {
        for (lines, expected) in [
            (&[][..], (false, None)),
            (&[""], (false, None)),
            (&["respond-async"], (true, None)),
            (&["respond-async; wait=5"], (true, None)),
            (&["respond-async;wait=5;x"], (true, None)),
            (&["respond-async, wait=5"], (true, Some(5))),
            (&["respond-async", "wait=5"], (true, Some(5))),
            (&["WAIT = \"7\" ; x=1,\tRespond-Async ; foo=\"a;b,c\""], (true, Some(7))),
            (&["return=minimal,,handling=lenient , respond-async"], (true, None)),
            (&["respond-async=\"\""], (true, None)),
            (&["respond-async = "], (true, None)),
            (&["foo=\"a, respond-async; \\\", wait=3\", wait=4"], (false, Some(4))),
            (&["foo; respond-async"], (false, None)),
            (&["foo=respond-async"], (false, None)),
            (&["respond-asynchronously"], (false, None)),
            (&["wait=\"\\1\\0\""], (false, Some(10))),
            (&["wait=0"], (false, Some(0))),
            (&["wait=99999999999999999999"], (false, Some(u64::MAX))),
            (&["wait=5, wait=9"], (false, Some(5))),
            (&["wait=soon", "wait=9"], (false, None)),
            (&["wait"], (false, None)),
            (&["wait=-1"], (false, None)),
            (&["wait=+1"], (false, None)),
            (&["wait=1.5"], (false, None)),
            (&["foo=\"open, respond-async"], (false, None)),
        ] {
            assert_eq!(of(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_byte_that_is_no_text_hides_no_other_preference() {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", http::HeaderValue::from_bytes(b"foo=\"\xe9\", wait=5").unwrap());
        assert_eq!(Preferences::of(&headers).wait, Some(Duration::from_secs(5)));
    }
}
