//! Where an order goes: the POS and the store there, as they were mapped when it was claimed. An order of which
//! anything was attempted stays with that POS, whatever is mapped later (docs/lifecycle.md#where-an-order-goes).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    ability::Abilities,
    directory::{Connector, HttpConnector, Location, SandboxConnector},
};

/// A POS, and a store there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The vendor's own id of the location.
    pub internal_id: String,
    /// The POS.
    pub pos: PinnedPos,
}

/// A POS, as far as an order is tied to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PinnedPos {
    /// A POS behind HTTP: its address, the name of its secret, its promises and its contract.
    Http(HttpConnector),
    /// The played POS. There is one, and how it behaves is no matter of the order's.
    Sandbox {
        /// What it promises.
        abilities: Abilities,
    },
}

impl Pinned {
    /// The POS and the store of this location.
    #[must_use]
    pub fn of(location: &Location) -> Self {
        let pos = match &location.connector {
            Connector::Http(http) => PinnedPos::Http(HttpConnector { formerly: Vec::new(), ..http.clone() }),
            Connector::Sandbox(sandbox) => PinnedPos::Sandbox { abilities: sandbox.abilities },
        };
        Self { internal_id: location.internal_id.clone(), pos }
    }

    /// What the POS promised then.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        match &self.pos {
            PinnedPos::Http(http) => http.abilities,
            PinnedPos::Sandbox { abilities } => *abilities,
        }
    }

    /// Whether this location is at the same POS and the same store.
    #[must_use]
    pub fn is_where(&self, location: &Location) -> bool {
        let same_pos = match (&self.pos, &location.connector) {
            (PinnedPos::Http(then), Connector::Http(now)) => now.is_at(&then.base),
            (PinnedPos::Sandbox { .. }, Connector::Sandbox(_)) => true,
            _ => false,
        };
        same_pos && self.internal_id == location.internal_id
    }

    /// The location with this POS and this store. Where its POS is the same system, it is reached as it is now.
    #[must_use]
    pub fn target<'a>(&self, mapped: &'a Location) -> Cow<'a, Location> {
        if self.is_where(mapped) {
            return Cow::Borrowed(mapped);
        }
        let connector = match (&self.pos, &mapped.connector) {
            (PinnedPos::Http(then), Connector::Http(now)) if now.is_at(&then.base) => Connector::Http(now.clone()),
            (PinnedPos::Http(then), _) => Connector::Http(then.clone()),
            (PinnedPos::Sandbox { .. }, Connector::Sandbox(now)) => Connector::Sandbox(now.clone()),
            (PinnedPos::Sandbox { abilities }, _) => {
                Connector::Sandbox(SandboxConnector { abilities: *abilities, ..SandboxConnector::default() })
            }
        };
        Cow::Owned(Location { internal_id: self.internal_id.clone(), connector, ..mapped.clone() })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{
        ability::Find,
        directory::{HttpAuth, Mode},
        ids::ParId,
    };

    /// A location at a played POS that promises this.
    pub(in crate::domain) fn promising(abilities: Abilities) -> Location {
        Location {
            organization_id: ParId::new("O").unwrap(),
            location_id: ParId::new("L").unwrap(),
            internal_id: "store-1".to_owned(),
            enabled: true,
            mode: Mode::Sync,
            shared_ids: None,
            pull_menu: false,
            live_availability: false,
            connector: Connector::Sandbox(SandboxConnector { abilities, ..SandboxConnector::default() }),
        }
    }

    /// The same, for as long as the tests run.
    pub(in crate::domain) fn mapped(abilities: Abilities) -> &'static Location {
        Box::leak(Box::new(promising(abilities)))
    }

    fn at(base: &str, secret: &str) -> Location {
        let abilities = Abilities { idempotent_place: true, find: Some(Find { settle_s: 5 }), cancel: true };
        let auth = Some(HttpAuth::Hmac { secret: secret.to_owned() });
        let connector = Connector::Http(HttpConnector::new(base, auth, abilities));
        Location { connector, ..promising(Abilities::default()) }
    }

    fn http(location: &Location) -> &HttpConnector {
        match &location.connector {
            Connector::Http(http) => http,
            Connector::Sandbox(_) => panic!("a sandbox"),
        }
    }

    #[test]
    fn an_order_stays_with_its_pos_its_store_and_the_secret_there() {
        let (old, new) = (at("https://old.example", "s/1"), at("https://new.example", "s/2"));
        let new = Location { internal_id: "store-2".to_owned(), ..new };
        let pinned = Pinned::of(&old);
        assert!(pinned.is_where(&old) && !pinned.is_where(&new));
        assert!(matches!(pinned.target(&old), Cow::Borrowed(_)));
        let target = pinned.target(&new);
        assert_eq!((target.internal_id.as_str(), &target.connector), ("store-1", &old.connector));
        // The same POS, another store of it.
        let other_store = Location { internal_id: "store-2".to_owned(), ..old.clone() };
        assert!(!pinned.is_where(&other_store));
        assert_eq!(pinned.target(&other_store).internal_id, "store-1");
        // Another kind of POS.
        let played = promising(Abilities::default());
        assert_eq!(pinned.target(&played).connector, old.connector);
        assert!(matches!(Pinned::of(&played).target(&old).connector, Connector::Sandbox(_)));
    }

    #[test]
    fn a_system_that_moved_is_reached_where_it_is_now() {
        let old = at("https://old.example", "s/1");
        let mut moved = at("https://new.example", "s/2");
        let Connector::Http(http_now) = &mut moved.connector else { panic!("http") };
        http_now.formerly.push("https://old.example".to_owned());
        let pinned = Pinned::of(&old);
        assert!(pinned.is_where(&moved));
        let moved = Location { internal_id: "store-2".to_owned(), ..moved };
        let target = pinned.target(&moved);
        let secret = http(&target).auth.as_ref().map(HttpAuth::secret);
        assert_eq!(
            (target.internal_id.as_str(), http(&target).base.as_str(), secret),
            ("store-1", "https://new.example", Some("s/2"))
        );
    }
}
