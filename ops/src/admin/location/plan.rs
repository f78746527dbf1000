//! What an add would write, or why it writes nothing.

use posnext_shared::{
    app::ports::{ListOpen, PortError, ReadOrder},
    domain::{
        ability::{Abilities, Find},
        directory::{Client, Connector, HttpAuth, HttpConnector, Location, Organization},
        ids::{ParId, Tenant},
        record::Row,
    },
};

use super::{
    super::{
        desk::{Desk, refused},
        source::{Source, Value},
        stack::Stack,
    },
    Which,
    add::{Add, Auth},
};

/// More open orders than this are not looked at.
const MOST: usize = 8_000;

/// What an add writes.
pub(super) struct Plan {
    pub(super) secrets: Vec<SecretChange>,
    pub(super) organization: Option<Organization>,
    pub(super) client: ClientChange,
    pub(super) location: Location,
    pub(super) replace: bool,
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
        match (add.pos.auth, &add.pos.pos_secret_from) {
            (Auth::None, Some(_)) => return refused("with --auth none there is no POS secret; leave out --pos-secret-from"),
            (Auth::Bearer | Auth::Hmac, None) => return refused("what proves the requests? Give --pos-secret-from"),
            _ => {}
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
    pub(super) async fn of(stack: &Stack, desk: &Desk, add: &Add) -> anyhow::Result<Self> {
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
        let mut auth = None;
        if let Some(value) = values.pos_secret.take() {
            let secret = desk.name(&["pos", which.organization.as_str(), which.location.as_str()])?;
            let used = known.as_ref().is_some_and(|location| pos_secret(location) == Some(secret.as_str()));
            secrets.extend(desk.change(&secret, "POS secret", used, value).await?);
            auth = Some(if add.pos.auth == Auth::Bearer { HttpAuth::Bearer { secret } } else { HttpAuth::Hmac { secret } });
        }
        let mut location = location(add, own_shared_ids, auth);
        if let Some(known) = &known {
            // Whoever has switched it off had a reason.
            location.enabled &= known.enabled;
            no_open_orders(stack, which, known, &location).await?;
        }
        let pos = &add.pos;
        let promises_nothing = !pos.idempotent_place && pos.find_settle.is_none() && !pos.cancel;
        Ok(Self { secrets, organization, client, location, replace: known.is_some(), client_id, promises_nothing })
    }
}

/// An order under way at one POS must not be looked for at another: that does not know it, and would make it again.
async fn no_open_orders(stack: &Stack, which: &Which, known: &Location, new: &Location) -> anyhow::Result<()> {
    if known.connector == new.connector {
        return Ok(());
    }
    let orders = stack.orders().await?;
    for entry in orders.list_open(MOST).await? {
        let here = match orders.read(&entry.key).await {
            Ok(Some(Row::Order(record))) => {
                let order = &record.order;
                record.open().is_some()
                    && (order.organization_id(), order.location_id()) == (&which.organization, &which.location)
            }
            Ok(_) => false,
            Err(PortError::Corrupt(_)) => true,
            Err(error) => return Err(error.into()),
        };
        if here {
            return refused(format!(
                "order {} may be under way at its POS, and must not be looked for at another; `location disable` it and wait \
                 until `posnext admin orders` lists no such order",
                entry.key
            ));
        }
    }
    Ok(())
}

fn location(add: &Add, shared_ids: Option<String>, auth: Option<HttpAuth>) -> Location {
    let abilities = Abilities {
        idempotent_place: add.pos.idempotent_place,
        find: add.pos.find_settle.map(|settle_s| Find { settle_s }),
        cancel: add.pos.cancel,
    };
    Location {
        organization_id: add.which.organization.clone(),
        location_id: add.which.location.clone(),
        internal_id: add.internal_id.clone(),
        enabled: !add.disabled,
        mode: add.mode.into(),
        shared_ids,
        pull_menu: add.pos.pull_menu,
        live_availability: add.pos.live_availability,
        connector: Connector::Http(HttpConnector::new(add.pos.base.clone(), auth, abilities)),
    }
}

fn pos_secret(location: &Location) -> Option<&str> {
    match &location.connector {
        Connector::Http(http) => http.auth.as_ref().map(HttpAuth::secret),
        Connector::Sandbox(_) => None,
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
    async fn change(&self, name: &str, what: &'static str, used: bool, value: Value) -> anyhow::Result<Option<SecretChange>> {
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

    async fn must_exist(&self, name: &str, flag: &str) -> anyhow::Result<()> {
        match self.secrets.read(name).await? {
            Some(_) => Ok(()),
            None => refused(format!("there is no secret {name}; give it with {flag}")),
        }
    }
}
