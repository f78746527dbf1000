//! Secrets Manager, through a cache that never empties: several values live at once, the last good ones are kept while
//! the service cannot be reached, and a flood of bad tokens or digests causes at most one fetch a minute.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_secretsmanager::Client;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use serde::Deserialize;

use super::{clock::SystemClock, unavailable};
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{Clock, PortError, Refresh, Secrets, WebhookKeys},
    },
    domain::{json_text::without_mark, signature::SharedId, time::UnixMillis, token::ClientSecret, webhook::WebhookKey},
};

/// Age at which a secret is read again beside a request.
const STALE: Duration = Duration::from_mins(5);
/// Age at which it is read again before it is believed: an instance that slept would else take an ended secret once more.
const DOUBTFUL: Duration = Duration::from_mins(10);
/// At most one fetch a minute is caused by what does not match.
const MISMATCH_INTERVAL: Duration = Duration::from_mins(1);
/// A secret that was never read is asked for again after a second, and then after growing times up to this.
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// How long a refresh beside a request may hold up its answer.
const REFRESH_LIMIT: Duration = Duration::from_secs(1);
/// Values that everybody knows, since they are printed in the README.
const LOCAL_VALUES: [&str; 2] = ["a1b2c3d4e5f6a7b8c9d0", "local-client-secret-0123456789abcdef"];

/// Whether a value is printed in the README, and so no secret.
#[must_use]
pub fn known_to_everybody(value: &str) -> bool {
    LOCAL_VALUES.contains(&value)
}

/// A secret's text: `{"live": [{"id": "2026-11", "value": "..."}, ...]}`, the one to sign with first.
#[derive(Deserialize)]
struct SecretText {
    live: Vec<LiveValue>,
}

#[derive(Deserialize)]
struct LiveValue {
    id: String,
    value: String,
}

#[derive(Debug, Default)]
struct Entry {
    tried_at: Option<Moment>,
    /// Fetches in a row that failed.
    failures: u32,
    mismatch_at: Option<Moment>,
    values: Option<Values>,
}

impl Entry {
    fn is_older_than(&self, limit: Duration, now: UnixMillis) -> bool {
        self.tried_at.as_ref().is_none_or(|at| at.age(now) >= limit)
    }

    fn may_retry(&self, now: UnixMillis) -> bool {
        let pause = Duration::from_secs(1 << self.failures.saturating_sub(1).min(6)).min(LONGEST_RETRY);
        self.tried_at.as_ref().is_none_or(|at| at.age(now) >= pause)
    }
}

#[derive(Debug, Clone)]
struct Values {
    client_secrets: Arc<Vec<ClientSecret>>,
    shared_ids: Arc<Vec<SharedId>>,
    pos_secret: String,
    webhook_keys: Arc<Vec<WebhookKey>>,
}

/// Who can cause a mismatch, and so a fetch.
#[derive(Debug, Clone, Copy)]
enum Flood {
    /// Anybody who finds the address: one fetch a minute for all secrets together.
    OfAnybody,
    /// Callers whose token has verified, and POS systems: one a minute for each secret.
    OfCallers,
}

/// How secrets are read.
#[derive(Debug, Clone, Copy)]
pub struct SecretRules {
    /// Take the values that are printed in the README.
    pub allow_local: bool,
    /// Client Secrets are base64 of the key's bytes (docs/contract.md#u2).
    pub client_secrets_are_base64: bool,
}

/// The secrets.
#[derive(Debug)]
pub struct SecretCache<C = SystemClock> {
    client: Client,
    rules: SecretRules,
    clock: C,
    entries: Mutex<BTreeMap<String, Entry>>,
    last_mismatch: Mutex<Option<Moment>>,
}

impl<C: Clock> SecretCache<C> {
    /// An empty cache.
    #[must_use]
    pub fn new(client: Client, rules: SecretRules, clock: C) -> Self {
        Self { client, rules, clock, entries: Mutex::default(), last_mismatch: Mutex::default() }
    }

