//! Whether a location can take an order as it stands: it is on, what is ordered is on its menu and can be had, and
//! prices and totals add up to the cent. Validate and submit ask the same (docs/contract.md#lifecycle,
//! docs/contract.md#u21, docs/contract.md#u26).

use std::{collections::HashSet, fmt::Display};

use rust_decimal::Decimal;

use super::{
    contract::PricePolicy,
    details::{Details, Item},
    directory::Location,
    menu::{Menu, ModifierGroup},
    money::Cents,
    order::{Order, Totals},
    status::{ErrorCode, OrderError},
    sums::Sums,
};

/// More reasons than this are not told one by one: they are stored with the order.
const REASONS_TOLD: usize = 100;
/// So much of a group's name is told in a reason: a hundred of them must fit in the order's row, whatever the menu calls it.
const NAME_TOLD: usize = 64;

/// What is for sale at a location.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Its menu.
    pub menu: &'a Menu,
    /// Ids of products and modifiers that are sold out, besides what the menu itself calls unavailable.
    pub sold_out: &'a HashSet<String>,
}

/// What to check by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What a price or total that is not the menu's means.
    pub prices: PricePolicy,
    /// A location without a menu takes no orders; else its orders are not checked against one.
    pub menu_required: bool,
}

/// What the menu makes of the totals, if there is one, or every reason why the order cannot be taken.
///
/// # Errors
/// Every reason at once, each with the path of its field; at most a hundred, and how many more.
pub fn check(
    location: &Location,
    offer: Option<Offer<'_>>,
    order: &Order,
    rules: Rules,
) -> Result<Option<Totals>, Vec<OrderError>> {
    let mut reasons = Reasons::default();
    let mut totals = None;
    if !location.enabled {
        reasons.add(ErrorCode::LocationClosed, "location_id", "this location does not take orders at the moment");
    }
    match offer {
        Some(offer) => {
            let details = order.details();
            let mut checker = Checker { offer, rules, reasons };
            if let Some(sums) = checker.details(&details, order.totals()) {
                checker.compare(order.totals(), &sums);
                totals = Some(match rules.prices {
                    // What is given is right, or the order is rejected.
                    PricePolicy::Trust | PricePolicy::Reject => order.totals().or(sums.totals()),
                    PricePolicy::Recalculate => sums.totals(),
                });
            }
            reasons = checker.reasons;
        }
        None if rules.menu_required => {
            reasons.add(ErrorCode::LocationClosed, "location_id", "this location has no menu yet and takes no orders");
        }
        None => {}
    }
    let errors = reasons.shortened();
    if errors.is_empty() { Ok(totals) } else { Err(errors) }
}

/// Reasons as they are found. Those beyond the cap are counted and never written: a body of nonsense has a great many.
#[derive(Default)]
struct Reasons {
    told: Vec<OrderError>,
    more: usize,
}

impl Reasons {
    fn add(&mut self, code: ErrorCode, field: impl Display, message: impl Display) {
        if self.told.len() < REASONS_TOLD {
            self.told.push(OrderError::field(code, field.to_string(), message.to_string()));
        } else {
            self.more += 1;
        }
    }

    fn shortened(mut self) -> Vec<OrderError> {
        if self.more > 0 {
            let code = self.told.last().map_or(ErrorCode::InvalidField, |error| error.code);
            self.told.push(OrderError::new(code, format!("and {} more reasons", self.more)));
        }
        self.told
    }
}

struct Checker<'a> {
    offer: Offer<'a>,
    rules: Rules,
    reasons: Reasons,
}

