//! What of a menu can be ordered now. A product whose required choice is sold out cannot, even if it is itself there: an
//! order of it would be refused for the choice that it lacks.

use std::collections::{HashMap, HashSet};

use super::menu::{Menu, Modifier, ModifierGroup, Product};

/// A menu, by what is switched off of it.
#[derive(Debug)]
pub struct Sellable<'a> {
    menu: &'a Menu,
    sold_out: &'a HashSet<String>,
    /// Whether a group leaves one able to go on: it need not be chosen from, or can be.
    passable: HashMap<&'a str, bool>,
}

impl<'a> Sellable<'a> {
    /// Of this menu, without these products and modifiers.
    #[must_use]
    pub fn of(menu: &'a Menu, sold_out: &'a HashSet<String>) -> Self {
        let mut sellable = Self { menu, sold_out, passable: HashMap::new() };
        for group in &menu.content().modifier_groups {
            sellable.pass(group);
        }
        sellable
    }

    /// Whether a product can be ordered.
    #[must_use]
    pub fn product(&self, product: &Product) -> bool {
        product.available && !self.sold_out.contains(&product.id) && self.open(&product.modifier_groups)
    }

    /// Whether a modifier can be chosen.
    #[must_use]
    pub fn modifier(&self, modifier: &Modifier) -> bool {
        modifier.available && !self.sold_out.contains(&modifier.id) && self.open(&modifier.modifier_groups)
    }

    fn open(&self, groups: &[String]) -> bool {
        groups.iter().all(|id| self.passable.get(id.as_str()).copied().unwrap_or(true))
    }

    /// Looks at a group after those that its modifiers open. A menu that was checked has none that opens itself.
    fn pass(&mut self, group: &'a ModifierGroup) {
        if self.passable.contains_key(group.id.as_str()) {
            return;
        }
        for id in group.modifiers.iter().flat_map(|modifier| &modifier.modifier_groups) {
            if let Some(inner) = self.menu.group(id) {
                self.pass(inner);
            }
        }
        // Choices count with their quantities, so one that is there is enough.
        let passable = group.min == 0 || group.modifiers.iter().any(|modifier| self.modifier(modifier));
        self.passable.insert(&group.id, passable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MENU: &str = r#"{"currency":"USD","products":[
        {"id":"combo","name":"Combo","price":12.00,"modifier_groups":["drink"]},
        {"id":"pizza","name":"Pizza","price":9.25,"modifier_groups":["extra"]},
        {"id":"soup","name":"Soup","price":4.00}],
        "modifier_groups":[
        {"id":"drink","name":"Drink","min":2,"max":2,"modifiers":[
            {"id":"cola","name":"Cola","price":0,"modifier_groups":["size"]},{"id":"water","name":"Water","price":0}]},
        {"id":"size","name":"Size","min":1,"max":1,"modifiers":[{"id":"large","name":"Large","price":1.00}]},
        {"id":"extra","name":"Extra","max":3,"modifiers":[{"id":"olives","name":"Olives","price":1.00}]}]}"#;

    fn sold(sold_out: &[&str]) -> Vec<String> {
        let menu = Menu::parse(MENU.as_bytes()).unwrap();
        let sold_out = sold_out.iter().map(|id| (*id).to_owned()).collect();
        let sellable = Sellable::of(&menu, &sold_out);
        let products = menu.content().products.iter().filter(|product| sellable.product(product)).map(|product| &product.id);
        let modifiers = menu.content().modifier_groups.iter().flat_map(|group| &group.modifiers);
        let modifiers = modifiers.filter(|modifier| sellable.modifier(modifier)).map(|modifier| &modifier.id);
        products.chain(modifiers).cloned().collect()
    }

    #[test]
    fn what_needs_a_choice_that_is_sold_out_cannot_be_ordered() {
        assert_eq!(sold(&[]), ["combo", "pizza", "soup", "cola", "water", "large", "olives"]);
        // One drink that is left can be had twice.
        assert_eq!(sold(&["cola"]), ["combo", "pizza", "soup", "water", "large", "olives"]);
        assert_eq!(sold(&["cola", "water"]), ["pizza", "soup", "large", "olives"]);
        // A choice within a choice.
        assert_eq!(sold(&["large", "water"]), ["pizza", "soup", "olives"]);
        // Nobody needs olives.
        assert_eq!(sold(&["olives", "soup"]), ["combo", "pizza", "cola", "water", "large"]);
    }
}
