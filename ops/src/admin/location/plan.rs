//! What an add would write, or why it writes nothing.

use posnext_shared::domain::{
    directory::{Client, Connector, HttpConnector, Location, Organization},
    ids::{ParId, Tenant},
};

use super::{
    super::{
        desk::{Desk, refused},
        source::{Source, Value},
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
    /// It may call for this organization, too.
    Allow(ParId),
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
    pub(super) async fn of(desk: &Desk, add: &Add) -> anyhow::Result<Self> {
        let mut values = Values::read(add)?;
        let which = &add.which;
        let known = desk.directory.location(&which.organization, &which.location).await?;
        if known.is_some() && !add.replace {
            return refused(format!("{which} is mapped already; see `location show`, and to replace its mapping give --replace"));
        }
        let mut secrets = Vec::new();
        let organization = organization(desk, add, values.shared_id.take(), &mut secrets).await?;
        let (client_id, client) = client(desk, add, values.client_secret.take(), &mut secrets).await?;

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
        Ok(Self { secrets, organization, client, location, replaced: known, client_id, promises_nothing })
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

/// The organization to write, if it is not mapped.
async fn organization(
    desk: &Desk,
    add: &Add,
    shared_id: Option<Value>,
    secrets: &mut Vec<SecretChange>,
) -> anyhow::Result<Option<Organization>> {
    const WHAT: &str = "SharedId of the organization";
    let (id, wanted) = (&add.which.organization, &add.owner.organization_internal_id);
    if let Some(known) = desk.directory.organization(id).await? {
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
        return refused(format!(
            "organization {id} is not mapped; to map it give --organization-internal-id and --shared-id-from"
        ));
    };
    let shared_ids = desk.name(&["shared-id", id.as_str()])?;
    secrets.extend(desk.change(&shared_ids, WHAT, false, value).await?);
    Ok(Some(Organization { organization_id: id.clone(), internal_id, shared_ids }))
}

/// A client that may call for the organization, and what has to be done for that.
async fn client(
    desk: &Desk,
    add: &Add,
    secret: Option<Value>,
    secrets: &mut Vec<SecretChange>,
) -> anyhow::Result<(String, ClientChange)> {
    const WHAT: &str = "Client Secret";
    let (organization, clients) = (&add.which.organization, desk.directory.clients().await?);
    let Some(client_id) = add.owner.client_id.clone() else {
        return match clients.into_iter().find(|client| client.organizations.contains(organization)) {
            Some(client) => Ok((client.client_id, ClientChange::None)),
            None => refused(format!("no client may call for organization {organization}; give --client-id")),
        };
    };
    if let Some(known) = clients.into_iter().find(|client| client.client_id == client_id) {
        if add.owner.tenant.as_ref().is_some_and(|tenant| *tenant != known.tenant) {
            return refused(format!("client {client_id} is of tenant {} already; leave out --tenant", known.tenant));
        }
        match secret {
            Some(value) => secrets.extend(desk.change(&known.secret, WHAT, true, value).await?),
            None => desk.must_exist(&known.secret, "--client-secret-from").await?,
        }
        let may = known.organizations.contains(organization);
        return Ok((client_id, if may { ClientChange::None } else { ClientChange::Allow(organization.clone()) }));
    }
    let Some(value) = secret else {
        return refused(format!("there is no client {client_id}; to make it give --client-secret-from"));
    };
    let Some(tenant) = add.owner.tenant.clone().or_else(|| Tenant::new(client_id.as_str()).ok()) else {
        return refused(format!("client {client_id} needs a --tenant of letters, digits and `-`"));
    };
    let name = desk.name(&["client", &client_id])?;
    secrets.extend(desk.change(&name, WHAT, false, value).await?);
    let client = Client { client_id: client_id.clone(), tenant, secret: name, organizations: vec![organization.clone()] };
    Ok((client_id, ClientChange::Create(client)))
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
