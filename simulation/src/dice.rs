//! All the chance of a run, from one seed.

use std::{ops::Range, time::Duration};

/// Dice of one part of a run. Each part has its own, by its name and number: what another part throws changes nothing here.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    seed: u64,
    random: fastrand::Rng,
}

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed, random: fastrand::Rng::with_seed(seed) }
    }

    /// The dice of a part.
    pub(crate) fn part(&self, name: &str, number: u64) -> Self {
        // FNV-1a: it is the same everywhere and for ever.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = name.bytes().chain(number.to_le_bytes()).fold(self.seed ^ 0xcbf2_9ce4_8422_2325, mix);
        Self::of(hash)
    }

    /// Happens so many times in a thousand.
    pub(crate) fn in_a_thousand(&mut self, times: u32) -> bool {
        self.random.u32(0..1_000) < times
    }

    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        self.random.u64(range)
    }

    /// A time of so many milliseconds.
    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// One of these; of none, the first that there would be.
    pub(crate) fn one_of<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.random.usize(0..of.len())) }
    }
}
