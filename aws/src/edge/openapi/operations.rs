//! What there is to call, and every way in which it can be answered.

use utoipa::openapi::{
    Content, HttpMethod, ObjectBuilder, Ref, Required,
    path::{Parameter, ParameterBuilder, ParameterIn},
    request_body::{RequestBody, RequestBodyBuilder},
    schema::Type,
};

use super::schemas::{REQUEST_UID, par_id};
use posnext_shared::domain::status::ErrorCode::{self, *};

/// HTTP status, meaning, schema of the body, headers.
type Answer = (u16, &'static str, Option<&'static str>, &'static [&'static str]);

pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) path: &'static str,
    pub(super) method: HttpMethod,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: fn() -> Vec<Parameter>,
    pub(super) body: fn() -> Option<RequestBody>,
    pub(super) answers: &'static [Answer],
    /// Errors that are about no order.
    pub(super) problems: &'static [&'static [ErrorCode]],
    /// Errors about an order whose digest has verified.
    pub(super) about_order: &'static [ErrorCode],
    pub(super) signed: bool,
}

const VALIDATE: Operation = Operation {
    id: "validateOrder",
    path: "/posnext/order/validate",
    method: HttpMethod::Post,
    summary: "Could this order be placed, and what does it come to?",
    description: "Writes nothing and never answers 202. Also at `/posnext/orders/validate`, unless a setting switches that off.",
    parameters: || vec![digest()],
    body: || Some(body("Order", Required::True)),
    answers: &[(200, "`validated`, or `rejected` with every reason", Some("AnsweredOrder"), &["x-pch-digest"])],
    problems: ORDER_PROBLEMS,
    about_order: &[InvalidField, UnknownLocation, TemporarilyUnavailable],
    signed: true,
};

const SUBMIT: Operation = Operation {
    id: "submitOrder",
    path: "/posnext/order/submit",
    method: HttpMethod::Post,
    summary: "Place this order, which is paid",
    description: "The same `request_uid` may be sent again at any time: it is placed once, and answered with what became of it. Also at \
                  `/posnext/orders/submit`, unless a setting switches that off.",
    parameters: || {
        vec![
            digest(),
            header("prefer", "`respond-async`: 202 at once, the result by polling (RFC 7240)"),
            header("traceparent", "goes on with the order, to the log, the queue and the POS (W3C Trace Context)"),
        ]
    },
    body: || Some(body("Order", Required::True)),
    answers: &[
        (200, "final: `placed`, `rejected` or `errored`", Some("AnsweredOrder"), &["x-pch-digest", "idempotent-replayed"]),
        (
            202,
            "accepted, and still `pending`: poll `Location`",
            Some("AnsweredOrder"),
            &["x-pch-digest", "location", "retry-after", "idempotent-replayed", "preference-applied"],
        ),
    ],
    problems: ORDER_PROBLEMS,
    about_order: &[InvalidField, UnknownLocation, IdempotencyConflict, TooManyRequests, TemporarilyUnavailable],
    signed: true,
};

const GET: Operation = Operation {
    id: "getOrder",
    path: "/posnext/orders/{request_uid}",
    method: HttpMethod::Get,
    summary: "The order as it stands",
    description: "The same body while it is pending and once it is final. A final one never changes.",
    parameters: || {
        let flag = ObjectBuilder::new().schema_type(Type::String).build();
        let processing = ParameterBuilder::new().name("processing").parameter_in(ParameterIn::Query).schema(Some(flag));
        let processing = processing.description(Some("`true`: show `processing` of a final order, too"));
        let wait = header("prefer", "`wait=N`: answer once the order has changed, or after N seconds, at most 10 (RFC 7240)");
        vec![request_uid(), processing.build(), wait, none_match()]
    },
    body: || None,
    answers: &[
        (200, "the order", Some("AnsweredOrder"), &["x-pch-digest", "etag", "retry-after", "preference-applied"]),
        (304, "as `If-None-Match` knows it", None, &["x-pch-digest", "etag", "retry-after", "preference-applied"]),
    ],
    problems: READ_PROBLEMS,
    about_order: &[],
    signed: true,
};

