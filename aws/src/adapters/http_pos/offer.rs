//! What a POS sells: `GET {base}/menus/{location}` and `POST {base}/availability` (docs/pos-connector.openapi.yaml).

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    HttpPos, answer, coding,
    line::Network,
    transport::{Ask, Reply},
};
use posnext_shared::{
    app::ports::{Clock, PortError, Secrets},
    domain::{
        directory::{HttpConnector as Settings, Location},
        json_text::readable,
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
struct Availability<'a> {
    #[serde(borrow)]
    unavailable: Vec<&'a RawValue>,
}

/// An entry that is an object says which by its `id`.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
}

/// The ids that an availability names, and how many of its entries name none.
///
/// # Errors
/// What it is instead of an availability.
fn unavailable(answer: &[u8]) -> Result<(HashSet<String>, usize), String> {
    // Bytes that are no UTF-8 hide no other entry, nor does half an emoji.
    let text = String::from_utf8_lossy(answer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(answer));
    let text = readable(&text);
    let Availability { unavailable } = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let id = |entry: &&RawValue| {
        let text = entry.get();
        let member = text.starts_with('{').then(|| serde_json::from_str(text).ok().map(|Entry { id }| id));
        answer::number_of(member.unwrap_or(Some(*entry))?)
    };
    let ids: Vec<Option<String>> = unavailable.iter().map(id).collect();
    let skipped = ids.iter().filter(|id| id.is_none()).count();
    Ok((ids.into_iter().flatten().collect(), skipped))
}

impl<S: Secrets, C: Clock, N: Network> HttpPos<S, C, N> {
    /// The text of a location's menu.
    ///
    /// # Errors
    /// [`PortError`] when the POS does not hand it out within `limit`.
    pub async fn menu(&self, settings: &Settings, location: &Location, limit: Duration) -> Result<Vec<u8>, PortError> {
        let path = format!("/menus/{}", utf8_percent_encode(&location.internal_id, RESERVED));
        let ask = Ask { largest_answer: LARGEST_MENU, ..Ask::new(Method::GET, path, self.clock().fresh_id()) };
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
        let ask = Ask { body, ..Ask::new(Method::POST, "/availability".to_owned(), self.clock().fresh_id()) };
        let text = self.read(settings, ask, limit).await?;
        let (ids, skipped) = unavailable(&text).map_err(PortError::Corrupt)?;
        if skipped > 0 {
            let location_id = &location.location_id;
            tracing::warn!(skipped, location.id = %location_id, "the POS names as sold out what is no id; the rest counts");
        }
        Ok(ids)
    }

    async fn read(&self, settings: &Settings, ask: Ask<'_>, limit: Duration) -> Result<Vec<u8>, PortError> {
        match self.transport.send(settings, None, &ask, limit, |_| true).await {
            Reply::Answer(answer) if answer.status == StatusCode::OK => {
                answer.close();
                match coding(&answer.headers) {
                    Some(coding) => Err(PortError::Corrupt(format!("the POS answered in {coding}, and was asked not to"))),
                    None => Ok(answer.body.to_vec()),
                }
            }
            Reply::Answer(answer) => Err(PortError::Unavailable(format!("the POS answered {}", answer.status))),
            Reply::Never(cause) | Reply::NotSent(cause) | Reply::Cut(cause) => Err(PortError::Unavailable(cause.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &str) -> (Vec<String>, usize) {
        let (ids, skipped) = unavailable(format!(r#"{{"unavailable":[{entries}]}}"#).as_bytes()).unwrap();
        let mut ids: Vec<String> = ids.into_iter().collect();
        ids.sort();
        (ids, skipped)
    }

    #[test]
    fn one_odd_entry_hides_none_of_the_others() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(read(r#""4711",4712"#), (ids(&["4711", "4712"]), 0));
        // As it was written, whatever its size.
        assert_eq!(read("20251128000000000001,-1"), (ids(&["-1", "20251128000000000001"]), 0));
        assert_eq!(read(r#"{"id":"4711","name":"Margherita"},{"id":4712}"#), (ids(&["4711", "4712"]), 0));
        assert_eq!(read(r#"null,"4711",true,["4712"],{"name":"x"},{"id":null},"","\ud83d""#), (ids(&["4711"]), 7));
        assert_eq!(read(""), (Vec::new(), 0));
    }

    #[test]
    fn what_nobody_reads_may_be_odd_and_what_is_no_availability_says_so() {
        let odd = b"\xef\xbb\xbf{\"unavailable\":[\"4711\"],\"note\":\"\\ud83d\",\"by\":\"caf\xe9\",\"at\":1e400}";
        assert_eq!(unavailable(odd).unwrap().0, HashSet::from(["4711".to_owned()]));
        for text in ["", "[]", "{}", r#"{"unavailable":null}"#, r#"{"unavailable":"4711"}"#, "<html>"] {
            assert!(unavailable(text.as_bytes()).is_err(), "{text}");
        }
    }
}
