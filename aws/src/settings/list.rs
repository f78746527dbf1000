//! The list of the settings: what the functions read, what docs/settings.md says and what the template must set.

use std::fmt;

/// A setting as it is read and documented.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name of the environment variable.
    pub name: &'static str,
    /// Value when it is not set; `None` for one that must be.
    pub default: Option<&'static str>,
    /// What it may be.
    pub allowed: Allowed,
    /// What it is for.
    pub meaning: &'static str,
    /// The question of docs/contract.md that it answers, by its heading, or nothing.
    pub contract: &'static str,
}

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
pub enum Allowed {
    /// A text; whether it is usable is seen when it is read.
    Text,
    /// `true` or `false`.
    Flag,
    /// One of these texts, the empty one among them where it stands for "none".
    OneOf(&'static [&'static str]),
    /// A whole number.
    Number {
        /// The least.
        least: u64,
        /// The greatest.
        most: u64,
        /// What it counts; empty where the meaning says it.
        unit: &'static str,
    },
    /// An HTTP status whose answer is final and has a body.
    Status {
        /// The least.
        least: u64,
        /// The greatest.
        most: u64,
    },
}

impl Allowed {
    /// Whether a setting may be this.
    #[must_use]
    pub fn permits(self, text: &str) -> bool {
        let within = |least, most| text.parse().ok().filter(|number| (least..=most).contains(number));
        match self {
            Self::Text => true,
            Self::Flag => matches!(text, "true" | "false"),
            Self::OneOf(texts) => texts.contains(&text),
            Self::Number { least, most, .. } => within(least, most).is_some(),
            // 202 is for what is pending; 204, 205 and 304 have no body, and 206 is a part of one.
            Self::Status { least, most } => {
                within(least, most).is_some_and(|status| !matches!(status, 202 | 204..=206 | 300..=399))
            }
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text"),
            Self::Flag => f.write_str("true or false"),
            Self::OneOf(texts) => {
                let named: Vec<&str> = texts.iter().map(|text| if text.is_empty() { "empty" } else { text }).collect();
                let (last, others) = named.split_last().unwrap_or((&"", &[]));
                write!(f, "{} or {last}", others.join(", "))
            }
            Self::Number { least, most, unit: "" } => write!(f, "{least} to {most}"),
            Self::Number { least, most, unit } => write!(f, "{least} to {most} {unit}"),
            Self::Status { least, most } if *least < 400 => write!(f, "{least} to {most}, but 202, 204 to 206 and 3xx"),
            Self::Status { least, most } => write!(f, "{least} to {most}"),
        }
    }
}

/// Settings that belong together.
#[derive(Debug)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// The settings.
    pub settings: &'static [Setting],
}

/// Every setting of the functions.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}

/// Every setting of the functions, as they are documented.
pub const GROUPS: [Group; 6] = [
    Group { title: "Where things are", settings: &PLACES },
    Group { title: "Times and limits", settings: &LIMITS },
    Group { title: "Tokens", settings: &TOKENS },
    Group { title: "Signatures and answers", settings: &ANSWERS },
    Group { title: "Menus and prices", settings: &MENUS },
    Group { title: "Operation", settings: &OPERATION },
];

const fn place(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: None, allowed: Allowed::Text, meaning, contract: "" }
}

const fn flag(name: &'static str, default: &'static str, meaning: &'static str, contract: &'static str) -> Setting {
    Setting { name, default: Some(default), allowed: Allowed::Flag, meaning, contract }
}

const fn status(name: &'static str, default: &'static str, least: u64, meaning: &'static str, contract: &'static str) -> Setting {
    let most = if least == 200 { 599 } else { 499 };
    Setting { name, default: Some(default), allowed: Allowed::Status { least, most }, meaning, contract }
}

