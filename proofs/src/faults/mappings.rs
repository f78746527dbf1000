//! Locations that are mapped otherwise while orders are under way: switched off, moved, renamed, robbed of a promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use posnext_shared::domain::{
    ability::Abilities,
    directory::{Connector, HttpConnector, Location, Mode},
    ids::ParId,
};

use super::{BEHIND, chaos::Chaos, location_id};
use crate::faults::tables;
use posnext_local::{
    local::ORGANIZATION,
    pos::{ABILITIES, BEHAVIOURS},
};

/// Between two changes.
const PAUSE: Duration = Duration::from_millis(1_500);
/// So many locations may be switched off at a time.
const OFF: usize = 4;
/// One in so many locations loses a promise for a while.
const ROBBED: usize = 8;

/// How a location is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// It takes no orders, or takes them again.
    Switched,
    /// The same POS has another address; it is said that it is the same.
    Moved,
    /// The same POS has another address; for all that is known it is another.
    Replaced,
    /// It is another store at the POS.
    Renamed,
    /// Its orders wait for the POS, or do not.
    Mode,
    /// Its POS promises less, or what it did at first.
    Promises,
}

impl Change {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Switched, "switched off or on"),
        (Self::Moved, "moved, the same system"),
        (Self::Replaced, "moved, as if to another system"),
        (Self::Renamed, "another store"),
        (Self::Mode, "sync or async"),
        (Self::Promises, "promises less, or again all"),
    ];
}

/// The locations as they are mapped now, and how they were at first.
#[derive(Debug)]
pub(super) struct Mappings {
    first: Vec<Location>,
    now: Vec<Location>,
    random: fastrand::Rng,
    /// Where the POS can be reached: directly, and behind the proxy.
    bases: [String; 2],
    /// Locations whose POS has promised less for a while.
    pub(super) robbed: BTreeSet<String>,
    pub(super) counts: BTreeMap<Change, u64>,
}

impl Mappings {
    /// Every location of the run: at the POS that is reached directly, and behind the proxy.
    pub(super) fn new(bases: [String; 2], seed: u64) -> anyhow::Result<Self> {
        let mut first = Vec::new();
        for (base, behind) in bases.iter().zip(["", BEHIND]) {
            for (name, abilities) in ABILITIES {
                for behaviour in BEHAVIOURS {
                    first.push(location(base, name, behaviour, behind, abilities)?);
                }
            }
        }
        let random = fastrand::Rng::with_seed(seed);
        Ok(Self { now: first.clone(), first, random, bases, robbed: BTreeSet::new(), counts: BTreeMap::new() })
    }

