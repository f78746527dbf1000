//! The product without one of its rules, as `simulation/rules.toml` lists them: each is a change of the sources' text.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// A rule, and what takes it away together with what would cover for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule itself, as a sentence.
    pub name: String,
    /// The number of the decision that brought it, after a hole had been found.
    pub mends: Option<String>,
    /// All of these together take it away.
    pub change: Vec<Change>,
}

/// A change of one file's text.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The file, from the root.
    pub file: String,
    /// What stands there exactly once.
    pub replace: String,
    /// What stands there instead.
    pub with: String,
}

impl Rule {
    /// All of them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn all(root: &Path) -> anyhow::Result<Vec<Self>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            rule: Vec<Rule>,
        }
        let file: File = toml::from_str(&fs::read_to_string(root.join("simulation/rules.toml"))?)?;
        Ok(file.rule)
    }

    /// Takes the rule away from the sources in this folder. The files as they were come back.
    ///
    /// # Errors
    /// A text does not stand in its file exactly once.
    pub fn take_away(&self, root: &Path) -> anyhow::Result<Vec<(String, String)>> {
        let mut before = Vec::new();
        for Change { file, replace, with } in &self.change {
            let text = fs::read_to_string(root.join(file)).with_context(|| file.clone())?;
            let times = text.matches(replace.as_str()).count();
            ensure!(
                times == 1,
                "{:?}: {replace:?} stands {times} times in {file}; simulation/rules.toml wants it there once",
                self.name
            );
            fs::write(root.join(file), text.replacen(replace, with, 1))?;
            if !before.iter().any(|(known, _)| known == file) {
                before.push((file.clone(), text));
            }
        }
        Ok(before)
    }
}
