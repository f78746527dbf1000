//! `GET /posnext/orders/{orderId}`: the order as it stands (design section 7).

use std::time::Duration;

use http::{
    Method, Request, Response,
    header::{ALLOW, CACHE_CONTROL, ETAG, RETRY_AFTER},
};

use super::{
    answer::{DIGEST, Reply, Signer, none_match},
    answered, let_in, unavailable,
};
use crate::{
    app::{
        caller::Gate,
        ports::{Clock, Directory, NudgeOrder, PortError, ReadOrder, Refresh, Secrets, SendOrder},
        read::Read,
    },
    domain::{
        ids::{OrderKey, RequestUid},
        record::{Alias, OrderRecord},
        signature::SharedId,
        status::ErrorCode,
    },
};

/// The endpoint.
#[derive(Debug)]
pub struct GetOrder<D, S, O, Q, C> {
    /// Who may call.
    pub gate: Gate<D, S, C>,
    /// What happens then.
    pub read: Read<O, Q, C>,
}

impl<D, S, O, Q, C> GetOrder<D, S, O, Q, C>
where
    D: Directory,
    S: Secrets,
    O: ReadOrder + NudgeOrder,
    Q: SendOrder,
    C: Clock,
{
    /// Answers one request; never fails.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<String> {
        let (parts, _) = request.into_parts();
        let signer = Signer::default();
        answered(&self.gate, &signer, self.get(&parts, &signer)).await
    }

    async fn get(&self, request: &http::request::Parts, signer: &Signer) -> Result<Reply, Reply> {
        let client = let_in(&self.gate, &request.headers, signer).await;
        if request.method != Method::GET {
            return Err(Reply::error(ErrorCode::MethodNotAllowed, "orders are read with GET").header(ALLOW, "GET"));
        }
        let client = client?;
        if request.headers.contains_key(DIGEST) {
            tracing::debug!("a digest on GET is not checked (contract U10)");
        }
        // The last segment, since a stage may stand before the path. One answer for unknown, foreign and impossible ids.
        let unknown = || Reply::error(ErrorCode::UnknownOrder, "no order of this caller has this id");
        let segment = request.uri.path().rsplit('/').next().unwrap_or_default();
        let request_uid = RequestUid::new(segment).map_err(|_| unknown())?;
        let key = OrderKey { tenant: client.tenant.clone(), request_uid };
        let found = self.read.read(&key).await.map_err(|error| unavailable(&error))?;
        let (record, alias) = found.ok_or_else(unknown)?;
        if !client.organizations.contains(record.order.organization_id()) {
            return Err(unknown());
        }
        // Better no answer now than one about an order that its caller cannot trust.
        signer.set(self.shared_id(&record).await.map_err(|error| unavailable(&error))?);
        let identity = alias.as_ref().map_or(record.order.identity(), Alias::identity);
        let etag = format!("\"v{}\"", record.version);
        let status = record.status();
        tracing::info!(order.key = %key, order.status = status.as_str(), "order read");
        let message = record.order.message(identity);
        let reply = if none_match(&request.headers, &etag) {
            Reply::not_modified(message)
        } else {
            Reply::read(record.answer(identity, &self.gate.contract.pos_order_id_key), message)
        };
        let reply = reply.header(ETAG, etag);
        if status.is_final() {
            return Ok(reply.header(CACHE_CONTROL, "private, max-age=86400"));
        }
        let age = self.read.clock.now().since(record.accepted_at);
        Ok(reply.header(RETRY_AFTER, poll_after(age).as_secs().to_string()))
    }

    /// The SharedId that verified the submit, while it lives; else the one to use first. `None` if the organization is not
    /// mapped any more.
    async fn shared_id(&self, record: &OrderRecord) -> Result<Option<SharedId>, PortError> {
        let (organization_id, location_id) = (record.order.organization_id(), record.order.location_id());
        let location = self.gate.directory.location(organization_id, location_id).await?;
        let name = match location.and_then(|location| location.shared_ids.clone()) {
            Some(name) => name,
            None => match self.gate.directory.organization(organization_id).await? {
                Some(organization) => organization.shared_ids.clone(),
                None => return Ok(None),
            },
        };
        let live = self.gate.secrets.shared_ids(&name, Refresh::No).await?;
        Ok(live.iter().find(|shared_id| shared_id.id() == record.shared_id).or(live.first()).cloned())
    }
}

/// How long to wait before the next poll: growing with the order's age.
fn poll_after(age: Duration) -> Duration {
    Duration::from_secs(match age.as_secs() {
        0..5 => 1,
        5..20 => 2,
        20..60 => 5,
        60..300 => 15,
        _ => 60,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_an_order_the_longer_the_pause_between_polls() {
        let pauses = [0, 5, 20, 60, 300, 86_400].map(|age| poll_after(Duration::from_secs(age)).as_secs());
        assert_eq!(pauses, [1, 2, 5, 15, 60, 60]);
    }
}
