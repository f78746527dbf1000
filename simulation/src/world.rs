//! Who is mapped: two clients of one tenant, an organization, and locations whose POS systems promise and behave
//! differently; and what the functions are set to.

use std::sync::Arc;

use anyhow::anyhow;
use posnext_aws::{
    adapters::{directory::DirectoryTable, menu_table::MenuTable, orders::OrderTable},
    settings::Settings,
};
use posnext_local::pos::{ABILITIES, BEHAVIOURS};
use posnext_shared::{
    app::ports::{Directory, ReadOrder, SaveMenu},
    domain::{
        ability::Abilities,
        directory::{Client, Connector, HttpConnector, Location, Mode, Organization},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        menu::Menu,
        record::{OrderRecord, Row},
    },
};

use crate::{
    aws::{DEAD, DIRECTORY, MENUS, ORDERS, QUEUE, Services},
    clock::MachineClock,
    dice::Dice,
    faults::Fault,
    pos,
    sim::Shared,
};

pub(crate) const TENANT: &str = "t";
pub(crate) const ORGANIZATION: &str = "O";
/// The one before the secrets are changed, and the one after; and the names by which operators know them.
pub(crate) const SHARED_IDS: [&str; 2] = ["Qm7xT2vLw9Rz4Kd8", "Wv3nB8yHs6Jp1Fc5"];
const SHARED_ID_NAMES: [&str; 2] = ["old", "new"];
/// The client whose secret is changed.
pub(crate) const ROTATED: &str = "par";
/// What is sold, and its price.
pub(crate) const PRODUCT: &str = "4711";
pub(crate) const PRICE_CENTS: u64 = 925;
/// Locations of one run.
const LOCATIONS: u64 = 5;

/// A client of ours, with its secret now and the next one.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) next_secret: &'static str,
}

pub(crate) const CLIENTS: [Caller; 2] = [
    Caller { id: "par", secret: "client-secret-of-par-0123456789", next_secret: "client-secret-of-par-9876543210" },
    Caller { id: "second", secret: "client-secret-of-second-0123456", next_secret: "" },
];

/// What the functions are set to, before and after it is changed.
pub(crate) fn settings(changed: bool) -> anyhow::Result<Settings> {
    let set = |name: &str| {
        let value = match name {
            "POSNEXT_ORDERS_TABLE" => ORDERS,
            "POSNEXT_DIRECTORY_TABLE" => DIRECTORY,
            "POSNEXT_MENUS_TABLE" => MENUS,
            "POSNEXT_SANDBOX_TABLE" => "sandbox",
            "POSNEXT_QUEUE_URL" => QUEUE,
            "POSNEXT_DLQ_URL" => DEAD,
            "POSNEXT_ALLOW_SANDBOX" => "false",
            "POSNEXT_ANSWER_DEADLINE_MS" if changed => "2500",
            "POSNEXT_ORDER_DEADLINE_S" if changed => "25",
            "POSNEXT_STATUS_ERRORED" if changed => "500",
            "POSNEXT_MENU_REQUIRED" if changed => "true",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Settings::read(set).map_err(|error| anyhow!("{error}"))
}

/// An operator's desk: nothing goes wrong there.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) sim: Shared,
    services: Arc<Services>,
    directory: DirectoryTable<MachineClock>,
    menus: MenuTable<MachineClock>,
    orders: OrderTable,
    pub(crate) places: Vec<Place>,
}

/// A location as it was mapped.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) id: String,
    abilities: &'static str,
    behaviour: &'static str,
    /// A proxy stands before its POS.
    behind: bool,
    mode: Mode,
    pub(crate) has_menu: bool,
    /// It is said to promise everything, and does not.
    too_much: bool,
}

impl Place {
    fn of(number: u64, sim: &Shared, dice: &mut Dice) -> Self {
        Self {
            id: format!("L{number}"),
            abilities: dice.one_of(&ABILITIES).map_or("all", |(name, _)| name),
            behaviour: dice.one_of(&BEHAVIOURS).copied().unwrap_or("prompt"),
            behind: dice.in_a_thousand(500),
            mode: if dice.in_a_thousand(150) { Mode::Async } else { Mode::Sync },
            has_menu: dice.in_a_thousand(400),
            too_much: sim.strikes(dice, Fault::PromisesTooMuch),
        }
    }

    /// Whether a request with this path is about an order of this location, as far as a path can tell.
    pub(crate) fn is_asked_at(&self, path: &str) -> bool {
        self.behind && path.starts_with(&format!("/{}/{}/", self.abilities, self.behaviour))
    }

    /// What its POS is said to promise.
    pub(crate) fn promises(&self) -> Abilities {
        if self.too_much {
            let [(_, all), ..] = ABILITIES;
            return all;
        }
        ABILITIES.iter().find(|(name, _)| *name == self.abilities).map(|(_, abilities)| *abilities).unwrap_or_default()
    }
}

