//! What an add would write, or why it writes nothing.

use posnext_shared::domain::{
    directory::{Client, Connector, HttpConnector, Location, Organization},
    ids::{ParId, Tenant},
};

use super::{
    super::{
        desk::{Desk, refused},
        source::{Source, Value, weakness},
    },
    add::{Add, Auth},
    pos,
};

/// What an add writes.
pub(super) struct Plan {
    pub(super) secrets: Vec<SecretChange>,
    pub(super) organization: Option<Organization>,
    pub(super) client: ClientChange,
    pub(super) location: Location,
    /// The mapping that it replaces.
    pub(super) replaced: Option<Location>,
    /// A client that may call for the location.
    pub(super) client_id: String,
    /// The tenant of organization and client.
    pub(super) tenant: Tenant,
    pub(super) warnings: Vec<String>,
    pub(super) promises_nothing: bool,
}

/// A secret with one live value.
pub(super) struct SecretChange {
    pub(super) name: String,
    pub(super) what: &'static str,
    pub(super) value: Value,
}

/// What becomes of the client.
pub(super) enum ClientChange {
    /// It may call for the organization already.
    None,
    /// It is new.
    Create(Client),
    /// It may call for the organization, too.
    Allow,
}

/// The values, each read once and before anything is written.
struct Values {
    shared_id: Option<Value>,
    own_shared_id: Option<Value>,
    client_secret: Option<Value>,
    pos_secret: Option<Value>,
}

impl Values {
    fn read(add: &Add) -> anyhow::Result<Self> {
        let sources =
            [&add.owner.shared_id_from, &add.own_shared_id_from, &add.owner.client_secret_from, &add.pos.pos_secret_from];
        if sources.iter().filter(|source| matches!(source, Some(Source::Input))).count() > 1 {
            return refused("only one value can come from standard input; give the others as env:NAME");
        }
        if add.pos.auth == Auth::None && add.pos.pos_secret_from.is_some() {
            return refused("with --auth none there is no POS secret; leave out --pos-secret-from");
        }
        let value = |source: &Option<Source>, what| source.as_ref().map(|source| source.value(what)).transpose();
        let values = || -> anyhow::Result<Self> {
            Ok(Self {
                shared_id: value(&add.owner.shared_id_from, "--shared-id-from")?,
                own_shared_id: value(&add.own_shared_id_from, "--own-shared-id-from")?,
                client_secret: value(&add.owner.client_secret_from, "--client-secret-from")?,
                pos_secret: value(&add.pos.pos_secret_from, "--pos-secret-from")?,
            })
        };
        values().or_else(|error| refused(format!("{error:#}")))
    }
}

impl Plan {
    /// What functions that have read the directory before go on believing for a while.
    pub(super) fn instead(&self) -> Option<&'static str> {
        match (&self.replaced, &self.organization, &self.client) {
            (Some(_), ..) => Some("the mapping before"),
            (None, None, ClientChange::None) => None,
            _ => Some("who might call before"),
        }
    }

    pub(super) async fn of(desk: &Desk, add: &Add) -> anyhow::Result<Self> {
        let mut values = Values::read(add)?;
        let which = &add.which;
        let known = desk.directory.location(&which.organization, &which.location).await?;
        if known.is_some() && !add.replace {
            return refused(format!("{which} is mapped already; see `location show`, and to replace its mapping give --replace"));
        }
        let mut secrets = Vec::new();
        let shared_ids = [&values.shared_id, &values.own_shared_id].into_iter().flatten();
        let warnings = shared_ids.filter_map(|value| weakness(&value.text)).collect();
        let whose = Known::of(desk, add).await?;
        let organization = whose.organization(desk, add, values.shared_id.take(), &mut secrets).await?;
        let client = whose.client(desk, &which.organization, values.client_secret.take(), &mut secrets).await?;
        let (client_id, tenant) = (whose.client_id, whose.tenant);

        let mut own_shared_ids = None;
        if let Some(value) = values.own_shared_id.take() {
            let name = desk.name(&["shared-id", which.organization.as_str(), which.location.as_str()])?;
            let used = known.as_ref().and_then(|location| location.shared_ids.as_ref()) == Some(&name);
            secrets.extend(desk.change(&name, "SharedId of the location", used, value).await?);
            own_shared_ids = Some(name);
        }
        let (connector, secret) = pos::connector(desk, add, known.as_ref(), values.pos_secret.take()).await?;
        secrets.extend(secret);
        let mut location = location(add, own_shared_ids, connector);
        if let Some(known) = &known {
            // Whoever has switched it off had a reason.
            location.enabled &= known.enabled;
        }
        let pos = &add.pos;
        let promises_nothing = !pos.idempotent_place && pos.find_settle.is_none() && !pos.cancel;
        Ok(Self { secrets, organization, client, location, replaced: known, client_id, tenant, warnings, promises_nothing })
    }
}

fn location(add: &Add, shared_ids: Option<String>, connector: HttpConnector) -> Location {
    Location {
        organization_id: add.which.organization.clone(),
        location_id: add.which.location.clone(),
        internal_id: add.internal_id.clone(),
        enabled: !add.disabled,
        mode: add.mode.into(),
        shared_ids,
        pull_menu: add.pos.pull_menu,
        live_availability: add.pos.live_availability,
        connector: Connector::Http(connector),
    }
}

/// Whose the location is: what is known of its organization and of the client, and their one tenant.
struct Known {
    organization: Option<Organization>,
    /// The client that is named, or else one that may call for the organization already.
    client: Option<Client>,
    /// Of a new client.
    client_id: String,
    tenant: Tenant,
}

