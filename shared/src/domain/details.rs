//! What an order is of: the tolerant core (docs/contract.md#u25). PAR's schema is not public, so a member that is
//! absent, null or of another kind than we guess reads as absent and refuses nothing by itself; which ones were of
//! another kind is kept, since nothing can be added up with them. It is read on demand, from the stored text.

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::{
    canonical::{MAX_DEPTH, Members},
    json_text::shown,
    money::{Cents, exact_cents, exact_decimal},
};

/// `order_details` beside its signed values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// What is ordered.
    pub items: Vec<Item>,
    /// Taken off.
    pub discounts: Vec<Charge>,
    /// Put on.
    pub taxes: Vec<Charge>,
    /// Put on as well: delivery, service.
    pub fees: Vec<Charge>,
    /// For the staff, in cents with their parts, as it was sent.
    pub tip: Option<Decimal>,
    /// How it was paid.
    pub payments: Vec<Charge>,
    /// Whether a customer is named. Who it is stays in the text.
    pub has_customer: bool,
    /// Whether it is to be delivered.
    pub has_delivery: bool,
    /// Members that are there and not of the kind read here; those of items are with them.
    pub odd: Vec<String>,
}

/// A line of an order, or a modifier of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The id in the menu.
    pub id: Option<String>,
    /// For people.
    pub name: Option<String>,
    /// How many; may have decimals where things are weighed.
    pub quantity: Option<Decimal>,
    /// Of one.
    pub price: Option<Cents>,
    /// Changes to it, themselves items.
    pub modifiers: Vec<Item>,
    /// For the kitchen.
    pub notes: Option<String>,
    /// Members that are there and not of the kind read here; the empty name is the item itself.
    pub odd: Vec<&'static str>,
}

/// A named amount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charge {
    /// For people.
    pub name: Option<String>,
    /// How much, in cents with their parts, as it was sent.
    pub amount: Option<Decimal>,
}

impl Details {
    /// Reads the text of an `order_details` object.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let members = Members::parse(text).unwrap_or_default();
        let mut odd = Vec::new();
        let items = match list(&members, "items") {
            Ok(items) => items.into_iter().map(|text| item(text, 0)).collect(),
            Err(NoList) => {
                odd.push("items".to_owned());
                Vec::new()
            }
        };
        let mut charges = |key: &str| read_charges(&members, key, &mut odd);
        let (discounts, taxes, fees) = (charges("discounts"), charges("taxes"), charges("fees"));
        let tip = exact(&members, "tip");
        if tip.is_none() && members.get("tip").is_some() {
            odd.push("tip".to_owned());
        }
        Self {
            items,
            discounts,
            taxes,
            fees,
            tip,
            // Nothing is added up with these.
            payments: read_charges(&members, "payments", &mut Vec::new()),
            has_customer: members.get("customer").is_some(),
            has_delivery: members.get("delivery").is_some(),
            odd,
        }
    }
}

fn item(text: &str, depth: usize) -> Item {
    let Ok(members) = Members::parse(text) else { return Item { odd: vec![""], ..Item::default() } };
    let mut odd = Vec::new();
    let modifiers = match list(&members, "modifiers") {
        Ok(_) if depth >= MAX_DEPTH => Vec::new(),
        Ok(modifiers) => modifiers.into_iter().map(|text| item(text, depth + 1)).collect(),
        Err(NoList) => {
            odd.push("modifiers");
            Vec::new()
        }
    };
    let item = Item {
        id: string(&members, "id"),
        name: string(&members, "name"),
        quantity: members.get("quantity").and_then(exact_decimal),
        price: members.get("price").and_then(|text| Cents::from_json_number(text).ok()),
        modifiers,
        notes: string(&members, "notes"),
        odd: Vec::new(),
    };
    let kinds = [("id", item.id.is_some()), ("quantity", item.quantity.is_some()), ("price", item.price.is_some())];
    odd.extend(kinds.into_iter().filter(|(key, read)| !read && members.get(key).is_some()).map(|(key, _)| key));
    Item { odd, ..item }
}

fn read_charges(members: &Members<'_>, key: &str, odd: &mut Vec<String>) -> Vec<Charge> {
    let Ok(texts) = list(members, key) else {
        odd.push(key.to_owned());
        return Vec::new();
    };
    let mut charges = Vec::new();
    for (index, text) in texts.into_iter().enumerate() {
        let members = Members::parse(text).unwrap_or_default();
        let charge = Charge { name: string(&members, "name"), amount: exact(&members, "amount") };
        // `null` says that there is none. Where the amount is missing, it may be in a member that we do not know.
        let none = text == "null" || members.says_null("amount");
        if charge.amount.is_none() && !none {
            odd.push(format!("{key}[{index}].amount"));
        }
        charges.push(charge);
    }
    charges
}

struct NoList;

