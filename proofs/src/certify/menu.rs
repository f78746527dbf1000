//! A menu as it is answered (docs/contract.md#u29), and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use posnext_shared::domain::money::Cents;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A price as it came.
#[derive(Debug, Clone)]
pub(crate) struct Price {
    pub(crate) text: String,
    /// Its cents, even of a price that came as a string: orders are made of them all the same.
    pub(crate) cents: Option<i64>,
}

/// A product or a modifier.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) price: Price,
    pub(crate) available: bool,
    pub(crate) groups: Vec<String>,
}

/// A modifier group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) modifiers: Vec<Entry>,
}

/// A menu.
#[derive(Debug, Clone)]
pub(crate) struct Menu {
    pub(crate) organization: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) products: Vec<Entry>,
    pub(crate) groups: Vec<Group>,
    categories: Vec<RawCategory>,
}

#[derive(Deserialize)]
struct RawMenu {
    organization_id: Option<String>,
    location_id: Option<String>,
    #[serde(default)]
    categories: Vec<RawCategory>,
    products: Vec<RawEntry>,
    #[serde(default)]
    modifier_groups: Vec<RawGroup>,
}

#[derive(Debug, Clone, Deserialize)]
struct RawCategory {
    id: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct RawEntry {
    id: String,
    name: String,
    price: Box<RawValue>,
    available: bool,
    #[serde(default)]
    modifier_group_ids: Vec<String>,
}

#[derive(Deserialize)]
struct RawGroup {
    id: String,
    min: i64,
    max: i64,
    modifiers: Vec<RawEntry>,
}

impl From<RawEntry> for Entry {
    fn from(raw: RawEntry) -> Self {
        let text = raw.price.get().to_owned();
        let cents = Cents::from_json_number(text.trim_matches('"')).ok().map(|cents| cents.0);
        let price = Price { text, cents };
        Self { id: raw.id, name: raw.name, price, available: raw.available, groups: raw.modifier_group_ids }
    }
}

impl Menu {
    /// Reads an answer's body.
    ///
    /// # Errors
    /// A sentence that says what is not as it has to be.
    pub(crate) fn parse(body: &str) -> anyhow::Result<Self> {
        let raw: RawMenu = serde_json::from_str(body).map_err(|error| anyhow::anyhow!("this is no menu: {error}"))?;
        let entries = |entries: Vec<RawEntry>| entries.into_iter().map(Entry::from).collect::<Vec<_>>();
        let groups = raw.modifier_groups.into_iter();
        let groups = groups.map(|raw| Group { id: raw.id, min: raw.min, max: raw.max, modifiers: entries(raw.modifiers) });
        Ok(Self {
            organization: raw.organization_id,
            location: raw.location_id,
            groups: groups.collect(),
            products: entries(raw.products),
            categories: raw.categories,
        })
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.products.iter().chain(self.groups.iter().flat_map(|group| &group.modifiers))
    }

    /// Prices that are no amounts of money.
    pub(crate) fn bad_prices(&self) -> Vec<String> {
        self.entries()
            .filter(|entry| !is_price(&entry.price))
            .map(|entry| format!("{}: {}", entry.id, entry.price.text))
            .collect()
    }

    /// Ids that nothing has, or that two things have.
    pub(crate) fn bad_references(&self) -> Vec<String> {
        let mut bad = Vec::new();
        let products = ids(self.products.iter().map(|product| product.id.as_str()), "product", &mut bad);
        let groups = ids(self.groups.iter().map(|group| group.id.as_str()), "modifier group", &mut bad);
        ids(self.categories.iter().map(|category| category.id.as_str()), "category", &mut bad);
        for category in &self.categories {
            let unknown = category.product_ids.iter().filter(|id| !products.contains(id.as_str()));
            bad.extend(unknown.map(|id| format!("category {} names the product {id}, which is not there", category.id)));
        }
        for entry in self.entries() {
            let unknown = entry.groups.iter().filter(|id| !groups.contains(id.as_str()));
            bad.extend(unknown.map(|id| format!("{} names the modifier group {id}, which is not there", entry.id)));
        }
        bad.extend(self.cycle().map(|id| format!("the modifier group {id} contains itself")));
        bad
    }

    /// Groups of which nobody could choose.
    pub(crate) fn bad_limits(&self) -> Vec<String> {
        let impossible = |group: &&Group| group.min < 0 || group.max < group.min.max(1);
        self.groups.iter().filter(impossible).map(|group| format!("{}: {} to {}", group.id, group.min, group.max)).collect()
    }

    /// A group that can be reached from itself.
    fn cycle(&self) -> Option<&str> {
        let next: BTreeMap<&str, Vec<&str>> = self
            .groups
            .iter()
            .map(|group| {
                (group.id.as_str(), group.modifiers.iter().flat_map(|entry| &entry.groups).map(String::as_str).collect())
            })
            .collect();
        next.keys().copied().find(|start| {
            let (mut waiting, mut seen) = (next.get(start).cloned().unwrap_or_default(), BTreeSet::new());
            while let Some(id) = waiting.pop() {
                if id == *start {
                    return true;
                }
                if seen.insert(id) {
                    waiting.extend(next.get(id).into_iter().flatten());
                }
            }
            false
        })
    }
}

/// A JSON number, not negative, of whole cents.
fn is_price(price: &Price) -> bool {
    let decimals = price.text.split_once('.').map_or(0, |(_, decimals)| decimals.trim_end_matches('0').len());
    !price.text.starts_with(['"', '-']) && price.cents.is_some() && decimals <= 2
}

fn ids<'a>(ids: impl Iterator<Item = &'a str>, what: &str, bad: &mut Vec<String>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            bad.push(format!("two are called {what} {id}"));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(price: &str, groups: &str, limits: &str) -> Menu {
        let text = format!(
            r#"{{"categories":[{{"id":"c","product_ids":["p"]}}],
            "products":[{{"id":"p","name":"P","price":{price},"available":true,"modifier_group_ids":["g"]}}],
            "modifier_groups":[{{"id":"g","name":"G",{limits},"modifiers":[
                {{"id":"m","name":"M","price":0,"available":true,"modifier_group_ids":[{groups}]}}]}}]}}"#
        );
        Menu::parse(&text).unwrap()
    }

    #[test]
    fn each_fault_of_a_menu_is_named() {
        let right = menu("9.25", "", r#""min":0,"max":1"#);
        assert!(right.bad_prices().is_empty() && right.bad_references().is_empty() && right.bad_limits().is_empty());
        for price in ["\"9.25\"", "-1", "9.255", "true"] {
            assert_eq!(menu(price, "", r#""min":0,"max":1"#).bad_prices(), [format!("p: {price}")]);
        }
        let dangling = menu("1", r#""x""#, r#""min":0,"max":1"#).bad_references();
        assert_eq!(dangling, ["m names the modifier group x, which is not there"]);
        let cycle = menu("1", r#""g""#, r#""min":0,"max":1"#).bad_references();
        assert_eq!(cycle, ["the modifier group g contains itself"]);
        assert_eq!(menu("1", "", r#""min":2,"max":1"#).bad_limits(), ["g: 2 to 1"]);
        assert!(Menu::parse("{}").is_err());
    }
}
