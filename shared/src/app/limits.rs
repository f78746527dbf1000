//! What one instance remembers of each location: whether its POS keeps failing, and how many orders it has sent lately.
//! Only locations that are mapped get an entry, so there are never more entries than the vendor has stores.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{METRICS, moment::Ageing};
use crate::domain::{breaker::Breaker, directory::Location, ids::ParId, rate::Rate, time::UnixMillis};

type Key = (ParId, ParId);

/// Breakers and rates, by location.
#[derive(Debug, Default)]
pub struct Limits {
    breakers: Mutex<HashMap<Key, Breaker>>,
    rates: Mutex<HashMap<Key, Rate>>,
    /// Their time: a pause is over for a process that stood still, too.
    ageing: Ageing,
}

/// Leave to ask a POS. Dropped without a report, it is given back.
#[derive(Debug)]
pub struct Permit<'a> {
    limits: &'a Limits,
    key: Key,
    now: UnixMillis,
    /// The one that tries for all while the breaker is open.
    trial: bool,
    reported: bool,
}

impl Limits {
    /// Leave to ask the location's POS, unless it keeps failing.
    pub fn admit(&self, location: &Location, now: UnixMillis) -> Option<Permit<'_>> {
        let now = self.time(now);
        let key = key(location);
        // Most locations never fail, and have no entry.
        let look = |breaker: &mut Breaker| (breaker.is_open(), breaker.admits(now));
        let (trial, admitted) = lock(&self.breakers).get_mut(&key).map_or((false, true), look);
        admitted.then_some(Permit { limits: self, key, now, trial, reported: false })
    }

    /// Locations whose POS is not waited for at the moment.
    #[must_use]
    pub fn open(&self) -> Vec<String> {
        let breakers = lock(&self.breakers);
        breakers.iter().filter(|(_, breaker)| breaker.is_open()).map(|((_, location), _)| location.to_string()).collect()
    }

    /// Counts one order of the location against its cap.
    ///
    /// # Errors
    /// The time after which there is room again.
    pub fn count(&self, location: &Location, now: UnixMillis, per_second: u32) -> Result<(), Duration> {
        lock(&self.rates).entry(key(location)).or_default().admit(self.time(now), per_second)
    }

    /// The location's POS answered somebody who needed no leave to ask it, such as a worker: submits may ask it again.
    pub fn answered(&self, location: &Location) {
        self.close(&key(location));
    }

    fn close(&self, key: &Key) {
        if lock(&self.breakers).remove(key).is_some_and(|breaker| breaker.is_open()) {
            let (organization, location) = key;
            tracing::info!(target: METRICS, BreakerClosed = 1, organization.id = %organization, location.id = %location);
        }
    }

    fn time(&self, wall: UnixMillis) -> UnixMillis {
        UnixMillis(0).plus(self.ageing.time(wall))
    }
}

impl Permit<'_> {
    /// The POS answered.
    pub fn answered(mut self) {
        self.reported = true;
        self.limits.close(&self.key);
    }

    /// The POS could not be reached or did not answer in time.
    pub fn failed(mut self, now: UnixMillis) {
        self.reported = true;
        let mut breakers = lock(&self.limits.breakers);
        let breaker = breakers.entry(self.key.clone()).or_default();
        if breaker.is_open() && !self.trial {
            // Let in before it opened: what its trial says counts.
            return;
        }
        breaker.failed(self.limits.time(now));
        if breaker.is_open() {
            let (organization, location) = &self.key;
            tracing::info!(target: METRICS, BreakerOpened = 1, organization.id = %organization, location.id = %location);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.trial
            && !self.reported
            && let Some(breaker) = lock(&self.limits.breakers).get_mut(&self.key)
        {
            breaker.abandon(self.now);
        }
    }
}

fn key(location: &Location) -> Key {
    (location.organization_id.clone(), location.location_id.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
