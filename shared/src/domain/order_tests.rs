use super::*;
use crate::domain::{
    answer::{Calculated, Said, problem},
    contract::PosOrderIdKey,
    status::OrderStatus,
};

const ORDER: &str = r#"{"request_uid":"u-1","organization_id":"IA-YC-01","location_id":"PAR-LOC-12345","status":"x",
    "request_datetime":"2025-03-15T14:30:45.123Z","big":12345678901234567890,"exp":1.0E+2,
    "order_details":{"online_order_id":"ORD-1001","grand_total":23.45,"subtotal":21.50,"tip":0.10,"caf\u00e9":"\u00e9"}}"#;

fn order(text: &str) -> Result<Order, Vec<OrderError>> {
    Body::parse(text.as_bytes()).unwrap().into_order()
}

fn said<'a>(identity: Identity<'a>, order: &Order, status: OrderStatus, pos_order_id: Option<&'a str>) -> Said<'a> {
    Said {
        identity,
        status,
        totals: order.totals(),
        calculated: Calculated::AsItCame,
        pos_order_id,
        errors: &[],
        processing: None,
    }
}

fn answer(order: &Order, identity: Identity<'_>, status: OrderStatus, pos_order_id: Option<&str>) -> String {
    order.answer(&said(identity, order, status, pos_order_id), &PosOrderIdKey::default())
}

fn fields(text: &str) -> Vec<String> {
    order(text).unwrap_err().into_iter().filter_map(|error| error.field).collect()
}

#[test]
fn unknown_keys_and_numbers_are_echoed_as_they_came() {
    let order = order(ORDER).unwrap();
    let answer = answer(&order, order.identity(), OrderStatus::Placed, Some("POS-7"));
    assert_eq!(
        answer,
        r#"{"status":"placed","request_uid":"u-1","organization_id":"IA-YC-01","location_id":"PAR-LOC-12345","request_datetime":"2025-03-15T14:30:45.123Z","big":12345678901234567890,"exp":1.0E+2,"order_details":{"online_order_id":"ORD-1001","grand_total":23.45,"subtotal":21.50,"tip":0.10,"caf\u00e9":"\u00e9","pos_order_id":"POS-7"}}"#
    );
}

#[test]
fn an_error_about_a_verified_request_says_exactly_what_was_signed() {
    let order = order(ORDER).unwrap();
    let text = order.error_answer(&[OrderError::new(ErrorCode::IdempotencyConflict, "no")]);
    assert_eq!(
        text,
        r#"{"request_uid":"u-1","organization_id":"IA-YC-01","location_id":"PAR-LOC-12345","request_datetime":"2025-03-15T14:30:45.123Z","order_details":{"online_order_id":"ORD-1001","grand_total":23.45,"subtotal":21.50},"errors":[{"code":"idempotency_conflict","message":"no"}]}"#
    );
}

#[test]
fn calculated_totals_stand_beside_the_callers_and_replace_what_came_under_their_name() {
    let order = order(&ORDER.replace("\"tip\":0.10", "\"calculated\":\"mine\"")).unwrap();
    let told = |calculated| {
        let said = Said { calculated, ..said(order.identity(), &order, OrderStatus::Validated, None) };
        let answer: serde_json::Value = serde_json::from_str(&order.answer(&said, &PosOrderIdKey::default())).unwrap();
        answer["order_details"].clone()
    };
    let ours = told(Calculated::Ours(Some(Totals { subtotal: Some(Cents(1)), grand_total: None })));
    assert_eq!(ours["calculated"], serde_json::json!({ "subtotal": 0.01, "grand_total": null }));
    assert_eq!((ours["subtotal"].to_string(), ours["grand_total"].to_string()), ("21.5".to_owned(), "23.45".to_owned()));
    assert!(told(Calculated::Ours(None)).get("calculated").is_none(), "nobody takes the caller's for ours");
    assert_eq!(told(Calculated::AsItCame)["calculated"], "mine", "elsewhere it is a member like any other");
}

#[test]
fn a_retry_with_a_fresh_time_stamp_has_the_same_fingerprint_and_other_content_has_not() {
    let first = order(ORDER).unwrap();
    let retry = order(&ORDER.replace("45.123Z", "59.000Z").replace("u-1", "u-2").replace("21.50", "2150e-2")).unwrap();
    assert_eq!(first.fingerprint(), retry.fingerprint());
    let other = order(&ORDER.replace("\"tip\":0.10", "\"tip\":0.11")).unwrap();
    assert_ne!(first.fingerprint(), other.fingerprint());
}

