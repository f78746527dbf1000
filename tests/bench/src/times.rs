//! Times and memory, as ratios: the candidates take turns, so that each ratio is of neighbours in time, and the median of the
//! rounds counts. A bare time of a shared machine means nothing.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use tempfile::NamedTempFile;

use crate::{
    ratio::{Ratio, median, nanos},
    report::{Bound, Section, Table},
    runtime::{Function, Plan, Run, Span, run},
    share::Share,
    stage::{Job, Stage},
};

/// Warm invocations a round, after a first one.
const WARM: usize = 100;
/// The same under the share of 128 MB, where each waits for its period.
const WARM_SMALL: usize = 20;

const COLD_CPU: Ratio = Ratio::permille(4_500);
const PEAK: Ratio = Ratio::permille(3_500);
const PEAK_KIB: u64 = 14 * 1024;
const FIRST_SMALL: Ratio = Ratio::permille(5_000);
const DEFAULT_CLIENTS: Ratio = Ratio::permille(50_000);

/// Something that is run in turn with the others.
struct Candidate {
    name: String,
    job: Job,
    clients: Clients,
    rounds: Vec<Round>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clients {
    Ours,
    /// What default features and clients make of the same parts.
    Default,
}

/// What one round showed.
struct Round {
    /// All of a processor.
    whole: Run,
    /// The share of 128 MB, where that can be given.
    small: Option<Small>,
}

/// Wall times at the share of 128 MB.
#[derive(Debug, Clone, Copy)]
struct Small {
    first: Duration,
    /// The median of the later ones.
    warm: Duration,
}

/// The jobs in turns, and submit on default clients with them if that is wanted.
pub(crate) async fn measure(
    bootstraps: &Path,
    rounds: usize,
    default_clients: bool,
    bar: &ProgressBar,
) -> anyhow::Result<Section> {
    let share = Share::new();
    let candidate = |name: &str, job, clients| Candidate { name: name.to_owned(), job, clients, rounds: Vec::new() };
    let mut candidates: Vec<_> = Job::ALL.map(|job| candidate(job.name(), job, Clients::Ours)).into();
    if default_clients {
        candidates.push(candidate("submit 200, default clients", Job::Submit, Clients::Default));
    }
    bar.set_length((rounds * candidates.len()) as u64);
    for _ in 0..rounds {
        // A stage for each: in the last one's tables orders are open, and recover would have work to do.
        let stage = Stage::start(bootstraps).await?;
        let bundle = roots_of_a_sandbox(&stage)?;
        for candidate in &mut candidates {
            bar.set_message(candidate.name.clone());
            let round = candidate.round(&stage, &bundle, share.as_ref().ok()).await.with_context(|| candidate.name.clone())?;
            candidate.rounds.push(round);
            bar.inc(1);
        }
    }
    let mut section = section(&candidates, rounds);
    if let Err(error) = share {
        section.notes.push(format!("At 128 MB: not measured: {error:#}."));
    }
    Ok(section)
}

/// What default clients trust: the system's authorities, as a sandbox of Lambda has them, and the bench's. To parse them is part
/// of what they cost.
fn roots_of_a_sandbox(stage: &Stage) -> anyhow::Result<NamedTempFile> {
    let environment = stage.environment();
    let authority = environment.iter().find(|(name, _)| name == "POSNEXT_CA_FILE").map(|(_, file)| file.as_str());
    let mut roots = std::fs::read(authority.context("the functions trust no authority")?)?;
    for file in ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"] {
        // Each system has one of them.
        roots.extend(std::fs::read(file).unwrap_or_default());
    }
    let bundle = NamedTempFile::new()?;
    std::fs::write(&bundle, roots)?;
    Ok(bundle)
}

impl Candidate {
    async fn round(&self, stage: &Stage, bundle: &NamedTempFile, share: Option<&Share>) -> anyhow::Result<Round> {
        let plan = async |warm: usize| -> anyhow::Result<Plan> {
            let (binary, mut environment) = (self.binary(stage)?, stage.environment());
            environment.push(("SSL_CERT_FILE".to_owned(), bundle.path().display().to_string()));
            Ok(Plan { binary, arguments: Vec::new(), environment, events: stage.events(self.job, 1 + warm).await?, count: false })
        };
        let whole = run(&plan(WARM).await?).await?;
        whole.answers.iter().try_for_each(|answer| self.job.check(answer))?;
        let small = match share {
            Some(share) => Some(self.small(&plan(WARM_SMALL).await?, share).await?),
            None => None,
        };
        Ok(Round { whole: Run { answers: Vec::new(), ..whole }, small })
    }

    fn binary(&self, stage: &Stage) -> anyhow::Result<PathBuf> {
        if self.clients == Clients::Ours {
            return stage.binary(self.job);
        }
        let binary = PathBuf::from("target/default-clients/release/default-clients");
        ensure!(binary.is_file(), "no {}; tests/bench/run --default-clients builds it", binary.display());
        Ok(binary)
    }

