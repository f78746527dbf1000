//! The settings, read once when a function starts. A wrong one stops the start with every name and what it must be.

use std::{fmt, str::FromStr, time::Duration};

use crate::domain::{contract::Contract, policy::Policy, token::Expectations};

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
pub const SETTINGS: [Setting; 32] = [
    setting("POSNEXT_ORDERS_TABLE", None, "name of the orders table"),
    setting("POSNEXT_DIRECTORY_TABLE", None, "name of the directory table"),
    setting("POSNEXT_MENUS_TABLE", None, "name of the menus table"),
    setting("POSNEXT_SANDBOX_TABLE", Some(""), "name of the sandbox POS's table; needed if sandboxes are allowed"),
    setting("POSNEXT_QUEUE_URL", None, "URL of the work queue"),
    setting("POSNEXT_DLQ_URL", None, "URL of the dead-letter queue"),
    setting("POSNEXT_ANSWER_DEADLINE_MS", Some("5000"), "a submit is answered within this; 100 to 10000 ms"),
    setting("POSNEXT_ORDER_DEADLINE_S", Some("60"), "an accepted order is decided within this; 1 to 3600 s"),
    setting("POSNEXT_RETENTION_DAYS", Some("30"), "a decided order is kept this long; 1 to 3650 days"),
    setting("POSNEXT_GUARD_HOURS", Some("24"), "one online order id is guarded this long; 1 to 8760 h"),
    setting("POSNEXT_LOCATION_RATE", Some("1000"), "orders a second one location may send to one instance; 1 to 100000"),
    setting("POSNEXT_MENU_REFRESH_S", Some("300"), "age at which a menu is fetched from its POS again; 30 to 86400 s"),
    setting(
        "POSNEXT_MENU_REQUIRED",
        Some("false"),
        "a location without a menu takes no orders, else they are not checked; true or false",
    ),
    setting(
        "POSNEXT_PRICE_POLICY",
        Some("reject"),
        "prices and totals that are not the menu's: reject; recalculate (validate answers ours, submit rejects); trust the caller's (U26)",
    ),
    setting("POSNEXT_STATUS_REJECTED", Some("200"), "HTTP status of an order that is rejected; 200 to 599 (U13)"),
    setting("POSNEXT_STATUS_ERRORED", Some("200"), "HTTP status of a submit that ends errored; 200 to 599 (U14)"),
    setting("POSNEXT_STATUS_DIGEST", Some("412"), "HTTP status of a missing or wrong digest; 400 to 499 (U9)"),
    setting(
        "POSNEXT_STATUS_UNMAPPED",
        Some("404"),
        "HTTP status of an organization or location that is not mapped; 400 to 499 (U16)",
    ),
    setting(
        "POSNEXT_REQUEST_DIGEST",
        Some("order"),
        "what x-pch-digest of a request covers: order (six values, SharedId) or path-and-body (all of it, Client Secret) (U7)",
    ),
    setting(
        "POSNEXT_ACCEPT_TRUNCATED_CENTS",
        Some("false"),
        "take a request's digest over totals that are a cent low, as binary doubles make them; true or false (U8)",
    ),
    setting("POSNEXT_REQUEST_WINDOW_S", Some("0"), "how far request_datetime may be from now; 0 (any) to 31536000 s (U22)"),
    setting("POSNEXT_SIGN_MENUS", Some("false"), "sign the answers of /posnext/menus; true or false (U11)"),
    setting(
        "POSNEXT_POS_ORDER_ID_KEY",
        Some("order_details.pos_order_id"),
        "where an answer has the POS's order id: order_details.NAME or NAME (U24)",
    ),
    setting(
        "POSNEXT_PATH_ALIASES",
        Some("true"),
        "serve /posnext/orders/submit and /posnext/orders/validate, too; true or false (C1)",
    ),
    setting("POSNEXT_JWT_SKEW_S", Some("60"), "how far the issuer's clock may differ; 0 to 600 s (U4)"),
    setting(
        "POSNEXT_JWT_CLIENT_CLAIM",
        Some(""),
        "claim that must be the Client ID: client_id, sub or iss; not checked if empty (U3)",
    ),
    setting("POSNEXT_JWT_ISSUER", Some(""), "`iss` a token must have; not checked if empty (U3)"),
    setting("POSNEXT_JWT_AUDIENCE", Some(""), "`aud` a token must have; not checked if empty (U3)"),
    setting("POSNEXT_CLIENT_SECRET_BASE64", Some("false"), "Client Secrets are base64 of the key's bytes; true or false (U2)"),
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
    /// Name of the menus table.
    pub menus_table: String,
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
    /// Age at which a menu is fetched again.
    pub menu_refresh: Duration,
    /// What PAR has not told us.
    pub contract: Contract,
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

    fn status(&mut self, name: &str, least: u16, most: u16) -> u16 {
        // 202 is for what is pending; 204, 205 and 304 have no body, and 206 is a part of one.
        let usable = |status: &u16| (least..=most).contains(status) && !matches!(status, 202 | 204..=206 | 300..=399);
        self.parsed(name, |text| text.parse().ok().filter(usable))
    }

    /// One of several names, or nothing.
    fn choice<T: FromStr>(&mut self, name: &str) -> Option<T> {
        self.parsed(name, |text| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) })
    }

    fn contract(&mut self) -> Contract {
        let window = self.number("POSNEXT_REQUEST_WINDOW_S", 0, 31_536_000);
        Contract {
            rejected_status: self.status("POSNEXT_STATUS_REJECTED", 200, 599),
            errored_status: self.status("POSNEXT_STATUS_ERRORED", 200, 599),
            digest_status: self.status("POSNEXT_STATUS_DIGEST", 400, 499),
            unmapped_status: self.status("POSNEXT_STATUS_UNMAPPED", 400, 499),
            request_digest: self.parsed("POSNEXT_REQUEST_DIGEST", |text| text.parse().ok()),
            accept_truncated_cents: self.flag("POSNEXT_ACCEPT_TRUNCATED_CENTS"),
            sign_menus: self.flag("POSNEXT_SIGN_MENUS"),
            prices: self.parsed("POSNEXT_PRICE_POLICY", |text| text.parse().ok()),
            menu_required: self.flag("POSNEXT_MENU_REQUIRED"),
            pos_order_id_key: self.parsed("POSNEXT_POS_ORDER_ID_KEY", |text| text.parse().ok()),
            path_aliases: self.flag("POSNEXT_PATH_ALIASES"),
            request_window: (window > 0).then(|| Duration::from_secs(window)),
        }
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
        let expectations = Expectations {
            skew: Duration::from_secs(reader.number("POSNEXT_JWT_SKEW_S", 0, 600)),
            client_claim: reader.choice("POSNEXT_JWT_CLIENT_CLAIM"),
            issuer: reader.optional("POSNEXT_JWT_ISSUER"),
            audience: reader.optional("POSNEXT_JWT_AUDIENCE"),
        };
        let contract = reader.contract();
        let settings = Self {
            orders_table: reader.text("POSNEXT_ORDERS_TABLE"),
            directory_table: reader.text("POSNEXT_DIRECTORY_TABLE"),
            menus_table: reader.text("POSNEXT_MENUS_TABLE"),
            sandbox_table: reader.text("POSNEXT_SANDBOX_TABLE"),
            queue_url: reader.text("POSNEXT_QUEUE_URL"),
            dead_letter_queue_url: reader.text("POSNEXT_DLQ_URL"),
            policy,
            location_rate: u32::try_from(reader.number("POSNEXT_LOCATION_RATE", 1, 100_000)).unwrap_or(1),
            menu_refresh: Duration::from_secs(reader.number("POSNEXT_MENU_REFRESH_S", 30, 86_400)),
            contract,
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
    use crate::domain::token::SKEW;

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
        assert_eq!(settings.contract, Contract::default());
        assert_eq!((settings.expectations.skew, settings.expectations.client_claim), (SKEW, None));
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
            ("POSNEXT_STATUS_REJECTED", "202"),
            ("POSNEXT_STATUS_REJECTED", "205"),
            ("POSNEXT_STATUS_DIGEST", "200"),
            ("POSNEXT_STATUS_ERRORED", "304"),
            ("POSNEXT_REQUEST_DIGEST", "none"),
            ("POSNEXT_PRICE_POLICY", "free"),
            ("POSNEXT_POS_ORDER_ID_KEY", "status"),
            ("POSNEXT_JWT_CLIENT_CLAIM", "jti"),
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
