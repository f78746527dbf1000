//! What a POS sells: `GET {base}/menus/{location}` and `POST {base}/availability` (docs/pos-connector.openapi.yaml).

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    HttpPos,
    transport::{Ask, Reply},
};
use posnext_shared::{
    app::ports::{PortError, Secrets},
    domain::{
        directory::{HttpConnector as Settings, Location},
        json_text::{readable, text_of},
        menu::LARGEST_MENU,
    },
};

/// What may not stand in a segment of a path as it is: all but the unreserved characters (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
        let path = format!("/menus/{}", utf8_percent_encode(&location.internal_id, RESERVED));
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
        let text = text_of(&text).map_err(PortError::Corrupt)?;
        let answer: Availability =
            serde_json::from_str(&readable(text)).map_err(|error| PortError::Corrupt(error.to_string()))?;
        Ok(answer.unavailable.into_iter().collect())
    }

    async fn read(&self, settings: &Settings, ask: Ask<'_>, limit: Duration) -> Result<Vec<u8>, PortError> {
        match self.transport.send(settings, None, &ask, limit, |_| true).await {
            Reply::Answer(answer) if answer.status == StatusCode::OK => {
                answer.close();
                Ok(answer.body.to_vec())
            }
            Reply::Answer(answer) => Err(PortError::Unavailable(format!("the POS answered {}", answer.status))),
            Reply::Never(cause) | Reply::NotSent(cause) | Reply::Cut(cause) => Err(PortError::Unavailable(cause.to_string())),
        }
    }
}