    async fn values(&self, name: &str, refresh: Refresh, flood: Flood) -> Result<Values, PortError> {
        let now = self.clock.now();
        let (known, may_retry, doubtful) = match lock(&self.entries).get(name) {
            Some(entry) => (entry.values.clone(), entry.may_retry(now), entry.is_older_than(DOUBTFUL, now)),
            None => (None, true, true),
        };
        match known {
            Some(values) if doubtful => Ok(self.fetch(name).await.unwrap_or(values)),
            Some(values) if refresh == Refresh::No || !self.may_refetch(name, flood) => Ok(values),
            Some(values) => Ok(self.fetch(name).await.unwrap_or(values)),
            None if !may_retry => Err(PortError::Unavailable(format!("secret {name} could not be read a moment ago"))),
            None => self.fetch(name).await,
        }
    }

    fn may_refetch(&self, name: &str, flood: Flood) -> bool {
        let now = self.clock.now();
        let mut entries = lock(&self.entries);
        let mut any = lock(&self.last_mismatch);
        let last = match flood {
            Flood::OfAnybody => &mut *any,
            Flood::OfCallers => &mut entries.entry(name.to_owned()).or_default().mismatch_at,
        };
        let allowed = last.as_ref().is_none_or(|at| at.age(now) >= MISMATCH_INTERVAL);
        if allowed {
            *last = Some(Moment::now(now));
        }
        allowed
    }

    async fn fetch(&self, name: &str) -> Result<Values, PortError> {
        let fetched = self.read(name).await;
        let mut entries = lock(&self.entries);
        let entry = entries.entry(name.to_owned()).or_default();
        entry.tried_at = Some(Moment::now(self.clock.now()));
        match &fetched {
            Ok(values) => {
                entry.failures = 0;
                entry.values = Some(values.clone());
            }
            Err(_) => entry.failures += 1,
        }
        fetched
    }

    async fn read(&self, name: &str) -> Result<Values, PortError> {
        let got = self.client.get_secret_value().secret_id(name).send().await.map_err(|error| unavailable(&error))?;
        parse(got.secret_string().unwrap_or_default(), self.rules)
            .map_err(|why| PortError::Corrupt(format!("secret {name} {why}")))
    }
}