#[test]
fn every_wrong_field_is_named_at_once() {
    assert_eq!(fields("{}"), ["request_uid", "organization_id", "location_id", "request_datetime", "order_details"]);
    let wrong = r#"{"request_uid":"..","organization_id":7,"location_id":"a|b","request_datetime":"soon",
        "order_details":{"online_order_id":"","grand_total":-0.001,"subtotal":"1.00"}}"#;
    assert_eq!(
        fields(wrong),
        [
            "request_uid",
            "organization_id",
            "location_id",
            "request_datetime",
            "order_details.online_order_id",
            "order_details.grand_total",
            "order_details.subtotal"
        ]
    );
}

/// Half an emoji wherever it may be: in values and keys, at the top, in the details and deep inside.
const HALVES: &str = r#"{"request_uid":"u-1","organization_id":"IA-YC-01","location_id":"PAR-LOC-12345","status":"\ud83d",
    "request_datetime":"2025-03-15T14:30:45.123Z","note \uD83C":"doorman \ud83c","whole":"\ud83c\udf2e",
    "order_details":{"online_order_id":"ORD-1001","\udf2e":1,"items":[{"name":"Taco \ud83c","notes":"\udf2e","\ud83d":"\ud83d"}]}}"#;

#[test]
fn half_an_emoji_costs_no_order_and_is_echoed_to_the_byte() {
    let order = order(HALVES).unwrap();
    let answer = answer(&order, order.identity(), OrderStatus::Placed, Some("7"));
    let (_, echoed) = HALVES.split_once(r#""note "#).unwrap();
    let (echoed, _) = echoed.split_once("]}}").unwrap();
    assert!(answer.contains(&echoed.replace("\n    ", "")), "{answer}");
    assert_eq!(DigestMessage::of_body(&answer), order.message(order.identity()));
    let restored = Order::restore(order.text(), order.fingerprint().clone()).unwrap();
    assert_eq!(restored.message(restored.identity()), order.message(order.identity()));
    assert_eq!(order.details().items[0].name.as_deref(), Some("Taco \u{fffd}"));
}

#[test]
fn who_does_not_take_half_an_emoji_is_shown_that_something_was_there() {
    let readable = order(HALVES).unwrap().readable_text().into_owned();
    let json: serde_json::Value = serde_json::from_str(&readable).unwrap();
    assert_eq!((&json["note \u{fffd}"], &json["whole"]), (&"doorman \u{fffd}".into(), &"\u{1f32e}".into()));
    assert_eq!(order(ORDER).unwrap().readable_text(), ORDER);
}

#[test]
fn half_an_emoji_in_what_is_signed_is_refused_with_its_field() {
    for (right, field) in [
        ("u-1", "request_uid"),
        ("IA-YC-01", "organization_id"),
        ("PAR-LOC-12345", "location_id"),
        ("45.123Z", "request_datetime"),
        ("ORD-1001", "order_details.online_order_id"),
    ] {
        let errors = order(&ORDER.replace(right, &format!("{right}\\ud83d"))).unwrap_err();
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::InvalidField, Some(field)));
        assert!(error.message.contains("half a surrogate pair"), "{}", error.message);
    }
}

#[test]
fn other_halves_of_emoji_are_other_content() {
    let fingerprint = |text: &str| order(text).unwrap().fingerprint().clone();
    let first = fingerprint(HALVES);
    for other in [r"\ud83d", r"\udf2e", r"\ufffd", r"\ud83c\udf2e", ""] {
        assert_ne!(fingerprint(&HALVES.replace(r"doorman \ud83c", &format!("doorman {other}"))), first, "{other}");
        assert_ne!(fingerprint(&HALVES.replace(r"note \uD83C", &format!("note {other}"))), first, "{other}");
    }
    assert_eq!(fingerprint(&HALVES.replace(r"\uD83C", r"\ud83c").replace("u-1", "u-2")), first);
}

#[test]
fn a_byte_order_mark_before_an_order_is_not_part_of_it() {
    let marked = order(&format!("\u{feff}{ORDER}")).unwrap();
    let plain = order(ORDER).unwrap();
    assert_eq!((marked.text(), marked.fingerprint()), (plain.text(), plain.fingerprint()));
    let answers = [&marked, &plain].map(|order| answer(order, order.identity(), OrderStatus::Placed, Some("7")));
    assert_eq!(answers[0], answers[1]);
    assert_eq!(DigestMessage::of_body(&format!("\u{feff}{ORDER}")), plain.message(plain.identity()));
    assert!(Body::parse(format!("\u{feff}\u{feff}{ORDER}").as_bytes()).is_err(), "one mark, not two");
}

#[test]
fn null_totals_and_a_null_online_order_id_are_allowed() {
    let text = ORDER.replace("\"ORD-1001\"", "null").replace("23.45", "null");
    let order = order(&text).unwrap();
    assert_eq!((order.online_order_id(), order.totals().grand_total), (None, None));
}

