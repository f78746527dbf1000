//! What a million orders cost, from what was counted and what AWS charges.

use crate::{baseline::Counted, counts::Counts, job::Job, prices, report::Table};

/// What a customer's order, or a question about it, takes.
struct Path {
    name: &'static str,
    invocations: &'static [Job],
}

const PATHS: [Path; 8] = [
    Path { name: "submit, answered 200", invocations: &[Job::Submit] },
    Path { name: "the same at a location with a menu", invocations: &[Job::SubmitWithMenu] },
    Path { name: "submit, rejected by the menu", invocations: &[Job::Rejected] },
    Path { name: "submit, answered 202; processing; no poll", invocations: &[Job::SubmitLater, Job::Process] },
    Path { name: "the same with three polls", invocations: &[Job::SubmitLater, Job::Process, Job::Get, Job::Get, Job::Get] },
    Path { name: "a poll", invocations: &[Job::Get] },
    Path { name: "submit, a replay", invocations: &[Job::Replay] },
    Path { name: "validate", invocations: &[Job::Validate] },
];

/// Of a million, in millionths of a dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cost {
    api: u64,
    lambda: u64,
    dynamodb: u64,
    sqs: u64,
    logs: u64,
    traces: u64,
    egress: u64,
}

impl Cost {
    /// A million invocations for this job.
    fn of(job: Job, counts: &Counts) -> Self {
        // The queue invokes this one, PAR all others.
        let from_queue = job == Job::Process;
        let requests = u64::from(!from_queue);
        let calls: u64 = counts.asked.calls.values().map(|count| u64::from(*count)).sum();
        let sent = counts
            .asked
            .calls
            .iter()
            .filter(|(call, _)| call.starts_with("sqs:"))
            .map(|(_, count)| u64::from(*count))
            .sum::<u64>();
        let waits = if asks_the_pos(job) { prices::POS_MS } else { 0 };
        let ms = prices::OWN_MS + calls * prices::CALL_MS + waits;
        let logged = counts.said.log + counts.said.metrics + prices::PLATFORM_LOG_BYTES + requests * prices::ACCESS_LOG_BYTES;
        let queue = sent + if from_queue { prices::MAPPING_REQUESTS } else { 0 };
        Self {
            api: requests * prices::API_REQUESTS,
            lambda: prices::LAMBDA_REQUESTS + prices::LAMBDA_GB_SECONDS * prices::MEMORY_MB * ms / (1_024 * 1_000),
            dynamodb: (counts.asked.write_milliunits * prices::WRITE_UNITS + counts.asked.read_milliunits * prices::READ_UNITS)
                / 1_000,
            sqs: queue * prices::QUEUE_REQUESTS,
            logs: bytes(logged, prices::LOG_GB),
            traces: prices::TRACES * prices::TRACED_PERMILLE / 1_000,
            egress: requests * bytes(counts.said.answer + prices::GATEWAY_BYTES, prices::EGRESS_GB),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            api: self.api + other.api,
            lambda: self.lambda + other.lambda,
            dynamodb: self.dynamodb + other.dynamodb,
            sqs: self.sqs + other.sqs,
            logs: self.logs + other.logs,
            traces: self.traces + other.traces,
            egress: self.egress + other.egress,
        }
    }

    fn parts(self) -> [u64; 7] {
        [self.api, self.lambda, self.dynamodb, self.sqs, self.logs, self.traces, self.egress]
    }
}

fn asks_the_pos(job: Job) -> bool {
    matches!(job, Job::Submit | Job::SubmitWithMenu | Job::SubmitOverTls | Job::Process)
}

/// A million times so many bytes, at a price a GB.
fn bytes(each: u64, price: u64) -> u64 {
    each * price / 1_000
}

/// Cents, rounded.
fn dollars(millionths: u64) -> String {
    let cents = (millionths + 5_000) / 10_000;
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// What a million of each path cost in dollars.
///
/// # Errors
/// A job of a path was not counted.
pub(crate) fn table(table: &Counted) -> anyhow::Result<String> {
    let mut rows = Table::new(["a million of", "API", "Lambda", "DynamoDB", "SQS", "logs", "traces", "egress", "USD"]);
    for Path { name, invocations } in PATHS {
        let mut cost = Cost::default();
        for job in invocations {
            cost = cost.plus(Cost::of(*job, table.job(job.name())?));
        }
        let [api, lambda, dynamodb, sqs, logs, traces, egress] = cost.parts().map(dollars);
        let total = format!("**{}**", dollars(cost.parts().iter().sum()));
        rows.row([name.to_owned(), api, lambda, dynamodb, sqs, logs, traces, egress, total]);
    }
    Ok(rows.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{said::Said, units::Asked};

    fn counts(calls: &[(&str, u32)], write_milliunits: u64, read_milliunits: u64) -> Counts {
        let calls = calls.iter().map(|(call, count)| ((*call).to_owned(), *count)).collect();
        let said = Said { log: 200, metrics: 190, answer: 800 };
        Counts { asked: Asked { calls, write_milliunits, read_milliunits }, said, ..Counts::default() }
    }

    #[test]
    fn a_submit_costs_its_request_its_time_its_units_and_its_bytes() {
        let cost = Cost::of(Job::Submit, &counts(&[("dynamodb:PutItem", 1), ("dynamodb:TransactWriteItems", 1)], 7_000, 500));
        // 310 ms of a quarter GB; 1,000 bytes of log; 1,000 bytes sent.
        let expected = Cost {
            api: 1_000_000,
            lambda: 200_000 + 1_033_338,
            dynamodb: 7 * 625_000 + 62_500,
            sqs: 0,
            logs: 500_000,
            traces: 250_000,
            egress: 90_000,
        };
        assert_eq!(cost, expected);
    }

    #[test]
    fn what_the_queue_invokes_pays_the_queue_and_not_the_api() {
        let cost = Cost::of(Job::Process, &counts(&[("dynamodb:PutItem", 2)], 5_000, 0));
        assert_eq!((cost.api, cost.egress, cost.sqs), (0, 0, 800_000));
        let later = Cost::of(Job::SubmitLater, &counts(&[("sqs:SendMessage", 1)], 0, 0));
        // It waits for no POS.
        assert_eq!((later.sqs, later.lambda), (400_000, 200_000 + 20_000));
    }

    #[test]
    fn a_path_is_the_sum_of_its_invocations() {
        let jobs = Job::ALL.map(|job| (job.name().to_owned(), counts(&[], 1_000, 0))).into();
        let text = table(&Counted { jobs, ..Counted::default() }).unwrap();
        let row = |name: &str| text.lines().find(|line| line.starts_with(&format!("| {name} "))).unwrap().to_owned();
        assert!(row("a poll").contains("| 0.63     |"), "{text}");
        assert!(row("the same with three polls").contains("| 3.13     |"), "{text}");
        assert!(table(&Counted::default()).is_err());
    }

    #[test]
    fn dollars_are_rounded_to_cents() {
        assert_eq!([dollars(4_999), dollars(5_000), dollars(12_345_000)], ["0.00", "0.01", "12.35"]);
    }
}
