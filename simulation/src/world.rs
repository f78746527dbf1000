//! Who is mapped: two clients of one tenant, an organization, and locations whose POS systems promise and behave
//! differently. And operators, who change that while orders are under way.

use std::{sync::Arc, time::Duration};

use anyhow::anyhow;
use posnext_aws::{
    adapters::{directory::DirectoryTable, orders::OrderTable},
    settings::Settings,
};
use posnext_local::pos::{ABILITIES, BEHAVIOURS};
use posnext_shared::{
    app::ports::ReadOrder,
    domain::{
        ability::Abilities,
        by_hand::{Decision, Wish},
        directory::{Client, Connector, HttpConnector, Location, Mode, Organization},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        record::{OrderRecord, Row},
    },
};
use tokio::time::sleep;

use crate::{
    aws::{DEAD, DIRECTORY, MENUS, ORDERS, QUEUE, Services},
    clock::MachineClock,
    dice::Dice,
    faults::Fault,
    fleet::Fleet,
    pos,
    sim::Shared,
};

pub(crate) const TENANT: &str = "t";
pub(crate) const ORGANIZATION: &str = "O";
pub(crate) const SHARED_ID: &str = "Qm7xT2vLw9Rz4Kd8";
/// Client ids, and their secrets.
pub(crate) const CLIENTS: [(&str, &str); 2] =
    [("par", "client-secret-of-par-0123456789"), ("second", "client-secret-of-second-012345")];
/// Locations of one run.
const LOCATIONS: u64 = 5;
/// For how long after its beginning operators change things.
const WORKING: u64 = 150_000;

