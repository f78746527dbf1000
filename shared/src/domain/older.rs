//! Old prices hold for a while. A guest pays what validate has said, and that takes minutes; a menu that changes in
//! between does not cost the order (docs/menu.md#when-a-menu-changes).

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    menu::StoredMenu,
    status::{ErrorCode, OrderError},
    time::UnixMillis,
};

/// A paid order may go by a menu that was replaced at most this long ago. Checkouts and the confirmations of banks run out
/// after five to fifteen minutes, so later than that hardly any order is from before the change.
pub const PRICES_HOLD: Duration = Duration::from_mins(15);
/// So many older menus are kept at most, whatever happens in that time: a POS whose menu is pulled every five minutes
/// changes it three times.
pub const MOST_HELD: usize = 4;

/// A menu that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Older {
    /// Its version.
    pub version: String,
    /// When it was replaced.
    pub until: UnixMillis,
}

impl Older {
    /// Whether paid orders may still go by it. The clock that wrote it may be wrong; by one that is far ahead nothing is held.
    fn holds(&self, now: UnixMillis) -> bool {
        now.since(self.until) <= PRICES_HOLD && self.until.since(now) <= PRICES_HOLD
    }
}

/// The older menus that are kept when `replaced` is replaced by `version`, the newest first.
#[must_use]
pub fn kept(replaced: Option<&str>, older: &[Older], version: &str, now: UnixMillis) -> Vec<Older> {
    let replaced = replaced.map(|version| Older { version: version.to_owned(), until: now });
    let mut kept: Vec<Older> = Vec::new();
    for older in replaced.into_iter().chain(older.iter().cloned()) {
        let known = older.version == version || kept.iter().any(|kept| kept.version == older.version);
        if !known && older.holds(now) && kept.len() < MOST_HELD {
            kept.push(older);
        }
    }
    kept
}

/// Whether an older menu could make an order right that has these faults. What is sold out is sold out, and what is missing
/// is missing, whatever an older menu said.
#[must_use]
pub fn may_mend(faults: &[OrderError]) -> bool {
    let of_no_menu = |error: &OrderError| {
        matches!(error.code, ErrorCode::LocationClosed | ErrorCode::ItemUnavailable | ErrorCode::MissingField)
    };
    !faults.iter().any(of_no_menu)
}

impl StoredMenu {
    /// The menus before it that a paid order may still go by, the newest first.
    pub fn held(&self, now: UnixMillis) -> impl Iterator<Item = &Older> {
        self.older.iter().filter(move |older| older.holds(now))
    }

    /// What the kitchen does not have, by the menu of now: ids that are switched off, or that the menu calls unavailable.
    #[must_use]
    pub fn not_there(&self) -> HashSet<String> {
        let content = self.menu.content();
        let products = content.products.iter().filter(|product| !product.available).map(|product| &product.id);
        let modifiers = content.modifier_groups.iter().flat_map(|group| &group.modifiers);
        let modifiers = modifiers.filter(|modifier| !modifier.available).map(|modifier| &modifier.id);
        products.chain(modifiers).chain(&self.sold_out).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_742_049_045_000);

    fn older(version: &str, minutes: u64) -> Older {
        Older { version: version.to_owned(), until: NOW.minus(Duration::from_mins(minutes)) }
    }

    fn versions(kept: &[Older]) -> Vec<&str> {
        kept.iter().map(|older| older.version.as_str()).collect()
    }

    #[test]
    fn a_menu_that_is_replaced_is_kept_as_long_as_its_prices_hold() {
        let before = [older("b", 1), older("a", 15), older("far too old", 16)];
        let after = kept(Some("c"), &before, "d", NOW);
        assert_eq!(versions(&after), ["c", "b", "a"]);
        assert_eq!(after[0].until, NOW);
        assert_eq!(kept(None, &[], "a", NOW), []);
    }

    #[test]
    fn a_menu_that_is_back_is_older_no_more_and_none_is_kept_twice() {
        assert_eq!(versions(&kept(Some("b"), &[older("a", 1)], "a", NOW)), ["b"]);
        assert_eq!(versions(&kept(Some("a"), &[older("b", 1), older("a", 2)], "c", NOW)), ["a", "b"]);
    }

    #[test]
    fn however_often_a_menu_changes_few_are_kept() {
        let mut all = Vec::new();
        for number in 0..20 {
            all = kept(Some(&number.to_string()), &all, &(number + 1).to_string(), NOW);
        }
        assert_eq!(versions(&all), ["19", "18", "17", "16"]);
    }

    #[test]
    fn a_clock_that_is_wrong_holds_no_prices_for_ever() {
        let ahead = |minutes| Older { version: "a".to_owned(), until: NOW.plus(Duration::from_mins(minutes)) };
        assert!(ahead(5).holds(NOW) && !ahead(16).holds(NOW));
        assert!(older("a", 15).holds(NOW) && !older("a", 16).holds(NOW));
    }
}
