//! Ours beside peers that do the same job in other languages (docs/peers.md tells what is equal and what is not). They take turns on the
//! same events, so that each ratio is of neighbours in time, and the median of the rounds counts.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::Client as Dynamo;
use indicatif::ProgressBar;

use crate::{
    contestants::Contestant,
    runtime::{Run, Span, run},
    stage::{Job, Stage},
    times::{permille, ratio},
    units::Asked,
};

const JOBS: [Job; 3] = [Job::Submit, Job::Get, Job::Process];
/// Invocations after the first that are not counted: so long just-in-time compilers still compile.
const WARM_UP: usize = 300;
/// Warm invocations that are counted.
const COUNTED: usize = 100;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    ColdWall,
    ColdCpu,
    WarmWall,
    WarmCpu,
    Peak,
}

impl Figure {
    const ALL: [Self; 5] = [Self::ColdWall, Self::ColdCpu, Self::WarmWall, Self::WarmCpu, Self::Peak];

    fn name(self) -> &'static str {
        match self {
            Self::ColdWall => "cold wall",
            Self::ColdCpu => "cold CPU",
            Self::WarmWall => "warm wall",
            Self::WarmCpu => "warm CPU",
            Self::Peak => "peak RSS",
        }
    }

    /// A peer's in thousandths of ours. Cold is init and the first invocation.
    fn permille(self, peer: &Run, ours: &Run) -> u64 {
        match self {
            Self::ColdWall => permille(cold(peer, |span| span.wall), cold(ours, |span| span.wall)),
            Self::ColdCpu => permille(cold(peer, |span| span.cpu), cold(ours, |span| span.cpu)),
            Self::WarmWall => permille(warm(peer, |span| span.wall), warm(ours, |span| span.wall)),
            Self::WarmCpu => permille(warm(peer, |span| span.cpu), warm(ours, |span| span.cpu)),
            Self::Peak => peer.peak_kib * 1_000 / ours.peak_kib.max(1),
        }
    }

    /// What the ratio must be at least, in thousandths.
    fn bound(self, peer: Contestant) -> Option<u64> {
        match (self, peer) {
            (Self::ColdWall, Contestant::Node) => Some(15_000),
            (Self::ColdWall, Contestant::Python) => Some(30_000),
            (Self::WarmCpu, Contestant::Node | Contestant::Python) => Some(4_000),
            _ => None,
        }
    }
}

/// Runs all in turns, prints the medians and the bounds, and tells whether the bounds are met.
pub(crate) async fn measure(stage: &Stage, rounds: usize, bar: &ProgressBar) -> anyhow::Result<bool> {
    bar.set_length((JOBS.len() * Contestant::ALL.len() * (1 + rounds)) as u64);
    let dynamodb = Dynamo::new(&stage.services.aws.dynamodb);
    for contestant in Contestant::ALL {
        contestant.create_tables(&dynamodb).await?;
    }
    let mut asks = Vec::new();
    for job in JOBS {
        for contestant in Contestant::ALL {
            asks.push((job, contestant, asked(stage, &dynamodb, job, contestant).await?));
            bar.inc(1);
        }
    }
    let mut ratios: BTreeMap<(Job, Contestant), Vec<[u64; 5]>> = BTreeMap::new();
    for _ in 0..rounds {
        for job in JOBS {
            let events = stage.events(job, 1 + WARM_UP + COUNTED).await?;
            let mut ours = None;
            for contestant in Contestant::ALL {
                bar.set_message(format!("{}, {}", job.name(), contestant.name()));
                contestant.lay_down(&dynamodb, job, &events).await?;
                let run = run(&contestant.plan(stage, job, stage.environment(), events.clone())?).await?;
                contestant.check(&dynamodb, job, &events, &run.answers).await?;
                let ours = ours.get_or_insert_with(|| run.clone());
                ratios.entry((job, contestant)).or_default().push(Figure::ALL.map(|figure| figure.permille(&run, ours)));
                bar.inc(1);
            }
        }
    }
    let medians: Vec<(Job, Contestant, [u64; 5])> =
        ratios.into_iter().map(|((job, contestant), rounds)| (job, contestant, medians(&rounds))).collect();
    bar.finish_and_clear();
    show_asked(&asks);
    Ok(show(&medians))
}

