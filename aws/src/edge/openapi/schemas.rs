//! Bodies that the code reads and writes as text, and so has no type for: an order as it comes, and as it is answered.
#![expect(dead_code, reason = "described, never built")]

use rust_decimal::Decimal;
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, schema::SchemaType, schema::Type},
};

use posnext_shared::domain::{
    money::Cents,
    processing::Processing,
    status::{OrderError, OrderStatus},
    words::Change,
};

/// `ids::RequestUid`: letters, digits, `-`, `_`, `.` and `~`, and neither `.` nor `..`.
pub(super) const REQUEST_UID: &str = r"^([A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*|\.{3,})$";

/// `request_uid`, one safe path segment.
fn request_uid() -> Object {
    let about = "PAR's id of the request, and of the order in paths; 1 to 128 characters";
    text(about).pattern(Some(REQUEST_UID)).build()
}

pub(super) fn par_id() -> Object {
    text("as PAR assigned it; 1 to 128 characters, no control characters and no `|`")
        .pattern(Some(r"^[^|\x00-\x1f\x7f-\x9f]+$"))
        .build()
}

fn optional_par_id() -> Object {
    let nullable = SchemaType::from_iter([Type::String, Type::Null]);
    text("the order's number at PAR, for people; guards against a second placement under another `request_uid`")
        .schema_type(nullable)
        .pattern(Some(r"^[^|\x00-\x1f\x7f-\x9f]+$"))
        .build()
}

fn text(about: &str) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    text.min_length(Some(1)).max_length(Some(128))
}

fn date_time() -> Object {
    let about = "when the request was made, with an offset; echoed as it came, signed as Unix seconds";
    let pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$";
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(about)).pattern(Some(pattern));
    schema.format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime))).build()
}

fn total() -> Object {
    let nullable = SchemaType::from_iter([Type::Number, Type::Null]);
    let about = "a decimal in major units; signed in cents, rounded half away from zero. Read and write it as a decimal, never as a double";
    let schema = ObjectBuilder::new().schema_type(nullable).description(Some(about));
    // The largest that fits is 92233720368547758.07, which no number of a schema's tools can say.
    schema.minimum(Some(0)).maximum(Some(92_233_720_368_547_758_i64)).build()
}

fn quantity() -> Object {
    let about = "how many; 1 if it is absent, with decimals where things are weighed";
    ObjectBuilder::new().schema_type(Type::Number).description(Some(about)).build()
}

/// An order. Members that are not named here are kept, and echoed byte for byte.
#[derive(ToSchema)]
pub(super) struct Order {
    #[schema(schema_with = request_uid)]
    request_uid: String,
    #[schema(schema_with = par_id)]
    organization_id: String,
    #[schema(schema_with = par_id)]
    location_id: String,
    #[schema(schema_with = date_time)]
    request_datetime: String,
    order_details: OrderDetails,
}

/// What is ordered and what it comes to. Of `items` and what follows, a member of another kind than is named here reads as absent; where the
/// location has a menu, it is a reason for `rejected`.
#[derive(ToSchema)]
pub(super) struct OrderDetails {
    #[schema(schema_with = optional_par_id, required = false)]
    online_order_id: Option<String>,
    #[schema(schema_with = total, required = false)]
    subtotal: Option<Cents>,
    #[schema(schema_with = total, required = false)]
    grand_total: Option<Cents>,
    #[schema(required = false)]
    items: Vec<Item>,
    #[schema(required = false)]
    discounts: Vec<Charge>,
    #[schema(required = false)]
    taxes: Vec<Charge>,
    #[schema(required = false)]
    fees: Vec<Charge>,
    #[schema(schema_with = super::price, required = false)]
    tip: Option<Cents>,
    #[schema(required = false)]
    payments: Vec<Charge>,
    #[schema(value_type = Object, required = false)]
    customer: (),
    #[schema(value_type = Object, required = false)]
    delivery: (),
}

/// A line of the order, or a modifier of one.
#[derive(ToSchema)]
pub(super) struct Item {
    /// The product's or modifier's id in the menu.
    #[schema(required = false)]
    id: String,
    /// For people.
    #[schema(required = false)]
    name: String,
    #[schema(schema_with = quantity, required = false)]
    quantity: Decimal,
    #[schema(schema_with = super::price, required = false)]
    price: Cents,
    #[schema(required = false, no_recursion)]
    modifiers: Vec<Item>,
    /// For the kitchen.
    #[schema(required = false)]
    notes: String,
}

