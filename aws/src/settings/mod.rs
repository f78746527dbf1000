//! The settings, read once when a function starts. A wrong one stops the start with every name and what it must be.

mod list;

use std::{fmt, str::FromStr, time::Duration};

pub use list::{Allowed, GROUPS, Group, Setting, settings};

use posnext_shared::domain::{contract::Contract, policy::Policy, token::Expectations};

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
    /// URL of the queue of webhooks on their way.
    pub webhooks_queue_url: Option<String>,
    /// Name of the table of WebSocket connections.
    pub connections_table: Option<String>,
    /// Where API Gateway takes messages to them.
    pub connections_endpoint: Option<String>,
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
    /// PEM file to trust for POS systems, beside the certificates of the public web.
    pub pos_ca_file: Option<String>,
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

impl FromStr for Level {
    type Err = tracing::metadata::ParseLevelError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Reads settings one by one and remembers what is wrong.
struct Reader<F> {
    get: F,
    errors: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// The value that is set, or the default; parsed where the list permits it.
    fn read<T: Default>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        let Some(setting) = settings().find(|setting| setting.name == name) else {
            self.errors.push(format!("{name} is not on the list of settings"));
            return T::default();
        };
        let set = (self.get)(name).map(|value| value.trim().to_owned());
        let Some(text) = set.or_else(|| setting.default.map(str::to_owned)) else {
            self.errors.push(format!("{name} must be set: {}", setting.meaning));
            return T::default();
        };
        Some(text.as_str()).filter(|text| setting.allowed.permits(text)).and_then(parse).unwrap_or_else(|| {
            self.errors.push(format!("{name} cannot be {text:?}; it is {}: {}", setting.allowed, setting.meaning));
            T::default()
        })
    }

    fn text(&mut self, name: &str) -> String {
        self.read(name, |text| Some(text.to_owned()))
    }

    /// The address of something over HTTP, as an HTTP client reads it.
    fn address(&mut self, name: &str) -> String {
        self.read(name, |text| is_address(text).then(|| text.to_owned()))
    }

    /// The same, which may be empty for none.
    fn optional_address(&mut self, name: &str) -> Option<String> {
        self.read(name, |text| if text.is_empty() { Some(None) } else { is_address(text).then(|| Some(text.to_owned())) })
    }

    fn parsed<T: Default + FromStr>(&mut self, name: &str) -> T {
        self.read(name, |text| text.parse().ok())
    }

    /// What may be empty, for none.
    fn optional<T: FromStr>(&mut self, name: &str) -> Option<T> {
        self.read(name, |text| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) })
    }

    fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(self.parsed(name))
    }

    fn contract(&mut self) -> Contract {
        Contract {
            rejected_status: self.parsed("POSNEXT_STATUS_REJECTED"),
            errored_status: self.parsed("POSNEXT_STATUS_ERRORED"),
            digest_status: self.parsed("POSNEXT_STATUS_DIGEST"),
            unmapped_status: self.parsed("POSNEXT_STATUS_UNMAPPED"),
            request_digest: self.parsed("POSNEXT_REQUEST_DIGEST"),
            accept_truncated_cents: self.parsed("POSNEXT_ACCEPT_TRUNCATED_CENTS"),
            sign_menus: self.parsed("POSNEXT_SIGN_MENUS"),
            sign_calculated: self.parsed("POSNEXT_SIGN_CALCULATED"),
            prices: self.parsed("POSNEXT_PRICE_POLICY"),
            menu_required: self.parsed("POSNEXT_MENU_REQUIRED"),
            pos_order_id_key: self.parsed("POSNEXT_POS_ORDER_ID_KEY"),
            path_aliases: self.parsed("POSNEXT_PATH_ALIASES"),
            request_window: Some(self.seconds("POSNEXT_REQUEST_WINDOW_S")).filter(|window| !window.is_zero()),
            processing: self.parsed("POSNEXT_PROCESSING"),
            longest_wait: self.seconds("POSNEXT_LONGEST_WAIT_S"),
            docs_url: self.read("POSNEXT_DOCS_URL", |text| {
                let usable = text.starts_with('/') || text.starts_with("https://") && is_address(text);
                // It becomes part of links.
                let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
                (usable && plain).then(|| text.trim_end_matches('/').to_owned())
            }),
        }
    }
}

