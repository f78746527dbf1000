//! What a caller can be told: the five statuses, and the one enum of error codes.

use serde::{Deserialize, Serialize};

/// PAR's `GenericOrderStatuses`.
// docs/contract.md#status-values
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// The order could be placed now. Said by validate alone, and never stored.
    Validated,
    /// Accepted; the final status is not known yet.
    Pending,
    /// In the POS. Final.
    Placed,
    /// Refused because of the order itself; PAR refunds. Final.
    Rejected,
    /// Not placed because of us or the POS, and certain not to be. Final.
    Errored,
}

impl OrderStatus {
    /// The value as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Pending => "pending",
            Self::Placed => "placed",
            Self::Rejected => "rejected",
            Self::Errored => "errored",
        }
    }

    /// Whether PAR may cache it: no later write changes it.
    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::Pending
    }
}

/// Where a pending order stands.
// docs/lifecycle.md#statuses-and-stages
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Stored; the first attempt is being made by the request that brought it.
    Received,
    /// Handed to the queue without an attempt.
    Queued,
    /// A worker holds it and is placing it.
    Placing,
    /// An attempt certainly failed; the next is scheduled.
    Retrying,
    /// An attempt's outcome is unknown and is being found out.
    Confirming,
}

/// Every code that can stand in `errors[].code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No bearer token.
    TokenMissing,
    /// The bearer token is no JWT.
    TokenMalformed,
    /// The token's algorithm is not HS256.
    TokenAlgorithm,
    /// No live Client Secret signed the token.
    TokenSignature,
    /// The token has expired.
    TokenExpired,
    /// The token is not valid yet.
    TokenNotYetValid,
    /// The token lacks `exp`, or has not the issuer or audience expected.
    TokenClaims,
    /// The path has no such method.
    MethodNotAllowed,
    /// The body is larger than 256 KiB.
    BodyTooLarge,
    /// `Content-Type` is not `application/json`.
    UnsupportedMediaType,
    /// The body comes with a `Content-Encoding`.
    UnsupportedContentEncoding,
    /// The body is not JSON, or not an object.
    InvalidJson,
    /// An object of the body names a key twice.
    RepeatedKey,
    /// The body is nested too deep.
    TooDeep,
    /// A required field is absent or null.
    MissingField,
    /// A field has a value it cannot have.
    InvalidField,
    /// `x-pch-digest` is absent.
    DigestMissing,
    /// `x-pch-digest` does not match the request.
    DigestMismatch,
    /// The organization is not mapped for this caller.
    UnknownOrganization,
    /// The location is not mapped in this organization.
    UnknownLocation,
    /// No order of this caller has this id.
    UnknownOrder,
    /// The location has no menu.
    UnknownMenu,
    /// The path is switched off.
    UnknownPath,
    /// The same `request_uid`, or the same online order, was submitted with other content.
    IdempotencyConflict,
    /// The location sends more orders a second than it may.
    TooManyRequests,
    /// It cannot be said now; the same request may be sent again.
    TemporarilyUnavailable,
    /// A defect of ours.
    InternalError,
    /// The location is switched off, or has no menu yet.
    LocationClosed,
    /// The menu has no such product.
    UnknownItem,
    /// The product, or the modifier above it, does not offer this modifier.
    UnknownModifier,
    /// The item or modifier is sold out.
    ItemUnavailable,
    /// Too few or too many modifiers of a group are chosen.
    ModifierCount,
    /// A price, or a total, is not what the menu makes it.
    PriceMismatch,
    /// The POS refused the order.
    PosRefused,
    /// The POS could not be reached before the order's deadline.
    PosUnreachable,
    /// The POS can never take a request of this form, or does not accept our credentials: its mapping needs mending.
    PosMisconfigured,
    /// The order was ended at its deadline and is cancelled at the POS.
    DeadlineExceeded,
    /// A person ended the order.
    EndedByOperator,
}

impl ErrorCode {
    /// The value as it stands in JSON.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_string(&self).unwrap_or_default().trim_matches('"').to_owned()
    }

    /// What it is, in a few words that never change: the `title` of a problem (RFC 9457 section 3.1.3).
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::TokenMissing => "No bearer token",
            Self::TokenMalformed => "The bearer token is no JWT",
            Self::TokenAlgorithm => "The token is not signed with HS256",
            Self::TokenSignature => "No live Client Secret signed the token",
            Self::TokenExpired => "The token has expired",
            Self::TokenNotYetValid => "The token is not valid yet",
            Self::TokenClaims => "The token lacks a claim, or has a wrong one",
            Self::MethodNotAllowed => "The path has no such method",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body is not application/json",
            Self::UnsupportedContentEncoding => "The body is encoded",
            Self::InvalidJson => "The body is not a JSON object",
            Self::RepeatedKey => "The body names a key twice",
            Self::TooDeep => "The body is nested too deep",
            Self::MissingField => "A required field is missing",
            Self::InvalidField => "A field has a value it cannot have",
            Self::DigestMissing => "No x-pch-digest",
            Self::DigestMismatch => "x-pch-digest does not match the request",
            Self::UnknownOrganization => "The organization is not mapped",
            Self::UnknownLocation => "The location is not mapped",
            Self::UnknownOrder => "There is no such order",
            Self::UnknownMenu => "The location has no menu",
            Self::UnknownPath => "The path is switched off",
            Self::IdempotencyConflict => "Submitted before with other content",
            Self::TooManyRequests => "Too many orders for this location",
            Self::TemporarilyUnavailable => "Not available now",
            Self::InternalError => "A defect of the server",
            Self::LocationClosed => "The location takes no orders",
            Self::UnknownItem => "The menu has no such product",
            Self::UnknownModifier => "The modifier cannot be chosen there",
            Self::ItemUnavailable => "Sold out",
            Self::ModifierCount => "Too few or too many modifiers",
            Self::PriceMismatch => "The price is not the menu's",
            Self::PosRefused => "The POS refused the order",
            Self::PosUnreachable => "The POS could not be reached in time",
            Self::PosMisconfigured => "The POS is not set up to take our orders",
            Self::DeadlineExceeded => "Not done in time, and cancelled",
            Self::EndedByOperator => "Ended by a person",
        }
    }
}

/// One reason, for programs (`code`), people (`message`) and forms (`field`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrderError {
    /// What happened.
    pub code: ErrorCode,
    /// What happened and what to do, in a sentence. Never holds a secret or the value of a field.
    pub message: String,
    /// The path of the field at fault, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    pub field: Option<String>,
}

impl OrderError {
    /// A reason that no single field is at fault for.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None }
    }

    /// A reason that names the field at fault.
    #[must_use]
    pub fn field(code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: Some(field.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_but_pending_is_final_and_is_written_as_it_is_called() {
        for (status, text, is_final) in [
            (OrderStatus::Validated, "validated", true),
            (OrderStatus::Pending, "pending", false),
            (OrderStatus::Placed, "placed", true),
            (OrderStatus::Rejected, "rejected", true),
            (OrderStatus::Errored, "errored", true),
        ] {
            assert_eq!((status.as_str(), status.is_final()), (text, is_final));
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{text}\""));
        }
    }
}
