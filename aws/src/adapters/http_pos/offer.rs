//! What a POS sells: `GET {base}/menus/{location}` and `POST {base}/availability` (docs/pos-connector.openapi.yaml).

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    HttpPos,
    transport::{Ask, Reply},
};
use posnext_shared::{
    app::ports::{PortError, Secrets},
    domain::{
        directory::{HttpConnector as Settings, Location},
        menu::LARGEST_MENU,
    },
};

#[derive(Serialize)]
struct AvailabilityBody<'a> {
    location_id: &'a str,
    items: &'a BTreeSet<&'a str>,
}

#[derive(Deserialize)]
struct Availability {
    unavailable: Vec<String>,
}

impl<S: Secrets> HttpPos<S> {
    /// The text of a location's menu.
    ///
    /// # Errors
    /// [`PortError`] when the POS does not hand it out within `limit`.
    pub async fn menu(&self, settings: &Settings, location: &Location, limit: Duration) -> Result<Vec<u8>, PortError> {
        let path = format!("/menus/{}", utf8_percent_encode(&location.internal_id, NON_ALPHANUMERIC));
        let ask = Ask { largest_answer: LARGEST_MENU, ..Ask::new(Method::GET, path) };
        self.read(settings, ask, limit).await
    }

    /// Those of these ids that cannot be had.
    ///
    /// # Errors
    /// [`PortError`] when the POS does not say within `limit`.
    pub async fn sold_out(
        &self,
        settings: &Settings,
        location: &Location,
        ids: &BTreeSet<&str>,
        limit: Duration,
    ) -> Result<HashSet<String>, PortError> {
        let body = AvailabilityBody { location_id: &location.internal_id, items: ids };
        let body = serde_json::to_vec(&body).map_err(|error| PortError::Corrupt(error.to_string()))?;
        let ask = Ask { body, ..Ask::new(Method::POST, "/availability".to_owned()) };
        let text = self.read(settings, ask, limit).await?;
        let answer: Availability = serde_json::from_slice(&text).map_err(|error| PortError::Corrupt(error.to_string()))?;
        Ok(answer.unavailable.into_iter().collect())
    }

    async fn read(&self, settings: &Settings, ask: Ask<'_>, limit: Duration) -> Result<Vec<u8>, PortError> {
        match self.transport.send(settings, ask, limit).await {
            Reply::Answer { status: StatusCode::OK, body, .. } => Ok(body.to_vec()),
            Reply::Answer { status, .. } => Err(PortError::Unavailable(format!("the POS answered {status}"))),
            Reply::Never(reason) | Reply::NotSent(reason) | Reply::Cut(reason) => Err(PortError::Unavailable(reason)),
        }
    }
}
