//! Answers: the status table in one place, and the outermost layer that signs.

use std::sync::{Mutex, PoisonError};

use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{self, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};

use crate::domain::{
    order::{Order, bare_error},
    signature::{DigestMessage, SharedId},
    status::{ErrorCode, OrderError, OrderStatus},
};

/// The signature's header (contract section 3).
pub const DIGEST: HeaderName = HeaderName::from_static("x-pch-digest");
/// Marks an answer from a row that was there before the request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The HTTP status of an error (contract U6 to U20).
#[must_use]
pub fn error_status(code: ErrorCode) -> StatusCode {
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
        ErrorCode::UnknownOrganization | ErrorCode::UnknownLocation | ErrorCode::UnknownOrder => StatusCode::NOT_FOUND,
        ErrorCode::IdempotencyConflict => StatusCode::CONFLICT,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        // These end an order and stand in its answer, whose status is that of the order.
        ErrorCode::LocationClosed
        | ErrorCode::PosRefused
        | ErrorCode::PosUnreachable
        | ErrorCode::PosMisconfigured
        | ErrorCode::DeadlineExceeded
        | ErrorCode::EndedByOperator => StatusCode::OK,
    }
}

/// The HTTP status of a submit's answer: a refusal is an answer too (contract U13, U14).
#[must_use]
pub fn submit_status(status: OrderStatus) -> StatusCode {
    match status {
        OrderStatus::Pending => StatusCode::ACCEPTED,
        OrderStatus::Placed | OrderStatus::Rejected | OrderStatus::Errored => StatusCode::OK,
    }
}

/// An answer before it is signed.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: String,
    message: DigestMessage,
}

impl Reply {
    /// An answer about an order, signed over what its body says.
    #[must_use]
    pub fn order(status: StatusCode, body: String, message: DigestMessage) -> Self {
        Self { status, headers: Vec::new(), body, message }
    }

    /// An error before the request has verified: it echoes nothing and is signed over the all-null order.
    #[must_use]
    pub fn errors(errors: &[OrderError]) -> Self {
        let code = errors.first().map_or(ErrorCode::InternalError, |error| error.code);
        Self::order(error_status(code), bare_error(errors), DigestMessage::all_null()).retry(code)
    }

    /// One such error.
    #[must_use]
    pub fn error(code: ErrorCode, message: &str) -> Self {
        Self::errors(&[OrderError::new(code, message)])
    }

    /// An error about a verified request: it says, and is signed over, what the caller signed.
    #[must_use]
    pub fn verified_error(order: &Order, status: Option<OrderStatus>, error: OrderError) -> Self {
        let code = error.code;
        Self::order(error_status(code), order.error_answer(status, &[error]), order.message(order.identity())).retry(code)
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

/// The outermost layer: signs every answer for which a SharedId is known (design section 5, line 7).
pub fn seal(reply: Reply, signer: &Signer) -> Response<String> {
    let mut response = Response::new(reply.body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    if reply.status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if let Some(shared_id) = signer.take()
        && let Ok(digest) = HeaderValue::from_str(&shared_id.sign(&reply.message))
    {
        headers.insert(DIGEST, digest);
    }
    response
}
