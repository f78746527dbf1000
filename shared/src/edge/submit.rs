//! `POST /posnext/order/submit`: verify, accept, answer.

use std::sync::Arc;

use http::{
    HeaderMap, Method, Request, Response,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use tokio::time::Instant;

use super::{
    answer::{DIGEST, REPLAYED, Reply, Signer, submit_status},
    answered, let_in, temporarily_unavailable, unavailable,
};
use crate::{
    app::{
        accept::{Accept, Accepted, Submission},
        caller::{DigestError, Gate},
        ports::{ClaimOrder, Clock, Directory, NudgeOrder, Pos, ReadOrder, Refresh, SaveOrder, Secrets, SendOrder, SetAside},
    },
    domain::{
        canonical::JsonError,
        ids::OrderKey,
        machine::New,
        order::{Body, Order},
        record::Alias,
        status::{ErrorCode, OrderError, OrderStatus},
    },
};

/// The largest body that is read, in bytes.
pub const LARGEST_BODY: usize = 256 * 1024;
/// When a caller who was told 202 should ask first.
const FIRST_POLL_S: &str = "1";

/// The endpoint.
#[derive(Debug)]
pub struct Submit<D, S, O, Q, P, C> {
    /// Who may call.
    pub gate: Gate<D, S, C>,
    /// What happens then.
    pub accept: Accept<O, Q, P, C>,
}

impl<D, S, O, Q, P, C> Submit<D, S, O, Q, P, C>
where
    D: Directory,
    S: Secrets,
    O: ClaimOrder + ReadOrder + SaveOrder + NudgeOrder,
    Q: SendOrder + SetAside,
    P: Pos,
    C: Clock,
{
    /// Answers one request; never fails.
    pub async fn handle<B: AsRef<[u8]>>(&self, request: Request<B>) -> Response<String> {
        let signer = Signer::default();
        answered(&self.gate.secrets, &signer, self.submit(&request, &signer)).await
    }

    async fn submit<B: AsRef<[u8]>>(&self, request: &Request<B>, signer: &Signer) -> Result<Reply, Reply> {
        let arrived = Instant::now();
        let headers = request.headers();
        let client = let_in(&self.gate, headers, signer).await;
        if request.method() != Method::POST {
            let error = Reply::error(ErrorCode::MethodNotAllowed, "orders are submitted with POST");
            return Err(error.header(ALLOW, "POST"));
        }
        let client = client?;
        let body = parse(headers, request.body().as_ref())?;
        let organization_id = body.organization_id().map_err(|error| Reply::errors(&[error]))?;
        let organization = self.gate.organization(&client, &organization_id).await.map_err(|error| unavailable(&error))?;
        let Some(organization) = organization else {
            tracing::warn!(organization.id = %organization_id, "an organization that is not mapped for this caller");
            let message = "this organization is not mapped for this caller";
            return Err(Reply::errors(&[OrderError::field(ErrorCode::UnknownOrganization, "organization_id", message)]));
        };
        signer.set(self.primary(&organization.shared_ids).await);
        let order = body.into_order().map_err(|errors| Reply::errors(&errors))?;
        let location =
            self.gate.directory.location(&organization_id, order.location_id()).await.map_err(|error| unavailable(&error))?;
        let shared_ids = location.as_ref().and_then(|location| location.shared_ids.as_ref()).unwrap_or(&organization.shared_ids);
        signer.set(self.primary(shared_ids).await);
        let digest = headers.get(DIGEST).map(|value| value.to_str().unwrap_or_default());
        let shared_id = match self.gate.verify(shared_ids, &order.message(order.identity()), digest).await {
            Ok(shared_id) => shared_id,
            Err(DigestError::Unavailable(error)) => return Err(unavailable(&error)),
            Err(error) => return Err(bad_digest(&error)),
        };
        signer.set(Some(shared_id.clone()));

        // From here on the request is verified, and its own values may be said back to it.
        let Some(location) = location else {
            tracing::warn!(location.id = %order.location_id(), "a location that is not mapped in its organization");
            let error =
                OrderError::field(ErrorCode::UnknownLocation, "location_id", "this location is not mapped in its organization");
            return Err(Reply::verified_error(&order, None, error));
        };
        let order = Arc::new(order);
        let prefer_async = prefers_async(headers);
        let new = New {
            key: OrderKey { tenant: client.tenant, request_uid: order.request_uid().clone() },
            order: Arc::clone(&order),
            shared_id: shared_id.id().to_owned(),
            traceparent: headers
                .get("traceparent")
                .and_then(|value| value.to_str().ok())
                .filter(|text| text.len() <= 64)
                .map(str::to_owned),
        };
        let key = new.key.clone();
        let accepted = self.accept.accept(Submission { new, location, prefer_async, arrived }).await;
        let reply = reply(&order, accepted, prefer_async);
        if let Ok((status, _)) = &reply {
            tracing::info!(order.key = %key, order.status = status.as_str(), shared_id.id = shared_id.id(), "submit answered");
        }
        reply.map(|(_, reply)| reply)
    }

    async fn primary(&self, shared_ids: &str) -> Option<crate::domain::signature::SharedId> {
        self.gate.secrets.shared_ids(shared_ids, Refresh::No).await.ok()?.first().cloned()
    }
}

fn reply(order: &Order, accepted: Accepted, prefer_async: bool) -> Result<(OrderStatus, Reply), Reply> {
    match accepted {
        Accepted::Stored { record, replay, alias } => {
            let identity = alias.as_ref().map_or(record.order.identity(), Alias::identity);
            let status = record.status();
            let mut reply = Reply::order(submit_status(status), record.answer(identity), record.order.message(identity));
            if replay {
                reply = reply.header(REPLAYED, "true");
            }
            if !status.is_final() {
                reply =
                    reply.header(LOCATION, format!("/posnext/orders/{}", identity.request_uid)).header(RETRY_AFTER, FIRST_POLL_S);
                if prefer_async && !replay {
                    reply = reply.header(http::HeaderName::from_static("preference-applied"), "respond-async");
                }
            }
            Ok((status, reply))
        }
        Accepted::Conflict(stored) => {
            let message = "this request_uid was submitted before with other content; the first order stands";
            Err(Reply::verified_error(
                order,
                Some(stored),
                OrderError::field(ErrorCode::IdempotencyConflict, "request_uid", message),
            ))
        }
        Accepted::GuardConflict => {
            let message =
                "this online order was submitted before under another request_uid with other content; the first order stands";
            let error = OrderError::field(ErrorCode::IdempotencyConflict, "order_details.online_order_id", message);
            Err(Reply::verified_error(order, None, error))
        }
        Accepted::TooMany(wait) => {
            let message = "this location sends too many orders at once; send this one again after Retry-After";
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            let error = OrderError::new(ErrorCode::TooManyRequests, message);
            Err(Reply::verified_error(order, None, error).header(RETRY_AFTER, seconds.to_string()))
        }
        Accepted::Unavailable(why) => {
            tracing::error!(reason = why, order.request_uid = %order.request_uid(), "a submit was not accepted");
            Err(Reply::verified_error(order, None, temporarily_unavailable()))
        }
    }
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Body, Reply> {
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Reply::error(ErrorCode::UnsupportedContentEncoding, "send the body without Content-Encoding"));
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Reply::error(ErrorCode::UnsupportedMediaType, "send Content-Type: application/json"));
    }
    if body.len() > LARGEST_BODY {
        let message = format!("the body has {} bytes; at most {LARGEST_BODY} are taken", body.len());
        return Err(Reply::error(ErrorCode::BodyTooLarge, &message));
    }
    Body::parse(body).map_err(|error| {
        let code = match &error {
            JsonError::Syntax(_) | JsonError::NotAnObject => ErrorCode::InvalidJson,
            JsonError::RepeatedKey => ErrorCode::RepeatedKey,
            JsonError::TooDeep => ErrorCode::TooDeep,
        };
        Reply::error(code, &error.to_string())
    })
}

fn bad_digest(error: &DigestError) -> Reply {
    if matches!(error, DigestError::Missing) {
        return Reply::error(ErrorCode::DigestMissing, "send x-pch-digest, the signature of the order");
    }
    tracing::warn!("a request digest that no live SharedId made");
    let message = "x-pch-digest does not match this order; sign its own six values with the first 10 characters of the SharedId";
    Reply::error(ErrorCode::DigestMismatch, message)
}

/// RFC 7240: `respond-async` among the preferences.
fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}
