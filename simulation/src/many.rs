//! Many seeds, on all processors.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crate::{Fault, Harm, Options, run};

/// What came of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Orders that were sent in them.
    pub orders: u64,
    /// The promises that were broken, by the seed.
    pub harmed: BTreeMap<u64, BTreeSet<Harm>>,
    /// How often each fault struck.
    pub counts: BTreeMap<Fault, u64>,
}

/// Runs these seeds as `options` says, on so many threads. With `first`, no seed is begun after one that did harm. `each`
/// is called after each.
///
/// # Errors
/// A sentence when one could not be begun.
pub fn many(
    seeds: RangeInclusive<u64>,
    options: &Options,
    threads: usize,
    first: bool,
    each: impl Fn() + Sync,
) -> anyhow::Result<Summary> {
    let (next, stop, summary) = (AtomicU64::new(*seeds.start()), AtomicBool::new(false), Mutex::new(Summary::default()));
    let work = || -> anyhow::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let ended = run(&Options { seed, ..options.clone() })?;
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.seeds += 1;
            summary.orders += options.orders.len() as u64;
            for (fault, times) in ended.counts {
                *summary.counts.entry(fault).or_default() += times;
            }
            if !ended.harms.is_empty() {
                stop.store(first, Ordering::Relaxed);
                summary.harmed.insert(seed, ended.harms);
            }
            each();
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a run has panicked"))))
    })?;
    Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner))
}