/// What the last of three invocations asks of AWS: the ones before have warmed the caches.
async fn asked(stage: &Stage, dynamodb: &Dynamo, job: Job, contestant: Contestant) -> anyhow::Result<Asked> {
    let asked_by = async |count: usize| -> anyhow::Result<Asked> {
        let events = stage.events(job, count).await?;
        contestant.lay_down(dynamodb, job, &events).await?;
        stage.counter.take();
        let run = run(&contestant.plan(stage, job, stage.counted_environment(), events.clone())?).await?;
        let asked = stage.counter.take();
        contestant.check(dynamodb, job, &events, &run.answers).await?;
        Ok(asked)
    };
    let two = asked_by(2).await?;
    Ok(asked_by(3).await?.less(&two))
}

fn show_asked(asks: &[(Job, Contestant, Asked)]) {
    println!("\n{:<26} {:>5} {:>5}  calls when warm", "", "WRU", "RRU");
    for (job, contestant, asked) in asks {
        let calls: Vec<String> = asked.calls.iter().map(|(call, count)| format!("{count} {call}")).collect();
        let (written, read) = (crate::units(asked.write_milliunits), crate::units(asked.read_milliunits));
        println!("{:<26} {written:>5} {read:>5}  {}", title(*job, *contestant), calls.join(", "));
    }
}

/// Prints the table and the bounds; whether these are met.
fn show(medians: &[(Job, Contestant, [u64; 5])]) -> bool {
    let cells = |cells: [String; 5]| cells.map(|cell| format!(" {cell:>10}")).concat();
    println!("\n{:<26}{}", "median of ratios to ours", cells(Figure::ALL.map(|figure| figure.name().to_owned())));
    let peers = || medians.iter().filter(|(_, contestant, _)| *contestant != Contestant::Ours);
    for (job, peer, ratios) in peers() {
        println!("{:<26}{}", title(*job, *peer), cells(ratios.map(ratio)));
    }
    println!();
    let mut all_met = true;
    for (job, peer, ratios) in peers() {
        for (figure, measured) in Figure::ALL.into_iter().zip(ratios) {
            let Some(least) = figure.bound(*peer) else { continue };
            let met = *measured >= least;
            all_met &= met;
            let (verdict, title) = (if met { "ok" } else { "NOT MET" }, title(*job, *peer));
            println!("{verdict:<8} {title}: {} {}, at least {}", figure.name(), ratio(*measured), ratio(least));
        }
    }
    all_met
}

fn title(job: Job, contestant: Contestant) -> String {
    format!("{}, {}", job.name(), contestant.name())
}

/// The median of each figure by itself.
fn medians(rounds: &[[u64; 5]]) -> [u64; 5] {
    let mut columns: [Vec<u64>; 5] = Default::default();
    for round in rounds {
        columns.iter_mut().zip(round).for_each(|(column, ratio)| column.push(*ratio));
    }
    columns.map(|mut column| {
        column.sort_unstable();
        column.get(column.len() / 2).copied().unwrap_or_default()
    })
}

/// Init and the first invocation.
fn cold(run: &Run, part: fn(&Span) -> Duration) -> Duration {
    part(&run.init) + run.invocations.first().map_or(Duration::ZERO, part)
}

/// The median of the invocations that count.
fn warm(run: &Run, part: fn(&Span) -> Duration) -> Duration {
    let mut parts: Vec<Duration> = run.invocations.iter().skip(1 + WARM_UP).map(part).collect();
    parts.sort_unstable();
    parts.get(parts.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(cold_ms: u64, warm_ms: u64) -> Run {
        let span = |ms| Span { wall: Duration::from_millis(ms), cpu: Duration::from_millis(ms) };
        let mut invocations = vec![span(cold_ms)];
        invocations.extend([span(1_000); WARM_UP]);
        invocations.extend([span(warm_ms); COUNTED]);
        Run { init: span(cold_ms), invocations, peak_kib: 10, ..Run::default() }
    }

    #[test]
    fn cold_is_init_and_the_first_invocation_and_warm_what_comes_after_the_warm_up() {
        let (peer, ours) = (spent(30, 8), spent(2, 1));
        assert_eq!(Figure::ALL.map(|figure| figure.permille(&peer, &ours)), [15_000, 15_000, 8_000, 8_000, 1_000]);
    }

    #[test]
    fn each_figure_has_a_median_of_its_own() {
        assert_eq!(medians(&[[1, 9, 5, 1, 1], [2, 8, 5, 1, 1], [3, 7, 5, 1, 1]]), [2, 8, 5, 1, 1]);
    }

    #[test]
    fn a_ratio_below_its_bound_is_not_met() {
        let enough = |wall, cpu| show(&[(Job::Submit, Contestant::Node, [wall, 0, 0, cpu, 0])]);
        assert!(enough(15_000, 4_000));
        assert!(!enough(14_999, 4_000) && !enough(15_000, 3_999));
    }
}
