//! What every local product knows from the start, so that any client can be pointed at it.

use base64::{Engine, engine::general_purpose::STANDARD};
use posnext_aws::{
    adapters::{clock::SystemClock, directory::DirectoryTable, directory_admin::DirectoryAdmin, menu_table::MenuTable},
    wiring::Aws,
};
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{
        ability::{Abilities, Find},
        directory::{Client, Connector, Location, Mode, Organization, SandboxConnector},
        ids::{ParId, Tenant},
        menu::Menu,
    },
};

use crate::secret_store::{Live, SecretStore};

/// Where it listens unless told otherwise.
pub const LISTEN: &str = "127.0.0.1:3000";
/// PAR's OrganizationId.
pub const ORGANIZATION: &str = "IA-YC-01";
/// PAR's SharedId.
pub const SHARED_ID: &str = "a1b2c3d4e5f6a7b8c9d0";
/// PAR's Client ID.
pub const CLIENT_ID: &str = "par-local";
/// PAR's Client Secret.
pub const CLIENT_SECRET: &str = "local-client-secret-0123456789abcdef";

/// The location that has a menu: [`SAMPLE_MENU`].
pub const MENU_LOCATION: &str = "PAR-LOC-MENU";
/// A restaurant's menu, to try with. The sample orders are of it.
pub const SAMPLE_MENU: &str = include_str!("sample_menu.json");

/// What the values are called that are put here.
const OURS: &str = "local";

/// Names of the local secrets start with this; in a deployed stack, with the stack's name.
pub(super) const LOCAL_PREFIX: &str = "posnext/";

/// The locations: PAR's id, internal id, on or off, mode, and how the sandbox POS behaves.
fn locations() -> Vec<(&'static str, &'static str, bool, Mode, SandboxConnector)> {
    let prompt = SandboxConnector::prompt;
    let find_only = Abilities { idempotent_place: false, find: Some(Find { settle_s: 3 }), cancel: false };
    let refuse = Some("item 4711 is not available".to_owned());
    vec![
        ("PAR-LOC-12345", "YC-LC-001", true, Mode::Sync, prompt()),
        ("PAR-LOC-SLOW", "YC-LC-002", true, Mode::Sync, SandboxConnector { delay_ms: 20_000, ..prompt() }),
        ("PAR-LOC-ASYNC", "YC-LC-003", true, Mode::Async, prompt()),
        ("PAR-LOC-REJECT", "YC-LC-004", true, Mode::Sync, SandboxConnector { refuse, ..prompt() }),
        ("PAR-LOC-FLAKY", "YC-LC-005", true, Mode::Sync, SandboxConnector { unreachable_first: 2, ..prompt() }),
        ("PAR-LOC-LOSTREPLY", "YC-LC-006", true, Mode::Sync, SandboxConnector { lose_replies_first: 1, ..prompt() }),
        ("PAR-LOC-DOWN", "YC-LC-007", true, Mode::Sync, SandboxConnector { down: true, ..prompt() }),
        ("PAR-LOC-OFF", "YC-LC-008", false, Mode::Sync, prompt()),
        (
            "PAR-LOC-FIND",
            "YC-LC-009",
            true,
            Mode::Sync,
            SandboxConnector { lose_replies_first: 1, abilities: find_only, ..SandboxConnector::default() },
        ),
        (MENU_LOCATION, "YC-LC-010", true, Mode::Sync, prompt()),
    ]
}

/// A location to send a sample order to.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(super) struct Sample {
    location_id: &'static str,
    /// What its POS does.
    pos: &'static str,
}

/// Each location, with what its POS does (docs/endpoints.md).
pub(super) fn samples() -> Vec<Sample> {
    let of = |(location_id, _, enabled, mode, sandbox): (&'static str, _, bool, Mode, SandboxConnector)| {
        let pos = match (enabled, mode, sandbox.refuse.is_some(), sandbox.down) {
            (false, ..) => "switched off",
            (_, Mode::Async, ..) => "always answers 202",
            (_, _, true, _) => "refuses",
            (.., true) => "can never be reached",
            _ if sandbox.delay_ms > 0 => "takes 20 s",
            _ if sandbox.unreachable_first > 0 => "cannot be reached twice",
            _ if sandbox.lose_replies_first > 0 && sandbox.abilities.idempotent_place => "loses its first reply",
            _ if sandbox.lose_replies_first > 0 => "loses its first reply, and can only be asked",
            _ if location_id == MENU_LOCATION => "places at once, by its menu",
            _ => "places at once",
        };
        Sample { location_id, pos }
    };
    locations().into_iter().map(of).collect()
}