    /// Writes all of them as they were at first, however often that has to be tried.
    pub(super) async fn put_all(&self, chaos: &Chaos) -> anyhow::Result<()> {
        let directory = tables::directory(chaos).await?;
        for location in &self.first {
            let mut tries = 0;
            while let Err(error) = directory.put_location(location).await {
                tries += 1;
                anyhow::ensure!(tries < 20, "cannot write a location: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Changes one after the other as long as anything goes wrong; then all are as they were at first.
    pub(super) async fn play(mut self, chaos: Arc<Chaos>) -> anyhow::Result<Self> {
        while !chaos.is_over() {
            tokio::time::sleep(PAUSE).await;
            let (change, location) = self.next();
            // Where the services are stopped or killed meanwhile, it is written or not.
            if let Ok(directory) = tables::directory(&chaos).await
                && directory.put_location(&location).await.is_ok()
            {
                *self.counts.entry(change).or_default() += 1;
            }
        }
        self.put_all(&chaos).await?;
        Ok(self)
    }

    /// The next change, of those that were made least, and the location after it.
    fn next(&mut self) -> (Change, Location) {
        let least = Change::ALL.map(|(change, _)| change).into_iter();
        let change = least.min_by_key(|change| self.counts.get(change).copied().unwrap_or_default()).unwrap_or(Change::Mode);
        let off: Vec<usize> = self.now.iter().enumerate().filter(|(_, location)| !location.enabled).map(|(at, _)| at).collect();
        let at = match change {
            Change::Switched if off.len() >= OFF => off.first().copied().unwrap_or_default(),
            Change::Promises => self.random.usize(0..self.now.len() / ROBBED) * ROBBED,
            _ => self.random.usize(0..self.now.len()),
        };
        let first = self.first.get(at).cloned();
        let Some((location, first)) = self.now.get_mut(at).zip(first) else { unreachable!("it is one of them") };
        match change {
            Change::Switched => location.enabled = !location.enabled,
            Change::Mode => location.mode = if location.mode == Mode::Sync { Mode::Async } else { Mode::Sync },
            Change::Renamed => location.internal_id += "'",
            Change::Moved | Change::Replaced => mv(location, &self.bases, change == Change::Moved),
            Change::Promises => {
                self.robbed.insert(location.location_id.to_string());
                rob(location, &first, &mut self.random);
            }
        }
        (change, location.clone())
    }
}

/// Between the two ways to the POS.
fn mv(location: &mut Location, bases: &[String; 2], the_same: bool) {
    let Connector::Http(http) = &mut location.connector else { return };
    let [direct, behind] = bases;
    let (from, to) = if http.base.starts_with(direct.as_str()) { (direct, behind) } else { (behind, direct) };
    let base = http.base.replacen(from.as_str(), to, 1);
    let former = std::mem::replace(&mut http.base, base);
    http.formerly = if the_same { vec![former] } else { Vec::new() };
}

/// Takes a promise away, or gives all back that were taken.
fn rob(location: &mut Location, first: &Location, random: &mut fastrand::Rng) {
    let (Connector::Http(http), all) = (&mut location.connector, first.connector.abilities()) else { return };
    http.abilities = match random.u8(0..4) {
        0 => Abilities { idempotent_place: false, ..all },
        1 => Abilities { find: None, ..all },
        2 => Abilities { cancel: false, ..all },
        _ => all,
    };
}

fn location(pos: &str, name: &str, behaviour: &str, behind: &str, abilities: Abilities) -> anyhow::Result<Location> {
    Ok(Location {
        organization_id: ParId::new(ORGANIZATION)?,
        location_id: ParId::new(location_id(name, behaviour, behind))?,
        internal_id: format!("{name}-{behaviour}"),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Http(HttpConnector::new(format!("{pos}/{name}/{behaviour}"), None, abilities)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mappings() -> Mappings {
        Mappings::new(["http://127.0.0.1:1".to_owned(), "http://127.0.0.1:22".to_owned()], 7).unwrap()
    }

    #[test]
    fn each_way_to_change_a_location_has_its_turn_and_few_are_switched_off() {
        let mut mappings = mappings();
        for _ in 0..600 {
            let (change, _) = mappings.next();
            *mappings.counts.entry(change).or_default() += 1;
            assert!(mappings.now.iter().filter(|location| !location.enabled).count() <= OFF);
        }
        assert_eq!(mappings.counts.values().copied().collect::<Vec<_>>(), [100; 6]);
        assert!(mappings.robbed.len() * ROBBED <= mappings.now.len() + ROBBED, "{:?}", mappings.robbed);
    }

    #[test]
    fn a_location_that_has_moved_is_at_the_other_way_to_the_same_pos() {
        let mappings = mappings();
        let mut location = mappings.first[0].clone();
        mv(&mut location, &mappings.bases, true);
        let Connector::Http(moved) = &location.connector else { panic!("{location:?}") };
        let path = format!("/{}/{}", ABILITIES[0].0, BEHAVIOURS[0]);
        assert_eq!(moved.base, format!("http://127.0.0.1:22{path}"));
        assert!(moved.is_at(&format!("http://127.0.0.1:1{path}")));
    }
}
