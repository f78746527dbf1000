//! What is to be proved, and by what: `proven/proofs.toml`.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use serde::Deserialize;

/// All promises and proofs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proofs {
    pub(crate) promise: Vec<Promise>,
    pub(crate) proof: Vec<Proof>,
}

/// What README promises.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promise {
    /// What proofs call it.
    pub(crate) name: String,
    /// As docs/premises.md has it.
    pub(crate) text: String,
}

/// A proof that takes long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    /// Of its script, its text and its result.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What it shows, as a sentence.
    pub(crate) says: String,
    /// The promises that it is a proof of, by their names.
    pub(crate) promises: Vec<String>,
    /// How long it takes on two processors, about.
    pub(crate) lasts: String,
    /// The files that it depends on, as git's pathspecs.
    pub(crate) sources: Vec<String>,
}

impl Proofs {
    /// What the file says.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let file = root.join("proven/proofs.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let proofs: Self = toml::from_str(&text).with_context(|| format!("{} is not as it should be", file.display()))?;
        for proof in &proofs.proof {
            for name in &proof.promises {
                if !proofs.promise.iter().any(|promise| promise.name == *name) {
                    bail!("proven/proofs.toml: {} proves {name:?}, which is no promise there", proof.name);
                }
            }
        }
        Ok(proofs)
    }

    /// Those with these names; all of them, if there are none.
    pub(crate) fn named(&self, names: &[String]) -> anyhow::Result<Vec<&Proof>> {
        for name in names {
            if !self.proof.iter().any(|proof| proof.name == *name) {
                let known: Vec<_> = self.proof.iter().map(|proof| proof.name.as_str()).collect();
                bail!("no proof is called {name:?}; there are: {}", known.join(", "));
            }
        }
        Ok(self.proof.iter().filter(|proof| names.is_empty() || names.contains(&proof.name)).collect())
    }
}
