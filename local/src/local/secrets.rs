//! Secrets Manager, whose secrets outlive the process where there is a data folder: the engine forgets them.

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use rustack_secretsmanager_core::{
    config::SecretsManagerConfig, handler::RustackSecretsManagerHandler, provider::RustackSecretsManager,
};
use rustack_secretsmanager_http::{SecretsManagerHandler, SecretsManagerResponseBody};
use rustack_secretsmanager_model::{error::SecretsManagerError, operations::SecretsManagerOperation as Operation};
use serde::Deserialize;
use serde_json::json;

use crate::private;

/// The engine, and what is kept of it.
#[derive(Debug)]
pub(super) struct Secrets {
    engine: Arc<RustackSecretsManagerHandler>,
    kept: Option<Arc<Kept>>,
}

/// The file, and what is in it: the text of each secret, by name.
#[derive(Debug)]
struct Kept {
    file: PathBuf,
    texts: Mutex<BTreeMap<String, String>>,
}

/// What is read of a request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    #[serde(alias = "SecretId")]
    name: String,
    secret_string: Option<String>,
}

type Handled = Pin<Box<dyn Future<Output = Result<http::Response<SecretsManagerResponseBody>, SecretsManagerError>> + Send>>;

impl Secrets {
    /// With `folder`, what was kept there is there again.
    pub(super) async fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let engine =
            Arc::new(RustackSecretsManagerHandler::new(Arc::new(RustackSecretsManager::new(SecretsManagerConfig::default()))));
        let Some(folder) = folder else { return Ok(Self { engine, kept: None }) };
        let file = folder.join("secrets.json");
        let texts: BTreeMap<String, String> = match std::fs::read(&file) {
            // What serde says could quote a secret.
            Ok(text) => serde_json::from_slice(&text).map_err(|_| anyhow!("{} is no file of secrets", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        for (name, text) in &texts {
            let request = json!({ "Name": name, "SecretString": text, "ClientRequestToken": uuid::Uuid::now_v7().to_string() });
            let created = engine.handle_operation(Operation::CreateSecret, request.to_string().into()).await;
            created.map_err(|error| anyhow!("the secret {name} of {} is not taken: {error:?}", file.display()))?;
        }
        Ok(Self { engine, kept: Some(Arc::new(Kept { file, texts: Mutex::new(texts) })) })
    }
}

impl SecretsManagerHandler for Secrets {
    fn handle_operation(&self, op: Operation, body: Bytes) -> Handled {
        let (handled, kept) = (self.engine.handle_operation(op, body.clone()), self.kept.clone());
        Box::pin(async move {
            let answer = handled.await?;
            if let Some(kept) = kept {
                kept.note(op, &body)
                    .map_err(|error| SecretsManagerError::internal_error(format!("the secret is not kept: {error}")))?;
            }
            Ok(answer)
        })
    }
}

impl Kept {
    /// Keeps what was just done; before its answer leaves, so that what was answered is there after a restart.
    fn note(&self, op: Operation, body: &[u8]) -> std::io::Result<()> {
        let changes =
            matches!(op, Operation::CreateSecret | Operation::PutSecretValue | Operation::UpdateSecret | Operation::DeleteSecret);
        let asked: Option<Asked> = serde_json::from_slice(body).ok().filter(|_| changes);
        let Some(Asked { name, secret_string }) = asked else { return Ok(()) };
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        match (op, secret_string) {
            (Operation::DeleteSecret, _) => drop(texts.remove(&name)),
            (_, Some(text)) => drop(texts.insert(name, text)),
            _ => return Ok(()),
        }
        private::replace(&self.file, &serde_json::to_vec(&*texts)?)
    }
}
