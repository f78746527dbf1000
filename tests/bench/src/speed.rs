//! What only a machine that is busy with nothing else can tell: times in turns, peers, batches, growth, memory. Printed as Markdown.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::{batches, growth, memory, peers, report::Section, stage::Stage, times};

/// What to measure instead of counting.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Instead of counting, on a machine that is busy with nothing else")]
pub(crate) struct Wanted {
    /// Times and peak memory of every job, in so many rounds of turns
    #[arg(long, value_name = "ROUNDS")]
    times: Option<usize>,
    /// Among the times, the same submit on the AWS SDK's default features and clients
    #[arg(long, requires = "times")]
    default_clients: bool,
    /// Peers in Node and Python that do the same job against ours, in so many rounds of turns
    #[arg(long, value_name = "ROUNDS")]
    peers: Option<usize>,
    /// A batch of ten against one of one, in so many rounds of turns
    #[arg(long, value_name = "ROUNDS")]
    batches: Option<usize>,
    /// Cost among so many finished orders against a thousand [a million if no number is given]
    #[arg(long, value_name = "ORDERS", num_args = 0..=1, default_missing_value = "1000000")]
    growth: Option<usize>,
    /// Peak memory after so many invocations against a thousand [100,000 if no number is given]
    #[arg(long, value_name = "INVOCATIONS", num_args = 0..=1, default_missing_value = "100000")]
    memory: Option<usize>,
}

impl Wanted {
    /// Whether any of it is wanted.
    pub(crate) fn any(&self) -> bool {
        self.times.or(self.peers).or(self.batches).or(self.growth).or(self.memory).is_some()
    }
}

/// Measures what is wanted and prints it; whether every bound was met.
pub(crate) async fn measure(bootstraps: &Path, wanted: &Wanted) -> anyhow::Result<bool> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos}/{len} {msg}, {eta} left")?);
    println!(
        "# Speed, measured {}\n\n{} {}, {} processors. Ratios of one run; no time of a shared machine means anything.\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism()?,
    );
    let mut met = true;
    let mut show = |section: Section| {
        met &= section.met();
        bar.suspend(|| println!("{section}"));
        bar.reset();
    };
    // A stage each: what one leaves in the tables is no other's.
    if let Some(rounds) = wanted.times {
        show(times::measure(bootstraps, rounds, wanted.default_clients, &bar).await?);
    }
    if let Some(rounds) = wanted.peers {
        show(peers::measure(&Stage::start(bootstraps).await?, rounds, &bar).await?);
    }
    if let Some(rounds) = wanted.batches {
        show(batches::measure(&Stage::start(bootstraps).await?, rounds, &bar).await?);
    }
    if let Some(invocations) = wanted.memory {
        show(memory::measure(&Stage::start(bootstraps).await?, invocations, &bar).await?);
    }
    if let Some(orders) = wanted.growth {
        show(growth::measure(bootstraps, orders, &bar).await?);
    }
    bar.finish_and_clear();
    Ok(met)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::Options;

    #[test]
    fn a_number_can_be_left_out_where_help_says_so() {
        Options::command().debug_assert();
        let wanted = |line: &str| Options::try_parse_from(line.split(' ')).map(|options| options.speed);
        let all = wanted("bench --growth --memory 2000 --times 3 --default-clients --peers 7").unwrap();
        assert_eq!(
            (all.growth, all.memory, all.times, all.peers, all.batches),
            (Some(1_000_000), Some(2_000), Some(3), Some(7), None)
        );
        assert!(all.any() && !wanted("bench --write").unwrap().any());
        assert!(wanted("bench --default-clients").is_err());
    }
}
