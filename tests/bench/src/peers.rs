//! Ours beside peers that do the same job in other languages (docs/peers.md tells what is equal and what is not). They take turns on the
//! same events, so that each ratio is of neighbours in time, and the median of the rounds counts.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::Client as Dynamo;
use indicatif::ProgressBar;

use crate::{
    contestants::Contestant,
    job::Job,
    ratio::{Ratio, median},
    report::{Bound, Section, Table},
    runtime::{Run, Span, run},
    stage::Stage,
    units::{Asked, units},
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

    /// A run's, of another's. Cold is init and the first invocation.
    fn ratio(self, run: &Run, ours: &Run) -> Ratio {
        let of_times = |time: fn(&Run, Part) -> Duration, part: Part| Ratio::of_times(time(run, part), time(ours, part));
        match self {
            Self::ColdWall => of_times(cold, |span| span.wall),
            Self::ColdCpu => of_times(cold, |span| span.cpu),
            Self::WarmWall => of_times(warm, |span| span.wall),
            Self::WarmCpu => of_times(warm, |span| span.cpu),
            Self::Peak => Ratio::of(run.peak_kib, ours.peak_kib),
        }
    }

    /// What a peer's ratio must be at least.
    fn bound(self, peer: Contestant) -> Option<Ratio> {
        match (self, peer) {
            (Self::ColdWall, Contestant::Node) => Some(Ratio::permille(15_000)),
            (Self::ColdWall, Contestant::Python) => Some(Ratio::permille(30_000)),
            (Self::WarmCpu, Contestant::Node | Contestant::Python) => Some(Ratio::permille(4_000)),
            _ => None,
        }
    }
}

/// Wall or processor time of a stretch.
type Part = fn(&Span) -> Duration;
type Ratios = [Ratio; Figure::ALL.len()];

/// Runs all in turns.
pub(crate) async fn measure(stage: &Stage, rounds: usize, bar: &ProgressBar) -> anyhow::Result<Section> {
    bar.set_length((JOBS.len() * Contestant::ALL.len() * (1 + rounds)) as u64);
    let dynamodb = stage.dynamodb();
    for contestant in Contestant::ALL {
        contestant.create_tables(&dynamodb).await?;
    }
    let mut asks = BTreeMap::new();
    for job in JOBS {
        for contestant in Contestant::ALL {
            bar.set_message(title(job, contestant));
            asks.insert((job, contestant), asked(stage, &dynamodb, job, contestant).await?);
            bar.inc(1);
        }
    }
    let mut ratios: BTreeMap<(Job, Contestant), Vec<Ratios>> = BTreeMap::new();
    for _ in 0..rounds {
        for job in JOBS {
            let events = stage.events(job, 1 + WARM_UP + COUNTED).await?;
            let mut ours = None;
            for contestant in Contestant::ALL {
                bar.set_message(title(job, contestant));
                contestant.lay_down(&dynamodb, job, &events).await?;
                let run = run(&contestant.plan(stage, job, stage.environment(), events.clone())?).await?;
                contestant.check(&dynamodb, job, &events, &run.answers).await?;
                let ours = ours.get_or_insert_with(|| run.clone());
                ratios.entry((job, contestant)).or_default().push(Figure::ALL.map(|figure| figure.ratio(&run, ours)));
                bar.inc(1);
            }
        }
    }
    let medians = ratios.into_iter().map(|(who, rounds)| (who, medians(&rounds))).collect();
    Ok(section(rounds, &asks, &medians))
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

fn section(rounds: usize, asks: &BTreeMap<(Job, Contestant), Asked>, medians: &BTreeMap<(Job, Contestant), Ratios>) -> Section {
    let [cold_wall, cold_cpu, warm_wall, warm_cpu, peak] = Figure::ALL.map(Figure::name);
    let mut section = Section {
        title: format!("Peers that do the same job, {rounds} rounds; ratios to ours"),
        table: Table::new(["", cold_wall, cold_cpu, warm_wall, warm_cpu, peak, "WRU", "RRU", "calls when warm"]),
        ..Section::default()
    };
    for ((job, contestant), ratios) in medians {
        let asked = asks.get(&(*job, *contestant)).cloned().unwrap_or_default();
        let (written, read) = (units(asked.write_milliunits), units(asked.read_milliunits));
        let [cold_wall, cold_cpu, warm_wall, warm_cpu, peak] = ratios.map(|ratio| ratio.to_string());
        let who = title(*job, *contestant);
        section.table.row([who.clone(), cold_wall, cold_cpu, warm_wall, warm_cpu, peak, written, read, asked.calls()]);
        for (figure, measured) in Figure::ALL.into_iter().zip(ratios) {
            if let Some(least) = figure.bound(*contestant) {
                section.bounds.push(Bound::at_least(format!("{who}: {}", figure.name()), *measured, least));
            }
        }
    }
    section
}

fn title(job: Job, contestant: Contestant) -> String {
    format!("{}, {}", job.name(), contestant.name())
}

/// The median of each figure by itself.
fn medians(rounds: &[Ratios]) -> Ratios {
    let mut columns: [Vec<Ratio>; Figure::ALL.len()] = Default::default();
    for round in rounds {
        columns.iter_mut().zip(round).for_each(|(column, ratio)| column.push(*ratio));
    }
    columns.map(median)
}

/// Init and the first invocation.
fn cold(run: &Run, part: Part) -> Duration {
    part(&run.init) + run.invocations.first().map_or(Duration::ZERO, part)
}

/// The median of the invocations that count.
fn warm(run: &Run, part: Part) -> Duration {
    median(run.invocations.iter().skip(1 + WARM_UP).map(part))
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
        let ratios = Figure::ALL.map(|figure| figure.ratio(&peer, &ours));
        assert_eq!(ratios, [15_000, 15_000, 8_000, 8_000, 1_000].map(Ratio::permille));
    }

    #[test]
    fn each_figure_has_a_median_of_its_own() {
        let rounds = [[1, 9, 5, 1, 1], [2, 8, 5, 1, 1], [3, 7, 5, 1, 1]].map(|round| round.map(Ratio::permille));
        assert_eq!(medians(&rounds), [2, 8, 5, 1, 1].map(Ratio::permille));
    }

    #[test]
    fn a_peer_is_held_to_its_bounds_and_ours_to_none() {
        let met = |contestant, wall, cpu| {
            let medians = BTreeMap::from([((Job::Submit, contestant), [wall, 0, 0, cpu, 0].map(Ratio::permille))]);
            section(1, &BTreeMap::new(), &medians).met()
        };
        assert!(met(Contestant::Node, 15_000, 4_000) && met(Contestant::Python, 30_000, 4_000) && met(Contestant::Ours, 1, 1));
        assert!(!met(Contestant::Node, 14_999, 4_000) && !met(Contestant::Python, 30_000, 3_999));
    }
}
