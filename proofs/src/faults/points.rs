//! What went wrong where, for whoever reads the report.

use std::{collections::BTreeSet, fmt::Write};

use super::{
    chaos::Chaos,
    fate::Fate,
    mappings::{Change, Mappings},
    persons::{Decided, Verb},
};

/// How often each fault has struck at each point, and how often a process has gone on there.
pub(super) fn table(chaos: &Chaos) -> String {
    let (counts, thawed) = (chaos.counts(), chaos.thawed());
    let mut text = String::new();
    for line in [0, 1] {
        let heads = Fate::OF_A_CALL.map(|(_, words)| words.get(line).copied().unwrap_or_default());
        let heads: String = heads.into_iter().chain([["thawed", "late"].get(line).copied().unwrap_or_default()]).fold(
            String::new(),
            |mut heads, word| {
                let _ = write!(heads, " {word:>7}");
                heads
            },
        );
        let _ = writeln!(text, "{:<36}{heads}", if line == 0 { "point" } else { "" });
    }
    let points: BTreeSet<&str> = counts.keys().map(|(point, _)| point.as_str()).collect();
    for point in points {
        let count = |fate| counts.get(&(point.to_owned(), fate)).copied().unwrap_or(0);
        let (stopped, restarted) = (count(Fate::Stopped), count(Fate::Restarted));
        if stopped + restarted > 0 {
            let _ = writeln!(text, "{point}: stopped for a while {stopped} times, killed and restarted {restarted} times");
            continue;
        }
        let _ = write!(text, "{point:<36}");
        for (fate, _) in Fate::OF_A_CALL {
            let _ = write!(text, " {:>7}", count(fate));
        }
        let _ = writeln!(text, " {:>7}", thawed.get(point).map_or(0, |thawed| thawed.after));
    }
    let late: u64 = thawed.values().map(|thawed| thawed.after).sum();
    let alone: u64 = thawed.values().map(|thawed| thawed.before).sum();
    let _ = writeln!(
        text,
        "thawed late: past the time-out, after another process had written to the order or been at its POS: {late}; though none had: {alone}\n\
         answers that came too late, and were refused: {}",
        chaos.stale_answers()
    );
    text + &clocks(chaos)
}

fn clocks(chaos: &Chaos) -> String {
    let clocked = chaos.clocked();
    let all: u64 = clocked.values().sum();
    let off: u64 = clocked.iter().filter(|(off, _)| **off != 0).map(|(_, count)| count).sum();
    let [first, last] = [clocked.keys().next(), clocked.keys().last()].map(|off| off.copied().unwrap_or_default());
    format!("{all} processes, {off} with clocks of their own, from {first} ms to {last} ms off the machine's\n")
}

/// What became of locations, and what persons decided.
pub(super) fn others(mappings: &Mappings, decided: &Decided) -> String {
    let mut text = String::from("\nlocations mapped otherwise in the middle of it:\n");
    for (change, words) in Change::ALL {
        let _ = writeln!(text, "{:>9} {words}", mappings.counts.get(&change).copied().unwrap_or_default());
    }
    let _ = writeln!(text, "\n{:>9} {:>9} persons", "done", "not done");
    for (verb, words) in Verb::ALL {
        let [done, not] = decided.get(&verb).copied().unwrap_or_default();
        let _ = writeln!(text, "{done:>9} {not:>9} {words}");
    }
    text
}
