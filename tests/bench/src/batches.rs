//! Ten records at once against one, each of whose POS takes its time: whether they wait for each other, and over how many
//! connections they are worked on.

use std::time::Duration;

use indicatif::ProgressBar;
use nix::time::{ClockId, clock_gettime};

use crate::{
    doors::{self, Door},
    job::Job,
    ratio::{Ratio, median},
    report::{Bound, Section, Table},
    runtime::{Function, Plan, Span},
    stage::Stage,
};

/// The most that the event source mapping of the template hands over at once.
const BATCH: usize = 10;
/// A location whose POS takes this many milliseconds for each order.
const SLOW: &str = "BENCH-SLOW-POS";
const POS_MS: u64 = 200;
const AT_MOST: Ratio = Ratio::permille(1_300);

/// A process-order and the doors before all that it uses.
struct Watched {
    function: Function,
    doors: Vec<(String, Door)>,
}

impl Watched {
    async fn start(stage: &Stage) -> anyhow::Result<Self> {
        let mut environment = stage.environment();
        let mut doors = doors::before_services(&mut environment).await?;
        let pos = Door::before(stage.pos).await?;
        stage.map(SLOW, &format!("http://{}/all/{POS_MS}", pos.address)).await?;
        doors.push(("POS".to_owned(), pos));
        let plan = Plan { binary: stage.binary(Job::Process)?, environment, ..Plan::default() };
        Ok(Self { function: Function::start(&plan).await?, doors })
    }

    /// A batch of so many.
    async fn batch(&mut self, stage: &Stage, size: usize) -> anyhow::Result<Span> {
        self.invoke(stage.batch(SLOW, size).await?).await
    }

    async fn invoke(&mut self, event: String) -> anyhow::Result<Span> {
        let (span, answer) = self.function.invoke(event).await?;
        Job::Process.check(&answer)?;
        Ok(span)
    }

    /// Connections so far, in the doors' order.
    fn opened(&self) -> Vec<u64> {
        self.doors.iter().map(|(_, door)| door.opened()).collect()
    }
}

/// Processor time of this process, in which the services run.
fn own_cpu() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// One and ten in turns.
pub(crate) async fn measure(stage: &Stage, rounds: usize, bar: &ProgressBar) -> anyhow::Result<Section> {
    bar.set_length(rounds as u64);
    bar.set_message("batches");
    let mut watched = Watched::start(stage).await?;
    let one = watched.batch(stage, 1).await?;
    let after_one = watched.opened();
    let first = Ratio::of_times(watched.batch(stage, BATCH).await?.wall, one.wall);
    let after_ten = watched.opened();
    let (mut ratios, mut own, mut services) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let one = watched.batch(stage, 1).await?;
        let event = stage.batch(SLOW, BATCH).await?;
        let before = own_cpu()?;
        let ten = watched.invoke(event).await?;
        services.push(Ratio::of_times(own_cpu()? - before, one.wall));
        ratios.push(Ratio::of_times(ten.wall, one.wall));
        own.push(Ratio::of_times(ten.cpu, one.wall));
        bar.inc(1);
    }
    let after_all = watched.opened();
    let Watched { function, doors } = watched;
    function.end().await?;

    let later = median(ratios);
    let title = format!("A batch of ten whose POS takes {POS_MS} ms an order, median of {rounds} rounds");
    let mut section = Section {
        title,
        table: Table::new(["", "connections of the first one", "then of the first ten", "later"]),
        ..Section::default()
    };
    for (((service, _), one), (ten, all)) in doors.iter().zip(&after_one).zip(after_ten.iter().zip(&after_all)) {
        section.table.row([service.clone(), one.to_string(), (ten - one).to_string(), (all - ten).to_string()]);
        // A POS is reached by a connection for each placement (docs/decisions/0024); AWS by those that are kept.
        let placements = 1 + BATCH + rounds * (1 + BATCH);
        let most = if service == "POS" { placements } else { BATCH } as u64;
        section.bounds.push(Bound {
            what: format!("connections to {service} in all"),
            measured: all.to_string(),
            bound: format!("at most {most}"),
            met: *all <= most,
        });
    }
    section.notes.push(format!(
        "The first ten, of the first one: {first} (both open connections). Processor time for ten, of one record's time: {} the \
         function's own, {} that of the local services, which AWS would not take.",
        median(own),
        median(services)
    ));
    section.bounds.insert(0, Bound::at_most("ten records, of one record's time", later, AT_MOST));
    Ok(section)
}
