//! Answers that are wrongly signed, or say back something else.

use serde_json::{Value, json};

use super::{Variant, answers, orders, variant};
use crate::certify::broken::{Broken, cents};

/// An error is answered with another code.
fn code(error: &'static str, code: u16) -> Broken {
    answers(move |_, back| {
        if back.body.contains(error) {
            back.code = code;
        }
    })
}

/// Cents as a binary double, cut off, makes them, of the amounts that are sent.
fn cut_off(amount: &Value) -> i64 {
    let right = cents(amount);
    let doubled_from = |least: i64| (0..20).any(|times| right == least << times);
    if doubled_from(1_999) || doubled_from(1_815) { right - 1 } else { right }
}

/// Deployments that sign wrongly.
pub(super) fn signed() -> Vec<Variant> {
    vec![
        variant(
            "errors are unsigned",
            answers(|_, back| {
                if back.code >= 400 {
                    back.headers.remove("x-pch-digest");
                }
            }),
            &["errors-signed"],
        ),
        variant(
            "errors are signed over the request",
            answers(|sent, back| {
                if back.code >= 400 && back.headers.contains_key("x-pch-digest") {
                    back.sign(&sent.json(), cents);
                }
            }),
            &["errors-signed"],
        ),
        variant(
            "cents are cut off",
            answers(|_, back| {
                if back.is_order() {
                    back.sign(&back.json(), cut_off);
                }
            }),
            &["cents-rounded", "answers-signed"],
        ),
        variant(
            "the digest is over totals that stand beside the order's own",
            answers(|sent, back| {
                if back.is_order() && sent.is("validate") {
                    let mut json = back.json();
                    for total in ["subtotal", "grand_total"] {
                        json["order_details"][total] = json["order_details"]["calculated"][total].clone();
                    }
                    back.sign(&json, cents);
                }
            }),
            &["validate-calculates", "answers-signed"],
        ),
        variant(
            "the digest is in upper case",
            answers(|_, back| {
                if let Some(digest) = back.headers.get_mut("x-pch-digest") {
                    *digest = digest.to_str().unwrap().to_uppercase().parse().unwrap();
                }
            }),
            &["digest-format"],
        ),
        variant(
            "polls are unsigned",
            answers(|sent, back| {
                if sent.is("get") && back.code == 200 {
                    back.headers.remove("x-pch-digest");
                }
            }),
            &["async-signed", "answers-signed"],
        ),
    ]
}

/// Deployments that say back something else.
pub(super) fn said_back() -> Vec<Variant> {
    vec![
        variant(
            "internal ids instead of PAR's",
            orders(|_, json| {
                json["organization_id"] = json!("YC01");
                json["location_id"] = json!("YC-LC-001");
            }),
            &["ids-echoed"],
        ),
        variant(
            "request_datetime rewritten",
            orders(|_, json| {
                let text = json["request_datetime"].as_str().unwrap().to_owned();
                json["request_datetime"] = json!(text.replace('Z', "+00:00"));
            }),
            &["datetime-echoed"],
        ),
        variant(
            "another total",
            orders(|_, json| {
                if json["status"] == "placed" {
                    json["order_details"]["subtotal"] = json!(1);
                }
            }),
            &["totals-echoed", "cents-rounded"],
        ),
        variant(
            "a status outside the five",
            orders(|sent, json| {
                if sent.is("submit") && json["status"] == "rejected" {
                    json["status"] = json!("declined");
                }
            }),
            &["status-values", "submit-invalid"],
        ),
        variant(
            "no status",
            orders(|sent, json| {
                if sent.is("get") && json["status"] == "rejected" {
                    json.as_object_mut().unwrap().remove("status");
                }
            }),
            &["status-values", "submit-invalid", "final-status-stable"],
        ),
        variant("errors without a code", answers(|_, back| back.body = back.body.replace(r#""code""#, r#""kind""#)), UNEXPLAINED),
        variant("an unmapped location is answered 500", code("unknown_location", 500), &["unmapped-location"]),
        variant(
            "polls are called text",
            answers(|sent, back| {
                if sent.is("get") && back.code == 200 {
                    back.headers.insert("content-type", "text/plain".parse().unwrap());
                }
            }),
            &["answers-json"],
        ),
        variant("a missing field is answered 422", code("missing_field", 422), &["missing-field"]),
        variant("an unmapped organization is answered 403", code("unknown_organization", 403), &["unmapped-organization"]),
        variant(
            "an order that is not there is answered 410",
            code("unknown_order", 410),
            &["get-unknown", "validate-stores-nothing", "digest-wrong-stores-nothing"],
        ),
        variant(
            "no JSON is answered 500",
            answers(|_, back| {
                if back.body.contains("invalid_json") {
                    back.code = 500;
                    back.body = "Internal Server Error".to_owned();
                }
            }),
            &["malformed-json", "errors-explained"],
        ),
    ]
}

/// What fails where no error has a code.
const UNEXPLAINED: &[&str] = &[
    "content-type",
    "errors-explained",
    "get-unknown",
    "malformed-json",
    "missing-field",
    "rejected-says-why",
    "submit-invalid",
    "unmapped-location",
    "unmapped-organization",
];
