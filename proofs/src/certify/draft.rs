//! Orders to try with: made from the location's own menu where it has one, so that they are right to the cent.

use posnext_shared::domain::canonical::quote;

use super::menu::{Entry, Menu};

/// Taxes of an ordinary order, in cents.
const TAX: i64 = 195;
/// How deep required modifiers are followed.
const DEEPEST: usize = 8;
/// An amount that a binary double holds a little too low; so are its doubles.
const LOW_IN_BINARY: i64 = 1_999;

/// A line of an order, or a modifier of one. Prices are cents.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) quantity: i64,
    pub(crate) price: i64,
    pub(crate) modifiers: Vec<Line>,
}

/// An order before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) uid: String,
    pub(crate) organization: String,
    pub(crate) location: String,
    pub(crate) datetime: String,
    pub(crate) online_order_id: String,
    pub(crate) lines: Vec<Line>,
    /// `None` leaves it out of the order, for the other side to calculate.
    pub(crate) subtotal: Option<i64>,
    pub(crate) grand_total: Option<i64>,
    pub(crate) tax: i64,
}

impl Line {
    fn total(&self) -> i64 {
        let modifiers: i64 = self.modifiers.iter().map(Line::total).sum();
        self.quantity.saturating_mul(self.price.saturating_add(modifiers))
    }

    fn json(&self) -> String {
        let modifiers: Vec<_> = self.modifiers.iter().map(Line::json).collect();
        format!(
            r#"{{"id":{},"name":{},"quantity":{},"price":{},"modifiers":[{}]}}"#,
            quote(&self.id),
            quote(&self.name),
            self.quantity,
            amount(self.price),
            modifiers.join(",")
        )
    }
}

impl Draft {
    /// A right order with ids of its own.
    pub(crate) fn new(organization: &str, location: &str, menu: Option<&Menu>) -> Self {
        let uid = format!("certify-{}", uuid::Uuid::now_v7());
        let mut draft = Self {
            online_order_id: format!("ORD-{uid}"),
            uid,
            organization: organization.to_owned(),
            location: location.to_owned(),
            datetime: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            lines: menu.and_then(lines).unwrap_or_else(sample_lines),
            subtotal: None,
            grand_total: None,
            tax: TAX,
        };
        draft.calculate();
        draft
    }

    /// The sum of its lines.
    pub(crate) fn lines_total(&self) -> i64 {
        self.lines.iter().map(Line::total).sum()
    }

    /// What all of it comes to.
    pub(crate) fn total(&self) -> i64 {
        self.lines_total().saturating_add(self.tax)
    }

    /// Sets both totals to what they have to be.
    pub(crate) fn calculate(&mut self) {
        (self.subtotal, self.grand_total) = (Some(self.lines_total()), Some(self.total()));
    }

    /// The same order with totals of which a binary double makes a cent too little, and still right: where the lines are not
    /// bound by a menu, both totals; else the grand total, by its taxes.
    pub(crate) fn low_in_binary(mut self, bound: bool) -> Self {
        if !bound {
            self.lines = vec![line("4712", "Calzone", 1, 1_815)];
        }
        let mut total = LOW_IN_BINARY;
        while total < self.lines_total() && total < i64::MAX / 2 {
            total *= 2;
        }
        self.tax = total - self.lines_total();
        self.calculate();
        self
    }

