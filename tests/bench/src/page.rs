//! The page that tells what an order costs, and the picture in it: made from the baseline, and held to it by a test.

use std::path::Path;

use anyhow::Context;

use crate::{
    baseline::Counted,
    bounds::{self, millions},
    cost,
    job::{self, FUNCTIONS, Job},
    picture, prices,
    report::{Table, verdicts},
    units::units,
};

/// Where the pages are, seen from the root of the repository.
const FOLDER: &str = "docs";

/// Writes page and picture.
pub(crate) fn write(table: &Counted) -> anyhow::Result<()> {
    for (name, content) in files(table)? {
        let file = Path::new(FOLDER).join(name);
        std::fs::write(&file, content)
            .with_context(|| format!("cannot write {}; run this at the root of the repository", file.display()))?;
    }
    Ok(())
}

fn files(table: &Counted) -> anyhow::Result<[(&'static str, String); 2]> {
    Ok([("cost.md", page(table)?), ("cost.svg", picture::draw(table)?)])
}

fn page(table: &Counted) -> anyhow::Result<String> {
    Ok(format!(
        "<!-- Made by `tests/bench/run --write` from tests/bench/baseline.json; a test holds it to that. -->\n\
         # What an order costs\n\n\
         ![Instructions of every job, cold and warm](cost.svg)\n\n\
         ## In dollars\n\n{money}\n{assumed}\n\
         ## In calls, units and bytes\n\nOf a warm invocation, counted.\n\n{counted}\n{sizes}\n\
         ## What is promised of it\n\n{bounds}",
        money = cost::table(table)?,
        assumed = assumed(),
        counted = counted(table, &FUNCTIONS)?,
        sizes = sizes(table, &FUNCTIONS)?,
        bounds = verdicts(&bounds::check(table, &FUNCTIONS)?),
    ))
}

fn assumed() -> String {
    format!(
        "List prices of us-east-1 without the free tier, of November 2025 (`tests/bench/src/prices.rs`). Counted: calls, units, bytes of log, metrics and \
         answer. Assumed: {memory} MB on arm64; an invocation takes {own} ms, {call} ms for each call and {pos} ms where a POS is waited for; a message \
         comes alone ({mapping} requests of the queue); Lambda's own lines are {platform} bytes an invocation and the access log's {access} a request; \
         API Gateway adds {gateway} bytes to an answer; {traced} of a thousand invocations are traced.\n\n\
         Not in it: rows and backups while they are kept, secrets, alarms, custom metrics, and the polls of a queue that is idle.\n",
        memory = prices::MEMORY_MB,
        own = prices::OWN_MS,
        call = prices::CALL_MS,
        pos = prices::POS_MS,
        mapping = prices::MAPPING_REQUESTS,
        platform = prices::PLATFORM_LOG_BYTES,
        access = prices::ACCESS_LOG_BYTES,
        gateway = prices::GATEWAY_BYTES,
        traced = prices::TRACED_PERMILLE,
    )
}

/// What every job of these functions asks for and says, one a row.
///
/// # Errors
/// A job was not counted.
pub(crate) fn counted(table: &Counted, functions: &[&str]) -> anyhow::Result<String> {
    let mut rows = Table::new(["", "cold, M Ir", "warm, M Ir", "WRU", "RRU", "log", "metrics", "answer", "row", "calls"]);
    for job in job::of(functions) {
        let counts = table.job(job.name())?;
        rows.row([
            job.name().to_owned(),
            millions(counts.cold),
            millions(counts.warm),
            units(counts.asked.write_milliunits),
            units(counts.asked.read_milliunits),
            counts.said.log.to_string(),
            counts.said.metrics.to_string(),
            counts.said.answer.to_string(),
            counts.row.map(|bytes| bytes.to_string()).unwrap_or_default(),
            counts.asked.calls(),
        ]);
    }
    Ok(rows.to_string())
}

/// The binaries of these functions, one a row.
///
/// # Errors
/// A binary was not measured.
pub(crate) fn sizes(table: &Counted, functions: &[&str]) -> anyhow::Result<String> {
    let mut rows = Table::new(["", "bootstrap, MB", "zip, MB"]);
    for &function in functions.iter().chain(&[Job::Hello.function()]) {
        let size = table.binaries.get(function).with_context(|| format!("{function} was not measured"))?;
        rows.row([function.to_owned(), millions(size.bytes), millions(size.zip)]);
    }
    Ok(rows.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline;

    #[test]
    fn the_page_and_its_picture_are_what_the_baseline_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let table = baseline::read(&root.join("tests/bench/baseline.json")).unwrap();
        for (name, content) in files(&table).unwrap() {
            let kept = std::fs::read_to_string(root.join(FOLDER).join(name)).unwrap();
            assert!(kept == content, "docs/{name} is not what the baseline says; make both anew: tests/bench/run --write");
        }
    }
}
