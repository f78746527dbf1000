//! What came of a proof: `proven/results/NAME.json`, made by the command that ran it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::{proof::Proof, tree};

/// What came of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proven {
    /// Its name.
    pub(crate) proof: String,
    /// When it ended, in UTC.
    pub(crate) date: String,
    /// The commit that was there.
    pub(crate) commit: String,
    /// The hash of its sources.
    pub(crate) tree: String,
    /// What was counted, in the order in which it is told.
    pub(crate) figures: Vec<(String, u64)>,
}

/// How old a proof is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// Its sources are those that were proved.
    Current,
    /// They have changed since.
    Stale,
    /// It has never been run.
    Never,
}

fn file(root: &Path, name: &str) -> PathBuf {
    root.join(format!("proven/results/{name}.json"))
}

impl Proven {
    /// What came of it the last time, if it has been run.
    pub(crate) fn read(root: &Path, name: &str) -> anyhow::Result<Option<Self>> {
        let file = file(root, name);
        if !file.exists() {
            return Ok(None);
        }
        let proven = serde_json::from_slice(&fs::read(&file)?);
        Ok(Some(proven.with_context(|| format!("{} is not as it should be; run the proof anew", file.display()))?))
    }

    /// Runs the proof. What came of it is written only if it succeeds, and its sources were the same all the time.
    pub(crate) fn run(root: &Path, proof: &Proof) -> anyhow::Result<Self> {
        let (tree, commit) = (tree::hash(root, &proof.sources)?, tree::commit(root, &proof.sources)?);
        let told = root.join(format!("target/proven/{}.figures.json", proof.name));
        fs::create_dir_all(told.parent().context("a folder")?)?;
        if told.exists() {
            fs::remove_file(&told)?;
        }
        let script = root.join(format!("proven/scripts/{}", proof.name));
        let ended = Command::new(&script).current_dir(root).env("POSNEXT_FIGURES", &told).status();
        let ended = ended.with_context(|| format!("{} cannot be started", script.display()))?;
        ensure!(ended.success(), "{}: the proof has failed ({ended})", proof.name);
        let text = fs::read(&told).with_context(|| format!("{} has written no figures", script.display()))?;
        let figures: Vec<(String, u64)> = serde_json::from_slice(&text).context("its figures are no pairs")?;
        ensure!(!figures.is_empty(), "{} has counted nothing", script.display());
        if tree::hash(root, &proof.sources)? != tree {
            bail!("{}: its sources were changed while it ran; run it again", proof.name);
        }
        let date = jiff::Timestamp::now().strftime("%F").to_string();
        let proven = Self { proof: proof.name.clone(), date, commit, tree, figures };
        let result = file(root, &proof.name);
        fs::create_dir_all(result.parent().context("a folder")?)?;
        fs::write(result, serde_json::to_string_pretty(&proven)? + "\n")?;
        Ok(proven)
    }
}

impl Age {
    /// Of what was proven, for the sources as they are now.
    pub(crate) fn of(root: &Path, proof: &Proof, proven: Option<&Proven>) -> anyhow::Result<Self> {
        Ok(match proven {
            None => Self::Never,
            Some(proven) if proven.tree == tree::hash(root, &proof.sources)? => Self::Current,
            Some(_) => Self::Stale,
        })
    }

    /// In a table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Never => "never run",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A checkout with one source, and a proof that is this script.
    fn checkout(script: &str) -> (tempfile::TempDir, Proof) {
        let folder = tempfile::tempdir().unwrap();
        let at = |file: &str| folder.path().join(file);
        for made in ["proven/scripts", "src"] {
            fs::create_dir_all(at(made)).unwrap();
        }
        fs::write(at("src/a"), "one").unwrap();
        fs::write(at("proven/scripts/p"), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(at("proven/scripts/p"), fs::Permissions::from_mode(0o755)).unwrap();
        for arguments in [
            &["init", "-q"][..],
            &["add", "-A"],
            &["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-q", "-m", "one"],
        ] {
            assert!(Command::new("git").args(arguments).current_dir(folder.path()).status().unwrap().success());
        }
        let [name, title, says, lasts] = ["p", "P", "It holds.", "a second"].map(str::to_owned);
        (folder, Proof { name, title, says, promises: Vec::new(), lasts, sources: vec!["src".to_owned()] })
    }

    const COUNTS: &str = r#"echo '[["orders", 7]]' >"$POSNEXT_FIGURES""#;

    #[test]
    fn a_proof_is_current_until_its_sources_change() {
        let (folder, proof) = checkout(COUNTS);
        let age = || Age::of(folder.path(), &proof, Proven::read(folder.path(), "p").unwrap().as_ref()).unwrap();
        assert_eq!(age(), Age::Never);
        let proven = Proven::run(folder.path(), &proof).unwrap();
        assert_eq!(proven.figures, [("orders".to_owned(), 7)]);
        assert_eq!(Proven::read(folder.path(), "p").unwrap(), Some(proven));
        assert_eq!(age(), Age::Current);
        fs::write(folder.path().join("src/a"), "two").unwrap();
        assert_eq!(age(), Age::Stale);
        let again = Proven::run(folder.path(), &proof).unwrap();
        assert!(again.commit.ends_with(", with changes"), "{}", again.commit);
        assert_eq!(age(), Age::Current);
    }

    #[test]
    fn what_fails_or_counts_nothing_or_changes_its_own_sources_leaves_no_result() {
        for (script, told) in [
            (format!("{COUNTS}\nexit 1"), "the proof has failed"),
            ("exit 0".to_owned(), "has written no figures"),
            (r#"echo '[]' >"$POSNEXT_FIGURES""#.to_owned(), "has counted nothing"),
            (r#"echo 7 >"$POSNEXT_FIGURES""#.to_owned(), "its figures are no pairs"),
            (format!("{COUNTS}\necho two >src/a"), "its sources were changed while it ran"),
        ] {
            let (folder, proof) = checkout(&script);
            let failed = Proven::run(folder.path(), &proof).unwrap_err();
            assert!(format!("{failed:#}").contains(told), "{failed:#}");
            assert_eq!(Proven::read(folder.path(), "p").unwrap(), None, "{script}");
        }
    }

    #[test]
    fn figures_of_an_earlier_run_are_not_taken_for_this_one_s() {
        let (folder, proof) = checkout("exit 0");
        let told = folder.path().join("target/proven/p.figures.json");
        fs::create_dir_all(told.parent().unwrap()).unwrap();
        fs::write(&told, r#"[["orders", 7]]"#).unwrap();
        assert!(Proven::run(folder.path(), &proof).is_err());
    }
}
