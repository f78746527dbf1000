//! A JSON number by its digits: exact, whatever its spelling and size.

/// Plus or minus `digits` x 10^`exponent`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    /// No zero at either end; empty for zero.
    pub(super) digits: String,
    /// How it is out of 64 bits where it is: whether the number is beyond measure, and not next to nothing.
    pub(super) exponent: Result<i64, bool>,
}

impl Number {
    /// Reads the text of a JSON number; `None` for any other value.
    pub(super) fn read(text: &str) -> Option<Self> {
        if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return None;
        }
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0').trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: Ok(0) });
        }
        let trailing = all.len() - all.trim_end_matches('0').len();
        let shift = i64::try_from(trailing).unwrap_or(0) - i64::try_from(fraction.len()).unwrap_or(0);
        let shifted = exponent.parse::<i64>().ok().and_then(|exponent| exponent.checked_add(shift));
        Some(Self { negative, digits, exponent: shifted.ok_or(!exponent.starts_with('-')) })
    }

    /// The number without its fraction; the largest of 64 bits where it is larger.
    pub(super) fn whole(&self) -> i64 {
        let magnitude = match self.exponent {
            Err(true) => i64::MAX,
            Err(false) => 0,
            Ok(exponent) => {
                // Digits before the point.
                let length = i64::try_from(self.digits.len()).unwrap_or(i64::MAX).saturating_add(exponent);
                match usize::try_from(length) {
                    Err(_) | Ok(0) => 0,
                    Ok(length @ 1..=19) => {
                        let padded = format!("{:0<length$}", self.digits);
                        padded.get(..length).and_then(|whole| whole.parse().ok()).unwrap_or(i64::MAX)
                    }
                    Ok(_) => i64::MAX,
                }
            }
        };
        if self.negative { -magnitude } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_in_any_spelling_and_saturates() {
        for (text, whole) in [
            ("1742049045", 1_742_049_045),
            ("1742049045.999999999999999999999", 1_742_049_045),
            ("1.7420490459e9", 1_742_049_045),
            ("17420490450000E-4", 1_742_049_045),
            ("1e16", 10_000_000_000_000_000),
            ("9223372036854775807", i64::MAX),
            ("9223372036854775808", i64::MAX),
            ("1e400", i64::MAX),
            ("1e99999999999999999999", i64::MAX),
            ("-1e99999999999999999999", -i64::MAX),
            ("1e-99999999999999999999", 0),
            ("0e99999999999999999999", 0),
            ("0.999", 0),
            ("-1.5", -1),
            ("-0", 0),
            ("1.5e-7", 0),
        ] {
            assert_eq!(Number::read(text).map(|number| number.whole()), Some(whole), "{text}");
        }
        for text in ["\"1\"", "null", "true", "[1]", ""] {
            assert_eq!(Number::read(text), None, "{text}");
        }
    }
}
