//! The settings, read once when a function starts. A wrong one stops the start with every name and what it must be.

use std::{fmt, time::Duration};

use crate::domain::{policy::Policy, token::Expectations};

/// A setting as it is documented.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name of the environment variable.
    pub name: &'static str,
    /// Value when it is not set; `None` for one that must be.
    pub default: Option<&'static str>,
    /// What it is for, and its range.
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Setting {
    Setting { name, default, meaning }
}

/// Every setting of the functions.
pub const SETTINGS: [Setting; 16] = [
    setting("POSNEXT_ORDERS_TABLE", None, "name of the orders table"),
    setting("POSNEXT_DIRECTORY_TABLE", None, "name of the directory table"),
    setting("POSNEXT_SANDBOX_TABLE", Some(""), "name of the sandbox POS's table; needed if sandboxes are allowed"),
    setting("POSNEXT_QUEUE_URL", None, "URL of the work queue"),
    setting("POSNEXT_DLQ_URL", None, "URL of the dead-letter queue"),
    setting("POSNEXT_ANSWER_DEADLINE_MS", Some("5000"), "a submit is answered within this; 100 to 10000 ms"),
    setting("POSNEXT_ORDER_DEADLINE_S", Some("60"), "an accepted order is decided within this; 1 to 3600 s"),
    setting("POSNEXT_RETENTION_DAYS", Some("30"), "a decided order is kept this long; 1 to 3650 days"),
    setting("POSNEXT_GUARD_HOURS", Some("24"), "one online order id is guarded this long; 1 to 8760 h"),
    setting("POSNEXT_LOCATION_RATE", Some("1000"), "orders a second one location may send to one instance; 1 to 100000"),
    setting("POSNEXT_JWT_ISSUER", Some(""), "`iss` a token must have; not checked if empty"),
    setting("POSNEXT_JWT_AUDIENCE", Some(""), "`aud` a token must have; not checked if empty"),
    setting("POSNEXT_CLIENT_SECRET_BASE64", Some("false"), "Client Secrets are base64 of the key's bytes; true or false"),
    setting(
        "POSNEXT_ALLOW_SANDBOX",
        Some("false"),
        "take sandbox locations and the secrets printed in the README; true or false",
    ),
    setting("POSNEXT_CA_FILE", Some(""), "PEM certificates to trust for AWS instead of Amazon's own"),
    setting("POSNEXT_LOG", Some("info"), "error, warn, info or debug"),
];

/// The settings, parsed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the orders table.
    pub orders_table: String,
    /// Name of the directory table.
    pub directory_table: String,
    /// Name of the sandbox POS's table.
    pub sandbox_table: String,
    /// URL of the work queue.
    pub queue_url: String,
    /// URL of the dead-letter queue.
    pub dead_letter_queue_url: String,
    /// The times an order moves by.
    pub policy: Policy,
    /// Orders a second one location may send to one instance of submit-order.
    pub location_rate: u32,
    /// What a token must hold.
    pub expectations: Expectations,
    /// Client Secrets are base64 of the key's bytes.
    pub client_secrets_are_base64: bool,
    /// Take sandbox locations and the secrets printed in the README.
    pub allow_sandbox: bool,
    /// PEM file to trust for AWS instead of Amazon's own certificates.
    pub ca_file: Option<String>,
    /// Least severe level that is logged.
    pub log: tracing::Level,
}

/// What is wrong with the settings, one line each.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(Vec<String>);

/// The same: it is what a `main` that fails prints.
impl fmt::Debug for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings are not right:\n{self}")
    }
}

struct Level(tracing::Level);

impl Default for Level {
    fn default() -> Self {
        Self(tracing::Level::INFO)
    }
}