const PLACES: [Setting; 9] = [
    place("POSNEXT_ORDERS_TABLE", "name of the orders table"),
    place("POSNEXT_DIRECTORY_TABLE", "name of the directory table"),
    place("POSNEXT_MENUS_TABLE", "name of the menus table"),
    Setting {
        default: Some(""),
        ..place("POSNEXT_SANDBOX_TABLE", "name of the sandbox POS's table; needed if sandboxes are allowed")
    },
    place("POSNEXT_QUEUE_URL", "URL of the work queue"),
    place("POSNEXT_DLQ_URL", "URL of the dead-letter queue"),
    Setting {
        default: Some(""),
        ..place(
            "POSNEXT_WEBHOOKS_QUEUE_URL",
            "URL of the queue of webhooks on their way; without it nobody is told of an order's end",
        )
    },
    Setting {
        default: Some(""),
        ..place("POSNEXT_CONNECTIONS_TABLE", "name of the table of WebSocket connections; without it nobody can watch orders")
    },
    Setting {
        default: Some(""),
        ..place("POSNEXT_CONNECTIONS_ENDPOINT", "https URL at which API Gateway takes messages to WebSocket connections")
    },
];

const LIMITS: [Setting; 6] = [
    Setting {
        name: "POSNEXT_ANSWER_DEADLINE_MS",
        default: Some("5000"),
        allowed: Allowed::Number { least: 100, most: 10_000, unit: "ms" },
        meaning: "a submit is answered within this",
        contract: "U32",
    },
    Setting {
        name: "POSNEXT_ORDER_DEADLINE_S",
        default: Some("60"),
        allowed: Allowed::Number { least: 1, most: 3_600, unit: "s" },
        meaning: "an accepted order is decided within this",
        contract: "U31",
    },
    Setting {
        name: "POSNEXT_RETENTION_DAYS",
        default: Some("30"),
        allowed: Allowed::Number { least: 2, most: 3_650, unit: "days" },
        meaning: "a decided order is kept this long; not shorter than it is guarded. A submit that is not known and older than \
                  this less a day is refused",
        contract: "U22",
    },
    Setting {
        name: "POSNEXT_GUARD_HOURS",
        default: Some("24"),
        allowed: Allowed::Number { least: 1, most: 8_760, unit: "h" },
        meaning: "one online order id is guarded this long against a second `request_uid`",
        contract: "U19",
    },
    Setting {
        name: "POSNEXT_LOCATION_RATE",
        default: Some("1000"),
        allowed: Allowed::Number { least: 1, most: 100_000, unit: "a second" },
        meaning: "orders that one location may send to one instance; what is over it is answered 429",
        contract: "U32",
    },
    Setting {
        name: "POSNEXT_REQUEST_WINDOW_S",
        default: Some("0"),
        allowed: Allowed::Number { least: 0, most: 31_536_000, unit: "s" },
        meaning: "how far `request_datetime` may be from now; 0 is any",
        contract: "U22",
    },
];

const TOKENS: [Setting; 5] = [
    Setting {
        name: "POSNEXT_JWT_SKEW_S",
        default: Some("60"),
        allowed: Allowed::Number { least: 0, most: 600, unit: "s" },
        meaning: "how far the issuer's clock may differ",
        contract: "U4",
    },
    Setting {
        name: "POSNEXT_JWT_CLIENT_CLAIM",
        default: Some(""),
        allowed: Allowed::OneOf(&["client_id", "sub", "iss", ""]),
        meaning: "claim that must be the Client ID; not checked if empty",
        contract: "U3",
    },
    Setting {
        name: "POSNEXT_JWT_ISSUER",
        default: Some(""),
        allowed: Allowed::Text,
        meaning: "`iss` a token must have; not checked if empty",
        contract: "U3",
    },
    Setting {
        name: "POSNEXT_JWT_AUDIENCE",
        default: Some(""),
        allowed: Allowed::Text,
        meaning: "`aud` a token must have; not checked if empty",
        contract: "U3",
    },
    flag("POSNEXT_CLIENT_SECRET_BASE64", "false", "Client Secrets are base64 of the key's bytes", "U2"),
];

