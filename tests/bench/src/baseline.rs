//! What was counted when somebody last looked, kept as a file, and what is otherwise now.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{counts::Counts, sizes::Size};

/// Between two counts of the same binary, in thousandths. Two counts of one binary differ by one, two builds of one code by nine.
const WARM_TOLERANCE: u64 = 10;
const COLD_TOLERANCE: u64 = 10;
/// Numbers of a varying length are in every line.
const SAID_TOLERANCE: u64 = 20;
/// A change of a hundredth in a size is nobody's concern.
const SIZE_TOLERANCE: u64 = 10;

/// Everything that is counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// By the job's name.
    pub(crate) jobs: BTreeMap<String, Counts>,
    /// By the function's name.
    pub(crate) binaries: BTreeMap<String, Size>,
}

impl Counted {
    /// What this job counts.
    pub(crate) fn job(&self, name: &str) -> anyhow::Result<&Counts> {
        self.jobs.get(name).with_context(|| format!("{name} was not counted"))
    }
}

/// Something that is not as in the baseline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) what: String,
    /// Or better by more than chance, so that the baseline should be written anew.
    pub(crate) worse: bool,
}

/// What is otherwise than in the baseline by more than chance.
pub(crate) fn compare(now: &Counted, before: &Counted) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (job, counts) in &now.jobs {
        match before.jobs.get(job) {
            None => differences.push(Difference { what: format!("{job}: not in the baseline"), worse: true }),
            Some(base) => differences.extend(compare_counts(job, counts, base)),
        }
    }
    for (function, size) in &now.binaries {
        let Some(base) = before.binaries.get(function) else {
            differences.push(Difference { what: format!("{function}: not in the baseline"), worse: true });
            continue;
        };
        differences.extend(differ(&format!("{function}: bytes"), size.bytes, base.bytes, SIZE_TOLERANCE));
        differences.extend(differ(&format!("{function}: bytes of its zip"), size.zip, base.zip, SIZE_TOLERANCE));
    }
    differences
}

fn compare_counts(job: &str, now: &Counts, before: &Counts) -> Vec<Difference> {
    let mut figures = vec![
        ("cold instructions".to_owned(), now.cold, before.cold, COLD_TOLERANCE),
        ("warm instructions".to_owned(), now.warm, before.warm, WARM_TOLERANCE),
        ("thousandths of a write unit".to_owned(), now.asked.write_milliunits, before.asked.write_milliunits, 0),
        ("thousandths of a read unit".to_owned(), now.asked.read_milliunits, before.asked.read_milliunits, 0),
        ("bytes of log".to_owned(), now.said.log, before.said.log, SAID_TOLERANCE),
        ("bytes of metrics".to_owned(), now.said.metrics, before.said.metrics, SAID_TOLERANCE),
        ("bytes of the answer".to_owned(), now.said.answer, before.said.answer, SAID_TOLERANCE),
        ("bytes of the row".to_owned(), now.row.unwrap_or(0), before.row.unwrap_or(0), SIZE_TOLERANCE),
    ];
    let mut calls: BTreeMap<&String, (u64, u64)> = BTreeMap::new();
    for (call, count) in &now.asked.calls {
        calls.entry(call).or_default().0 = u64::from(*count);
    }
    for (call, count) in &before.asked.calls {
        calls.entry(call).or_default().1 = u64::from(*count);
    }
    figures.extend(calls.into_iter().map(|(call, (now, before))| (format!("calls of {call}"), now, before, 0)));
    figures
        .into_iter()
        .filter_map(|(what, now, before, tolerance)| differ(&format!("{job}: {what}"), now, before, tolerance))
        .collect()
}

/// `tolerance` in thousandths of what was before.
fn differ(what: &str, now: u64, before: u64, tolerance: u64) -> Option<Difference> {
    let differs = now.abs_diff(before) * 1_000 > before * tolerance;
    differs.then(|| Difference { what: format!("{what}: {now}, in the baseline {before}"), worse: now > before })
}

/// Reads a baseline.
pub(crate) fn read(file: &Path) -> anyhow::Result<Counted> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}; make it with --write", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline; make it anew with --write", file.display()))
}

/// Writes a baseline.
pub(crate) fn write(file: &Path, table: &Counted) -> anyhow::Result<()> {
    std::fs::write(file, serde_json::to_string_pretty(table)? + "\n").with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(change: impl FnOnce(&mut Counted)) -> Counted {
        let mut counts = Counts { cold: 10_000, warm: 1_000, row: Some(900), ..Counts::default() };
        counts.asked.calls.insert("dynamodb:GetItem".to_owned(), 1);
        let mut table = Counted::default();
        table.jobs.insert("get".to_owned(), counts);
        table.binaries.insert("get-order".to_owned(), Size { bytes: 7_000_000, zip: 3_000_000 });
        change(&mut table);
        table
    }

    fn job(table: &mut Counted) -> &mut Counts {
        table.jobs.get_mut("get").unwrap()
    }

    fn differences(change: impl FnOnce(&mut Counted)) -> Vec<(String, bool)> {
        let differences = compare(&table(change), &table(|_| {}));
        differences.into_iter().map(|difference| (difference.what, difference.worse)).collect()
    }

    #[test]
    fn chance_is_no_difference_and_more_is() {
        assert_eq!(differences(|table| job(table).warm = 1_010), []);
        let worse = ("get: warm instructions: 1011, in the baseline 1000".to_owned(), true);
        assert_eq!(differences(|table| job(table).warm = 1_011), [worse]);
        let better = ("get: cold instructions: 5000, in the baseline 10000".to_owned(), false);
        assert_eq!(differences(|table| job(table).cold = 5_000), [better]);
    }

    #[test]
    fn calls_and_units_are_compared_exactly_and_new_ones_are_seen() {
        let more = differences(|table| job(table).asked.read_milliunits = 1);
        assert_eq!(more, [("get: thousandths of a read unit: 1, in the baseline 0".to_owned(), true)]);
        let other = differences(|table| job(table).asked.calls = [("dynamodb:Query".to_owned(), 2)].into());
        let gone = ("get: calls of dynamodb:GetItem: 0, in the baseline 1".to_owned(), false);
        assert_eq!(other, [gone, ("get: calls of dynamodb:Query: 2, in the baseline 0".to_owned(), true)]);
    }

    #[test]
    fn what_the_baseline_does_not_have_is_worse() {
        let new = differences(|table| {
            table.jobs.insert("put".to_owned(), Counts::default());
            table.binaries.insert("put-order".to_owned(), Size::default());
        });
        assert!(new.len() == 2 && new.iter().all(|(_, worse)| *worse), "{new:?}");
    }
}
