//! Whether a location can take an order as it stands: it is on, what is ordered is on its menu and can be had, and prices
//! and totals add up to the cent. Validate and submit ask the same (contract sections 2, U21, U26).

use std::collections::{HashMap, HashSet};

use rust_decimal::Decimal;

use super::{
    contract::PricePolicy,
    details::{Charge, Details, Item},
    directory::Location,
    menu::{Menu, ModifierGroup},
    money::Cents,
    order::{Order, Totals},
    status::{ErrorCode, OrderError},
};

/// More reasons than this are not told one by one: they are stored with the order.
const REASONS_TOLD: usize = 100;

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

/// What the totals are, or every reason why the order cannot be taken.
///
/// # Errors
/// Every reason at once, each with the path of its field; at most a hundred, and how many more.
pub fn check(location: &Location, offer: Option<Offer<'_>>, order: &Order, rules: Rules) -> Result<Totals, Vec<OrderError>> {
    let mut errors = Vec::new();
    let mut totals = order.totals();
    if !location.enabled {
        let message = "this location does not take orders at the moment";
        errors.push(OrderError::field(ErrorCode::LocationClosed, "location_id", message));
    }
    match offer {
        Some(offer) => {
            let details = order.details();
            let mut checker = Checker { offer, rules, errors };
            if let Some(calculated) = checker.details(&details) {
                checker.compare(totals, calculated);
                totals = match rules.prices {
                    PricePolicy::Trust => totals.or(calculated),
                    PricePolicy::Reject | PricePolicy::Recalculate => calculated,
                };
            }
            errors = checker.errors;
        }
        None if rules.menu_required => {
            let message = "this location has no menu yet and takes no orders";
            errors.push(OrderError::field(ErrorCode::LocationClosed, "location_id", message));
        }
        None => {}
    }
    if errors.is_empty() { Ok(totals) } else { Err(shortened(errors)) }
}

fn shortened(mut errors: Vec<OrderError>) -> Vec<OrderError> {
    let more = errors.len().saturating_sub(REASONS_TOLD);
    if more > 0 {
        errors.truncate(REASONS_TOLD);
        let code = errors.last().map_or(ErrorCode::InvalidField, |error| error.code);
        errors.push(OrderError::new(code, format!("and {more} more reasons")));
    }
    errors
}

struct Checker<'a> {
    offer: Offer<'a>,
    rules: Rules,
    errors: Vec<OrderError>,
}

