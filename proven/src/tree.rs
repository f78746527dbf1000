//! The sources that a proof depends on, as one number.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

/// The hash of the sources as they are now: the paths and the contents of the files that git knows under `sources`.
///
/// # Errors
/// A source has no file, or cannot be read.
pub(crate) fn hash(root: &Path, sources: &[String]) -> anyhow::Result<String> {
    let mut files = BTreeSet::new();
    for source in sources {
        let found = listed(root, source)?;
        ensure!(!found.is_empty(), "proven/proofs.toml names {source:?}, and git knows no file there");
        files.extend(found);
    }
    let mut hash = Sha256::new();
    for file in files {
        let text = fs::read(root.join(&file)).with_context(|| format!("cannot read {file}"))?;
        for part in [file.as_bytes(), &text] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
    }
    Ok(hex::encode(hash.finalize()))
}

fn listed(root: &Path, source: &str) -> anyhow::Result<Vec<String>> {
    let files = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", source])?;
    Ok(files.split_terminator('\0').filter(|file| root.join(file).is_file()).map(str::to_owned).collect())
}

/// The commit that the sources are of, and whether they were changed since.
pub(crate) fn commit(root: &Path, sources: &[String]) -> anyhow::Result<String> {
    let commit = git(root, &["rev-parse", "--short=12", "HEAD"])?.trim().to_owned();
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(sources.iter().map(String::as_str));
    Ok(if git(root, &status)?.is_empty() { commit } else { format!("{commit}, with changes") })
}

fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let git = Command::new("git").args(arguments).current_dir(root).output().context("git cannot be started")?;
    ensure!(git.status.success(), "git {}: {}", arguments.join(" "), String::from_utf8_lossy(&git.stderr).trim());
    Ok(String::from_utf8(git.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q"]).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/a"), "one").unwrap();
        fs::write(folder.path().join("other"), "one").unwrap();
        folder
    }

    #[test]
    fn a_tree_is_the_same_until_one_of_its_sources_is_another() {
        let (folder, sources) = (repository(), ["src".to_owned()]);
        let hashed = || hash(folder.path(), &sources).unwrap();
        let before = hashed();
        fs::write(folder.path().join("other"), "two").unwrap();
        assert_eq!(hashed(), before, "a file that is no source");
        fs::write(folder.path().join("src/a"), "two").unwrap();
        assert_ne!(hashed(), before, "other contents");
        fs::write(folder.path().join("src/a"), "one").unwrap();
        assert_eq!(hashed(), before, "as it was");
        fs::rename(folder.path().join("src/a"), folder.path().join("src/b")).unwrap();
        assert_ne!(hashed(), before, "another name");
        fs::write(folder.path().join("src/a"), "one").unwrap();
        assert_ne!(hashed(), before, "one file more");
    }

    #[test]
    fn a_source_without_a_file_is_refused() {
        let refused = hash(repository().path(), &["gone".to_owned()]).unwrap_err();
        assert!(refused.to_string().contains("\"gone\""), "{refused}");
    }
}