fn list<'a>(members: &Members<'a>, key: &str) -> Result<Vec<&'a str>, NoList> {
    let Some(text) = members.get(key) else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| NoList)?;
    Ok(items.into_iter().map(RawValue::get).collect())
}

/// A text, or a number as the text it came as: ids come either way.
fn string(members: &Members<'_>, key: &str) -> Option<String> {
    let text = members.get(key)?;
    match text.bytes().next()? {
        b'"' => shown(text),
        b'0'..=b'9' | b'-' => Some(text.to_owned()),
        _ => None,
    }
}

fn exact(members: &Members<'_>, key: &str) -> Option<Decimal> {
    exact_cents(members.get(key)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_is_read_with_nested_modifiers() {
        let details = Details::read(
            r#"{"items":[{"id":4711,"name":"Taco","quantity":1.5,"price":10.75,"notes":"hot","x":1,
                "modifiers":[{"id":"m","modifiers":[{"id":"deep","price":0.5}]}]}],
                "taxes":[{"name":"VAT","amount":1.95}],"tip":2,"customer":{"name":"Zoe"},"delivery":null}"#,
        );
        let [item] = details.items.as_slice() else { panic!("{details:?}") };
        assert_eq!((item.id.as_deref(), item.quantity), (Some("4711"), Some(Decimal::new(15, 1))));
        assert_eq!((item.price, item.notes.as_deref()), (Some(Cents(1075)), Some("hot")));
        assert_eq!(item.modifiers[0].modifiers[0].price, Some(Cents(50)));
        assert_eq!((details.taxes[0].amount, details.tip), (Some(Decimal::from(195)), Some(Decimal::from(200))));
        assert!(details.has_customer && !details.has_delivery);
    }

    #[test]
    fn a_quantity_is_its_value_whatever_its_spelling() {
        for (text, expected) in [("2", Some(20)), ("2e0", Some(20)), ("0.2E+1", Some(20)), ("1.5", Some(15)), ("\"2\"", None)] {
            let details = Details::read(&format!(r#"{{"items":[{{"quantity":{text}}}]}}"#));
            assert_eq!(details.items[0].quantity, expected.map(|tenths| Decimal::new(tenths, 1)), "{text}");
        }
    }

    #[test]
    fn what_is_not_as_guessed_reads_as_absent_and_refuses_nothing() {
        for text in ["{}", "[]", "7"] {
            assert_eq!(Details::read(text), Details::default(), "{text}");
        }
        let odd =
            Details::read(r#"{"items":"two tacos","tip":"1","taxes":{"a":1},"fees":[{"amount":1},{"name":"x"}],"payments":7}"#);
        assert_eq!(odd.odd, ["items", "taxes", "fees[1].amount", "tip"]);
        assert_eq!((odd.items.len(), odd.tip, odd.fees.len(), odd.fees[0].amount), (0, None, 2, Some(Decimal::ONE_HUNDRED)));
        let nothing = r#"{"discounts":[null,{"amount":null}],"taxes":[{"name":"VAT","amount":null}],"fees":null,"tip":null}"#;
        assert!(Details::read(nothing).odd.is_empty(), "null is nothing");
        let odd =
            Details::read(r#"{"items":[7,{"id":true,"name":7,"quantity":"two","price":[],"modifiers":{}},{"price":null}]}"#);
        assert_eq!(odd.items[0], Item { odd: vec![""], ..Item::default() });
        let expected = Item { name: Some("7".into()), odd: vec!["modifiers", "id", "quantity", "price"], ..Item::default() };
        assert_eq!(odd.items[1..], [expected, Item::default()]);
    }

    #[test]
    fn half_a_surrogate_pair_in_a_text_hides_nothing_of_an_item() {
        let details = Details::read(
            r#"{"items":[{"id":"a\ud83d","name":"Taco \ud83c","notes":"\udf2e hot","\ud83d":1,"price":1}],"taxes":[{"name":"\ud83c","amount":0.005}]}"#,
        );
        let text = |text: &str| Some(text.to_owned());
        let expected = Item {
            id: text("a\u{fffd}"),
            name: text("Taco \u{fffd}"),
            notes: text("\u{fffd} hot"),
            price: Some(Cents(100)),
            ..Item::default()
        };
        assert_eq!(details.items, [expected]);
        assert_eq!(details.taxes, [Charge { name: text("\u{fffd}"), amount: Some(Decimal::new(5, 1)) }]);
        assert_eq!(details.odd, [""; 0]);
    }

    #[test]
    fn modifiers_are_read_as_deep_as_a_body_may_be_and_no_deeper() {
        let text = format!("{{\"items\":[{}{{}}{}]}}", "{\"modifiers\":[".repeat(100), "]}".repeat(100));
        let details = Details::read(&text);
        let mut depth = 0;
        let mut item = details.items.first();
        while let Some(inner) = item.and_then(|item| item.modifiers.first()) {
            depth += 1;
            item = Some(inner);
        }
        assert_eq!(depth, MAX_DEPTH);
    }
}