/// Whether a text is an address that can be called: http or https, and a host.
fn is_address(text: &str) -> bool {
    let address: Option<http::Uri> = text.parse().ok();
    address
        .is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty()))
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
        let policy = Policy {
            retention: Duration::from_hours(reader.parsed::<u64>("POSNEXT_RETENTION_DAYS") * 24),
            guard: Duration::from_hours(reader.parsed("POSNEXT_GUARD_HOURS")),
            ..Policy::new(
                reader.seconds("POSNEXT_ORDER_DEADLINE_S"),
                Duration::from_millis(reader.parsed("POSNEXT_ANSWER_DEADLINE_MS")),
            )
        };
        let expectations = Expectations {
            skew: reader.seconds("POSNEXT_JWT_SKEW_S"),
            client_claim: reader.optional("POSNEXT_JWT_CLIENT_CLAIM"),
            issuer: reader.optional("POSNEXT_JWT_ISSUER"),
            audience: reader.optional("POSNEXT_JWT_AUDIENCE"),
        };
        let settings = Self {
            orders_table: reader.text("POSNEXT_ORDERS_TABLE"),
            directory_table: reader.text("POSNEXT_DIRECTORY_TABLE"),
            menus_table: reader.text("POSNEXT_MENUS_TABLE"),
            sandbox_table: reader.text("POSNEXT_SANDBOX_TABLE"),
            queue_url: reader.address("POSNEXT_QUEUE_URL"),
            dead_letter_queue_url: reader.address("POSNEXT_DLQ_URL"),
            webhooks_queue_url: reader.optional_address("POSNEXT_WEBHOOKS_QUEUE_URL"),
            connections_table: reader.optional("POSNEXT_CONNECTIONS_TABLE"),
            connections_endpoint: reader.optional_address("POSNEXT_CONNECTIONS_ENDPOINT"),
            policy,
            location_rate: reader.parsed("POSNEXT_LOCATION_RATE"),
            menu_refresh: reader.seconds("POSNEXT_MENU_REFRESH_S"),
            contract: reader.contract(),
            expectations,
            client_secrets_are_base64: reader.parsed("POSNEXT_CLIENT_SECRET_BASE64"),
            allow_sandbox: reader.parsed("POSNEXT_ALLOW_SANDBOX"),
            ca_file: reader.optional("POSNEXT_CA_FILE"),
            pos_ca_file: reader.optional("POSNEXT_POS_CA_FILE"),
            log: reader.parsed::<Level>("POSNEXT_LOG").0,
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
    use std::{cell::RefCell, collections::BTreeSet};

    use super::*;
    use posnext_shared::domain::token::SKEW;

    fn read(set: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| {
            let set = set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            let value = if name.ends_with("_URL") { "https://x" } else { "x" };
            set.or_else(|| settings().find(|setting| setting.name == name && setting.default.is_none()).map(|_| value.to_owned()))
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
        for setting in settings().filter(|setting| setting.default.is_none()) {
            assert!(error.contains(setting.name), "{error}");
        }
    }

    #[test]
    fn every_setting_of_the_list_is_read_and_every_text_it_may_be_is_taken() {
        let asked = RefCell::new(BTreeSet::new());
        let _ = Settings::read(|name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        });
        assert_eq!(asked.into_inner(), settings().map(|setting| setting.name.to_owned()).collect());
        for setting in settings() {
            if let Allowed::OneOf(texts) = setting.allowed {
                for text in texts {
                    assert_eq!(read(&[(setting.name, text)]).err(), None);
                }
            }
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_it_may_be() {
        for (name, value) in [
            ("POSNEXT_ORDER_DEADLINE_S", "0"),
            ("POSNEXT_ANSWER_DEADLINE_MS", "10001"),
            ("POSNEXT_ANSWER_DEADLINE_MS", "5s"),
            ("POSNEXT_ALLOW_SANDBOX", "yes"),
            ("POSNEXT_LOG", "loud"),
            ("POSNEXT_RETENTION_DAYS", ""),
            // Less a day, nothing would be left of it.
            ("POSNEXT_RETENTION_DAYS", "1"),
            ("POSNEXT_LOCATION_RATE", "0"),
            ("POSNEXT_STATUS_REJECTED", "202"),
            ("POSNEXT_STATUS_REJECTED", "205"),
            ("POSNEXT_STATUS_DIGEST", "200"),
            ("POSNEXT_STATUS_ERRORED", "304"),
            ("POSNEXT_REQUEST_DIGEST", "none"),
            ("POSNEXT_PRICE_POLICY", "free"),
            ("POSNEXT_POS_ORDER_ID_KEY", "status"),
            ("POSNEXT_JWT_CLIENT_CLAIM", "jti"),
            ("POSNEXT_QUEUE_URL", "https://sqs.example/1/a b"),
            ("POSNEXT_QUEUE_URL", "sqs.example/1/a"),
            ("POSNEXT_DLQ_URL", "https:/sqs.example/1/a"),
            ("POSNEXT_DLQ_URL", "https:\\\\sqs.example\\1"),
            ("POSNEXT_WEBHOOKS_QUEUE_URL", "https://sqs.example/1\r\n2"),
            ("POSNEXT_WEBHOOKS_QUEUE_URL", "wss://sqs.example/1"),
            ("POSNEXT_CONNECTIONS_ENDPOINT", "\"https://api.example/live\""),
            ("POSNEXT_CONNECTIONS_ENDPOINT", "https://"),
            ("POSNEXT_DOCS_URL", "https://docs .example"),
            ("POSNEXT_DOCS_URL", "/docs\"x"),
            ("POSNEXT_DOCS_URL", "https:/docs.example"),
            ("POSNEXT_DOCS_URL", "https://döcs.example"),
            ("POSNEXT_DOCS_URL", "http://docs.example"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
        let error = read(&[("POSNEXT_JWT_SKEW_S", "601")]).unwrap_err().to_string();
        assert_eq!(error, "POSNEXT_JWT_SKEW_S cannot be \"601\"; it is 0 to 600 s: how far the issuer's clock may differ");
    }

    #[test]
    fn blanks_around_a_value_are_no_part_of_it() {
        let settings = read(&[
            ("POSNEXT_QUEUE_URL", " https://sqs.example/1/a\r\n"),
            ("POSNEXT_CONNECTIONS_ENDPOINT", "\thttp://127.0.0.1:1/_local "),
            ("POSNEXT_ORDERS_TABLE", " orders\n"),
            ("POSNEXT_DOCS_URL", " https://docs.example/v1/ "),
        ]);
        let settings = settings.unwrap();
        assert_eq!((settings.queue_url.as_str(), settings.orders_table.as_str()), ("https://sqs.example/1/a", "orders"));
        assert_eq!(settings.connections_endpoint.as_deref(), Some("http://127.0.0.1:1/_local"));
        assert_eq!(settings.contract.docs_url, "https://docs.example/v1");
    }

    #[test]
    fn a_guard_does_not_outlive_its_order() {
        let error = read(&[("POSNEXT_RETENTION_DAYS", "2"), ("POSNEXT_GUARD_HOURS", "49")]).unwrap_err().to_string();
        assert!(error.contains("POSNEXT_RETENTION_DAYS"), "{error}");
        assert!(read(&[("POSNEXT_RETENTION_DAYS", "2"), ("POSNEXT_GUARD_HOURS", "48")]).is_ok());
    }

    #[test]
    fn sandboxes_need_their_table() {
        assert!(read(&[("POSNEXT_ALLOW_SANDBOX", "true")]).unwrap_err().to_string().contains("POSNEXT_SANDBOX_TABLE"));
    }
}
