//! Secrets Manager, as who fills it sees it. The functions read what is written here (`adapters::secrets`).

use anyhow::Context;
use aws_sdk_secretsmanager::{
    Client,
    operation::{create_secret::CreateSecretError, get_secret_value::GetSecretValueError},
};
use posnext_shared::domain::json_text::without_mark;
use serde::{Deserialize, Serialize};

/// The values of a secret that are live at once, the one to sign with first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The values.
    pub live: Vec<LiveValue>,
}

/// A value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveValue {
    /// The name by which it may be told and logged.
    pub id: String,
    /// Never told.
    pub value: String,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl std::fmt::Debug for LiveValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id.fmt(f)
    }
}

impl Live {
    /// One value.
    #[must_use]
    pub fn one(id: impl Into<String>, value: impl Into<String>) -> Self {
        Self { live: vec![LiveValue { id: id.into(), value: value.into() }] }
    }

    /// The values' names.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.live.iter().map(|live| live.id.as_str())
    }
}

/// The secrets.
#[derive(Debug, Clone)]
pub struct SecretStore(Client);

impl SecretStore {
    /// Those that this client reaches.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self(client)
    }

    /// A secret, if there is one.
    ///
    /// # Errors
    /// A sentence, without any value, when it cannot be read.
    pub async fn read(&self, name: &str) -> anyhow::Result<Option<Live>> {
        let text = match self.0.get_secret_value().secret_id(name).send().await {
            Ok(got) => got.secret_string.unwrap_or_default(),
            Err(error) if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) => {
                return Ok(None);
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read the secret {name}")),
        };
        // What serde says could quote the text.
        let live = serde_json::from_str(without_mark(&text)).ok().filter(|live: &Live| !live.live.is_empty());
        let live =
            live.with_context(|| format!(r#"the secret {name} is not like {{"live": [{{"id": "...", "value": "..."}}]}}"#))?;
        Ok(Some(live))
    }

    /// Writes a secret, whatever is there.
    ///
    /// # Errors
    /// A sentence, without any value, when it is not known to be written.
    pub async fn write(&self, name: &str, live: &Live) -> anyhow::Result<()> {
        let text = serde_json::to_string(live)?;
        match self.0.create_secret().name(name).secret_string(&text).send().await {
            Err(error) if error.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception) => {
                let put = self.0.put_secret_value().secret_id(name).secret_string(text).send().await;
                put.with_context(|| format!("cannot write the secret {name}"))?;
            }
            created => {
                created.with_context(|| format!("cannot create the secret {name}"))?;
            }
        }
        Ok(())
    }
}