impl Checker<'_> {
    fn error(&mut self, code: ErrorCode, field: impl Display, message: impl Display) {
        self.reasons.add(code, field, message);
    }

    /// What it adds up to, if that is wanted and nothing kept it from being calculated.
    fn details(&mut self, details: &Details, given: Totals) -> Option<Sums> {
        // Trusted totals need no charge to be readable, and are not held against the menu's prices.
        let stand = self.trusts() && given.subtotal.is_some() && given.grand_total.is_some();
        for name in details.odd.iter().filter(|name| !stand || *name == "items") {
            let field = format!("order_details.{name}");
            let message = format_args!("`{field}` cannot be read, so the order cannot be added up");
            self.error(ErrorCode::InvalidField, &field, message);
        }
        if details.items.is_empty() && !details.odd.iter().any(|name| name == "items") {
            self.error(ErrorCode::MissingField, "order_details.items", "`order_details.items` must name what is ordered");
        }
        let lines = details.items.iter().enumerate();
        let lines: Vec<_> = lines.map(|(index, item)| self.item(&format!("order_details.items[{index}]"), item)).collect();
        if stand {
            return None;
        }
        let lines: Option<Vec<Decimal>> = lines.into_iter().collect();
        let sums = lines.filter(|_| details.odd.is_empty()).and_then(|lines| Sums::of(&lines, details));
        if sums.is_none() && self.reasons.told.is_empty() {
            self.error(ErrorCode::InvalidField, "order_details", "the amounts of this order are too large to add up");
        }
        // A submit could not carry such totals.
        if sums.as_ref().is_some_and(|sums| sums.subtotals.is_empty()) {
            self.error(ErrorCode::InvalidField, "order_details.subtotal", "the items come to less than nothing");
        } else if sums.as_ref().is_some_and(|sums| sums.grand_totals.is_empty()) {
            self.error(ErrorCode::InvalidField, "order_details.discounts", "the discounts are more than the order is worth");
        }
        sums
    }

    fn trusts(&self) -> bool {
        self.rules.prices == PricePolicy::Trust
    }

    /// What a line comes to, in cents with their parts.
    fn item(&mut self, path: &str, item: &Item) -> Option<Decimal> {
        let quantity = self.quantity(path, item);
        let id = item.id.as_deref()?;
        let Some(product) = self.offer.menu.product(id) else {
            let message = "the menu of this location has no such item";
            self.error(ErrorCode::UnknownItem, format_args!("{path}.id"), message);
            return None;
        };
        self.available(path, id, product.available);
        self.price(path, item, product.price);
        let chosen = self.modifiers(path, item, &product.modifier_groups);
        let one = Decimal::from(product.price.0).checked_add(chosen?)?;
        one.checked_mul(quantity?)
    }

    /// What the modifiers add to one, recursively.
    fn modifiers(&mut self, path: &str, owner: &Item, groups: &[String]) -> Option<Decimal> {
        if owner.odd.contains(&"modifiers") {
            return None;
        }
        let menu = self.offer.menu;
        // With how many are chosen of each; nothing where a quantity cannot be read.
        let mut groups: Vec<(&ModifierGroup, Option<Decimal>)> =
            groups.iter().filter_map(|id| Some((menu.group(id)?, Some(Decimal::ZERO)))).collect();
        let mut sum = Some(Decimal::ZERO);
        for (index, item) in owner.modifiers.iter().enumerate() {
            let path = format!("{path}.modifiers[{index}]");
            let quantity = self.quantity(&path, item);
            let Some(id) = item.id.as_deref() else {
                sum = None;
                continue;
            };
            let offered = groups
                .iter_mut()
                .find_map(|(group, count)| Some((count, group.modifiers.iter().find(|modifier| modifier.id == id)?)));
            let Some((count, modifier)) = offered else {
                let message = "this cannot be chosen for the item it stands in";
                self.error(ErrorCode::UnknownModifier, format_args!("{path}.id"), message);
                sum = None;
                continue;
            };
            *count = count.zip(quantity).map(|(count, quantity)| count.saturating_add(quantity));
            self.available(&path, id, modifier.available);
            self.price(&path, item, modifier.price);
            let inner = self.modifiers(&path, item, &modifier.modifier_groups);
            let one = inner.and_then(|inner| Decimal::from(modifier.price.0).checked_add(inner));
            sum = sum.and_then(|sum| sum.checked_add(one?.checked_mul(quantity?)?));
        }
        for (group, count) in groups {
            if let Some(count) = count
                && (count < Decimal::from(group.min) || count > Decimal::from(group.max))
            {
                let name: String = group.name.chars().take(NAME_TOLD).collect();
                let message = format_args!("of {name} ({}) choose {}, not {count}", group.id, range(group));
                self.error(ErrorCode::ModifierCount, format_args!("{path}.modifiers"), message);
            }
        }
        sum
    }

    /// How many of an item, if all of it that counts can be read.
    fn quantity(&mut self, path: &str, item: &Item) -> Option<Decimal> {
        let trusts = self.trusts();
        let mut readable = true;
        for name in item.odd.iter().filter(|name| !(trusts && **name == "price")) {
            let field = if name.is_empty() { path.to_owned() } else { format!("{path}.{name}") };
            let message = format_args!("`{field}` cannot be read, so the order cannot be checked");
            self.error(ErrorCode::InvalidField, &field, message);
            readable = false;
        }
        if item.id.is_none() && !item.odd.iter().any(|name| matches!(*name, "" | "id")) {
            let message = format_args!("`{path}.id` is required");
            self.error(ErrorCode::MissingField, format_args!("{path}.id"), message);
        }
        let quantity = item.quantity.unwrap_or(Decimal::ONE);
        if quantity <= Decimal::ZERO {
            let message = format_args!("`{path}.quantity` must be more than 0");
            self.error(ErrorCode::InvalidField, format_args!("{path}.quantity"), message);
            return None;
        }
        readable.then_some(quantity)
    }

    fn available(&mut self, path: &str, id: &str, on_menu: bool) {
        if !on_menu || self.offer.sold_out.contains(id) {
            self.error(ErrorCode::ItemUnavailable, format_args!("{path}.id"), "this is not available at the moment");
        }
    }

    fn price(&mut self, path: &str, item: &Item, menu: Cents) {
        if self.rules.prices == PricePolicy::Reject && item.price.is_some_and(|price| price != menu) {
            let message = format_args!("the menu's price is {}", menu.to_json_number());
            self.error(ErrorCode::PriceMismatch, format_args!("{path}.price"), message);
        }
    }

    /// A total that is not given is not wrong.
    fn compare(&mut self, given: Totals, sums: &Sums) {
        if self.rules.prices != PricePolicy::Reject {
            return;
        }
        for (name, given, right) in
            [("subtotal", given.subtotal, &sums.subtotals), ("grand_total", given.grand_total, &sums.grand_totals)]
        {
            if let (Some(given), [ours, others @ ..]) = (given, right.as_slice())
                && !right.contains(&given)
            {
                let others: String = others.iter().map(|other| format!(" or {}", other.to_json_number())).collect();
                let message = format_args!("the order adds up to {}{others}", ours.to_json_number());
                self.error(ErrorCode::PriceMismatch, format_args!("order_details.{name}"), message);
            }
        }
    }
}

fn range(group: &ModifierGroup) -> String {
    if group.min == group.max { format!("{}", group.min) } else { format!("{} to {}", group.min, group.max) }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
