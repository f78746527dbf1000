use proptest::prelude::*;

use super::*;

/// A product's price, how many of it, and of each of its two modifiers the price and how many.
type Line = (i64, i64, [(i64, i64); 2]);

fn line() -> impl Strategy<Value = Line> {
    let modifier = || (-500..5_000_i64, 0..4_i64);
    (500 * 8..1_000_000_i64, 1..50_i64, [modifier(), modifier()])
}

fn decimal(cents: i64) -> String {
    Cents(cents).to_json_number()
}

proptest! {
    #[test]
    fn every_order_adds_up_to_the_cent_and_one_cent_more_or_less_does_not(
        lines in proptest::collection::vec(line(), 1..8),
        extras in (0..2_000_i64, 0..2_000_i64, 0..2_000_i64, 0..1_000_i64),
        off in prop_oneof![Just(-1_i64), Just(0), Just(1)],
    ) {
        let (mut products, mut groups, mut items, mut subtotal) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (n, (price, quantity, modifiers)) in lines.iter().enumerate() {
            let offered: Vec<_> = modifiers.iter().enumerate()
                .map(|(m, (price, _))| format!(r#"{{"id":"m{m}","name":"M","price":{}}}"#, decimal(*price))).collect();
            groups.push(format!(r#"{{"id":"g{n}","name":"G","max":99,"modifiers":[{}]}}"#, offered.join(",")));
            products.push(format!(r#"{{"id":"p{n}","name":"P","price":{},"modifier_groups":["g{n}"]}}"#, decimal(*price)));
            let chosen: Vec<_> = modifiers.iter().enumerate().filter(|(_, (_, count))| *count > 0)
                .map(|(m, (_, count))| format!(r#"{{"id":"m{m}","quantity":{count}}}"#)).collect();
            items.push(format!(r#"{{"id":"p{n}","quantity":{quantity},"price":{},"modifiers":[{}]}}"#, decimal(*price), chosen.join(",")));
            subtotal += quantity * (price + modifiers.iter().map(|(price, count)| price * count).sum::<i64>());
        }
        let (discount, tax, fee, tip) = extras;
        let grand_total = subtotal - discount + tax + fee + tip;
        let menu = format!(r#"{{"currency":"USD","products":[{}],"modifier_groups":[{}]}}"#, products.join(","), groups.join(","));
        let menu = Menu::parse(menu.as_bytes()).unwrap();
        let details = format!(
            r#"{{"items":[{}],"discounts":[{{"amount":{}}}],"taxes":[{{"amount":{}}}],"fees":[{{"amount":{}}}],"tip":{},"grand_total":{}}}"#,
            items.join(","), decimal(discount), decimal(tax), decimal(fee), decimal(tip), decimal(grand_total + off),
        );
        let offer = Offer { menu: &menu, sold_out: &HashSet::new() };
        let result = check(&location(true), Some(offer), &order(&details), rules(PricePolicy::Reject));
        if off == 0 {
            prop_assert_eq!(result, Ok(Some(totals(subtotal, grand_total))));
        } else {
            let errors = result.unwrap_err();
            prop_assert_eq!((errors.len(), errors[0].code), (1, ErrorCode::PriceMismatch));
        }
    }
}
