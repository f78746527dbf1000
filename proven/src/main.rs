//! `posnext-proven`: the long proofs, each with the sources that it depends on. It runs them, keeps what came of them, tells
//! which are older than the sources, and writes docs/proofs.md.

#![deny(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod page;
mod proof;
mod proven;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use posnext_local::output;

use crate::{
    proof::{Proof, Proofs},
    proven::{Age, Proven},
};

/// The long proofs: which are of these sources, and which are older
///
/// Exit code: 0 all is well; 1 a proof is older than its sources, or has failed; 2 it could not be tried.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Wanted>,
}

#[derive(Debug, Subcommand)]
enum Wanted {
    /// Show each proof: whether it is of these sources, when it was run, and of which commit (without a command, too)
    List,
    /// Run anew the proofs whose sources have changed, or that have never been run, and write the page
    Renew {
        /// These proofs alone
        names: Vec<String>,
        /// Those as well whose sources have not changed
        #[arg(long)]
        all: bool,
    },
    /// Fail if a proof is older than its sources
    Check,
    /// Write docs/proofs.md
    Page,
}

fn main() -> ExitCode {
    match done(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::note(format_args!("posnext-proven: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn done(arguments: &Arguments) -> anyhow::Result<bool> {
    let root = root()?;
    let proofs = Proofs::read(&root)?;
    match arguments.command.as_ref().unwrap_or(&Wanted::List) {
        Wanted::List => listed(&root, &proofs).map(|_| true),
        Wanted::Check => listed(&root, &proofs),
        Wanted::Page => written(&root, &proofs).map(|()| true),
        Wanted::Renew { names, all } => renewed(&root, &proofs, names, *all),
    }
}

/// The checkout: whoever changes it runs this there.
fn root() -> anyhow::Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root")?.to_owned())
}

/// Shows them; whether all are of these sources.
fn listed(root: &Path, proofs: &Proofs) -> anyhow::Result<bool> {
    let mut current = true;
    for proof in &proofs.proof {
        let proven = Proven::read(root, &proof.name)?;
        let age = Age::of(root, proof, proven.as_ref())?;
        current &= age == Age::Current;
        let of = proven.map_or_else(String::new, |proven| format!("run on {}, commit {}", proven.date, proven.commit));
        output::line(format_args!("{:<12} {:<10} {of}", proof.name, age.word()));
    }
    Ok(current)
}

fn written(root: &Path, proofs: &Proofs) -> anyhow::Result<()> {
    fs::write(root.join(page::PAGE), page::page(root, proofs)?).with_context(|| format!("cannot write {}", page::PAGE))
}

/// Runs what is wanted, one after the other. One that fails keeps no other from running.
fn renewed(root: &Path, proofs: &Proofs, names: &[String], all: bool) -> anyhow::Result<bool> {
    let mut right = true;
    for proof in proofs.named(names)? {
        let before = Proven::read(root, &proof.name)?;
        if !all && Age::of(root, proof, before.as_ref())? == Age::Current {
            output::line(format_args!("== {}: of these sources already", proof.name));
            continue;
        }
        right &= ran(root, proof);
        written(root, proofs)?;
    }
    Ok(right)
}

fn ran(root: &Path, proof: &Proof) -> bool {
    output::line(format_args!("== {}: {}. About {} on two processors", proof.name, proof.title, proof.lasts));
    match Proven::run(root, proof) {
        Ok(proven) => {
            proven.figures.iter().for_each(|(what, count)| output::line(format_args!("{count:>14} {what}")));
            true
        }
        Err(error) => {
            output::note(format_args!("posnext-proven: {error:#}"));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_of_the_premises_page_has_a_proof() {
        let (root, proofs) = (root().unwrap(), Proofs::read(&root().unwrap()).unwrap());
        let premises = fs::read_to_string(root.join("docs/premises.md")).unwrap();
        let (_, table) = premises.split_once("| what README promises | rests on |\n|---|---|\n").unwrap();
        let rows = table.lines().take_while(|line| line.starts_with('|'));
        let promised: Vec<_> = rows.map(|row| row.split('|').nth(1).unwrap().trim()).collect();
        let texts: Vec<_> = proofs.promise.iter().map(|promise| promise.text.as_str()).collect();
        assert_eq!(texts, promised, "proven/proofs.toml and docs/premises.md name the same promises");
        for promise in &proofs.promise {
            let proved = proofs.proof.iter().any(|proof| proof.promises.contains(&promise.name));
            assert!(proved, "nothing proves: {}", promise.text);
        }
    }

    #[test]
    fn the_page_of_proofs_is_what_was_counted() {
        let (root, proofs) = (root().unwrap(), Proofs::read(&root().unwrap()).unwrap());
        let page = fs::read_to_string(root.join(page::PAGE)).unwrap();
        let wanted = page::page(&root, &proofs).unwrap();
        assert!(page == wanted, "{} is out of date; cargo run -p posnext-proven -- page", page::PAGE);
    }

    #[test]
    fn every_proof_has_a_script_and_sources_and_every_result_a_proof() {
        let (root, proofs) = (root().unwrap(), Proofs::read(&root().unwrap()).unwrap());
        for proof in &proofs.proof {
            assert!(root.join("proven/scripts").join(&proof.name).is_file(), "{}", proof.name);
            tree::hash(&root, &proof.sources).unwrap();
        }
        // Before the first proof has been run there is no folder.
        for entry in fs::read_dir(root.join("proven/results")).into_iter().flatten() {
            let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
            let result = Proven::read(&root, &name).unwrap().unwrap();
            assert!(proofs.named(std::slice::from_ref(&name)).is_ok() && result.proof == name, "{name}");
        }
    }
}
