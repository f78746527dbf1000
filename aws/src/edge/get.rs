//! `GET /posnext/orders/{orderId}`: the order as it stands (docs/lifecycle.md#polling), held back until it changes
//! where its caller prefers that; and its history.

use std::time::Duration;

use http::{
    HeaderMap, Method, Request, Response,
    header::{ALLOW, CACHE_CONTROL, ETAG, IF_NONE_MATCH, RETRY_AFTER},
};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use super::{
    answer::{DIGEST, PREFERENCE_APPLIED, Reply, Signer, none_match},
    answered, let_in,
    prefer::Preferences,
    unavailable,
};
use posnext_shared::{
    app::{
        caller::Gate,
        lately::Lately,
        ports::Clock,
        read::Read,
        world::{Admits, Reads, World},
    },
    domain::{
        answer::Identity,
        ids::{OrderKey, RequestUid},
        processing::{poll_after, processing},
        record::{Alias, OrderRecord},
        status::ErrorCode,
        words::history,
    },
};

/// The endpoint.
#[derive(Debug)]
pub struct GetOrder<W: World> {
    /// Who may call.
    pub gate: Gate<W>,
    /// What happens then.
    pub read: Read<W>,
    /// What its answers have taught it.
    pub lately: Lately,
}

impl<W: Admits + Reads> GetOrder<W> {
    /// Answers one request; never fails.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<String> {
        let (parts, _) = request.into_parts();
        let signer = Signer::default();
        answered(&self.gate, &signer, Box::pin(self.get(&parts, &signer))).await
    }

    async fn get(&self, request: &http::request::Parts, signer: &Signer) -> Result<Reply, Reply> {
        let wait = wait(&request.headers, self.gate.contract.longest_wait).map(|wait| (wait, Instant::now()));
        let client = let_in(&self.gate, &request.headers, signer).await;
        if request.method != Method::GET {
            return Err(Reply::error(ErrorCode::MethodNotAllowed, "orders are read with GET").header(ALLOW, "GET"));
        }
        let client = client?;
        if request.headers.contains_key(DIGEST) {
            // docs/contract.md#u10
            tracing::debug!("a digest on GET is not checked");
        }
        // One answer for unknown, foreign and impossible ids.
        let unknown = || Reply::error(ErrorCode::UnknownOrder, "no order of this caller has this id");
        let (segment, wanted) = asked_for(request.uri.path());
        // Characters that an id may have are the same written out or encoded (RFC 3986 section 2.3); of others there is
        // no id.
        let segment = percent_decode_str(segment).decode_utf8().map_err(|_| unknown())?;
        let request_uid = RequestUid::new(segment).map_err(|_| unknown())?;
        let key = OrderKey { tenant: client.tenant.clone(), request_uid };
        let found = self.read.read(&key).await.map_err(|error| unavailable(&error))?;
        let mut found = found.ok_or_else(unknown)?;
        if !client.organizations.contains(found.0.order.organization_id()) {
            return Err(unknown());
        }
        // Better no answer now than one about an order that its caller cannot trust.
        signer.set(Some(self.gate.signer_of(&found.0).await.map_err(|error| unavailable(&error))?));
        let wait = wait.filter(|_| wanted == Wanted::Order);
        // Who knows another state of it than this one need not wait for a third.
        if let Some((wait, arrived)) = wait.filter(|_| knows(&request.headers, &etag(&found.0)).unwrap_or(true)) {
            let limit = wait.saturating_sub(arrived.elapsed());
            // On the heap: few wait, and every poll would carry the room for it from hand to hand.
            found = Box::pin(self.read.changed(&key, found, limit)).await.ok_or_else(unknown)?;
        }
        let (record, alias) = found;
        let identity = alias.as_ref().map_or(record.order.identity(), Alias::identity);
        tracing::info!(order.key = %key, order.status = record.status().as_str(), "order read");
        let reply = self.reply(request, &record, identity, wanted);
        Ok(match wait {
            Some((wait, _)) => reply.header(PREFERENCE_APPLIED, format!("wait={}", wait.as_secs())),
            None => reply,
        })
    }

    fn reply(&self, request: &http::request::Parts, record: &OrderRecord, identity: Identity<'_>, wanted: Wanted) -> Reply {
        self.lately.saw(record);
        let (etag, status, message) = (etag(record), record.status(), record.order.message(identity));
        let reply = if knows(&request.headers, &etag) == Some(true) {
            Reply::not_modified(message)
        } else if wanted == Wanted::History {
            Reply::read(record.order.history_answer(identity, status, &history(record)), message)
        } else {
            let shown = self.gate.contract.processing && (!status.is_final() || asks_for_processing(request));
            let processing =
                shown.then(|| processing(record, identity.request_uid, self.read.clock.now(), self.lately.typical(record)));
            Reply::read(record.answer(identity, &self.gate.contract.pos_order_id_key, processing.as_ref()), message)
        };
        let reply = reply.header(ETAG, etag);
        if status.is_final() {
            return reply.header(CACHE_CONTROL, "private, max-age=86400");
        }
        let age = self.read.clock.now().since(record.accepted_at);
        reply.header(RETRY_AFTER, poll_after(age).as_secs().to_string())
    }
}

