//! A fault run: the functions' own binaries, killed, cut off and stopped at every point between two effects, under a stream of
//! orders, at a POS behind a proxy that lies; then three ledgers are compared: what clients were told, what the table holds,
//! what the POS holds.

mod call;
mod chaos;
mod client;
mod fate;
mod frost;
mod functions;
mod ledger;
mod lies;
mod mappings;
mod once;
mod persons;
mod points;
mod proxy;
mod required;
mod stack;
mod tables;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use posnext_shared::domain::ids::{OrderKey, RequestUid, Tenant};

use once::Came;
use posnext_local::{local::CLIENT_ID, output, pos::Entry};

/// At the end of the id of a location whose POS is behind the proxy.
const BEHIND: &str = ":behind-a-proxy";
/// Of a thousand orders, so many are sent twice at once.
const SENT_TWICE: u32 = 100;
/// Where two versions run, so many of a hundred invocations are of the newer one, in turns: it comes, and is rolled back.
const CANARY: [u32; 7] = [0, 10, 50, 100, 50, 10, 0];

/// What is run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Orders to send
    #[arg(long, default_value_t = 500)]
    pub orders: usize,
    /// Which run: the same seed gives the same orders and the same dice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Faults in a thousand calls of the functions
    #[arg(long, default_value_t = 15)]
    pub rate: u32,
    /// Lies in a thousand requests to a POS behind the proxy; half the orders go there
    #[arg(long, default_value_t = 300)]
    pub lies: u32,
    /// Orders under way at a time
    #[arg(long, default_value_t = 48)]
    pub clients: usize,
    /// Functions that may run at a time, all together, as in an AWS account; what is above it is throttled
    #[arg(long, default_value_t = 40)]
    pub concurrency: usize,
    /// Folder of the functions' binaries; where this command is, if not given
    #[arg(long, value_name = "DIR")]
    pub binaries: Option<PathBuf>,
    /// Folder of the binaries of an older commit, which run beside these: first alone, then with 10, 50 and 100 in 100
    /// invocations on these, and back
    #[arg(long, value_name = "DIR")]
    pub older: Option<PathBuf>,
    /// Write what was counted into this file as well, as JSON: pairs of a name and a number
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Runs it and prints what came of it; whether every promise was kept.
///
/// # Errors
/// A sentence when it could not be run.
pub async fn run(options: Options) -> anyhow::Result<bool> {
    let newer = match &options.binaries {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().context("this command is in no folder")?.to_owned(),
    };
    let Some(older) = &options.older else {
        let came = once::run(&options, &newer, None).await?;
        told(&options, &came.figures)?;
        return Ok(came.right);
    };
    let mixed = mixed(&options, &newer, older).await?;
    // Where things go wrong by chance, more of them end badly in one run than in another.
    if options.rate + options.lies > 0 {
        told(&options, &mixed.figures)?;
        return Ok(mixed.right);
    }
    let alone = Options { older: None, ..options.clone() };
    output::text("\n== the newer version alone\n");
    let newer = once::run(&alone, &newer, None).await?;
    output::text("\n== the older version alone\n");
    let older = once::run(&alone, older, None).await?;
    output::text(compared(&mixed, &newer, &older));
    let of = [("both versions", &mixed), ("the newer alone", &newer), ("the older alone", &older)];
    let compared =
        of.into_iter().flat_map(|(which, came)| figures(came).map(|(what, count)| (format!("{what}, {which}"), count)));
    told(&options, &mixed.figures.iter().cloned().chain(compared).collect::<Vec<_>>())?;
    Ok(mixed.right && no_worse(&mixed, &newer, &older))
}

/// Writes the figures for a program.
fn told(options: &Options, figures: &[(String, u64)]) -> anyhow::Result<()> {
    let Some(file) = &options.json else { return Ok(()) };
    fs::write(file, serde_json::to_string(figures)?).with_context(|| format!("cannot write {}", file.display()))
}

async fn mixed(options: &Options, newer: &Path, older: &Path) -> anyhow::Result<Came> {
    output::text(format!("== {CANARY:?} of 100 invocations on the newer version, in turns\n"));
    once::run(options, newer, Some(older)).await
}

/// What must not be more for having two versions.
fn figures(came: &Came) -> [(&'static str, u64); 4] {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    [
        ("orders that ended errored", count(came.errored)),
        ("orders that wait for a person", count(came.open)),
        ("dead letters", came.dead),
        ("messages that a worker gave back", came.given_back.into()),
    ]
}

/// Whether there is no more of it than the worse of both has alone, but for chance: two runs of one version differ as well.
fn no_worse(mixed: &Came, newer: &Came, older: &Came) -> bool {
    let alone = figures(newer).into_iter().zip(figures(older)).map(|((_, newer), (_, older))| newer.max(older));
    figures(mixed).into_iter().zip(alone).all(|((_, mixed), alone)| mixed <= alone + 2 * alone.isqrt())
}

fn compared(mixed: &Came, newer: &Came, older: &Came) -> String {
    let mut text = format!("\n{:>9} {:>9} {:>9}\n", "mixed", "newer", "older");
    let alone = figures(newer).into_iter().zip(figures(older));
    for ((what, mixed), ((_, newer), (_, older))) in figures(mixed).into_iter().zip(alone) {
        text += &format!("{mixed:>9} {newer:>9} {older:>9} {what}\n");
    }
    text
}

/// What the POS holds.
async fn meals(pos: &str) -> anyhow::Result<BTreeMap<String, Entry>> {
    Ok(serde_json::from_str(&reqwest::get(format!("{pos}/ledger")).await?.text().await?)?)
}

/// What the ids of a run's orders begin with; a number follows.
fn prefix(seed: u64) -> String {
    format!("f{seed}-")
}

fn location_id(abilities: &str, behaviour: &str, behind: &str) -> String {
    format!("{abilities}:{behaviour}{behind}")
}

fn key(uid: &str) -> anyhow::Result<OrderKey> {
    Ok(OrderKey { tenant: Tenant::new(CLIENT_ID)?, request_uid: RequestUid::new(uid)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Came = Came { right: true, errored: 7, open: 3, dead: 0, given_back: 0, figures: Vec::new() };

    #[test]
    fn two_versions_are_no_worse_when_nothing_is_more_than_with_either_alone() {
        let newer = Came { errored: 5, ..ALONE };
        assert!(no_worse(&ALONE, &newer, &ALONE) && no_worse(&newer, &newer, &newer));
        for worse in
            [Came { errored: 12, ..ALONE }, Came { open: 6, ..ALONE }, Came { dead: 1, ..ALONE }, Came { given_back: 1, ..ALONE }]
        {
            assert!(!no_worse(&worse, &newer, &ALONE), "{worse:?}");
        }
    }
}
