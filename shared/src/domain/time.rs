//! Points in time. The domain reads no clock: every function that needs the time takes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This time plus `span`, saturating at the end of the range.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This time minus `span`, saturating at the start of the range.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// The span from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds since the epoch, rounded down (the unit of a DynamoDB TTL attribute).
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time as RFC 3339 writes it, for people.
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| format!("{} ms", self.0), |time| time.to_string())
    }
}

/// Whole milliseconds of a span, saturating.
#[must_use]
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Unix seconds of an RFC 3339 date-time with an offset, sub-seconds dropped (floor: docs/contract.md#signature).
///
/// `None` when the text is no such date-time: a reader that is stricter than ours would sign 0 for it.
#[must_use]
pub fn unix_seconds(text: &str) -> Option<i64> {
    if !is_rfc_3339(text.as_bytes()) {
        return None;
    }
    let instant: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(instant.as_nanosecond().div_euclid(1_000_000_000)).ok()
}

/// `YYYY-MM-DDTHH:MM:SS[.f]` and `Z` or `+HH:MM`; jiff, which checks the values, also takes other shapes of ISO 8601.
fn is_rfc_3339(text: &[u8]) -> bool {
    let fits = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len() && text.iter().zip(shape).all(|(c, s)| if *s == b'0' { c.is_ascii_digit() } else { c == s })
    };
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let offset = match rest.split_first() {
        Some((b'.', rest)) => {
            let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            rest.get(digits..).unwrap_or_default()
        }
        _ => rest,
    };
    let seconds = date_time.get(17..).unwrap_or_default();
    let offset_fits = offset == b"Z" || ((fits(offset, b"+00:00") || fits(offset, b"-00:00")) && offset.get(1..3) < Some(b"24"));
    fits(date_time, b"0000-00-00T00:00:00") && seconds < b"60".as_slice() && offset_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_with_any_offset_become_the_same_second() {
        for text in ["2025-03-15T14:30:45.123Z", "2025-03-15T09:30:45.123-05:00", "2025-03-15T14:30:45.999Z"] {
            assert_eq!(unix_seconds(text), Some(1_742_049_045), "{text}");
        }
    }

    #[test]
    fn seconds_before_1970_round_down() {
        assert_eq!(unix_seconds("1969-12-31T23:59:59.500Z"), Some(-1));
    }

    #[test]
    fn texts_without_date_time_or_offset_are_refused() {
        for text in [
            "",
            "not-a-date",
            "2025-03-15",
            "2025-03-15T14:30:45",
            "1742049045",
            "2025-13-01T00:00:00Z",
            "20250315T143045Z",
            "2025-03-15T14Z",
            "2025-03-15 14:30:45Z",
            "2025-03-15T14:30:60Z",
            "2025-03-15T24:00:00Z",
            "2025-03-15T14:30:45.Z",
            "2025-03-15T14:30:45+24:00",
            "2025-03-15T14:30:45+05:30:15",
            "2025-03-15T14:30:45Z[UTC]",
            "2025-03-15T14:30:45.123Z ",
            "+2025-03-15T14:30:45Z",
        ] {
            assert_eq!(unix_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn spans_saturate() {
        assert_eq!(UnixMillis(5).since(UnixMillis(9)), Duration::ZERO);
        assert_eq!(UnixMillis(i64::MAX).plus(Duration::from_secs(1)), UnixMillis(i64::MAX));
    }
}
