//! A location's menu as it is stored: what a vendor puts or a POS hands out, checked as a whole before anything believes
//! it. How PAR gets to see it is `edge::par_menu`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;

use super::{
    json_text::{readable, text_of},
    money::Cents,
    older::Older,
    time::UnixMillis,
};

/// Groups in groups: a size of a drink of a combo is three. More than this is a mistake.
pub const DEEPEST: usize = 12;
/// The largest menu that is taken, in bytes of JSON.
pub const LARGEST_MENU: usize = 4 << 20;
/// How many faults of a menu are told at once.
const FAULTS_TOLD: usize = 20;
const LONGEST_ID: usize = 128;
/// The longest fault that is told: a menu's own texts stand in it, and a fetched menu's faults are logged.
const LONGEST_FAULT: usize = 300;
/// Choices that one product or modifier may offer: an order of thousands of lines must be checked while its caller waits.
const MOST_OFFERED: usize = 500;

/// A menu that has been checked: every reference leads somewhere, and nothing is ambiguous.
#[derive(Debug, Clone)]
pub struct Menu {
    content: Content,
    products: HashMap<String, usize>,
    groups: HashMap<String, usize>,
    written: usize,
}

/// What a menu says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// ISO 4217, for example `USD`; one for the whole location (docs/contract.md#u27).
    pub currency: String,
    /// For browsing.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// What can be ordered.
    pub products: Vec<Product>,
    /// What can be chosen with it.
    #[serde(default)]
    pub modifier_groups: Vec<ModifierGroup>,
}

/// A heading of the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Unique among categories.
    pub id: String,
    /// For people.
    pub name: String,
    /// Ids of its products, in their order.
    #[serde(default)]
    pub products: Vec<String>,
}

/// Something that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The id that orders use.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of one, in JSON a decimal of at most two places.
    #[serde(serialize_with = "write_price", deserialize_with = "read_price")]
    pub price: Cents,
    /// Whether it can be ordered now.
    #[serde(default = "yes")]
    pub available: bool,
    /// Ids of the groups one may, or must, choose from.
    #[serde(default)]
    pub modifier_groups: Vec<String>,
}

/// A choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifierGroup {
    /// Unique among groups.
    pub id: String,
    /// For people.
    pub name: String,
    /// How many must be chosen, counted with their quantities.
    #[serde(default)]
    pub min: u32,
    /// How many may be chosen.
    pub max: u32,
    /// What there is to choose from.
    pub modifiers: Vec<Modifier>,
}

/// One of the things to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modifier {
    /// The id that orders use. The same modifier may stand in several groups.
    pub id: String,
    /// For people.
    pub name: String,
    /// Of one, on top of what it modifies; below zero for what makes it cheaper.
    #[serde(serialize_with = "write_price", deserialize_with = "read_price")]
    pub price: Cents,
    /// Whether it can be chosen now.
    #[serde(default = "yes")]
    pub available: bool,
    /// Ids of groups that open once it is chosen.
    #[serde(default)]
    pub modifier_groups: Vec<String>,
}

/// A menu as it is stored, and what has changed since.
#[derive(Debug, Clone)]
pub struct StoredMenu {
    /// The menu.
    pub menu: Arc<Menu>,
    /// The same for the same content.
    pub version: String,
    /// Ids of products and modifiers that are switched off.
    pub sold_out: HashSet<String>,
    /// When it was put, or fetched last.
    pub put_at: UnixMillis,
    /// What was served before it, the newest first.
    pub older: Vec<Older>,
}

/// Why a menu is not taken: its first faults, one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the menu cannot be used:\n{}", .0.join("\n"))]
pub struct MenuError(pub Vec<String>);

fn yes() -> bool {
    true
}

fn write_price<S: Serializer>(price: &Cents, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(price.to_json_number()).map_err(S::Error::custom)?.serialize(serializer)
}

fn read_price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cents, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Cents::exactly(text.get())
        .ok_or_else(|| D::Error::custom("a price must be a number of at most two decimals, for example 9.25"))
}

