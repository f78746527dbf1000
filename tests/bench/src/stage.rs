//! What the functions run against: the local services over TLS, and a POS over plain HTTP.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use aws_sdk_dynamodb::{Client as Dynamo, types::AttributeValue};
use posnext_local::{
    local::{self, Services, start_services},
    par::Par,
    pos,
};
use posnext_shared::{
    app::ports::ReadOrder,
    domain::{
        directory::{Connector, HttpConnector, Location, Mode},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        record::{OrderRecord, Row, State},
    },
};
use tokio::net::TcpListener;

use crate::{
    job::Job,
    row,
    tls::{AUTHORITY, Tls},
    units::Counter,
};

/// The location whose POS is asked while the caller waits.
pub(crate) const SYNC: &str = "BENCH-SYNC";
/// The location whose orders are always accepted.
pub(crate) const ASYNC: &str = "BENCH-ASYNC";

/// The location whose POS is asked over TLS.
pub(crate) const OVER_TLS: &str = "BENCH-OVER-TLS";

/// The stage.
pub(crate) struct Stage {
    pub(crate) services: Services,
    /// Who signs the events.
    pub(crate) par: Par,
    bootstraps: PathBuf,
    /// Where the POS listens.
    pub(crate) pos: SocketAddr,
    tls: Vec<(String, String)>,
    counted: Vec<(String, String)>,
    pub(crate) counter: Counter,
}

impl Stage {
    pub(crate) async fn start(bootstraps: &Path) -> anyhow::Result<Self> {
        Self::with_data(bootstraps, None).await
    }

    /// The same with its tables in a folder.
    pub(crate) async fn with_data(bootstraps: &Path, data: Option<PathBuf>) -> anyhow::Result<Self> {
        // Nobody listens on port 9: what is queued is left to the function that is measured.
        let services = start_services(data, "http://127.0.0.1:9").await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let pos = listener.local_addr()?;
        let base = format!("http://{pos}/all/prompt");
        tokio::spawn(async move { pos::serve(listener).await });
        for (name, mode) in [(SYNC, Mode::Sync), (ASYNC, Mode::Async)] {
            services.parts.directory().put_location(&location(name, mode, &base)?).await?;
        }
        let (behind, counter) = (Tls::new()?, Counter::default());
        let over_tls = behind.before(&format!("http://{pos}")).await?;
        services.parts.directory().put_location(&location(OVER_TLS, Mode::Sync, &format!("{over_tls}/all/prompt"))?).await?;
        let of_the_pos = ("POSNEXT_POS_CA_FILE".to_owned(), AUTHORITY.to_owned());
        let mut tls = vec![("POSNEXT_CA_FILE".to_owned(), AUTHORITY.to_owned()), of_the_pos.clone()];
        let mut counted = vec![of_the_pos];
        for (name, value) in services.environment() {
            if name.starts_with("AWS_ENDPOINT_URL_") {
                tls.push((name.to_owned(), behind.before(&value).await?));
                counted.push((name.to_owned(), counter.before(value).await?));
            } else {
                tls.push((name.to_owned(), value.clone()));
                counted.push((name.to_owned(), value));
            }
        }
        let par = Par::new("http://127.0.0.1:9", local::CLIENT_ID, local::CLIENT_SECRET, local::SHARED_ID)?;
        Ok(Self { services, par, bootstraps: bootstraps.to_owned(), pos, tls, counted, counter })
    }

    /// Variables of a function that reaches its services over TLS, as on AWS.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.tls.clone()
    }

    /// Variables of a function whose calls are counted.
    pub(crate) fn counted_environment(&self) -> Vec<(String, String)> {
        self.counted.clone()
    }

    /// The function's binary, as cargo lambda leaves it or cargo.
    pub(crate) fn binary(&self, job: Job) -> anyhow::Result<PathBuf> {
        let function = job.function();
        // The yardstick is no function of the template, so cargo alone builds it.
        let candidates = [
            self.bootstraps.join(function),
            self.bootstraps.join(function).join("bootstrap"),
            Path::new("target/release").join(function),
        ];
        let found = candidates.into_iter().find(|candidate| candidate.is_file());
        found.with_context(|| format!("no {function} in {}; tests/bench/run builds it", self.bootstraps.display()))
    }

    /// Maps a location that is always accepted, with its POS at a base URL.
    pub(crate) async fn map(&self, name: &str, base: &str) -> anyhow::Result<()> {
        Ok(self.services.parts.directory().put_location(&location(name, Mode::Async, base)?).await?)
    }

    /// An order as the product reads it.
    pub(crate) async fn record(&self, uid: &str) -> anyhow::Result<OrderRecord> {
        match self.services.parts.orders().read(&order_key(uid)?).await? {
            Some(Row::Order(record)) => Ok(*record),
            _ => bail!("no order {uid} in the table"),
        }
    }

    /// Whether the product reads this order, and as final.
    pub(crate) async fn is_final(&self, uid: &str) -> anyhow::Result<bool> {
        Ok(matches!(self.record(uid).await?.state, State::Final(_)))
    }

    /// The name of the orders table.
    pub(crate) fn table(&self) -> &str {
        &self.services.parts.settings().orders_table
    }

    /// Bytes of an order's row.
    pub(crate) async fn row(&self, uid: &str) -> anyhow::Result<Option<u64>> {
        let key = AttributeValue::S(order_key(uid)?.to_string());
        let row = self.dynamodb().get_item().table_name(self.table()).key("pk", key).send().await?;
        Ok(row.item.as_ref().map(row::size))
    }

    /// A client of the tables, beside the measurement.
    pub(crate) fn dynamodb(&self) -> Dynamo {
        Dynamo::new(&self.services.aws.dynamodb)
    }
}

/// The key of an order of the bench's only client.
pub(crate) fn order_key(uid: &str) -> anyhow::Result<OrderKey> {
    Ok(OrderKey { tenant: Tenant::new(local::CLIENT_ID)?, request_uid: RequestUid::new(uid)? })
}

fn location(name: &str, mode: Mode, base: &str) -> anyhow::Result<Location> {
    let abilities = pos::ABILITIES.first().map(|(_, abilities)| *abilities).unwrap_or_default();
    Ok(Location {
        organization_id: ParId::new(local::ORGANIZATION)?,
        location_id: ParId::new(name)?,
        internal_id: name.to_owned(),
        enabled: true,
        mode,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Http(HttpConnector::new(base, None, abilities)),
    })
}
