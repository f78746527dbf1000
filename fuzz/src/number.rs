//! A JSON number by its digits: exact, and without arithmetic that could round.

/// plus or minus `digits` x 10^`exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Below zero.
    pub negative: bool,
    /// No zero at either end; empty for zero.
    pub digits: String,
    /// `None` when it is out of the range of 64 bits.
    pub exponent: Option<i64>,
}

impl Number {
    /// Reads a text that is a JSON number by its grammar.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0').trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: Some(0) };
        }
        let zeros = all.len() - all.trim_end_matches('0').len();
        let shift = i128::try_from(zeros).unwrap() - i128::try_from(fraction.len()).unwrap();
        let exponent = exponent.parse::<i64>().ok().and_then(|exponent| i64::try_from(i128::from(exponent) + shift).ok());
        Self { negative, digits, exponent }
    }

    /// Its value x 100, half away from zero; `None` when that has more than 30 digits.
    #[must_use]
    pub fn cents(&self) -> Option<i128> {
        let (cents, rest) = self.split(2)?;
        let up = i128::from(rest.starts_with(|c: char| c >= '5'));
        Some(if self.negative { -(cents + up) } else { cents + up })
    }

    /// Its value without the fraction; `None` when that has more than 30 digits.
    #[must_use]
    pub fn whole(&self) -> Option<i128> {
        let (whole, _) = self.split(0)?;
        Some(if self.negative { -whole } else { whole })
    }

    /// Its value x 10^`by`: what stands before the point and the digits behind it.
    fn split(&self, by: i64) -> Option<(i128, String)> {
        let point = self.exponent?.checked_add(by)?;
        let length = i64::try_from(self.digits.len()).ok()?;
        if length.checked_add(point)? > 30 {
            return None;
        }
        if point >= 0 {
            let zeros = usize::try_from(point).ok()?;
            return Some((format!("0{}{}", self.digits, "0".repeat(zeros)).parse().ok()?, String::new()));
        }
        let places = usize::try_from(point.unsigned_abs()).ok()?;
        // Far behind the point there are only zeros in front of the digits.
        let gap = if places > self.digits.len() { "0" } else { "" };
        let (whole, rest) = self.digits.split_at(self.digits.len() - places.min(self.digits.len()));
        Some((format!("0{whole}").parse().ok()?, format!("{gap}{rest}")))
    }

    /// The same value in another spelling.
    #[must_use]
    pub fn respelled(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        match self.exponent {
            _ if self.digits.is_empty() => "-0.00E+7".to_owned(),
            Some(exponent) if (-12..0).contains(&exponent) => {
                let places = usize::try_from(-exponent).unwrap();
                let padded = format!("{:0>1$}", self.digits, places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                format!("{sign}{whole}.{fraction}0")
            }
            Some(exponent) => match exponent.checked_sub(1) {
                Some(less) => format!("{sign}{}0.0e{less}", self.digits),
                None => format!("{sign}{}E{exponent}", self.digits),
            },
            None => unreachable!("a number out of range is not written again"),
        }
    }
}