impl Checker<'_> {
    fn error(&mut self, code: ErrorCode, field: impl Into<String>, message: impl Into<String>) {
        self.errors.push(OrderError::field(code, field, message));
    }

    /// The totals, if nothing kept them from being calculated.
    fn details(&mut self, details: &Details) -> Option<Totals> {
        for name in &details.odd {
            let field = format!("order_details.{name}");
            let message = format!("`{field}` cannot be read, so the order cannot be added up");
            self.error(ErrorCode::InvalidField, field, message);
        }
        if details.items.is_empty() && !details.odd.iter().any(|name| name == "items") {
            self.error(ErrorCode::MissingField, "order_details.items", "`order_details.items` must name what is ordered");
        }
        let mut subtotal = Some(Decimal::ZERO);
        for (index, item) in details.items.iter().enumerate() {
            let line = self.item(&format!("order_details.items[{index}]"), item);
            subtotal = subtotal.zip(line).and_then(|(sum, line)| sum.checked_add(line));
        }
        let totals = details.odd.is_empty().then(|| add_up(subtotal?, details)).flatten();
        if totals.is_none() && self.errors.is_empty() {
            self.error(ErrorCode::InvalidField, "order_details", "the amounts of this order are too large to add up");
        }
        if totals.is_some_and(|totals| totals.grand_total < Some(Cents(0))) {
            self.error(ErrorCode::InvalidField, "order_details.discounts", "the discounts are more than the order is worth");
        }
        totals
    }

    /// What a line comes to, in whole cents.
    fn item(&mut self, path: &str, item: &Item) -> Option<Decimal> {
        let quantity = self.readable(path, item)?;
        let id = item.id.as_deref()?;
        let Some(product) = self.offer.menu.product(id) else {
            self.error(ErrorCode::UnknownItem, format!("{path}.id"), "the menu of this location has no such item");
            return None;
        };
        self.available(path, id, product.available);
        self.price(path, item, product.price);
        let chosen = self.modifiers(path, item, &product.modifier_groups);
        let one = Decimal::from(product.price.0).checked_add(chosen?)?;
        one.checked_mul(quantity).map(round)
    }

    /// What the modifiers add to one, recursively.
    fn modifiers(&mut self, path: &str, owner: &Item, groups: &[String]) -> Option<Decimal> {
        let menu = self.offer.menu;
        let groups: Vec<&ModifierGroup> = groups.iter().filter_map(|id| menu.group(id)).collect();
        let mut counts: HashMap<&str, Decimal> = HashMap::new();
        let mut sum = Some(Decimal::ZERO);
        for (index, item) in owner.modifiers.iter().enumerate() {
            let path = format!("{path}.modifiers[{index}]");
            let Some(quantity) = self.readable(&path, item) else {
                sum = None;
                continue;
            };
            let id = item.id.as_deref().unwrap_or_default();
            let offered =
                groups.iter().find_map(|group| Some((group, group.modifiers.iter().find(|modifier| modifier.id == id)?)));
            let Some((group, modifier)) = offered else {
                self.error(ErrorCode::UnknownModifier, format!("{path}.id"), "this cannot be chosen for the item it stands in");
                sum = None;
                continue;
            };
            let count = counts.entry(group.id.as_str()).or_default();
            *count = count.saturating_add(quantity);
            self.available(&path, id, modifier.available);
            self.price(&path, item, modifier.price);
            let inner = self.modifiers(&path, item, &modifier.modifier_groups);
            let one = inner.and_then(|inner| Decimal::from(modifier.price.0).checked_add(inner));
            sum = sum.and_then(|sum| sum.checked_add(one?.checked_mul(quantity)?));
        }
        for group in groups {
            let count = counts.get(group.id.as_str()).copied().unwrap_or_default();
            if count < Decimal::from(group.min) || count > Decimal::from(group.max) {
                let message = format!("of {} ({}) choose {}, not {count}", group.name, group.id, range(group));
                self.error(ErrorCode::ModifierCount, format!("{path}.modifiers"), message);
            }
        }
        sum
    }

    /// The quantity, if the item says enough to be looked at: what it is, and how many of it.
    fn readable(&mut self, path: &str, item: &Item) -> Option<Decimal> {
        for name in &item.odd {
            let field = if name.is_empty() { path.to_owned() } else { format!("{path}.{name}") };
            let message = format!("`{field}` cannot be read, so the order cannot be checked");
            self.error(ErrorCode::InvalidField, field, message);
        }
        if !item.odd.is_empty() {
            return None;
        }
        if item.id.is_none() {
            let field = format!("{path}.id");
            let message = format!("`{field}` is required");
            self.error(ErrorCode::MissingField, field, message);
            return None;
        }
        let quantity = item.quantity.unwrap_or(Decimal::ONE);
        if quantity <= Decimal::ZERO {
            let field = format!("{path}.quantity");
            let message = format!("`{field}` must be more than 0");
            self.error(ErrorCode::InvalidField, field, message);
            return None;
        }
        Some(quantity)
    }

    fn available(&mut self, path: &str, id: &str, on_menu: bool) {
        if !on_menu || self.offer.sold_out.contains(id) {
            self.error(ErrorCode::ItemUnavailable, format!("{path}.id"), "this is not available at the moment");
        }
    }

    fn price(&mut self, path: &str, item: &Item, menu: Cents) {
        if self.rules.prices == PricePolicy::Reject && item.price.is_some_and(|price| price != menu) {
            let message = format!("the menu's price is {}", menu.to_json_number());
            self.error(ErrorCode::PriceMismatch, format!("{path}.price"), message);
        }
    }

    /// A total that is not given is not wrong.
    fn compare(&mut self, given: Totals, calculated: Totals) {
        if self.rules.prices != PricePolicy::Reject {
            return;
        }
        for (name, given, calculated) in
            [("subtotal", given.subtotal, calculated.subtotal), ("grand_total", given.grand_total, calculated.grand_total)]
        {
            if let (Some(given), Some(calculated)) = (given, calculated)
                && given != calculated
            {
                let message = format!("the order adds up to {}", calculated.to_json_number());
                self.error(ErrorCode::PriceMismatch, format!("order_details.{name}"), message);
            }
        }
    }
}

fn range(group: &ModifierGroup) -> String {
    if group.min == group.max { format!("{}", group.min) } else { format!("{} to {}", group.min, group.max) }
}

/// Half a cent goes away from zero, as everywhere (contract C2).
fn round(cents: Decimal) -> Decimal {
    cents.round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
}

/// Discounts reduce, whichever sign they are sent with; taxes, fees and the tip stand as the order says.
fn add_up(subtotal: Decimal, details: &Details) -> Option<Totals> {
    let sum = |charges: &[Charge], sign: fn(Decimal) -> Decimal| {
        let amounts = charges.iter().map(|charge| Decimal::from(charge.amount.unwrap_or_default().0));
        amounts.map(sign).try_fold(Decimal::ZERO, Decimal::checked_add)
    };
    let plain: fn(Decimal) -> Decimal = |amount| amount;
    let grand_total = subtotal
        .checked_sub(sum(&details.discounts, |amount| amount.abs())?)?
        .checked_add(sum(&details.taxes, plain)?)?
        .checked_add(sum(&details.fees, plain)?)?
        .checked_add(Decimal::from(details.tip.unwrap_or_default().0))?;
    let cents = |amount: Decimal| i64::try_from(amount).ok().map(Cents);
    Some(Totals { subtotal: Some(cents(subtotal)?), grand_total: Some(cents(grand_total)?) })
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