/// Reads a secret's text. The reason for a refusal never holds a value.
fn parse(text: &str, rules: SecretRules) -> Result<Values, String> {
    let secret: SecretText = serde_json::from_str(without_mark(text))
        .map_err(|_| r#"must be JSON like {"live": [{"id": "2026-11", "value": "..."}]}"#.to_owned())?;
    let Some(first) = secret.live.first() else { return Err("has no live value".to_owned()) };
    if !rules.allow_local && secret.live.iter().any(|live| known_to_everybody(&live.value)) {
        return Err("holds a value that is printed in the README; make one of your own".to_owned());
    }
    let key = |live: &LiveValue| {
        let bytes = if rules.client_secrets_are_base64 {
            STANDARD.decode(&live.value).ok()
        } else {
            Some(live.value.clone().into_bytes())
        };
        bytes.and_then(|bytes| ClientSecret::new(&bytes))
    };
    let usable = Values {
        client_secrets: Arc::new(secret.live.iter().filter_map(key).collect()),
        shared_ids: Arc::new(secret.live.iter().filter_map(|live| SharedId::new(&live.id, &live.value).ok()).collect()),
        pos_secret: first.value.clone(),
        webhook_keys: Arc::new(secret.live.iter().filter_map(|live| WebhookKey::parse(&live.value)).collect()),
    };
    Ok(usable)
}

impl<C: Clock> WebhookKeys for SecretCache<C> {
    async fn webhook_keys(&self, name: &str) -> Result<Arc<Vec<WebhookKey>>, PortError> {
        let keys = self.values(name, Refresh::No, Flood::OfCallers).await?.webhook_keys;
        if keys.is_empty() {
            return Err(PortError::Corrupt(format!("secret {name} holds no key like whsec_ and base64 of 24 to 64 bytes")));
        }
        Ok(keys)
    }
}

impl<C: Clock> Secrets for SecretCache<C> {
    async fn client_secrets(&self, name: &str, refresh: Refresh) -> Result<Arc<Vec<ClientSecret>>, PortError> {
        let secrets = self.values(name, refresh, Flood::OfAnybody).await?.client_secrets;
        if secrets.is_empty() {
            return Err(PortError::Corrupt(format!("secret {name} holds no Client Secret that can be used")));
        }
        Ok(secrets)
    }

    async fn shared_ids(&self, name: &str, refresh: Refresh) -> Result<Arc<Vec<SharedId>>, PortError> {
        let shared_ids = self.values(name, refresh, Flood::OfCallers).await?.shared_ids;
        if shared_ids.is_empty() {
            return Err(PortError::Corrupt(format!("secret {name} holds no SharedId of at least 10 characters")));
        }
        Ok(shared_ids)
    }

    async fn pos_secret(&self, name: &str, refresh: Refresh) -> Result<String, PortError> {
        Ok(self.values(name, refresh, Flood::OfCallers).await?.pos_secret)
    }

    async fn refresh_stale(&self) {
        let now = self.clock.now();
        // What is doubtful waits until it is asked for.
        let old =
            |entry: &Entry| entry.values.is_some() && entry.is_older_than(STALE, now) && !entry.is_older_than(DOUBTFUL, now);
        let names: Vec<String> =
            lock(&self.entries).iter().filter(|(_, entry)| old(entry)).map(|(name, _)| name.clone()).collect();
        let refreshes = join_all(names.iter().map(async |name| (name, self.fetch(name).await)));
        for (name, fetched) in tokio::time::timeout(REFRESH_LIMIT, refreshes).await.unwrap_or_default() {
            if let Err(error) = fetched {
                tracing::warn!(secret.name = name, %error, "a secret cannot be read; its last values serve on");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SecretRules = SecretRules { allow_local: false, client_secrets_are_base64: false };

    #[test]
    fn several_values_live_at_once_in_their_order() {
        let values = parse(r#"{"live":[{"id":"new","value":"0123456789x"},{"id":"old","value":"abcdefghijy"}]}"#, RULES).unwrap();
        let ids: Vec<_> = values.shared_ids.iter().map(SharedId::id).collect();
        assert_eq!((ids, values.client_secrets.len()), (vec!["new", "old"], 2));
    }

    #[test]
    fn a_byte_order_mark_before_a_secret_is_ignored() {
        let values = parse("\u{feff}{\"live\":[{\"id\":\"new\",\"value\":\"0123456789x\"}]}", RULES).unwrap();
        assert_eq!((values.pos_secret.as_str(), values.shared_ids.len()), ("0123456789x", 1));
    }

    #[test]
    fn a_value_from_the_readme_is_refused_unless_it_is_allowed() {
        let text = r#"{"live":[{"id":"a","value":"a1b2c3d4e5f6a7b8c9d0"}]}"#;
        assert!(parse(text, RULES).unwrap_err().contains("README"));
        assert!(parse(text, SecretRules { allow_local: true, ..RULES }).is_ok());
    }

    #[test]
    fn an_unreadable_secret_says_what_it_must_be_and_not_what_it_was() {
        for text in ["hunter2", "", "{}", r#"{"live":"hunter2"}"#, r#"{"live":[]}"#] {
            let why = parse(text, RULES).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn a_short_shared_id_is_left_out() {
        let values = parse(r#"{"live":[{"id":"a","value":"short"}]}"#, RULES).unwrap();
        assert!(values.shared_ids.is_empty());
    }
}
