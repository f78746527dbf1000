//! Points in time. The domain reads no clock: every function that needs the time takes it.

use std::time::Duration;

use jiff::{
    civil::{DateTime, Time},
    tz::Offset,
};
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

/// Unix seconds of a date-time of RFC 3339, sub-seconds dropped (floor: docs/contract.md#signature). `T` and `Z` may be
/// lower case, and a blank may stand for `T`, as its section 5.6 allows. A leap second counts as POSIX counts it: as
/// the second after it.
///
/// `None` when the text is no such date-time: a reader that is stricter than ours would sign 0 for it.
#[must_use]
pub fn unix_seconds(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            Some(fraction.trim_start_matches(|c: char| c.is_ascii_digit())).filter(|rest| rest.len() < fraction.len())?
        }
        None => rest,
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, "0000-00-00")?, numbers(time, "00:00:00")?);
    let leap = second == 60;
    let small = |number: i16| i8::try_from(number).ok();
    let second = if leap { 59 } else { small(second)? };
    let local = DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, second, 0).ok()?;
    let instant = offset(rest)?.to_timestamp(local).ok()?;
    let seconds = instant.as_second() + i64::from(leap);
    (!leap || may_follow_a_leap_second(seconds)).then_some(seconds)
}

/// What stands for `Z`, or between two times.
fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(Offset::UTC),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [hours, minutes] = numbers(rest, "00:00")?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()
}

/// The numbers of a text of this shape, in which `0` stands for any digit.
fn numbers<const N: usize>(text: &str, shape: &str) -> Option<[i16; N]> {
    let fits = |(c, s): (u8, u8)| if s == b'0' { c.is_ascii_digit() } else { c == s };
    if text.len() != shape.len() || !text.bytes().zip(shape.bytes()).all(fits) {
        return None;
    }
    let numbers: Option<Vec<i16>> = text.split(['-', ':']).map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// They have been at the end of June or December, and of no other month (RFC 3339 section 5.7).
fn may_follow_a_leap_second(seconds: i64) -> bool {
    jiff::Timestamp::from_second(seconds).is_ok_and(|instant| {
        let utc = Offset::UTC.to_datetime(instant);
        utc.time() == Time::midnight() && utc.day() == 1 && matches!(utc.month(), 1 | 7)
    })
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
    fn every_form_that_rfc_3339_allows_is_read() {
        for text in [
            "2025-03-15t14:30:45z",
            "2025-03-15 14:30:45Z",
            "2025-03-15 14:30:45.5+00:00",
            "2025-03-15T14:30:45-00:00",
            "2025-03-15T14:30:45.0Z",
            "2025-03-15T14:30:45.1234567891Z",
            "2025-03-15T14:30:45.99999999999999999999999999999999999999z",
            "2025-03-16T14:29:45+23:59",
            "2025-03-14t14:31:45-23:59",
        ] {
            assert_eq!(unix_seconds(text), Some(1_742_049_045), "{text}");
        }
        assert_eq!(unix_seconds("0000-01-01T00:00:00Z"), Some(-62_167_219_200));
    }

    #[test]
    fn a_leap_second_is_the_second_after_it_and_stands_where_one_can_be() {
        for text in ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2016-12-31 15:59:60-08:00", "2017-01-01t05:29:60+05:30"] {
            assert_eq!(unix_seconds(text), Some(1_483_228_800), "{text}");
        }
        assert_eq!(unix_seconds("2015-06-30T23:59:60Z"), unix_seconds("2015-07-01T00:00:00Z"));
        for text in ["2025-03-31T23:59:60Z", "2016-12-31T23:59:60+01:00", "2016-12-30T23:59:60Z", "2016-12-31T23:58:60Z"] {
            assert_eq!(unix_seconds(text), None, "{text}");
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
            "2025-03-15  14:30:45Z",
            "2025-03-15_14:30:45Z",
            "2025-03-15\t14:30:45Z",
            "2025-03-15T14:30:60Z",
            "2016-12-31T23:59:61Z",
            "2025-02-29T14:30:45Z",
            "2025-04-31T14:30:45Z",
            "2025-03-15T14:60:45Z",
            "2025-03-15T14:30:45,5Z",
            "2025-03-15T14:30:45+0000",
            "2025-03-15T14:30:45+05:60",
            "2025-03-15T14:30:45 Z",
            "2025-03-15T14:30:45\u{661}Z",
            "2025-03-1\u{661}T14:30:45Z",
            "-025-03-15T14:30:45Z",
            "2025-03-15T14:30+05:00",
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