/// Writes them into the directory, and their secrets beside it.
#[derive(Debug)]
pub struct Put {
    /// Where the secrets go.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// What the secrets' names start with, `posnext-dev/` for a stack of that name.
    pub prefix: String,
    /// PAR's Client Secret.
    pub client_secret: String,
    /// PAR's SharedId.
    pub shared_id: String,
}

impl Put {
    /// Those of the local product. `base64`: Client Secrets are stored encoded.
    pub(super) fn local(aws: &Aws, base64: bool) -> Self {
        Self {
            secrets: aws_sdk_secretsmanager::Client::new(&aws.secrets),
            prefix: LOCAL_PREFIX.to_owned(),
            client_secret: if base64 { STANDARD.encode(CLIENT_SECRET) } else { CLIENT_SECRET.to_owned() },
            shared_id: SHARED_ID.to_owned(),
        }
    }

    /// Writes them. What is there already is replaced, secrets included; a menu stays.
    ///
    /// # Errors
    /// A sentence that names what could not be written.
    pub async fn put(&self, directory: &DirectoryTable, menus: &MenuTable) -> anyhow::Result<()> {
        let (client, organization) = self.owner()?;
        self.put_secret(&client.secret, &self.client_secret).await?;
        self.put_secret(&organization.shared_ids, &self.shared_id).await?;
        directory.put_client(&client).await?;
        directory.put_organization(&organization).await?;
        for location in mapped()? {
            directory.put_location(&location).await?;
        }
        put_menu(menus).await
    }

    /// Writes what of them is not there yet: what somebody has changed stays as it is.
    ///
    /// # Errors
    /// A sentence that names what could not be written.
    pub(super) async fn put_missing(&self, directory: &DirectoryAdmin, menus: &MenuTable) -> anyhow::Result<()> {
        let (client, organization) = self.owner()?;
        for (name, value) in [(&client.secret, &self.client_secret), (&organization.shared_ids, &self.shared_id)] {
            let stored = SecretStore::new(self.secrets.clone()).read(name).await?;
            // One that was rotated has another value than ours.
            if stored.is_none_or(|stored| stored.ids().eq([OURS])) {
                self.put_secret(name, value).await?;
            }
        }
        directory.create_client(&client).await?;
        directory.create_organization(&organization).await?;
        for location in mapped()? {
            directory.create_location(&location).await?;
        }
        put_menu(menus).await
    }

    fn owner(&self) -> anyhow::Result<(Client, Organization)> {
        let organization_id = ParId::new(ORGANIZATION)?;
        let client = Client {
            client_id: CLIENT_ID.to_owned(),
            tenant: Tenant::new(CLIENT_ID)?,
            secret: format!("{}client/{CLIENT_ID}", self.prefix),
            organizations: vec![organization_id.clone()],
        };
        let organization = Organization {
            organization_id,
            tenant: client.tenant.clone(),
            internal_id: "YC01".to_owned(),
            shared_ids: format!("{}shared-id/{ORGANIZATION}", self.prefix),
        };
        Ok((client, organization))
    }

    async fn put_secret(&self, name: &str, value: &str) -> anyhow::Result<()> {
        SecretStore::new(self.secrets.clone()).write(name, &Live::one(OURS, value)).await
    }
}

fn mapped() -> anyhow::Result<Vec<Location>> {
    let organization_id = ParId::new(ORGANIZATION)?;
    let of = |(location_id, internal_id, enabled, mode, sandbox): (&str, &str, bool, Mode, SandboxConnector)| {
        anyhow::Ok(Location {
            organization_id: organization_id.clone(),
            location_id: ParId::new(location_id)?,
            internal_id: internal_id.to_owned(),
            enabled,
            mode,
            shared_ids: None,
            pull_menu: false,
            live_availability: false,
            connector: Connector::Sandbox(sandbox),
        })
    };
    locations().into_iter().map(of).collect()
}

async fn put_menu(menus: &MenuTable) -> anyhow::Result<()> {
    let (organization_id, location_id) = (ParId::new(ORGANIZATION)?, ParId::new(MENU_LOCATION)?);
    if menus.read(&organization_id, &location_id).await?.is_none() {
        let menu = Menu::parse(SAMPLE_MENU.as_bytes())?;
        menus.save(&organization_id, &location_id, &menu, SystemClock.now()).await?;
    }
    Ok(())
}