/// A named amount.
#[derive(ToSchema)]
pub(super) struct Charge {
    /// For people.
    #[schema(required = false)]
    name: String,
    #[schema(schema_with = super::price, required = false)]
    amount: Cents,
}

/// An order as it stands: what came, with `status`, the totals and the POS's id set in it, and `errors` where there are reasons.
#[derive(ToSchema)]
pub(super) struct AnsweredOrder {
    status: OrderStatus,
    #[schema(schema_with = request_uid)]
    request_uid: String,
    #[schema(schema_with = par_id)]
    organization_id: String,
    #[schema(schema_with = par_id)]
    location_id: String,
    #[schema(schema_with = date_time)]
    request_datetime: String,
    order_details: AnsweredDetails,
    /// Why it is rejected or errored.
    #[schema(required = false)]
    errors: Vec<OrderError>,
    /// How far it is, while it is pending.
    #[schema(required = false)]
    processing: Processing,
}

/// What was done with an order: its identity and signed values, its status, and each change of it.
#[derive(ToSchema)]
pub(super) struct OrderHistory {
    status: OrderStatus,
    #[schema(schema_with = request_uid)]
    request_uid: String,
    #[schema(schema_with = par_id)]
    organization_id: String,
    #[schema(schema_with = par_id)]
    location_id: String,
    #[schema(schema_with = date_time)]
    request_datetime: String,
    order_details: SignedDetails,
    history: Vec<Change>,
}

/// `order_details` as they came, and the order's id at the POS. Items and what else came stand in it to the byte, of whatever kind they were.
#[derive(ToSchema)]
pub(super) struct AnsweredDetails {
    /// The order's id at the POS; null until it is placed there.
    #[schema(required = true)]
    pos_order_id: Option<String>,
    #[schema(schema_with = optional_par_id, required = false)]
    online_order_id: Option<String>,
    #[schema(schema_with = total, required = false)]
    subtotal: Option<Cents>,
    #[schema(schema_with = total, required = false)]
    grand_total: Option<Cents>,
    /// What the menu makes of the totals, from a validate of a location that has one. It is not signed.
    #[schema(required = false)]
    calculated: Calculated,
}

/// Calculated totals.
#[derive(ToSchema)]
pub(super) struct Calculated {
    #[schema(schema_with = total)]
    subtotal: Option<Cents>,
    #[schema(schema_with = total)]
    grand_total: Option<Cents>,
}

/// Those of `order_details` that are signed.
#[derive(ToSchema)]
pub(super) struct SignedDetails {
    #[schema(schema_with = optional_par_id, required = false)]
    online_order_id: Option<String>,
    #[schema(schema_with = total, required = false)]
    subtotal: Option<Cents>,
    #[schema(schema_with = total, required = false)]
    grand_total: Option<Cents>,
}

/// An error about an order whose digest has verified: the order's identity and signed values, and why.
#[derive(ToSchema)]
pub(super) struct OrderErrors {
    /// With a conflict about `request_uid` alone. Then all of it is the answer of the order that is stored, as GET has it, and `errors`.
    #[schema(required = false)]
    status: OrderStatus,
    #[schema(schema_with = request_uid)]
    request_uid: String,
    #[schema(schema_with = par_id)]
    organization_id: String,
    #[schema(schema_with = par_id)]
    location_id: String,
    #[schema(schema_with = date_time)]
    request_datetime: String,
    order_details: SignedDetails,
    #[schema(min_items = 1)]
    errors: Vec<OrderError>,
}

/// An error that is about no order (RFC 9457).
#[derive(ToSchema)]
pub(super) struct Problem {
    /// A heading of the book's page of errors, where it says what to do.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// What it is, in a few words that never change.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened here and what to do: the first of `errors`.
    detail: String,
    /// Every reason.
    #[schema(min_items = 1)]
    errors: Vec<OrderError>,
}

/// Whose menu. The query may say it as well; the body wins.
#[derive(ToSchema)]
pub(super) struct MenuRequest {
    /// May be left out by a caller that has one organization.
    #[schema(schema_with = par_id, required = false)]
    organization_id: String,
    #[schema(schema_with = par_id, required = false)]
    location_id: String,
}
