//! Money: an exact decimal at the edge, integer cents inside. No binary float anywhere (docs/decisions/0003).

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};

/// An amount in hundredths of the location's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

/// Why a JSON number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not a JSON number.
    #[error("must be a number, for example 23.45")]
    NotANumber,
    /// More digits than an exact decimal holds, or cents outside 64 bits.
    #[error("has more digits than an amount of money can have")]
    OutOfRange,
}

/// Whether a JSON number is below zero, by however little; `-0` is not.
#[must_use]
pub fn is_negative(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    number.starts_with('-') && mantissa.contains(|c: char| matches!(c, '1'..='9'))
}

/// Reads the text of a JSON number, in either notation; `None` where an exact decimal does not hold it.
#[must_use]
pub fn exact_decimal(text: &str) -> Option<Decimal> {
    match text.split_once(['e', 'E']) {
        None => Decimal::from_str_exact(text).ok(),
        // `from_scientific` alone would round a mantissa of too many digits.
        Some((mantissa, _)) => Decimal::from_str_exact(mantissa).and_then(|_| Decimal::from_scientific(text)).ok(),
    }
}

/// Reads the text of a JSON number as cents, with the parts of a cent that it has.
///
/// # Errors
/// [`AmountError`] when the text is no number, or its whole cents are out of range.
pub fn exact_cents(text: &str) -> Result<Decimal, AmountError> {
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    let cents = exact_decimal(text).and_then(|amount| amount.checked_mul(Decimal::ONE_HUNDRED));
    cents.filter(|cents| Cents::rounded(*cents).is_some()).ok_or(AmountError::OutOfRange)
}

impl Cents {
    /// Whole cents, half a cent away from zero (docs/contract.md#c2); `None` where 64 bits do not hold them.
    #[must_use]
    pub fn rounded(cents: Decimal) -> Option<Self> {
        cents.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_i64().map(Self)
    }

    /// Reads the text of a JSON number: x 100, half a cent away from zero (docs/contract.md#c2).
    ///
    /// # Errors
    /// [`AmountError`] when the text is no number or is out of range; nothing is ever rounded to fit.
    pub fn from_json_number(text: &str) -> Result<Self, AmountError> {
        Self::rounded(exact_cents(text)?).ok_or(AmountError::OutOfRange)
    }

    /// Reads a JSON number that is a whole number of cents; `None` for anything else.
    #[must_use]
    pub fn exactly(text: &str) -> Option<Self> {
        let cents = Self::from_json_number(text).ok()?;
        let decimal = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
        (decimal == Decimal::new(cents.0, 2)).then_some(cents)
    }

    /// The amount as a JSON number with two places.
    #[must_use]
    pub fn to_json_number(self) -> String {
        let (sign, cents) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        format!("{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cents(text: &str) -> Result<i64, AmountError> {
        Cents::from_json_number(text).map(|cents| cents.0)
    }

    proptest! {
        #[test]
        fn any_spelling_of_an_amount_gives_the_same_cents(amount in 0..=10_000_000_i64, zeros in 0..6_usize) {
            let (units, rest) = (amount / 100, amount % 100);
            let padded = format!("{units}.{rest:02}{}", "0".repeat(zeros));
            prop_assert_eq!(cents(&padded), Ok(amount));
            prop_assert_eq!(cents(&format!("{amount}e-2")), Ok(amount));
            prop_assert_eq!(cents(&format!("-{padded}")), Ok(-amount));
            if rest % 10 == 0 {
                prop_assert_eq!(cents(&format!("{units}.{}", rest / 10)), Ok(amount));
            }
        }
    }

    #[test]
    fn whole_cents_are_read_exactly_and_written_with_two_places() {
        for (text, expected) in
            [("9.25", Some(925)), ("9.250", Some(925)), ("925e-2", Some(925)), ("9.255", None), ("\"9.25\"", None)]
        {
            assert_eq!(Cents::exactly(text).map(|cents| cents.0), expected, "{text}");
        }
        for (amount, text) in [(925, "9.25"), (-5, "-0.05"), (0, "0.00"), (i64::MIN, "-92233720368547758.08")] {
            assert_eq!(Cents(amount).to_json_number(), text);
        }
    }

    #[test]
    fn half_a_cent_goes_away_from_zero() {
        assert_eq!(cents("0.005"), Ok(1));
        assert_eq!(cents("0.0049999"), Ok(0));
        assert_eq!(cents("-0.005"), Ok(-1));
        assert_eq!(cents("2.675"), Ok(268));
    }

    #[test]
    fn more_digits_than_a_decimal_holds_are_refused_and_not_rounded_in_either_notation() {
        let nines = format!("0.004{}", "9".repeat(30));
        assert_eq!(cents(&nines), Err(AmountError::OutOfRange));
        assert_eq!(cents(&format!("{nines}e0")), Err(AmountError::OutOfRange));
    }

    #[test]
    fn less_than_nothing_is_negative_even_where_it_rounds_to_nothing() {
        for (number, expected) in
            [("-0.004", true), ("-1e-9", true), ("-23.45", true), ("-0", false), ("-0.00e5", false), ("0.004", false)]
        {
            assert_eq!(is_negative(number), expected, "{number}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        assert_eq!(cents("\"1.00\""), Err(AmountError::NotANumber));
        assert_eq!(cents("null"), Err(AmountError::NotANumber));
        assert_eq!(cents("1e400"), Err(AmountError::OutOfRange));
        assert_eq!(cents("92233720368547758.08"), Err(AmountError::OutOfRange));
        assert_eq!(cents("92233720368547758.07"), Ok(i64::MAX));
    }
}
