//! PAR's credentials, as every command takes them.

use clap::Args;

use crate::{local, par::Par};

/// PAR's credentials. The defaults are those of the local product.
#[derive(Debug, Args)]
pub struct Credentials {
    /// PAR's Client ID
    #[arg(long, env = "POSNEXT_CLIENT_ID", default_value = local::CLIENT_ID)]
    client_id: String,
    /// PAR's Client Secret
    #[arg(long, env = "POSNEXT_CLIENT_SECRET", default_value = local::CLIENT_SECRET, hide_env_values = true)]
    client_secret: String,
    /// PAR's SharedId
    #[arg(long, env = "POSNEXT_SHARED_ID", default_value = local::SHARED_ID, hide_env_values = true)]
    shared_id: String,
}

impl Credentials {
    /// PAR, who calls the deployment at `url`.
    ///
    /// # Errors
    /// A URL or a SharedId that is none.
    pub fn par(&self, url: &str) -> anyhow::Result<Par> {
        Par::new(url, &self.client_id, &self.client_secret, &self.shared_id)
    }
}