    /// The order as JSON.
    pub(crate) fn json(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(Line::json).collect();
        let total =
            |key: &str, cents: Option<i64>| cents.map(|cents| format!(r#""{key}":{},"#, amount(cents))).unwrap_or_default();
        format!(
            r#"{{"request_uid":{},"organization_id":{},"location_id":{},"request_datetime":{},"order_details":{{"online_order_id":{},"order_type":"pickup",{}{}"items":[{}],"taxes":[{{"name":"VAT","amount":{}}}],"tip":0.00}}}}"#,
            quote(&self.uid),
            quote(&self.organization),
            quote(&self.location),
            quote(&self.datetime),
            quote(&self.online_order_id),
            total("subtotal", self.subtotal),
            total("grand_total", self.grand_total),
            lines.join(","),
            amount(self.tax),
        )
    }
}

fn amount(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", (cents / 100).abs(), (cents % 100).abs())
}

fn line(id: &str, name: &str, quantity: i64, price: i64) -> Line {
    Line { id: id.to_owned(), name: name.to_owned(), quantity, price, modifiers: Vec::new() }
}

/// What is ordered where there is no menu: two pizzas and a drink.
fn sample_lines() -> Vec<Line> {
    let pizza = Line { modifiers: vec![line("17", "Basil", 1, 0)], ..line("4711", "Margherita", 2, 925) };
    vec![pizza, line("4720", "Lemonade", 1, 300)]
}

/// Two of the first product that can be had, with as many modifiers as it must have.
fn lines(menu: &Menu) -> Option<Vec<Line>> {
    let line = menu.products.iter().find_map(|product| ordered(menu, product, 0))?;
    Some(vec![Line { quantity: 2, ..line }])
}

/// Whether there is anything that can be had, with all it must have.
pub(crate) fn can_be_ordered(menu: &Menu) -> bool {
    lines(menu).is_some()
}

fn ordered(menu: &Menu, entry: &Entry, depth: usize) -> Option<Line> {
    let price = entry.price.cents.filter(|_| entry.available && depth < DEEPEST)?;
    let mut modifiers = Vec::new();
    for group in entry.groups.iter().filter_map(|id| menu.groups.iter().find(|group| group.id == *id)) {
        let needed = usize::try_from(group.min).unwrap_or(0);
        let chosen: Vec<_> =
            group.modifiers.iter().filter_map(|modifier| ordered(menu, modifier, depth + 1)).take(needed).collect();
        if chosen.len() < needed {
            return None;
        }
        modifiers.extend(chosen);
    }
    Some(Line { id: entry.id.clone(), name: entry.name.clone(), quantity: 1, price, modifiers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_without_a_menu_is_the_sample_with_its_totals() {
        let draft = Draft::new("O", "L", None);
        assert_eq!((draft.subtotal, draft.grand_total), (Some(2_150), Some(2_345)));
        assert!(draft.json().contains(r#""subtotal":21.50,"grand_total":23.45,"#), "{}", draft.json());
    }

    #[test]
    fn totals_that_doubles_hold_too_low_are_reached_by_taxes() {
        let draft = Draft::new("O", "L", None).low_in_binary(false);
        assert_eq!((draft.subtotal, draft.grand_total, draft.tax), (Some(1_815), Some(1_999), 184));
        let bound = Draft::new("O", "L", None).low_in_binary(true);
        assert_eq!((bound.subtotal, bound.grand_total, bound.tax), (Some(2_150), Some(3_998), 1_848));
    }

    #[test]
    fn an_order_from_a_menu_takes_what_can_be_had_with_what_it_must_have() {
        let menu = Menu::parse(
            r#"{"products":[{"id":"off","name":"Off","price":1.00,"available":false},
                {"id":"p","name":"P","price":9.25,"available":true,"modifier_group_ids":["g","gone"]}],
                "modifier_groups":[{"id":"g","name":"G","min":1,"max":2,"modifiers":[
                {"id":"m0","name":"M0","price":0.10,"available":false},{"id":"m1","name":"M1","price":0.50,"available":true,
                "modifier_group_ids":["h"]}]},
                {"id":"h","name":"H","min":1,"max":1,"modifiers":[{"id":"n","name":"N","price":0.25,"available":true}]}]}"#,
        )
        .unwrap();
        let draft = Draft::new("O", "L", Some(&menu));
        assert_eq!((draft.subtotal, draft.lines[0].id.as_str()), (Some(2 * (925 + 50 + 25)), "p"));
        assert_eq!(draft.lines[0].modifiers[0].modifiers[0].id, "n");
    }
}
