//! Who may call, for which organizations and locations, and how each location's POS is reached.

use serde::{Deserialize, Serialize};

use super::{
    ability::{Abilities, Find},
    ids::{ParId, Tenant},
};

/// A caller: one Client ID and the organizations it may speak for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// PAR's Client ID.
    pub client_id: String,
    /// Whose orders it sees; two clients of one tenant see the same. Its organizations are of the same tenant.
    pub tenant: Tenant,
    /// Name of the secret that holds the live Client Secrets.
    pub secret: String,
    /// PAR's OrganizationIds it may send.
    pub organizations: Vec<ParId>,
}

/// An organization (a brand), mapped to its internal id (docs/contract.md#identifiers).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// PAR's OrganizationId.
    pub organization_id: ParId,
    /// Whose its orders are, whichever client sends them. It never changes.
    pub tenant: Tenant,
    /// The vendor's own id.
    pub internal_id: String,
    /// Name of the secret that holds the live SharedIds.
    pub shared_ids: String,
}

/// Whether a location's orders wait for the POS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Placed while the caller waits; 202 only when the POS is too slow.
    Sync,
    /// Always accepted with 202 and placed in the background.
    Async,
}

/// A location (a store), mapped to its internal id, and how its POS is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// PAR's OrganizationId.
    pub organization_id: ParId,
    /// PAR's LocationId.
    pub location_id: ParId,
    /// The vendor's own id.
    pub internal_id: String,
    /// `false`: every order is rejected.
    pub enabled: bool,
    /// Whether its orders wait for the POS.
    pub mode: Mode,
    /// Name of a secret with SharedIds of its own, instead of the organization's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_ids: Option<String>,
    /// Its POS hands out its menu (`GET {base}/menus/{internal_id}`); else the menu is put by hand.
    #[serde(default)]
    pub pull_menu: bool,
    /// A validate asks its POS what is sold out (`POST {base}/availability`).
    #[serde(default)]
    pub live_availability: bool,
    /// How its POS is reached.
    pub connector: Connector,
}

/// How a POS is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Connector {
    /// A POS behind HTTP (docs/pos-connector.openapi.yaml).
    Http(HttpConnector),
    /// A POS that is played, for development and drills.
    Sandbox(SandboxConnector),
}

/// The contract of the connector that is spoken (docs/connector.md).
pub const CONTRACT: u32 = 2;

/// A POS behind HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpConnector {
    /// Requests go to `{base}/orders/{key}`; https unless the host is loopback.
    pub base: String,
    /// Addresses that the same system had before: what was sent there is found out at `base`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<String>,
    /// The contract that the POS speaks.
    #[serde(default = "contract")]
    pub contract: u32,
    /// How requests prove where they come from; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HttpAuth>,
    /// What the POS promises.
    #[serde(default)]
    pub abilities: Abilities,
}

/// How requests to a POS prove where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase")]
pub enum HttpAuth {
    /// `Authorization: Bearer <secret>`.
    Bearer {
        /// Name of the secret.
        secret: String,
    },
    /// `X-Posnext-Signature`: HMAC-SHA256 over the request (docs/connector.md#who-calls).
    Hmac {
        /// Name of the secret.
        secret: String,
    },
}

const fn contract() -> u32 {
    CONTRACT
}

impl HttpConnector {
    /// A POS at this address.
    #[must_use]
    pub fn new(base: impl Into<String>, auth: Option<HttpAuth>, abilities: Abilities) -> Self {
        Self { base: base.into(), formerly: Vec::new(), contract: CONTRACT, auth, abilities }
    }

    /// Whether this system has, or had, that address.
    #[must_use]
    pub fn is_at(&self, base: &str) -> bool {
        self.base == base || self.formerly.iter().any(|former| former == base)
    }
}

impl HttpAuth {
    /// Name of the secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        match self {
            Self::Bearer { secret } | Self::Hmac { secret } => secret,
        }
    }
}

/// How a played POS behaves. Counts are for each order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConnector {
    /// Milliseconds a place takes.
    pub delay_ms: u64,
    /// The POS refuses every order with this message.
    pub refuse: Option<String>,
    /// The POS can never be reached.
    pub down: bool,
    /// How often it cannot be reached before it can.
    pub unreachable_first: u32,
    /// How many places are made but their reply is lost.
    pub lose_replies_first: u32,
    /// Ids of what is sold out, told to who asks.
    pub sold_out: Vec<String>,
    /// What the POS promises.
    pub abilities: Abilities,
}

impl Connector {
    /// What the POS promises.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        match self {
            Self::Http(http) => http.abilities,
            Self::Sandbox(sandbox) => sandbox.abilities,
        }
    }
}

impl SandboxConnector {
    /// A POS that promises everything and does it at once.
    #[must_use]
    pub fn prompt() -> Self {
        let abilities = Abilities { idempotent_place: true, find: Some(Find { settle_s: 30 }), cancel: true };
        Self { abilities, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_way_to_prove_who_asks_names_its_secret() {
        for scheme in ["bearer", "hmac"] {
            let auth: HttpAuth = serde_json::from_str(&format!(r#"{{"scheme":"{scheme}","secret":"pos/1"}}"#)).unwrap();
            assert_eq!(auth.secret(), "pos/1");
        }
    }

    #[test]
    fn the_prompt_sandbox_promises_everything_and_its_connector_says_so() {
        let abilities = Abilities { idempotent_place: true, find: Some(Find { settle_s: 30 }), cancel: true };
        let prompt = SandboxConnector::prompt();
        assert_eq!((prompt.delay_ms, prompt.down, prompt.abilities), (0, false, abilities));
        assert_eq!(Connector::Sandbox(prompt).abilities(), abilities);
        let http = HttpConnector::new("https://pos.example", None, abilities);
        assert_eq!(Connector::Http(http).abilities(), abilities);
    }
}