impl Desk {
    /// Maps everything; the secrets may be about to be changed.
    pub(crate) async fn new(sim: &Shared, services: &Arc<Services>, rotated: bool) -> anyhow::Result<Arc<Self>> {
        let clock = MachineClock::right(sim);
        let aws = services.configured(sim, "operator", &clock, true);
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws.dynamodb);
        let mut dice = sim.dice.part("places", 0);
        let desk = Self {
            sim: Arc::clone(sim),
            services: Arc::clone(services),
            directory: DirectoryTable::new(dynamodb.clone(), DIRECTORY.to_owned(), false, clock.clone()),
            menus: MenuTable::new(dynamodb.clone(), MENUS.to_owned(), clock),
            orders: OrderTable::new(dynamodb, ORDERS.to_owned()),
            places: (0..LOCATIONS).map(|number| Place::of(number, sim, &mut dice)).collect(),
        };
        desk.live(true, rotated);
        let organization = ParId::new(ORGANIZATION)?;
        for Caller { id, .. } in CLIENTS {
            let (tenant, organizations) = (Tenant::new(TENANT)?, vec![organization.clone()]);
            let (client_id, secret) = (id.to_owned(), id.to_owned());
            desk.directory.put_client(&Client { client_id, tenant, secret, organizations }).await?;
        }
        let (tenant, internal_id, shared_ids) = (Tenant::new(TENANT)?, "o".to_owned(), "shared-ids".to_owned());
        desk.directory.put_organization(&Organization { organization_id: organization, tenant, internal_id, shared_ids }).await?;
        for place in &desk.places {
            desk.map(place, 0, None).await?;
            if place.has_menu {
                desk.put_menu(place, PRICE_CENTS).await?;
            }
        }
        Ok(Arc::new(desk))
    }

    /// Which secrets are live.
    pub(crate) fn live(&self, old: bool, new: bool) {
        let live = |values: [&'static str; 2]| {
            let both = SHARED_ID_NAMES.into_iter().zip(values).zip([old, new]);
            both.filter(|((_, value), live)| *live && !value.is_empty()).map(|(secret, _)| secret).collect::<Vec<_>>()
        };
        for Caller { id, secret, next_secret } in CLIENTS {
            let of = if id == ROTATED { live([secret, next_secret]) } else { vec![("only", secret)] };
            self.services.secrets.put(id, &of);
        }
        self.services.secrets.put("shared-ids", &live(SHARED_IDS));
        self.sim.tell("operator", || format!("secrets that are live: old {old}, new {new}"));
    }

    /// Where an order goes.
    pub(crate) fn place(&self, dice: &mut Dice) -> Option<&Place> {
        dice.one_of(&self.places)
    }

    /// Maps a location to one of the systems, which may be said to promise less than it does.
    pub(crate) async fn map(&self, place: &Place, system: u16, less: Option<Abilities>) -> anyhow::Result<()> {
        let base = pos::base(system, place.behind, place.abilities, place.behaviour);
        let abilities = less.unwrap_or_else(|| place.promises());
        self.sim.tell("operator", || format!("{} is {base} {abilities:?}", place.id));
        let location = Location {
            organization_id: ParId::new(ORGANIZATION)?,
            location_id: ParId::new(place.id.as_str())?,
            internal_id: place.id.clone(),
            enabled: true,
            mode: place.mode,
            shared_ids: None,
            pull_menu: false,
            live_availability: false,
            connector: Connector::Http(HttpConnector::new(base, None, abilities)),
        };
        Ok(self.directory.put_location(&location).await?)
    }

    /// Puts a menu with this price.
    pub(crate) async fn put_menu(&self, place: &Place, cents: u64) -> anyhow::Result<()> {
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        self.sim.tell("operator", || format!("{} sells at {price}", place.id));
        let text = format!(
            r#"{{"currency":"USD","products":[{{"id":"{PRODUCT}","name":"Margherita","price":{price},"modifier_groups":[]}}],"modifier_groups":[]}}"#
        );
        let (menu, now) = (Menu::parse(text.as_bytes())?, self.sim.now());
        self.menus.save(&ParId::new(ORGANIZATION)?, &ParId::new(place.id.as_str())?, &menu, now).await?;
        Ok(())
    }

    /// Switches what is sold off.
    pub(crate) async fn sell_out(&self, place: &Place) -> anyhow::Result<()> {
        self.sim.tell("operator", || format!("{} is sold out", place.id));
        let (organization, location) = (ParId::new(ORGANIZATION)?, ParId::new(place.id.as_str())?);
        self.menus.switch(&organization, &location, &[PRODUCT.to_owned()], false).await?;
        Ok(())
    }

    /// The order behind a name, as it is stored.
    pub(crate) async fn stored(&self, uid: &str) -> anyhow::Result<Option<OrderRecord>> {
        let row = match self.orders.read(&key(uid)?).await? {
            Some(Row::Alias(alias)) => self.orders.read(&alias.owner).await?,
            row => row,
        };
        Ok(match row {
            Some(Row::Order(record)) => Some(*record),
            _ => None,
        })
    }

    /// What its location promises now.
    pub(crate) async fn promised(&self, record: &OrderRecord) -> anyhow::Result<Abilities> {
        let location = self.directory.location(record.order.organization_id(), record.order.location_id()).await?;
        Ok(match location.as_deref().map(|location| &location.connector) {
            Some(Connector::Http(connector)) => connector.abilities,
            _ => Abilities::default(),
        })
    }
}

pub(crate) fn key(uid: &str) -> anyhow::Result<OrderKey> {
    Ok(OrderKey { tenant: Tenant::new(TENANT)?, request_uid: RequestUid::new(uid)? })
}
