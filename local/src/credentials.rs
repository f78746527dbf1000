//! PAR's credentials, as every command takes them.

use std::str::FromStr;

use anyhow::{Context, ensure};
use clap::Args;

use crate::{local, par::Par};

/// The variable that has PAR's Client Secret, unless another is named.
const CLIENT_SECRET: &str = "POSNEXT_CLIENT_SECRET";
/// The same of PAR's SharedId.
const SHARED_ID: &str = "POSNEXT_SHARED_ID";

/// PAR's credentials. The defaults are those of the local product. No secret stands on the command line, which others on
/// the machine can see.
#[derive(Debug, Args)]
pub struct Credentials {
    /// PAR's Client ID
    #[arg(long, env = "POSNEXT_CLIENT_ID", default_value = local::CLIENT_ID)]
    client_id: String,
    #[command(flatten)]
    secrets: Secrets,
}

/// PAR's Client Secret and SharedId.
#[derive(Debug, Args)]
pub struct Secrets {
    /// The environment variable that holds PAR's Client Secret; the local product's if it is not set
    #[arg(long, value_name = "env:NAME", default_value = "env:POSNEXT_CLIENT_SECRET")]
    client_secret_from: Variable,
    /// The environment variable that holds PAR's SharedId; the local product's if it is not set
    #[arg(long, value_name = "env:NAME", default_value = "env:POSNEXT_SHARED_ID")]
    shared_id_from: Variable,
}

/// The name of an environment variable.
#[derive(Debug, Clone)]
struct Variable(String);

impl FromStr for Variable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix("env:").filter(|name| !name.is_empty());
        name.map(|name| Self(name.to_owned())).ok_or("must be env:NAME, for an environment variable")
    }
}

impl Variable {
    /// Its value, or `local` where it is the `usual` one and not set.
    fn value(&self, usual: &str, local: &str) -> anyhow::Result<String> {
        match std::env::var(&self.0).ok().map(|value| value.trim_end_matches(['\r', '\n']).to_owned()) {
            None if self.0 == usual => Ok(local.to_owned()),
            value => {
                let value = value.with_context(|| format!("the variable {} is not set", self.0))?;
                ensure!(!value.is_empty(), "the variable {} is empty", self.0);
                Ok(value)
            }
        }
    }
}

impl Secrets {
    /// PAR's Client Secret.
    ///
    /// # Errors
    /// A variable that was named and is not set.
    pub fn client_secret(&self) -> anyhow::Result<String> {
        self.client_secret_from.value(CLIENT_SECRET, local::CLIENT_SECRET)
    }

    /// PAR's SharedId.
    ///
    /// # Errors
    /// A variable that was named and is not set.
    pub fn shared_id(&self) -> anyhow::Result<String> {
        self.shared_id_from.value(SHARED_ID, local::SHARED_ID)
    }
}

impl Credentials {
    /// PAR, who calls the deployment at `url`.
    ///
    /// # Errors
    /// A URL or a SharedId that is none; a variable that was named and is not set.
    pub fn par(&self, url: &str) -> anyhow::Result<Par> {
        Par::new(url, &self.client_id, &self.secrets.client_secret()?, &self.secrets.shared_id()?)
    }
}
