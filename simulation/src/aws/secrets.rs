//! Secrets Manager.

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::{Value, json};

use super::Said;
use crate::sim::lock;

#[derive(Debug, Default)]
pub(crate) struct Secrets(Mutex<BTreeMap<String, String>>);

impl Secrets {
    /// Puts a secret of these live values, each with its id.
    pub(crate) fn put(&self, name: &str, live: &[(&str, &str)]) {
        let live: Vec<_> = live.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
        lock(&self.0).insert(name.to_owned(), json!({ "live": live }).to_string());
    }

    pub(super) fn call(&self, body: &[u8]) -> Said {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = request.get("SecretId").and_then(Value::as_str).unwrap_or_default();
        match lock(&self.0).get(name) {
            Some(text) => Said::ok(json!({ "Name": name, "SecretString": text }).to_string()),
            None => Said::error(400, "ResourceNotFoundException"),
        }
    }
}
