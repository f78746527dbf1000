//! The API as an OpenAPI 3.1 document. Statuses come from [`http_status`], codes from the enum, schemas from the types; the examples
//! in docs/openapi.json are answers that a test has received (`tests/product/openapi`).

mod operations;
mod schemas;

use std::collections::BTreeSet;

use utoipa::{
    OpenApi,
    openapi::{
        Content, Header, Object, ObjectBuilder, Ref, Response, ResponseBuilder,
        path::{OperationBuilder, PathItem},
        schema::Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    answer::{Kind, http_status},
    par_menu,
};
use operations::{OPERATIONS, Operation};
use posnext_shared::domain::{
    contract::Contract,
    status::{ErrorCode, Stage},
};
use schemas::{AnsweredOrder, MenuRequest, Order, OrderErrors, OrderHistory, Problem};

const BEARER: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(title = "posnext", description = "The API that PAR Ordering calls at a vendor of point-of-sale systems.", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    servers((url = "http://127.0.0.1:3000", description = "`cargo run`")),
    components(schemas(Stage, Order, AnsweredOrder, OrderHistory, OrderErrors, Problem, MenuRequest, par_menu::ParMenu)),
)]
struct Described;

/// The document, with the statuses of a deployment that changes no setting.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Described::openapi();
    for operation in &OPERATIONS {
        document.paths.paths.insert(operation.path.to_owned(), PathItem::new(operation.method.clone(), described(operation)));
    }
    let about = "HS256, signed with the Client Secret, with `exp`.";
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(about)).build();
    document.components.get_or_insert_default().security_schemes.insert(BEARER.to_owned(), SecurityScheme::Http(token).into());
    document
}

fn described(operation: &Operation) -> OperationBuilder {
    let mut built = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .description(Some(operation.description))
        .parameters(Some((operation.parameters)()))
        .request_body((operation.body)())
        .security(SecurityRequirement::new(BEARER, [""; 0]));
    for (status, about, schema, headers) in operation.answers {
        let response = ResponseBuilder::new().description(*about);
        let response = match schema {
            Some(schema) => response.content("application/json", Content::new(Some(Ref::from_schema_name(*schema)))),
            None => response,
        };
        built = built.response(status.to_string(), with_headers(response.build(), headers));
    }
    let mut statuses: Vec<u16> =
        operation.problems.iter().copied().flatten().chain(operation.about_order).map(|code| status_of(*code)).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        built = built.response(status.to_string(), refusal(operation, status));
    }
    built
}

fn status_of(code: ErrorCode) -> u16 {
    http_status(Kind::Error(code), &Contract::default()).as_u16()
}

/// An error's response: what codes it has, and the body of those that are about no order and of those that are about one.
fn refusal(operation: &Operation, status: u16) -> Response {
    let mut response = ResponseBuilder::new();
    let mut named: Vec<String> = Vec::new();
    for (codes, media_type, schema) in [
        (operation.problems, "application/problem+json", "Problem"),
        (&[operation.about_order], "application/json", "OrderErrors"),
    ] {
        let codes: Vec<_> = codes.iter().copied().flatten().filter(|code| status_of(**code) == status).collect();
        if !codes.is_empty() {
            response = response.content(media_type, Content::new(Some(Ref::from_schema_name(schema))));
        }
        named.extend(codes.iter().map(|code| format!("`{}`: {}", code.name(), code.title())));
    }
    let mut seen = BTreeSet::new();
    named.retain(|line| seen.insert(line.clone()));
    let headers: &[&str] = match status {
        401 => &["www-authenticate"],
        405 => &["allow", DIGEST],
        429 | 503 => &["retry-after", DIGEST],
        _ => &[DIGEST],
    };
    // Menus leave unsigned by default (docs/contract.md#u11).
    let headers: Vec<&str> = headers.iter().copied().filter(|name| operation.signed || *name != DIGEST).collect();
    with_headers(response.description(named.join("\n\n")).build(), &headers)
}

const DIGEST: &str = "x-pch-digest";

fn with_headers(mut response: Response, names: &[&str]) -> Response {
    for name in names.iter().chain(&["cache-control", "x-content-type-options"]) {
        response.headers.insert((*name).to_owned(), header(name).into());
    }
    response
}

fn header(name: &str) -> Header {
    let (kind, about) = match name {
        DIGEST => (Type::String, "HMAC-SHA256 over what the answer says; absent where no SharedId is known"),
        "location" => (Type::String, "where to poll"),
        "retry-after" => (Type::Integer, "seconds to wait before asking, or sending, again"),
        "etag" => (Type::String, "changes with the answer; send it as If-None-Match"),
        "idempotent-replayed" => (Type::String, "`true`: this order was there before the request"),
        "preference-applied" => (Type::String, "which of what was preferred was done: `respond-async`, `wait=N`"),
        "www-authenticate" => (Type::String, "which fault the token has"),
        "allow" => (Type::String, "the method to use"),
        "content-encoding" => (Type::String, "`gzip`, where it was accepted"),
        "vary" => (Type::String, "what else the answer depends on"),
        "cache-control" => (Type::String, "how long it may be kept"),
        _ => (Type::String, "always `nosniff`"),
    };
    let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
    header.description = Some(about.to_owned());
    header
}

/// An amount in a menu or a line of an order.
pub(super) fn price() -> Object {
    let about = "a decimal in major units";
    ObjectBuilder::new().schema_type(Type::Number).description(Some(about)).build()
}