impl Menu {
    /// Reads and checks a menu. A byte order mark before it is left out, and half a surrogate pair in its texts shows
    /// as U+FFFD.
    ///
    /// # Errors
    /// [`MenuError`] with the first faults, each with the id at which it is.
    pub fn parse(text: &[u8]) -> Result<Self, MenuError> {
        if text.len() > LARGEST_MENU {
            return Err(MenuError(vec![format!("it has {} bytes; at most {LARGEST_MENU} are taken", text.len())]));
        }
        let fault = |error: &dyn std::fmt::Display| MenuError(vec![shortened(error.to_string())]);
        let text = text_of(text).map_err(|error| fault(&error))?;
        Self::new(serde_json::from_str(&readable(text)).map_err(|error| fault(&error))?)
    }

    /// Checks a menu.
    ///
    /// # Errors
    /// [`MenuError`] with the first faults, each with the id at which it is.
    pub fn new(content: Content) -> Result<Self, MenuError> {
        let mut faults = Faults::default();
        let products = faults.unique("product", content.products.iter().map(|product| &product.id));
        let groups = faults.unique("modifier group", content.modifier_groups.iter().map(|group| &group.id));
        faults.unique("category", content.categories.iter().map(|category| &category.id));
        let mut menu = Self { content, products, groups, written: 0 };
        menu.check(&mut faults);
        // It is stored as it is written here, with what was left out, and must be taken again when it is read.
        menu.written = menu.to_json().len();
        if menu.written > LARGEST_MENU {
            faults.add(format!("it has {} bytes written out whole; at most {LARGEST_MENU} are taken", menu.written));
        }
        if faults.0.is_empty() {
            return Ok(menu);
        }
        let more = faults.0.len().saturating_sub(FAULTS_TOLD);
        faults.0.truncate(FAULTS_TOLD);
        if more > 0 {
            faults.0.push(format!("and {more} more"));
        }
        Err(MenuError(faults.0))
    }

    /// Reads the text of a menu that was checked when it was written, and has been proven to be the same since.
    ///
    /// # Errors
    /// [`MenuError`] when it is no menu at all.
    pub fn restore(text: &[u8]) -> Result<Self, MenuError> {
        let content: Content = serde_json::from_slice(text).map_err(|error| MenuError(vec![shortened(error.to_string())]))?;
        let products = content.products.iter().enumerate().map(|(index, product)| (product.id.clone(), index)).collect();
        let groups = content.modifier_groups.iter().enumerate().map(|(index, group)| (group.id.clone(), index)).collect();
        Ok(Self { content, products, groups, written: text.len() })
    }