const ANSWERS: [Setting; 13] = [
    Setting {
        name: "POSNEXT_REQUEST_DIGEST",
        default: Some("order"),
        allowed: Allowed::OneOf(&["order", "path-and-body"]),
        meaning: "what `x-pch-digest` of a request covers: the order's six values, keyed with the SharedId; or all of it, keyed with the Client Secret",
        contract: "U7",
    },
    flag(
        "POSNEXT_ACCEPT_TRUNCATED_CENTS",
        "false",
        "take a request's digest over totals that are a cent low, as binary doubles make them. Its price: who holds a token \
         reaches other totals a cent at a time (docs/security.md)",
        "U8",
    ),
    status("POSNEXT_STATUS_DIGEST", "412", 400, "HTTP status of a missing or wrong digest", "U9"),
    flag("POSNEXT_SIGN_MENUS", "false", "sign the answers of `/posnext/menus`", "U11"),
    flag(
        "POSNEXT_SIGN_CALCULATED",
        "false",
        "answer a validate with calculated totals, and sign them; else the caller's totals stay, and ours stand beside them. \
         Its price: who holds a token has orders signed that PAR did not sign (docs/security.md)",
        "U26",
    ),
    status("POSNEXT_STATUS_REJECTED", "200", 200, "HTTP status of an order that is rejected", "U13"),
    status("POSNEXT_STATUS_ERRORED", "200", 200, "HTTP status of a submit that ends errored", "U14"),
    status("POSNEXT_STATUS_UNMAPPED", "404", 400, "HTTP status of an organization or location that is not mapped", "U16"),
    Setting {
        name: "POSNEXT_POS_ORDER_ID_KEY",
        default: Some("order_details.pos_order_id"),
        allowed: Allowed::Text,
        meaning: "where an answer has the POS's order id: `order_details.NAME` or `NAME`, a name that the contract does not have",
        contract: "U24",
    },
    flag("POSNEXT_PATH_ALIASES", "true", "serve `/posnext/orders/submit` and `/posnext/orders/validate`, too", "C1"),
    Setting {
        name: "POSNEXT_PROCESSING",
        default: Some("true"),
        allowed: Allowed::Flag,
        meaning: "tell how far a pending order is, in the member `processing`",
        contract: "",
    },
    Setting {
        name: "POSNEXT_LONGEST_WAIT_S",
        default: Some("10"),
        allowed: Allowed::Number { least: 0, most: 10, unit: "s" },
        meaning: "how long a poll with `Prefer: wait` may hold its answer; 0 switches that off",
        contract: "",
    },
    Setting {
        name: "POSNEXT_DOCS_URL",
        default: Some("/posnext/docs"),
        allowed: Allowed::Text,
        meaning: "where this book is published, without a slash at its end: an error's `type` is a heading of its page of errors",
        contract: "U12",
    },
];

const MENUS: [Setting; 3] = [
    Setting {
        name: "POSNEXT_MENU_REFRESH_S",
        default: Some("300"),
        allowed: Allowed::Number { least: 30, most: 86_400, unit: "s" },
        meaning: "age at which a menu is fetched from its POS again",
        contract: "U30",
    },
    flag("POSNEXT_MENU_REQUIRED", "false", "a location without a menu takes no orders; else its orders are not checked", "U26"),
    Setting {
        name: "POSNEXT_PRICE_POLICY",
        default: Some("reject"),
        allowed: Allowed::OneOf(&["reject", "recalculate", "trust"]),
        meaning: "prices and totals that are not the menu's: reject the order; recalculate (validate answers ours, submit rejects); trust the caller's",
        contract: "U26",
    },
];

const OPERATION: [Setting; 4] = [
    flag(
        "POSNEXT_ALLOW_SANDBOX",
        "false",
        "take sandbox locations and the secrets printed in the README; never in production",
        "",
    ),
    Setting {
        name: "POSNEXT_CA_FILE",
        default: Some(""),
        allowed: Allowed::Text,
        meaning: "file of PEM certificates to trust for AWS instead of Amazon's own",
        contract: "",
    },
    Setting {
        name: "POSNEXT_POS_CA_FILE",
        default: Some(""),
        allowed: Allowed::Text,
        meaning: "file of PEM certificates to trust for POS systems, beside those of the public web",
        contract: "",
    },
    Setting {
        name: "POSNEXT_LOG",
        default: Some("info"),
        allowed: Allowed::OneOf(&["error", "warn", "info", "debug"]),
        meaning: "least severe level that is logged; metrics are told at every level",
        contract: "",
    },
];
