//! Who must not be let in.

use serde_json::json;

use super::{Variant, answers, requests, variant};
use crate::certify::broken::Sent;

/// Deployments that let in whom they must not, and one that lets nobody in.
pub(super) fn variants() -> Vec<Variant> {
    let alg = |sent: &Sent| sent.token().map(|(header, _)| header["alg"].clone());
    vec![
        variant(
            "accepts a request without a token",
            requests(|sent| {
                if !sent.headers.contains_key("authorization") {
                    sent.right_token();
                }
            }),
            &["token-missing"],
        ),
        variant(
            "accepts an expired token",
            requests(|sent| {
                if sent.is_expired() {
                    sent.right_token();
                }
            }),
            &["token-expired"],
        ),
        variant(
            "accepts alg none",
            requests(move |sent| {
                if alg(sent) == Some(json!("none")) {
                    sent.right_token();
                }
            }),
            &["token-alg-none"],
        ),
        variant(
            "accepts a token for ever",
            requests(|sent| {
                if sent.token().is_some_and(|(_, claims)| claims["exp"].is_null()) {
                    sent.right_token();
                }
            }),
            &["token-without-exp"],
        ),
        variant(
            "looks at no signature of tokens, nor at anything else of them",
            requests(Sent::right_token),
            &["token-missing", "token-malformed", "token-bad-signature", "token-expired", "token-alg-none", "token-without-exp"],
        ),
        variant(
            "accepts a wrong digest",
            requests(|sent| {
                if sent.headers.contains_key("x-pch-digest") {
                    sent.right_digest();
                }
            }),
            &["digest-wrong", "digest-wrong-stores-nothing", "digest-whole-shared-id", "digest-tampered", "digest-of-errors"],
        ),
        variant(
            "accepts a request without a digest",
            requests(|sent| {
                if !sent.headers.contains_key("x-pch-digest") {
                    sent.right_digest();
                }
            }),
            &["digest-missing"],
        ),
        variant(
            "accepts any content type",
            requests(|sent| {
                sent.headers.insert("content-type", "application/json".parse().unwrap());
            }),
            &["content-type"],
        ),
        variant(
            LETS_NOBODY_IN,
            answers(|_, back| {
                back.code = 401;
                back.body = r#"{"errors":[{"code":"token_signature","message":"no"}]}"#.to_owned();
            }),
            EVERYTHING_BUT_401,
        ),
    ]
}

/// It fails nearly everything, and so shows little.
pub(super) const LETS_NOBODY_IN: &str = "lets nobody in";

/// What fails where every request is answered 401.
const EVERYTHING_BUT_401: &[&str] = &[
    "async-accepted",
    "async-final",
    "async-location",
    "async-polls",
    "async-signed",
    "cents-rounded",
    "content-type",
    "digest-missing",
    "digest-of-errors",
    "digest-tampered",
    "digest-whole-shared-id",
    "digest-wrong",
    "digest-wrong-stores-nothing",
    "final-status-stable",
    "get-order",
    "get-unknown",
    "malformed-json",
    "menu-etag",
    "menu-limits",
    "menu-prices",
    "menu-references",
    "menu-served",
    "missing-field",
    "rejected-says-why",
    "submit-concurrent",
    "submit-conflict",
    "submit-invalid",
    "submit-placed",
    "submit-replay",
    "token-right",
    "unmapped-location",
    "unmapped-organization",
    "validate-at-once",
    "validate-calculates",
    "validate-invalid",
    "validate-no-pos-order",
    "validate-stores-nothing",
    "validate-valid",
    "validate-wrong-price",
    "validate-wrong-total",
];