/// Reads settings one by one and remembers what is wrong.
struct Reader<F> {
    get: F,
    errors: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn text(&mut self, name: &str) -> String {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        match ((self.get)(name), setting.and_then(|setting| setting.default)) {
            (Some(value), _) => value.trim().to_owned(),
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                self.errors.push(format!("{name} must be set: {}", setting.map(|setting| setting.meaning).unwrap_or_default()));
                String::new()
            }
        }
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn parsed<T: Default>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        let text = self.text(name);
        parse(&text).unwrap_or_else(|| {
            let meaning = SETTINGS.iter().find(|setting| setting.name == name).map(|setting| setting.meaning);
            self.errors.push(format!("{name} cannot be {text:?}: {}", meaning.unwrap_or_default()));
            T::default()
        })
    }

    fn number(&mut self, name: &str, least: u64, most: u64) -> u64 {
        self.parsed(name, |text| text.parse().ok().filter(|number| (least..=most).contains(number)))
    }

    fn flag(&mut self, name: &str) -> bool {
        self.parsed(name, |text| text.parse().ok())
    }
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`SettingsError`] names every setting that is missing or wrong.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads from wherever `get` looks.
    ///
    /// # Errors
    /// [`SettingsError`] names every setting that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader { get, errors: Vec::new() };
        let order_deadline = Duration::from_secs(reader.number("POSNEXT_ORDER_DEADLINE_S", 1, 3_600));
        let answer_deadline = Duration::from_millis(reader.number("POSNEXT_ANSWER_DEADLINE_MS", 100, 10_000));
        let hours = |number| Duration::from_secs(number * 3_600);
        let policy = Policy {
            retention: hours(reader.number("POSNEXT_RETENTION_DAYS", 1, 3_650) * 24),
            guard: hours(reader.number("POSNEXT_GUARD_HOURS", 1, 8_760)),
            ..Policy::new(order_deadline, answer_deadline)
        };
        let expectations =
            Expectations { issuer: reader.optional("POSNEXT_JWT_ISSUER"), audience: reader.optional("POSNEXT_JWT_AUDIENCE") };
        let settings = Self {
            orders_table: reader.text("POSNEXT_ORDERS_TABLE"),
            directory_table: reader.text("POSNEXT_DIRECTORY_TABLE"),
            sandbox_table: reader.text("POSNEXT_SANDBOX_TABLE"),
            queue_url: reader.text("POSNEXT_QUEUE_URL"),
            dead_letter_queue_url: reader.text("POSNEXT_DLQ_URL"),
            policy,
            location_rate: u32::try_from(reader.number("POSNEXT_LOCATION_RATE", 1, 100_000)).unwrap_or(1),
            expectations,
            client_secrets_are_base64: reader.flag("POSNEXT_CLIENT_SECRET_BASE64"),
            allow_sandbox: reader.flag("POSNEXT_ALLOW_SANDBOX"),
            ca_file: reader.optional("POSNEXT_CA_FILE"),
            log: reader.parsed("POSNEXT_LOG", |text| text.parse().ok().map(Level)).0,
        };
        if settings.policy.retention < settings.policy.guard {
            // A guard without its owner would let the same online order be placed again.
            reader.errors.push("POSNEXT_RETENTION_DAYS must not be shorter than POSNEXT_GUARD_HOURS".to_owned());
        }
        if settings.allow_sandbox && settings.sandbox_table.is_empty() {
            reader.errors.push("POSNEXT_SANDBOX_TABLE must be set, since POSNEXT_ALLOW_SANDBOX is true".to_owned());
        }
        if reader.errors.is_empty() { Ok(settings) } else { Err(SettingsError(reader.errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| {
            let set = set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            set.or_else(|| {
                SETTINGS.iter().find(|setting| setting.name == name && setting.default.is_none()).map(|_| "x".to_owned())
            })
        })
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.policy, Policy::default());
        assert!(!settings.allow_sandbox && !settings.client_secrets_are_base64);
        assert_eq!(settings.log, tracing::Level::INFO);
    }

    #[test]
    fn every_missing_setting_is_named_at_once() {
        let error = Settings::read(|_| None).unwrap_err().to_string();
        for setting in SETTINGS.iter().filter(|setting| setting.default.is_none()) {
            assert!(error.contains(setting.name), "{error}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_range() {
        for (name, value) in [
            ("POSNEXT_ORDER_DEADLINE_S", "0"),
            ("POSNEXT_ANSWER_DEADLINE_MS", "10001"),
            ("POSNEXT_ANSWER_DEADLINE_MS", "5s"),
            ("POSNEXT_ALLOW_SANDBOX", "yes"),
            ("POSNEXT_LOG", "loud"),
            ("POSNEXT_RETENTION_DAYS", ""),
            ("POSNEXT_LOCATION_RATE", "0"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn a_guard_does_not_outlive_its_order() {
        let error = read(&[("POSNEXT_RETENTION_DAYS", "1"), ("POSNEXT_GUARD_HOURS", "25")]).unwrap_err().to_string();
        assert!(error.contains("POSNEXT_RETENTION_DAYS"), "{error}");
        assert!(read(&[("POSNEXT_RETENTION_DAYS", "1"), ("POSNEXT_GUARD_HOURS", "24")]).is_ok());
    }

    #[test]
    fn sandboxes_need_their_table() {
        assert!(read(&[("POSNEXT_ALLOW_SANDBOX", "true")]).unwrap_err().to_string().contains("POSNEXT_SANDBOX_TABLE"));
    }
}