const HISTORY: Operation = Operation {
    id: "getOrderHistory",
    path: "/posnext/orders/{request_uid}/history",
    method: HttpMethod::Get,
    summary: "What was done with the order, by whom and why",
    description: "Oldest first; of an order with more than 20 changes the first and the latest. For people: what an event is called may change.",
    parameters: || vec![request_uid(), none_match()],
    body: || None,
    answers: &[
        (200, "the order's history", Some("OrderHistory"), &["x-pch-digest", "etag", "retry-after"]),
        (304, "as `If-None-Match` knows it", None, &["x-pch-digest", "etag", "retry-after"]),
    ],
    problems: READ_PROBLEMS,
    about_order: &[],
    signed: true,
};

const MENU: Operation = Operation {
    id: "getMenu",
    path: "/posnext/menus",
    method: HttpMethod::Post,
    summary: "A location's menu",
    description: "Named in the body or in the query. Compressed where `Accept-Encoding` lets it be. Unsigned, unless a setting wants it signed.",
    parameters: || {
        let named =
            |name: &str| ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).schema(Some(par_id())).build();
        let gzip = header("accept-encoding", "`gzip`: the menu comes compressed");
        vec![named("organization_id"), named("location_id"), gzip, none_match()]
    },
    body: || Some(body("MenuRequest", Required::False)),
    answers: &[
        (200, "the menu", Some("Menu"), &["etag", "vary", "content-encoding"]),
        (304, "as `If-None-Match` knows it", None, &["etag", "vary"]),
    ],
    problems: &[ALWAYS, TOKEN, BODY, &[UnknownOrganization, UnknownLocation, UnknownMenu]],
    about_order: &[],
    signed: false,
};

pub(super) const OPERATIONS: [Operation; 5] = [VALIDATE, SUBMIT, GET, HISTORY, MENU];

const ALWAYS: &[ErrorCode] = &[MethodNotAllowed, InternalError, TemporarilyUnavailable];
const TOKEN: &[ErrorCode] =
    &[TokenMissing, TokenMalformed, TokenAlgorithm, TokenSignature, TokenExpired, TokenNotYetValid, TokenClaims];
const BODY: &[ErrorCode] =
    &[InvalidJson, RepeatedKey, MissingField, InvalidField, BodyTooLarge, UnsupportedMediaType, UnsupportedContentEncoding];
const ORDER_PROBLEMS: &[&[ErrorCode]] =
    &[ALWAYS, TOKEN, BODY, &[TooDeep, UnknownOrganization, UnknownPath, DigestMissing, DigestMismatch]];
const READ_PROBLEMS: &[&[ErrorCode]] = &[ALWAYS, TOKEN, &[UnknownOrder]];

fn body(schema: &str, required: Required) -> RequestBody {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build()
}

fn header(name: &str, about: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    parameter.description(Some(about)).schema(Some(text)).build()
}

fn request_uid() -> Parameter {
    let id = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(128));
    let id = id.pattern(Some(REQUEST_UID)).build();
    let path = ParameterBuilder::new().name("request_uid").parameter_in(ParameterIn::Path).required(Required::True);
    path.description(Some("the order's `request_uid`")).schema(Some(id)).build()
}

fn none_match() -> Parameter {
    header("if-none-match", "the `ETag` of an earlier answer: 304 if nothing has changed")
}

/// Required, and its absence has an answer of its own.
fn digest() -> Parameter {
    let about = "HMAC-SHA256 of the order's six values, in hexadecimal, keyed with the first 10 characters of the SharedId";
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9A-Fa-f]{64}$")).build();
    let parameter = ParameterBuilder::new().name("x-pch-digest").parameter_in(ParameterIn::Header).required(Required::True);
    parameter.description(Some(about)).schema(Some(text)).build()
}
