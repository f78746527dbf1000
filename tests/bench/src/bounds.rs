//! What the counted figures must show, as data; the table of a run says which holds. Bounds on times are held where times are measured.

use anyhow::Context;

use crate::{
    baseline::Counted,
    counts::Counts,
    job::{self, Job},
    report::Bound,
    sizes::Size,
    units::units,
};

/// Instructions of an init and a first invocation but for its TLS endpoints. A tenth of a million is the connection that each placement
/// has for itself, and the POS in the order's row (docs/decisions/0024, 0025); so it is of a warm submit.
const COLD_BASE: u64 = 2_100_000;
/// Instructions for opening a TLS endpoint.
const ENDPOINT: u64 = 3_600_000;
/// What submit opens: DynamoDB, SQS, Secrets Manager.
const SUBMIT_ENDPOINTS: u64 = 3;

/// Of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Instructions of init and the first invocation.
    Cold,
    /// Instructions of a warm invocation.
    Warm,
    /// Calls of DynamoDB in a warm invocation.
    Calls,
    /// Messages that it sends.
    Sends,
    /// Thousandths of write units.
    Writes,
    /// Bytes of the order's row.
    Row,
    /// Bytes of log.
    Log,
    /// Bytes of log and metrics.
    Lines,
}

/// At most so much.
const OF_JOBS: [(Job, Figure, u64); 13] = [
    (Job::Submit, Figure::Cold, COLD_BASE + SUBMIT_ENDPOINTS * ENDPOINT),
    (Job::Submit, Figure::Warm, 2_300_000),
    // Two round trips and a resumed session of TLS for each placement.
    (Job::SubmitOverTls, Figure::Warm, 3_600_000),
    (Job::Get, Figure::Warm, 920_000),
    (Job::Process, Figure::Warm, 1_600_000),
    (Job::Submit, Figure::Calls, 2),
    (Job::Submit, Figure::Writes, 9_000),
    (Job::SubmitLater, Figure::Calls, 2),
    (Job::SubmitLater, Figure::Sends, 1),
    (Job::Replay, Figure::Calls, 1),
    (Job::Get, Figure::Calls, 1),
    // Accepted and nothing else yet: the row as it was claimed.
    (Job::SubmitLater, Figure::Row, 1_024),
    (Job::Submit, Figure::Row, 2_048),
];
/// The lease by one conditional write that reads nothing first, and the end.
const CALLS_OF_A_RECORD: &str = "1 dynamodb:PutItem, 1 dynamodb:UpdateItem";
/// The same of every job of a function of ours.
const OF_EVERY_JOB: [(Figure, u64); 2] = [(Figure::Log, 300), (Figure::Lines, 800)];
/// Bytes of every bootstrap and of its zip.
const OF_EVERY_BINARY: Size = Size { bytes: 7_500_000, zip: 3_500_000 };

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold, M instructions",
            Self::Warm => "warm, M instructions",
            Self::Calls => "calls of DynamoDB",
            Self::Sends => "messages sent",
            Self::Writes => "write units",
            Self::Row => "row, bytes",
            Self::Log => "log, bytes",
            Self::Lines => "log and metrics, bytes",
        }
    }

    fn of(self, counts: &Counts) -> Option<u64> {
        let calls = |of: &str| {
            counts.asked.calls.iter().filter(|(call, _)| call.starts_with(of)).map(|(_, count)| u64::from(*count)).sum()
        };
        Some(match self {
            Self::Cold => counts.cold,
            Self::Warm => counts.warm,
            Self::Calls => calls("dynamodb:"),
            Self::Sends => calls("sqs:SendMessage"),
            Self::Writes => counts.asked.write_milliunits,
            Self::Row => counts.row?,
            Self::Log => counts.said.log,
            Self::Lines => counts.said.log + counts.said.metrics,
        })
    }

    fn show(self, value: u64) -> String {
        match self {
            Self::Cold | Self::Warm => millions(value),
            Self::Writes => units(value),
            _ => value.to_string(),
        }
    }
}

