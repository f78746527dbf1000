//! Answers: the status table in one place, and the outermost layer that signs.

use std::sync::{Mutex, PoisonError};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{self, CACHE_CONTROL, CONTENT_TYPE, IF_NONE_MATCH, RETRY_AFTER},
};

use posnext_shared::domain::{
    answer::problem,
    contract::Contract,
    order::Order,
    signature::{DigestMessage, SharedId},
    status::{ErrorCode, OrderError, OrderStatus},
};

/// The signature's header (docs/contract.md#signature).
pub const DIGEST: HeaderName = HeaderName::from_static("x-pch-digest");
/// What of the caller's `Prefer` was done (RFC 7240).
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Marks an answer from a row that was there before the request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What an answer is, from which its HTTP status follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for is read out.
    Read,
    /// What was asked for has not changed.
    NotModified,
    /// An order was submitted or validated, with this result.
    Order(OrderStatus),
    /// The request was not taken.
    Error(ErrorCode),
}

/// The table of HTTP statuses (docs/contract.md#errors); a refusal is an answer too (docs/contract.md#u13,
/// docs/contract.md#u14).
#[must_use]
pub fn http_status(kind: Kind, contract: &Contract) -> StatusCode {
    let set = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    match kind {
        Kind::Read | Kind::Order(OrderStatus::Validated | OrderStatus::Placed) => StatusCode::OK,
        Kind::NotModified => StatusCode::NOT_MODIFIED,
        Kind::Order(OrderStatus::Pending) => StatusCode::ACCEPTED,
        Kind::Order(OrderStatus::Rejected) => set(contract.rejected_status),
        Kind::Order(OrderStatus::Errored) => set(contract.errored_status),
        Kind::Error(ErrorCode::DigestMissing | ErrorCode::DigestMismatch) => set(contract.digest_status),
        Kind::Error(ErrorCode::UnknownOrganization | ErrorCode::UnknownLocation) => set(contract.unmapped_status),
        Kind::Error(code) => error_status(code),
    }
}

fn error_status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::TokenMissing
        | ErrorCode::TokenMalformed
        | ErrorCode::TokenAlgorithm
        | ErrorCode::TokenSignature
        | ErrorCode::TokenExpired
        | ErrorCode::TokenNotYetValid
        | ErrorCode::TokenClaims => StatusCode::UNAUTHORIZED,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType | ErrorCode::UnsupportedContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::InvalidJson
        | ErrorCode::RepeatedKey
        | ErrorCode::TooDeep
        | ErrorCode::MissingField
        | ErrorCode::InvalidField => StatusCode::BAD_REQUEST,
        ErrorCode::DigestMissing | ErrorCode::DigestMismatch => StatusCode::PRECONDITION_FAILED,
        ErrorCode::UnknownOrganization
        | ErrorCode::UnknownLocation
        | ErrorCode::UnknownOrder
        | ErrorCode::UnknownMenu
        | ErrorCode::UnknownPath => StatusCode::NOT_FOUND,
        ErrorCode::IdempotencyConflict => StatusCode::CONFLICT,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        // These end an order and stand in its answer, whose status is that of the order.
        ErrorCode::LocationClosed
        | ErrorCode::UnknownItem
        | ErrorCode::UnknownModifier
        | ErrorCode::ItemUnavailable
        | ErrorCode::ModifierCount
        | ErrorCode::PriceMismatch
        | ErrorCode::PosRefused
        | ErrorCode::PosUnreachable
        | ErrorCode::PosMisconfigured
        | ErrorCode::DeadlineExceeded
        | ErrorCode::EndedByOperator => StatusCode::OK,
    }
}

/// What an answer says.
#[derive(Debug)]
enum Content {
    Nothing,
    Json(String),
    /// No order answer is possible.
    Problem(Vec<OrderError>),
}

/// An answer before it is signed.
#[derive(Debug)]
pub struct Reply {
    kind: Kind,
    headers: Vec<(HeaderName, String)>,
    content: Content,
    /// What is signed; nothing where an answer leaves unsigned whatever is known.
    message: Option<DigestMessage>,
}

impl Reply {
    fn new(kind: Kind, content: Content, message: Option<DigestMessage>) -> Self {
        Self { kind, headers: Vec::new(), content, message }
    }

    /// An answer to an order, signed over what its body says.
    #[must_use]
    pub fn order(status: OrderStatus, body: String, message: DigestMessage) -> Self {
        Self::new(Kind::Order(status), Content::Json(body), Some(message))
    }

    /// What was asked for.
    #[must_use]
    pub fn read(body: String, message: impl Into<Option<DigestMessage>>) -> Self {
        Self::new(Kind::Read, Content::Json(body), message.into())
    }

    /// The caller knows it already.
    #[must_use]
    pub fn not_modified(message: impl Into<Option<DigestMessage>>) -> Self {
        Self::new(Kind::NotModified, Content::Nothing, message.into())
    }

    /// An error before the request has verified: it echoes nothing and is signed over the all-null order.
    #[must_use]
    pub fn errors(errors: &[OrderError]) -> Self {
        let code = errors.first().map_or(ErrorCode::InternalError, |error| error.code);
        Self::new(Kind::Error(code), Content::Problem(errors.to_vec()), Some(DigestMessage::all_null())).retry(code)
    }

    /// One such error.
    #[must_use]
    pub fn error(code: ErrorCode, message: &str) -> Self {
        Self::errors(&[OrderError::new(code, message)])
    }

    /// An error about a verified request: it says, and is signed over, what the caller signed.
    #[must_use]
    pub fn verified_error(order: &Order, error: OrderError) -> Self {
        let code = error.code;
        let body = Content::Json(order.error_answer(&[error]));
        Self::new(Kind::Error(code), body, Some(order.message(order.identity()))).retry(code)
    }

    /// A request that is refused because of an order that is stored: it says, and is signed over, that order alone.
    #[must_use]
    pub fn conflict(body: String, message: DigestMessage) -> Self {
        Self::new(Kind::Error(ErrorCode::IdempotencyConflict), Content::Json(body), Some(message))
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn retry(self, code: ErrorCode) -> Self {
        if code == ErrorCode::TemporarilyUnavailable { self.header(RETRY_AFTER, "2") } else { self }
    }
}

/// Whom the answer is signed for, as far as that is known yet.
#[derive(Debug, Default)]
pub struct Signer(Mutex<Option<SharedId>>);

impl Signer {
    /// From now on the answer is signed with this, if it is one.
    pub fn set(&self, shared_id: Option<SharedId>) {
        if let Some(shared_id) = shared_id {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shared_id);
        }
    }

    fn take(&self) -> Option<SharedId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The outermost layer: signs every answer for which a SharedId is known (docs/lifecycle.md#what-may-never-happen, rule
/// 7).
pub fn seal(reply: Reply, signer: &Signer, contract: &Contract) -> Response<String> {
    let status = http_status(reply.kind, contract);
    let (content_type, body) = match reply.content {
        Content::Nothing => (None, String::new()),
        Content::Json(body) => (Some("application/json; charset=utf-8"), body),
        Content::Problem(errors) => (Some("application/problem+json"), problem(&errors, status.as_u16(), &contract.docs_url)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if let (Some(shared_id), Some(message)) = (signer.take(), reply.message)
        && let Ok(digest) = HeaderValue::from_str(&shared_id.sign(&message))
    {
        headers.insert(DIGEST, digest);
    }
    response
}

/// RFC 9110 section 13.1.2: a list of entity tags compared weakly, or `*`.
pub(super) fn none_match(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}
