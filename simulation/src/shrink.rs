//! A shorter story of the same harm.

use std::collections::BTreeSet;

use crate::{Options, run};

/// Leaves out orders and kinds of faults, one after the other, as long as one of the same promises is broken. `each` is
/// called after each run.
///
/// # Errors
/// A sentence when a run could not be begun.
pub fn shrink(options: &Options, each: impl Fn(&Options)) -> anyhow::Result<Options> {
    let broken = |options: &Options| -> anyhow::Result<BTreeSet<&'static str>> {
        Ok(run(options)?.harms.into_iter().map(|harm| harm.promise).collect())
    };
    let (promises, mut least) = (broken(options)?, options.clone());
    if promises.is_empty() {
        return Ok(least);
    }
    let try_without = |less: Options, least: &mut Options| -> anyhow::Result<()> {
        let still = !broken(&less)?.is_disjoint(&promises);
        each(&less);
        if still {
            *least = less;
        }
        Ok(())
    };
    // Half of them first, then a quarter, down to one.
    let mut size = options.orders.len().div_ceil(2).max(1);
    loop {
        for chunk in least.orders.iter().copied().collect::<Vec<_>>().chunks(size) {
            let orders: BTreeSet<u64> = least.orders.iter().copied().filter(|number| !chunk.contains(number)).collect();
            if !orders.is_empty() {
                try_without(Options { orders, ..least.clone() }, &mut least)?;
            }
        }
        if size == 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    for fault in options.faults.clone() {
        let faults = least.faults.iter().copied().filter(|other| *other != fault).collect();
        try_without(Options { faults, ..least.clone() }, &mut least)?;
    }
    Ok(least)
}