/// What the functions are set to.
pub(crate) fn settings() -> anyhow::Result<Settings> {
    let set = |name: &str| {
        let value = match name {
            "POSNEXT_ORDERS_TABLE" => ORDERS,
            "POSNEXT_DIRECTORY_TABLE" => DIRECTORY,
            "POSNEXT_MENUS_TABLE" => MENUS,
            "POSNEXT_SANDBOX_TABLE" => "sandbox",
            "POSNEXT_QUEUE_URL" => QUEUE,
            "POSNEXT_DEAD_LETTER_QUEUE_URL" => DEAD,
            "POSNEXT_ALLOW_SANDBOX" => "false",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Settings::read(set).map_err(|error| anyhow!("{error}"))
}

/// An operator's desk: nothing goes wrong there.
#[derive(Debug)]
pub(crate) struct Desk {
    sim: Shared,
    directory: DirectoryTable<MachineClock>,
    orders: OrderTable,
    places: Vec<Place>,
}

/// A location as it was mapped.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) id: String,
    abilities: &'static str,
    behaviour: &'static str,
    behind: bool,
}

impl Desk {
    /// Maps everything.
    pub(crate) async fn new(sim: &Shared, services: &Arc<Services>) -> anyhow::Result<Arc<Self>> {
        let clock = MachineClock::right(sim);
        let aws = services.configured(sim, "operator", &clock, true);
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws.dynamodb);
        let directory = DirectoryTable::new(dynamodb.clone(), DIRECTORY.to_owned(), false, clock);
        let organization = ParId::new(ORGANIZATION)?;
        for (id, secret) in CLIENTS {
            services.secrets.put(id, &[("live", secret)]);
            let (tenant, organizations) = (Tenant::new(TENANT)?, vec![organization.clone()]);
            directory.put_client(&Client { client_id: id.to_owned(), tenant, secret: id.to_owned(), organizations }).await?;
        }
        services.secrets.put("shared-ids", &[("live", SHARED_ID)]);
        let (tenant, shared_ids) = (Tenant::new(TENANT)?, "shared-ids".to_owned());
        let internal_id = "o".to_owned();
        directory.put_organization(&Organization { organization_id: organization, tenant, internal_id, shared_ids }).await?;
        let mut dice = sim.dice.part("places", 0);
        let places = (0..LOCATIONS).map(|number| {
            let (abilities, _) = dice.one_of(&ABILITIES).copied().unwrap_or(ABILITIES[0]);
            let behaviour = dice.one_of(&BEHAVIOURS).copied().unwrap_or("prompt");
            Place { id: format!("L{number}"), abilities, behaviour, behind: dice.in_a_thousand(500) }
        });
        let places = places.collect();
        let orders = OrderTable::new(dynamodb, ORDERS.to_owned());
        let desk = Self { sim: Arc::clone(sim), directory, orders, places };
        for place in &desk.places {
            desk.map(place, 0, None).await?;
        }
        Ok(Arc::new(desk))
    }

    /// Where an order goes.
    pub(crate) fn place(&self, dice: &mut Dice) -> Option<&Place> {
        dice.one_of(&self.places)
    }

    async fn map(&self, place: &Place, system: u16, less: Option<Abilities>) -> anyhow::Result<()> {
        let base = pos::base(system, place.behind, place.abilities, place.behaviour);
        let promised = ABILITIES.iter().find(|(name, _)| *name == place.abilities).map(|(_, abilities)| *abilities);
        let abilities = less.or(promised).unwrap_or_default();
        self.sim.tell("operator", || format!("{} is {base} {abilities:?}", place.id));
        let location = Location {
            organization_id: ParId::new(ORGANIZATION)?,
            location_id: ParId::new(place.id.as_str())?,
            internal_id: place.id.clone(),
            enabled: true,
            mode: Mode::Sync,
            shared_ids: None,
            pull_menu: false,
            live_availability: false,
            connector: Connector::Http(HttpConnector::new(base, None, abilities)),
        };
        Ok(self.directory.put_location(&location).await?)
    }

    /// Changes what is mapped, while orders are under way.
    pub(crate) async fn work(self: Arc<Self>) {
        for (number, place) in self.places.iter().enumerate() {
            let mut dice = self.sim.dice.part("desk", number as u64);
            let (remapped, taken) =
                (self.sim.strikes(&mut dice, Fault::Remapped), self.sim.strikes(&mut dice, Fault::PromiseTaken));
            let less = Abilities { idempotent_place: false, find: None, cancel: dice.in_a_thousand(500) };
            let promised = ABILITIES.iter().find(|(name, _)| *name == place.abilities).map(|(_, abilities)| *abilities);
            let less = Abilities { cancel: less.cancel && promised.unwrap_or_default().cancel, ..less };
            if remapped || taken {
                let (this, place, wait) = (Arc::clone(&self), place.clone(), dice.millis(0..WORKING));
                tokio::spawn(async move {
                    sleep(wait).await;
                    let _ = this.map(&place, u16::from(remapped), taken.then_some(less)).await;
                });
            }
        }
    }

    /// A person wants an order ended, and may be wrong about it: its POS is asked.
    pub(crate) async fn decide(self: Arc<Self>, fleet: Arc<Fleet>, uid: String, mut dice: Dice) {
        sleep(dice.millis(1_000..WORKING)).await;
        let Ok(key) = key(&uid) else { return };
        let decision = match dice.within(0..3) {
            0 => Decision::Placed { pos_order_id: "POS-1".to_owned() },
            1 => Decision::Rejected,
            _ => Decision::Errored,
        };
        let reason = "the restaurant says so".to_owned();
        let wish = Wish::End { key, decision: decision.clone(), reason, asking: true };
        self.sim.tell("operator", || format!("wants {uid} ended: {decision:?}"));
        let granted = fleet.wish(wish).await;
        self.sim.tell("operator", || format!("is told of {uid}: {granted:?}"));
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
        use posnext_shared::app::ports::Directory;
        let location = self.directory.location(record.order.organization_id(), record.order.location_id()).await?;
        Ok(match location.as_deref().map(|location| &location.connector) {
            Some(Connector::Http(connector)) => connector.abilities,
            _ => Abilities::default(),
        })
    }

    /// Whether anything can change by itself any more.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_secs(5)
    }
}

fn key(uid: &str) -> anyhow::Result<OrderKey> {
    Ok(OrderKey { tenant: Tenant::new(TENANT)?, request_uid: RequestUid::new(uid)? })
}