/// Millions with two places, rounded up: what is shown at a bound is not beyond it.
pub(crate) fn millions(value: u64) -> String {
    let hundredths = value.div_ceil(10_000);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The bound of a job's figure, if it has one.
pub(crate) fn at_most(job: Job, figure: Figure) -> Option<u64> {
    OF_JOBS.into_iter().find(|bound| (bound.0, bound.1) == (job, figure)).map(|bound| bound.2)
}

/// All bounds on what is counted of these functions, and whether they are met.
///
/// # Errors
/// What they are about was not counted.
pub(crate) fn check(table: &Counted, functions: &[&str]) -> anyhow::Result<Vec<Bound>> {
    let ours = job::of(functions).filter(|job| *job != Job::Hello);
    let every = OF_EVERY_JOB.into_iter().flat_map(|(figure, most)| ours.clone().map(move |job| (job, figure, most)));
    let mut bounds = Vec::new();
    let of_jobs = OF_JOBS.into_iter().filter(|(job, ..)| functions.contains(&job.function()));
    for (job, figure, most) in of_jobs.chain(every) {
        let measured = figure.of(table.job(job.name())?).with_context(|| format!("no row of {} was found", job.name()))?;
        bounds.push(bound(
            format!("{}: {}", job.name(), figure.name()),
            figure.show(measured),
            figure.show(most),
            measured <= most,
        ));
    }
    if functions.contains(&Job::Process.function()) {
        let calls = table.job(Job::Process.name())?.asked.calls();
        bounds.push(Bound::equal(format!("{}: calls", Job::Process.name()), calls, CALLS_OF_A_RECORD));
    }
    for function in functions {
        let size = table.binaries.get(*function).with_context(|| format!("{function} was not measured"))?;
        for (what, measured, most) in [("bootstrap", size.bytes, OF_EVERY_BINARY.bytes), ("zip", size.zip, OF_EVERY_BINARY.zip)] {
            bounds.push(bound(format!("{function}: {what}, MB"), millions(measured), millions(most), measured <= most));
        }
    }
    Ok(bounds)
}

fn bound(what: String, measured: String, most: String, met: bool) -> Bound {
    Bound { what, measured, bound: format!("at most {most}"), met }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::FUNCTIONS;

    type Change = fn(&mut Counts);

    /// A table that is at every bound.
    fn at_the_edge() -> Counted {
        let mut table = Counted::default();
        for job in Job::ALL {
            let most = |figure| at_most(job, figure).unwrap_or(0);
            let mut counts =
                Counts { cold: most(Figure::Cold), warm: most(Figure::Warm), row: Some(most(Figure::Row)), ..Counts::default() };
            counts.asked.write_milliunits = most(Figure::Writes);
            counts.asked.calls.insert("dynamodb:GetItem".to_owned(), most(Figure::Calls).try_into().unwrap());
            counts.asked.calls.insert("sqs:SendMessage".to_owned(), most(Figure::Sends).try_into().unwrap());
            (counts.said.log, counts.said.metrics) = (300, 500);
            table.jobs.insert(job.name().to_owned(), counts);
        }
        let calls = ["dynamodb:PutItem", "dynamodb:UpdateItem"].map(|call| (call.to_owned(), 1));
        job(&mut table, Job::Process).asked.calls = calls.into();
        table.binaries.extend(FUNCTIONS.map(|function| (function.to_owned(), OF_EVERY_BINARY)));
        table
    }

    fn job(table: &mut Counted, job: Job) -> &mut Counts {
        table.jobs.get_mut(job.name()).unwrap()
    }

    fn not_met(change: impl FnOnce(&mut Counted)) -> Vec<String> {
        let mut table = at_the_edge();
        change(&mut table);
        check(&table, &FUNCTIONS).unwrap().into_iter().filter(|bound| !bound.met).map(|bound| bound.what).collect()
    }

    #[test]
    fn a_bound_is_met_at_its_edge_and_not_beyond() {
        assert!(not_met(|_| {}).is_empty());
        let cases: [(Job, Change, &str); 7] = [
            (Job::Submit, |counts| counts.cold += 1, "submit 200: cold, M instructions"),
            (Job::Process, |counts| counts.warm += 1, "process, a record: warm, M instructions"),
            (
                Job::Replay,
                |counts| *counts.asked.calls.get_mut("dynamodb:GetItem").unwrap() += 1,
                "submit, a replay: calls of DynamoDB",
            ),
            (
                Job::SubmitLater,
                |counts| *counts.asked.calls.get_mut("sqs:SendMessage").unwrap() += 1,
                "submit 202: messages sent",
            ),
            (
                Job::Process,
                |counts| *counts.asked.calls.entry("dynamodb:GetItem".to_owned()).or_default() += 1,
                "process, a record: calls",
            ),
            (Job::SubmitLater, |counts| counts.row = Some(1_025), "submit 202: row, bytes"),
            (Job::Menu, |counts| counts.said.metrics += 1, "menu: log and metrics, bytes"),
        ];
        for (of, change, named) in cases {
            assert_eq!(not_met(|table| change(job(table, of))), [named]);
        }
        assert_eq!(not_met(|table| table.binaries.get_mut("get-order").unwrap().zip += 1), ["get-order: zip, MB"]);
    }

    #[test]
    fn bounds_of_functions_that_were_not_chosen_are_not_asked_for() {
        let mut table = at_the_edge();
        table.jobs.retain(|name, _| name == Job::Get.name());
        table.binaries.retain(|name, _| name == "get-order");
        assert!(check(&table, &["get-order"]).unwrap().iter().all(|bound| bound.met && bound.what.starts_with("get")));
        job(&mut table, Job::Get).warm += 1_000_000;
        assert!(check(&table, &["get-order"]).unwrap().iter().any(|bound| !bound.met));
        assert!(check(&table, &["get-order", "submit-order"]).is_err());
    }

    #[test]
    fn what_was_not_counted_meets_no_bound() {
        let fails = |change: fn(&mut Counted)| {
            let mut table = at_the_edge();
            change(&mut table);
            check(&table, &FUNCTIONS).is_err()
        };
        assert!(fails(|table| table.jobs.clear()));
        assert!(fails(|table| table.binaries.clear()));
        assert!(fails(|table| job(table, Job::Submit).row = None));
    }

    #[test]
    fn a_figure_at_its_bound_is_shown_as_its_bound_and_one_beyond_as_more() {
        assert_eq!((millions(2_200_000), millions(2_200_001)), ("2.20".to_owned(), "2.21".to_owned()));
    }
}
