//! Chooses a location's POS.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use super::{
    clock::SystemClock,
    http_pos::{HttpPos, Line, line::Network, sockets::Sockets},
    sandbox::{self, SandboxPos},
};
use posnext_shared::{
    app::ports::{AskAvailability, Attempt, Clock, FetchMenu, PortError, Pos, Secrets},
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{Connector, Location},
        history::Cause,
        record::OrderRecord,
    },
};

/// Every kind of POS.
#[derive(Debug)]
pub struct PosRouter<S, C = SystemClock, N = Sockets> {
    /// POS behind HTTP.
    pub http: HttpPos<S, C, N>,
    /// Played POS; `None` where they are not allowed.
    pub sandbox: Option<SandboxPos>,
}

const NO_SANDBOX: &str = "sandbox locations are not allowed here (POSNEXT_ALLOW_SANDBOX)";

fn no_sandbox() -> Cause {
    Cause::Unsendable(NO_SANDBOX.to_owned())
}

impl<S: Secrets, C: Clock, N: Network> Pos for PosRouter<S, C, N> {
    /// A played POS needs none.
    type Line = Option<Line<N::Connection>>;

    async fn open(&self, location: &Location) -> Option<Line<N::Connection>> {
        match &location.connector {
            Connector::Http(connector) => Some(self.http.open(connector).await),
            Connector::Sandbox(_) => None,
        }
    }

    async fn place(
        &self,
        line: Option<Line<N::Connection>>,
        location: &Location,
        record: &OrderRecord,
        attempt: Attempt,
    ) -> Placed {
        match (&location.connector, &self.sandbox) {
            (Connector::Http(connector), _) => self.http.place(line, connector, location, record, attempt).await,
            (Connector::Sandbox(_), Some(sandbox)) if !attempt.may_begin(attempt.limit, sandbox.now()) => {
                Placed::NotStarted { cause: Cause::NoTimeLeft, retry_after: None }
            }
            (Connector::Sandbox(connector), Some(sandbox)) => {
                sandbox.place(connector, location, &record.key, attempt.limit).await
            }
            (Connector::Sandbox(_), None) => Placed::Permanent(no_sandbox()),
        }
    }

    async fn find(&self, location: &Location, record: &OrderRecord, limit: Duration) -> Found {
        match (&location.connector, &self.sandbox) {
            (Connector::Http(connector), _) => self.http.find(connector, record, limit).await,
            (Connector::Sandbox(connector), Some(sandbox)) => sandbox.find(connector, &record.key).await,
            (Connector::Sandbox(_), None) => Found::Unknown(no_sandbox()),
        }
    }

    async fn cancel(&self, location: &Location, record: &OrderRecord, attempt: Attempt) -> Cancelled {
        match (&location.connector, &self.sandbox) {
            (Connector::Http(connector), _) => self.http.cancel(connector, record, attempt).await,
            (Connector::Sandbox(connector), Some(sandbox)) => sandbox.cancel(connector, location, &record.key).await,
            (Connector::Sandbox(_), None) => Cancelled::Unknown(no_sandbox()),
        }
    }
}

impl<S: Secrets, C: Clock, N: Network> AskAvailability for PosRouter<S, C, N> {
    async fn sold_out(&self, location: &Location, ids: &BTreeSet<&str>, limit: Duration) -> Result<HashSet<String>, PortError> {
        match (&location.connector, &self.sandbox) {
            (Connector::Http(connector), _) => self.http.sold_out(connector, location, ids, limit).await,
            (Connector::Sandbox(connector), Some(_)) => sandbox::sold_out(connector, ids, limit).await,
            (Connector::Sandbox(_), None) => Err(PortError::Unavailable(NO_SANDBOX.to_owned())),
        }
    }
}

impl<S: Secrets, C: Clock, N: Network> FetchMenu for PosRouter<S, C, N> {
    async fn fetch(&self, location: &Location, limit: Duration) -> Result<Vec<u8>, PortError> {
        match &location.connector {
            Connector::Http(connector) => self.http.menu(connector, location, limit).await,
            Connector::Sandbox(_) => Err(PortError::Unavailable("a sandbox POS hands out no menu".to_owned())),
        }
    }
}
