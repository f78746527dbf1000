//! What validate and submit have in common: everything up to an order whose caller, digest and location are known.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, Method, Request,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE},
};

use super::{
    answer::{DIGEST, Reply, Signer},
    headers::only_value,
    let_in, unavailable,
};
use posnext_shared::{
    app::{
        METRICS,
        caller::{DigestError, Gate, RawRequest},
        ports::{Clock, Directory, Refresh, Secrets},
        world::{Admits, World},
    },
    domain::{
        canonical::JsonError,
        directory::{Client, Location},
        order::{Body, Order},
        signature::SharedId,
        status::{ErrorCode, OrderError},
        time::unix_seconds,
    },
};

/// The largest body that is read, in bytes.
pub const LARGEST_BODY: usize = 256 * 1024;

/// An order that its caller has signed.
pub(super) struct Verified {
    pub(super) client: Client,
    pub(super) order: Order,
    pub(super) location: Arc<Location>,
    pub(super) shared_id: SharedId,
}

/// Reads and verifies an order. Until its digest has verified, a refusal echoes nothing of it.
pub(super) async fn receive<W: Admits, B: AsRef<[u8]>>(
    gate: &Gate<W>,
    request: &Request<B>,
    signer: &Signer,
) -> Result<Verified, Reply> {
    let (headers, path, raw) = (request.headers(), request.uri().path(), request.body().as_ref());
    let client = let_in(gate, headers, signer).await;
    // The two spellings of the path differ in their last segment but one (docs/contract.md#c1); anything may stand
    // before.
    if !gate.contract.path_aliases && path.rsplit('/').nth(1) == Some("orders") {
        return Err(Reply::error(ErrorCode::UnknownPath, "this spelling of the path is switched off; write /posnext/order/"));
    }
    if request.method() != Method::POST {
        return Err(Reply::error(ErrorCode::MethodNotAllowed, "orders are sent with POST").header(ALLOW, "POST"));
    }
    let client = client?;
    let body = parse(headers, raw)?;
    let organization_id = body.organization_id().map_err(|error| Reply::errors(&[error]))?;
    let organization = gate.organization(&client, &organization_id).await.map_err(|error| unavailable(&error))?;
    let Some(organization) = organization else {
        tracing::warn!(organization.id = %organization_id, "an organization that is not mapped for this caller");
        let message = "this organization is not mapped for this caller";
        return Err(Reply::errors(&[OrderError::field(ErrorCode::UnknownOrganization, "organization_id", message)]));
    };
    signer.set(primary(gate, &organization.shared_ids).await);
    let order = body.into_order().map_err(|errors| Reply::errors(&errors))?;
    let location = gate.directory.location(&organization_id, order.location_id()).await.map_err(|error| unavailable(&error))?;
    let shared_ids = location.as_ref().and_then(|location| location.shared_ids.as_ref()).unwrap_or(&organization.shared_ids);
    signer.set(primary(gate, shared_ids).await);
    let digest = one(headers, &DIGEST)?;
    let request = RawRequest { path, body: raw, digest: digest.as_deref() };
    let shared_id = match gate.verify(&client, shared_ids, &order, request).await {
        Ok(shared_id) => shared_id,
        Err(DigestError::Unavailable(error)) => return Err(unavailable(&error)),
        Err(error) => return Err(bad_digest(&error)),
    };
    signer.set(Some(shared_id.clone()));

    // From here on the request is verified, and its own values may be said back to it.
    in_window(gate, &order)?;
    let Some(location) = location else {
        tracing::warn!(location.id = %order.location_id(), "a location that is not mapped in its organization");
        let message = "this location is not mapped in its organization";
        let error = OrderError::field(ErrorCode::UnknownLocation, "location_id", message);
        return Err(Reply::verified_error(&order, error));
    };
    Ok(Verified { client, order, location, shared_id })
}

async fn primary<W: World<Secrets: Secrets>>(gate: &Gate<W>, shared_ids: &str) -> Option<SharedId> {
    gate.secrets.shared_ids(shared_ids, Refresh::No).await.ok()?.first().cloned()
}

/// Off unless a deployment wants it (docs/contract.md#u22), since retries and scheduled orders are old by nature.
fn in_window<W: World<Clock: Clock>>(gate: &Gate<W>, order: &Order) -> Result<(), Reply> {
    let (Some(window), Some(sent)) = (gate.contract.request_window, unix_seconds(order.request_datetime())) else {
        return Ok(());
    };
    if gate.clock.now().seconds().abs_diff(sent) <= window.as_secs() {
        return Ok(());
    }
    let message = format!("`request_datetime` is more than {} s from now", window.as_secs());
    Err(Reply::verified_error(order, OrderError::field(ErrorCode::InvalidField, "request_datetime", message)))
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Body, Reply> {
    check_body(headers, body)?;
    Body::parse(body).map_err(|error| not_json(&error))
}

/// What a header says that says one thing.
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Reply> {
    let twice = |message| Reply::errors(&[OrderError::field(ErrorCode::InvalidField, name.as_str(), message)]);
    only_value(headers, name).map_err(twice)
}

/// Whether a body can be read at all.
pub(super) fn check_body(headers: &HeaderMap, body: &[u8]) -> Result<(), Reply> {
    if one(headers, &CONTENT_ENCODING)?.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Reply::error(ErrorCode::UnsupportedContentEncoding, "send the body without Content-Encoding"));
    }
    let content_type = one(headers, &CONTENT_TYPE)?.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Reply::error(ErrorCode::UnsupportedMediaType, "send Content-Type: application/json"));
    }
    if body.len() > LARGEST_BODY {
        let message = format!("the body has {} bytes; at most {LARGEST_BODY} are taken", body.len());
        return Err(Reply::error(ErrorCode::BodyTooLarge, &message));
    }
    Ok(())
}

pub(super) fn not_json(error: &JsonError) -> Reply {
    let code = match error {
        JsonError::Syntax(_) | JsonError::NotAnObject => ErrorCode::InvalidJson,
        JsonError::RepeatedKey => ErrorCode::RepeatedKey,
        JsonError::TooDeep => ErrorCode::TooDeep,
    };
    Reply::error(code, &error.to_string())
}

fn bad_digest(error: &DigestError) -> Reply {
    if matches!(error, DigestError::Missing) {
        return Reply::error(ErrorCode::DigestMissing, "send x-pch-digest, the signature of the order");
    }
    tracing::info!(target: METRICS, SignatureFailures = 1);
    tracing::warn!("a request digest that no live secret made");
    let message = "x-pch-digest does not match this order; sign its own six values with the first 10 characters of the SharedId";
    Reply::error(ErrorCode::DigestMismatch, message)
}