    /// What it says.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Its text: the same for the same content.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.content).unwrap_or_default()
    }

    /// How long its text is, in bytes.
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }

    /// A product by its id.
    #[must_use]
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.content.products.get(*self.products.get(id)?)
    }

    /// A modifier group by its id.
    #[must_use]
    pub fn group(&self, id: &str) -> Option<&ModifierGroup> {
        self.content.modifier_groups.get(*self.groups.get(id)?)
    }

    /// Whether a product or a modifier has this id.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.products.contains_key(id)
            || self.content.modifier_groups.iter().any(|group| group.modifiers.iter().any(|modifier| modifier.id == id))
    }

    fn check(&self, faults: &mut Faults) {
        let Content { currency, categories, products, modifier_groups } = &self.content;
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            faults.add("currency must be a code of ISO 4217, for example USD");
        }
        if products.is_empty() {
            faults.add("products must not be empty");
        }
        for category in categories {
            for id in category.products.iter().filter(|id| self.product(id).is_none()) {
                faults.add(format!("category {}: there is no product {id}", category.id));
            }
        }
        for product in products {
            if product.price.0 < 0 {
                faults.add(format!("product {}: its price must not be negative", product.id));
            }
            self.check_owner(&format!("product {}", product.id), &product.modifier_groups, faults);
        }
        for group in modifier_groups {
            if group.max == 0 || group.min > group.max {
                faults.add(format!("modifier group {}: max must be at least 1, and min not more than max", group.id));
            }
            if group.modifiers.is_empty() {
                faults.add(format!("modifier group {}: modifiers must not be empty", group.id));
            }
            for modifier in &group.modifiers {
                faults.check_id("modifier", &modifier.id);
                let owner = format!("modifier {} in group {}", modifier.id, group.id);
                self.check_owner(&owner, &modifier.modifier_groups, faults);
            }
        }
        self.check_depth(faults);
    }

    /// Every group exists, and a modifier's id says which of them it was chosen from.
    fn check_owner(&self, owner: &str, groups: &[String], faults: &mut Faults) {
        let offers = groups.iter().filter_map(|id| self.group(id)).map(|group| group.modifiers.len());
        if offers.fold(0, usize::saturating_add) > MOST_OFFERED {
            faults.add(format!("{owner}: offers more than {MOST_OFFERED} modifiers"));
            return;
        }
        let mut offered = HashSet::new();
        for id in groups {
            let Some(group) = self.group(id) else {
                faults.add(format!("{owner}: there is no modifier group {id}"));
                continue;
            };
            for modifier in group.modifiers.iter().filter(|modifier| !offered.insert(&modifier.id)) {
                faults.add(format!("{owner}: offers modifier {} twice; give the second an id of its own", modifier.id));
            }
        }
    }

    /// No group opens itself, and none opens too deep. Each group is measured once, whatever leads to it.
    fn check_depth(&self, faults: &mut Faults) {
        let mut depths = vec![Depth::Unknown; self.content.modifier_groups.len()];
        for (index, group) in self.content.modifier_groups.iter().enumerate() {
            if self.depth(index, 0, &mut depths).is_none_or(|depth| depth > DEEPEST) {
                faults.add(format!("modifier group {}: opens itself, or opens groups more than {DEEPEST} deep", group.id));
                return;
            }
        }
    }

    /// Levels of groups from this one down; `None` if it opens itself.
    fn depth(&self, index: usize, level: usize, depths: &mut [Depth]) -> Option<usize> {
        match depths.get(index)? {
            Depth::Known(depth) => return Some(*depth),
            Depth::Open => return None,
            Depth::Unknown if level > DEEPEST => return Some(DEEPEST),
            Depth::Unknown => {}
        }
        *depths.get_mut(index)? = Depth::Open;
        let mut deepest = 0;
        for modifier in &self.content.modifier_groups.get(index)?.modifiers {
            for id in &modifier.modifier_groups {
                if let Some(inner) = self.groups.get(id) {
                    deepest = deepest.max(self.depth(*inner, level + 1, depths)?);
                }
            }
        }
        *depths.get_mut(index)? = Depth::Known(deepest + 1);
        Some(deepest + 1)
    }
}

fn shortened(fault: String) -> String {
    match fault.char_indices().nth(LONGEST_FAULT) {
        Some((end, _)) => format!("{}…", fault.get(..end).unwrap_or_default()),
        None => fault,
    }
}

#[derive(Clone, Copy)]
enum Depth {
    Unknown,
    Open,
    Known(usize),
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: impl Into<String>) {
        self.0.push(shortened(fault.into()));
    }

    fn check_id(&mut self, kind: &str, id: &str) {
        if id.is_empty() || id.chars().count() > LONGEST_ID {
            self.add(format!("{kind} {id:?}: an id must have 1 to {LONGEST_ID} characters"));
        }
    }

    fn unique<'a>(&mut self, kind: &str, ids: impl Iterator<Item = &'a String>) -> HashMap<String, usize> {
        let mut seen = HashMap::new();
        for (index, id) in ids.enumerate() {
            self.check_id(kind, id);
            if seen.insert(id.clone(), index).is_some() {
                self.add(format!("{kind} {id}: the id is used twice"));
            }
        }
        seen
    }
}

#[cfg(test)]
#[path = "menu_tests.rs"]
mod tests;
