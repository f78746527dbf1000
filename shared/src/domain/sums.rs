//! What an order comes to, and every total that is right for it. Where an amount has parts of a cent, honest callers
//! round it in different places, and nobody knows where PAR does (docs/menu.md#what-an-order-comes-to).

use rust_decimal::{Decimal, RoundingStrategy};

use super::{details::Details, money::Cents, order::Totals};

/// How half a cent is rounded: ours first, then what the decimals of many languages do by default.
const ROUNDINGS: [RoundingStrategy; 2] = [RoundingStrategy::MidpointAwayFromZero, RoundingStrategy::MidpointNearestEven];

/// Every total that is right, ours first. One below zero is none; where all of them are, the list is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) subtotals: Vec<Cents>,
    pub(super) grand_totals: Vec<Cents>,
}

impl Sums {
    /// Of what the lines come to, in cents with their parts. `None` for amounts beyond measure.
    ///
    /// Discounts reduce, whichever sign they are sent with; taxes, fees and the tip stand as the order says.
    pub(super) fn of(lines: &[Decimal], details: &Details) -> Option<Self> {
        let amount = |amount: Option<Decimal>| amount.unwrap_or_default();
        let reduced = details.discounts.iter().map(|discount| -amount(discount.amount).abs());
        let added = details.taxes.iter().chain(&details.fees).map(|charge| amount(charge.amount));
        let charges: Vec<Decimal> = reduced.chain(added).chain(details.tip).collect();
        let (lines_exact, charges_exact) = (sum(lines.iter().copied())?, sum(charges.iter().copied())?);
        let mut sums = Self { subtotals: Vec::new(), grand_totals: Vec::new() };
        for rounding in ROUNDINGS {
            let round = |amount: Decimal| amount.round_dp_with_strategy(0, rounding);
            let charges_rounded = sum(charges.iter().copied().map(round))?;
            for subtotal in [sum(lines.iter().copied().map(round))?, round(lines_exact)] {
                add(&mut sums.subtotals, subtotal)?;
                add(&mut sums.grand_totals, subtotal.checked_add(charges_rounded)?)?;
                add(&mut sums.grand_totals, round(subtotal.checked_add(charges_exact)?))?;
            }
            add(&mut sums.grand_totals, round(lines_exact.checked_add(charges_exact)?))?;
        }
        [&mut sums.subtotals, &mut sums.grand_totals].into_iter().for_each(|totals| totals.retain(|total| *total >= Cents(0)));
        Some(sums)
    }

    /// Ours.
    pub(super) fn totals(&self) -> Totals {
        Totals { subtotal: self.subtotals.first().copied(), grand_total: self.grand_totals.first().copied() }
    }
}

fn sum(mut amounts: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    amounts.try_fold(Decimal::ZERO, Decimal::checked_add)
}

fn add(totals: &mut Vec<Cents>, total: Decimal) -> Option<()> {
    let total = Cents(i64::try_from(total).ok()?);
    if !totals.contains(&total) {
        totals.push(total);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(lines: &[&str], details: &str) -> Option<(Vec<i64>, Vec<i64>)> {
        let lines: Vec<Decimal> = lines.iter().map(|line| line.parse().unwrap()).collect();
        let plain = |totals: &[Cents]| totals.iter().map(|total| total.0).collect();
        Sums::of(&lines, &Details::read(details)).map(|sums| (plain(&sums.subtotals), plain(&sums.grand_totals)))
    }

    #[test]
    fn whole_cents_come_to_one_total() {
        let details = r#"{"discounts":[{"amount":-1}],"taxes":[{"amount":0.25}],"fees":[{"amount":0.5}],"tip":2}"#;
        assert_eq!(sums(&["2775", "300"], details), Some((vec![3075], vec![3250])));
    }

    #[test]
    fn charges_are_rounded_each_or_at_the_end_half_a_cent_up_or_to_even() {
        let taxes = r#"{"taxes":[{"amount":1.734375},{"amount":0.485625},{"amount":0.346875},{"amount":0.2775}]}"#;
        assert_eq!(sums(&["2775"], taxes), Some((vec![2775], vec![3060, 3059])));
        let fees = r#"{"fees":[{"amount":0.005},{"amount":0.005}]}"#;
        assert_eq!(sums(&["100"], fees), Some((vec![100], vec![102, 101, 100])));
        let discounts = r#"{"discounts":[{"amount":0.333},{"amount":-0.333},{"amount":0.333}]}"#;
        assert_eq!(sums(&["500"], discounts), Some((vec![500], vec![401, 400])));
        assert_eq!(sums(&["500"], r#"{"tip":0.335}"#), Some((vec![500], vec![534])), "33.5 is 34 either way");
        assert_eq!(sums(&["500"], r#"{"tip":0.345}"#), Some((vec![500], vec![535, 534])));
    }

    #[test]
    fn lines_are_rounded_each_or_at_the_end() {
        assert_eq!(sums(&["100.4", "100.4"], "{}"), Some((vec![200, 201], vec![200, 201])));
        // As 200 + 0.4, as 201 + 0.4 and as 200.8 + 0.4.
        assert_eq!(sums(&["100.4", "100.4"], r#"{"tip":0.004}"#), Some((vec![200, 201], vec![200, 201])));
        assert_eq!(sums(&["100.4", "100.3"], r#"{"tip":0.009}"#), Some((vec![200, 201], vec![201, 202])));
    }

    #[test]
    fn a_total_below_nothing_is_none_unless_another_rounding_saves_it() {
        let discounts = r#"{"discounts":[{"amount":0.335},{"amount":0.665}]}"#;
        assert_eq!(sums(&["100"], discounts), Some((vec![100], vec![0])), "34 + 67 would be 101");
        assert_eq!(sums(&["-1"], "{}"), Some((vec![], vec![])));
        assert_eq!(sums(&["79228162514264337593543950335", "1"], "{}"), None);
        assert_eq!(sums(&["9223372036854775808"], "{}"), None, "more than cents hold");
    }
}