impl Known {
    async fn of(desk: &Desk, add: &Add) -> anyhow::Result<Self> {
        let (id, owner) = (&add.which.organization, &add.owner);
        let organization = desk.directory.organization(id).await?;
        if organization.is_none() && (owner.organization_internal_id.is_none() || owner.shared_id_from.is_none()) {
            return refused(not_mapped(id));
        }
        let mut clients = desk.directory.clients().await?.into_iter();
        let client = match &owner.client_id {
            Some(client_id) => clients.find(|client| client.client_id == *client_id),
            None => clients.find(|client| client.organizations.contains(id)),
        };
        let Some(client_id) = client.as_ref().map(|client| client.client_id.clone()).or_else(|| owner.client_id.clone()) else {
            return refused(format!("no client may call for organization {id}; give --client-id"));
        };
        let of_organization = organization.as_ref().map(|known| (format!("organization {id}"), known.tenant.clone()));
        let of_client = client.as_ref().map(|known| (format!("client {client_id}"), known.tenant.clone()));
        if let (Some((_, of)), Some((_, by))) = (&of_organization, &of_client)
            && of != by
        {
            return refused(format!(
                "organization {id} is of tenant {of} and client {client_id} of tenant {by}. Under two tenants one order \
                 would be made twice. Give a client of tenant {of}, or a new one"
            ));
        }
        let tenant = match (of_organization.or(of_client), &owner.tenant) {
            (Some((whose, known)), Some(wanted)) if known != *wanted => {
                return refused(format!("{whose} is of tenant {known} already; leave out --tenant"));
            }
            (Some((_, known)), _) => known,
            (None, Some(wanted)) => wanted.clone(),
            (None, None) => match Tenant::new(client_id.as_str()) {
                Ok(tenant) => tenant,
                Err(_) => return refused(format!("client {client_id} needs a --tenant of letters, digits and `-`")),
            },
        };
        Ok(Self { organization, client, client_id, tenant })
    }

    /// The organization to write, if it is not mapped.
    async fn organization(
        &self,
        desk: &Desk,
        add: &Add,
        shared_id: Option<Value>,
        secrets: &mut Vec<SecretChange>,
    ) -> anyhow::Result<Option<Organization>> {
        const WHAT: &str = "SharedId of the organization";
        let (id, wanted) = (&add.which.organization, &add.owner.organization_internal_id);
        if let Some(known) = &self.organization {
            if wanted.as_ref().is_some_and(|wanted| *wanted != known.internal_id) {
                return refused(format!(
                    "organization {id} is mapped to {} already; leave out --organization-internal-id",
                    known.internal_id
                ));
            }
            match shared_id {
                Some(value) => secrets.extend(desk.change(&known.shared_ids, WHAT, true, value).await?),
                None if add.own_shared_id_from.is_none() => desk.must_exist(&known.shared_ids, "--shared-id-from").await?,
                None => {}
            }
            return Ok(None);
        }
        let (Some(internal_id), Some(value)) = (wanted.clone(), shared_id) else {
            return refused(not_mapped(id));
        };
        let shared_ids = desk.name(&["shared-id", id.as_str()])?;
        secrets.extend(desk.change(&shared_ids, WHAT, false, value).await?);
        Ok(Some(Organization { organization_id: id.clone(), tenant: self.tenant.clone(), internal_id, shared_ids }))
    }

    /// What has to be done so that the client may call for the organization.
    async fn client(
        &self,
        desk: &Desk,
        organization: &ParId,
        secret: Option<Value>,
        secrets: &mut Vec<SecretChange>,
    ) -> anyhow::Result<ClientChange> {
        const WHAT: &str = "Client Secret";
        let client_id = &self.client_id;
        if let Some(known) = &self.client {
            match secret {
                Some(value) => secrets.extend(desk.change(&known.secret, WHAT, true, value).await?),
                None => desk.must_exist(&known.secret, "--client-secret-from").await?,
            }
            let may = known.organizations.contains(organization);
            return Ok(if may { ClientChange::None } else { ClientChange::Allow });
        }
        let Some(value) = secret else {
            return refused(format!("there is no client {client_id}; to make it give --client-secret-from"));
        };
        let name = desk.name(&["client", client_id])?;
        secrets.extend(desk.change(&name, WHAT, false, value).await?);
        let organizations = vec![organization.clone()];
        let client = Client { client_id: client_id.clone(), tenant: self.tenant.clone(), secret: name, organizations };
        Ok(ClientChange::Create(client))
    }
}

fn not_mapped(id: &ParId) -> String {
    format!("organization {id} is not mapped; to map it give --organization-internal-id and --shared-id-from")
}

impl Desk {
    /// The change that makes this value live. What is in use is not changed here: a rotation lets both live for a while.
    pub(super) async fn change(
        &self,
        name: &str,
        what: &'static str,
        used: bool,
        value: Value,
    ) -> anyhow::Result<Option<SecretChange>> {
        let change = SecretChange { name: name.to_owned(), what, value };
        if !used {
            return Ok(Some(change));
        }
        match self.secrets.read(name).await? {
            None => Ok(Some(change)),
            Some(_) if change.value.generated => refused(format!(
                "there is a {what} already, and it stays; leave that SOURCE out, or see `location rotate-secret`"
            )),
            Some(live) if live.live.iter().any(|live| live.value == change.value.text) => Ok(None),
            Some(_) => refused(format!("there is another {what} already; to change it see `location rotate-secret`")),
        }
    }

    pub(super) async fn must_exist(&self, name: &str, flag: &str) -> anyhow::Result<()> {
        match self.secrets.read(name).await? {
            Some(_) => Ok(()),
            None => refused(format!("there is no secret {name}; give it with {flag}")),
        }
    }
}