/// What is asked for of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Order,
    History,
}

/// The order's id, the last segment of the path but for `history`; a stage may stand before the path.
fn asked_for(path: &str) -> (&str, Wanted) {
    let segments: Vec<&str> = path.rsplitn(4, '/').collect();
    match segments.as_slice() {
        ["history", uid, "orders", before] if before.ends_with("posnext") => (uid, Wanted::History),
        [last, ..] => (last, Wanted::Order),
        [] => ("", Wanted::Order),
    }
}

/// A pending order says how far it is, which changes with the time and not with the version: then the tag is weak.
fn etag(record: &OrderRecord) -> String {
    let weak = if record.open().is_some() { "W/" } else { "" };
    format!("{weak}\"v{}\"", record.version)
}

/// Whether the caller knows this; `None` if it does not say what it knows.
fn knows(headers: &HeaderMap, etag: &str) -> Option<bool> {
    headers.contains_key(IF_NONE_MATCH).then(|| none_match(headers, etag))
}

/// RFC 7240 section 4.3: `wait=N`, and what of it is possible.
fn wait(headers: &HeaderMap, longest: Duration) -> Option<Duration> {
    Preferences::of(headers).wait.map(|wait| wait.min(longest)).filter(|_| !longest.is_zero())
}

/// `?processing=true`.
fn asks_for_processing(request: &http::request::Parts) -> bool {
    form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes())
        .any(|(name, value)| name == "processing" && value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use posnext_shared::domain::policy::LONGEST_WAIT;

    #[test]
    fn the_id_is_the_last_segment_but_for_history() {
        for (path, uid, wanted) in [
            ("/posnext/orders/o-1", "o-1", Wanted::Order),
            ("/prod/posnext/orders/o-1", "o-1", Wanted::Order),
            ("/posnext/orders/o-1/history", "o-1", Wanted::History),
            ("/prod/posnext/orders/o-1/history", "o-1", Wanted::History),
            ("/posnext/orders/history", "history", Wanted::Order),
            ("/posnext/orders/history/history", "history", Wanted::History),
            ("/posnext/orders/orders/history", "orders", Wanted::History),
            ("/posnext/orders/", "", Wanted::Order),
            ("", "", Wanted::Order),
        ] {
            assert_eq!(asked_for(path), (uid, wanted), "{path}");
        }
    }

    #[test]
    fn a_wait_is_as_long_as_it_says_and_as_can_be() {
        let seconds = |prefer: &str, longest| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", prefer.parse().unwrap());
            wait(&headers, longest).map(|wait| wait.as_secs())
        };
        assert_eq!(seconds("wait=5", LONGEST_WAIT), Some(5));
        assert_eq!(seconds("wait=600", LONGEST_WAIT), Some(10));
        assert_eq!(seconds("respond-async", LONGEST_WAIT), None);
        assert_eq!(seconds("wait=5", Duration::ZERO), None, "switched off");
    }
}