#[test]
fn what_is_read_of_an_order_is_what_stands_in_it() {
    let order = order(ORDER).unwrap();
    assert_eq!(order.text(), ORDER);
    assert_eq!(order.request_datetime(), "2025-03-15T14:30:45.123Z");
    assert_eq!(order.totals(), Totals { grand_total: Some(Cents(2345)), subtotal: Some(Cents(2150)) });
    assert_eq!(order.details().tip, Some(rust_decimal::Decimal::TEN));
}

#[test]
fn an_answer_under_another_name_holds_that_name_and_its_time() {
    let order = order(ORDER).unwrap();
    let uid = RequestUid::new("u-2").unwrap();
    let identity = Identity { request_uid: &uid, request_datetime: "2025-03-16T00:00:00Z" };
    let answer = answer(&order, identity, OrderStatus::Pending, None);
    assert_eq!(DigestMessage::of_body(&answer), order.message(identity));
    assert!(answer.contains(r#""request_uid":"u-2""#) && answer.contains(r#""request_datetime":"2025-03-16T00:00:00Z""#));
    assert!(answer.contains(r#""pos_order_id":null"#), "{answer}");
}

#[test]
fn one_wrong_field_alone_is_enough_to_refuse_an_order() {
    for (right, wrong, field) in [
        ("u-1", "a/b", "request_uid"),
        ("IA-YC-01", "", "organization_id"),
        ("PAR-LOC-12345", "a|b", "location_id"),
        ("45.123Z", "45.123", "request_datetime"),
        ("ORD-1001", "a|b", "order_details.online_order_id"),
        ("23.45", "-23.45", "order_details.grand_total"),
        ("21.50", "[]", "order_details.subtotal"),
    ] {
        assert_eq!(fields(&ORDER.replace(right, wrong)), [field]);
    }
}

#[test]
fn an_error_that_belongs_to_no_order_holds_only_errors() {
    let error = OrderError::field(ErrorCode::InvalidJson, "x", "no");
    let text = r#"{"type":"https://d/errors.html#invalid_json","title":"The body is not a JSON object","status":400,"detail":"no","errors":[{"code":"invalid_json","message":"no","field":"x"}]}"#;
    assert_eq!(problem(&[error], 400, "https://d"), text);
}

#[test]
fn the_smallest_order_is_answered() {
    let text = r#"{"request_uid":"u","organization_id":"o","location_id":"l","request_datetime":"2025-03-15T14:30:45Z","order_details":{}}"#;
    let order = order(text).unwrap();
    let answer = answer(&order, order.identity(), OrderStatus::Placed, Some("7"));
    assert_eq!(answer, text.replacen('{', r#"{"status":"placed","#, 1).replace("{}", r#"{"pos_order_id":"7"}"#));
}

#[test]
fn calculated_totals_replace_those_that_differ_and_are_what_is_signed() {
    let order = order(ORDER).unwrap();
    for (totals, details) in [
        (order.totals(), r#""grand_total":23.45,"subtotal":21.50,"tip":0.10,"caf\u00e9":"\u00e9","pos_order_id":null}"#),
        (
            Totals { subtotal: Some(Cents(2150)), grand_total: Some(Cents(1999)) },
            r#""subtotal":21.50,"tip":0.10,"caf\u00e9":"\u00e9","grand_total":19.99,"pos_order_id":null}"#,
        ),
        (
            Totals { subtotal: None, grand_total: Some(Cents(2345)) },
            r#""tip":0.10,"caf\u00e9":"\u00e9","subtotal":null,"pos_order_id":null}"#,
        ),
    ] {
        let said = Said { totals, ..said(order.identity(), &order, OrderStatus::Validated, None) };
        let text = order.answer(&said, &PosOrderIdKey::default());
        assert!(text.contains(details) && text.starts_with(r#"{"status":"validated""#), "{text}");
        assert_eq!(DigestMessage::of_body(&text), order.message_with(order.identity(), totals));
    }
}

#[test]
fn the_pos_order_id_stands_where_it_is_wanted_and_never_twice() {
    let sent = ORDER.replace("\"exp\"", "\"ticket\":\"forged\",\"exp\"").replace("\"tip\"", "\"ticket\":\"forged\",\"tip\"");
    let order = order(&sent).unwrap();
    for (key, expected) in [
        ("ticket", r#""ticket":"forged","tip":0.10,"caf\u00e9":"\u00e9"},"ticket":"7"}"#),
        (
            "order_details.ticket",
            r#""exp":1.0E+2,"order_details":{"online_order_id":"ORD-1001","grand_total":23.45,"subtotal":21.50,"tip":0.10,"caf\u00e9":"\u00e9","ticket":"7"}}"#,
        ),
    ] {
        let text = order.answer(&said(order.identity(), &order, OrderStatus::Placed, Some("7")), &key.parse().unwrap());
        assert!(text.ends_with(expected), "{text}");
        assert_eq!(text.matches("forged").count(), 1, "{text}");
    }
}