    /// Every invocation finds the time of a whole period, as those of a function do that is not called all the time.
    async fn small(&self, plan: &Plan, share: &Share) -> anyhow::Result<Small> {
        let mut function = Function::start(plan).await?;
        share.limit(&function).await?;
        let mut walls = Vec::with_capacity(plan.events.len());
        for event in &plan.events {
            let (span, answer) = function.invoke(event.clone()).await?;
            self.job.check(&answer)?;
            walls.push(span.wall);
            Share::rest().await;
        }
        function.end().await?;
        Ok(Small { first: walls.first().copied().unwrap_or_default(), warm: median(walls.into_iter().skip(1)) })
    }

    fn median<T: Ord + Copy + Default>(&self, of: impl Fn(&Round) -> T) -> T {
        median(self.rounds.iter().map(of))
    }

    /// The median of the ratios to another, of one round each.
    fn ratio_to(&self, other: &Self, of: impl Fn(&Round) -> u64) -> Ratio {
        median(self.rounds.iter().zip(&other.rounds).map(|(own, other)| Ratio::of(of(own), of(other))))
    }

    fn first_small(&self) -> Option<Ratio> {
        let ratio = |round: &Round| round.small.map(|small| Ratio::of_times(small.first, small.warm));
        self.median(ratio)
    }
}

fn section(candidates: &[Candidate], rounds: usize) -> Section {
    let mut section = Section { title: format!("Times and memory, medians of {rounds} rounds"), ..Section::default() };
    section.table = Table::new(["", "cold CPU", "warm CPU", "first / warm", "at 128 MB", "peak RSS", "MB"]);
    let Some(hello) = candidates.first() else { return section };
    for candidate in candidates {
        let kib = candidate.median(|round| round.whole.peak_kib);
        section.table.row([
            candidate.name.clone(),
            candidate.ratio_to(hello, |round| nanos(cold_cpu(&round.whole))).to_string(),
            candidate.ratio_to(hello, |round| nanos(warm(&round.whole, |span| span.cpu))).to_string(),
            candidate.median(|round| Ratio::of_times(first(&round.whole).wall, warm(&round.whole, |span| span.wall))).to_string(),
            candidate.first_small().map_or_else(|| "-".to_owned(), |ratio| ratio.to_string()),
            candidate.ratio_to(hello, |round| round.whole.peak_kib).to_string(),
            megabytes(kib),
        ]);
    }
    section.notes.push(
        "Processor time and memory are ratios to `hello`'s of the same round; `first / warm` is the wall time of a job's first \
         invocation to the median of its own warm ones, and the same at the share of a processor that 128 MB get."
            .to_owned(),
    );
    section.bounds = bounds(candidates, hello);
    section
}

fn bounds(candidates: &[Candidate], hello: &Candidate) -> Vec<Bound> {
    let ours: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.clients == Clients::Ours).collect();
    let mut bounds = Vec::new();
    if let Some(submit) = ours.iter().find(|candidate| candidate.job == Job::Submit) {
        let cold = submit.ratio_to(hello, |round| nanos(cold_cpu(&round.whole)));
        bounds.push(Bound::at_most("submit: processor time of a cold start, of hello's", cold, COLD_CPU));
        if let Some(theirs) = candidates.iter().find(|candidate| candidate.clients == Clients::Default) {
            let first = |round: &Round| nanos(round.small.map_or(Duration::ZERO, |small| small.first));
            let than_ours = theirs.ratio_to(submit, first);
            if submit.first_small().is_some() {
                bounds.push(Bound::at_least("first submit at 128 MB on default clients, of ours", than_ours, DEFAULT_CLIENTS));
            }
        }
    }
    for candidate in ours.iter().filter(|candidate| candidate.job != Job::Hello) {
        if let Some(ratio) = candidate.first_small() {
            bounds.push(Bound::at_most(format!("{}: first at 128 MB, of its warm", candidate.name), ratio, FIRST_SMALL));
        }
    }
    let peak = ours.iter().map(|candidate| candidate.ratio_to(hello, |round| round.whole.peak_kib)).max().unwrap_or_default();
    bounds.push(Bound::at_most("largest peak RSS, of hello's", peak, PEAK));
    let kib = ours.iter().map(|candidate| candidate.median(|round| round.whole.peak_kib)).max().unwrap_or_default();
    bounds.push(Bound {
        what: "largest peak RSS".to_owned(),
        measured: format!("{} MB", megabytes(kib)),
        bound: format!("below {} MB", megabytes(PEAK_KIB)),
        met: kib < PEAK_KIB,
    });
    bounds
}

fn megabytes(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}

fn first(run: &Run) -> Span {
    run.invocations.first().copied().unwrap_or_default()
}

fn cold_cpu(run: &Run) -> Duration {
    run.init.cpu + first(run).cpu
}

/// The median of the warm invocations.
fn warm(run: &Run, part: fn(&Span) -> Duration) -> Duration {
    median(run.invocations.iter().skip(1).map(part))
}
