//! Every switch for what PAR has not told us, in both of its positions. The first position is the default.

use std::time::Duration;

use http::Response;
use posnext_aws::{settings::Settings, wiring::Parts};
use posnext_local::local::Product;
use posnext_shared::domain::{
    contract::{Contract, PricePolicy, RequestDigest},
    policy::Policy,
    token::{ClientClaim, Expectations},
};
use serde_json::Value;

use crate::support::{
    CLIENT_SECRET, DATETIME, SHARED_ID, digest_of, fresh_uid, hmac_hex, in_process, menu_order, now, order, signed_request,
    token, token_with,
};

fn parts(product: &Product, contract: Contract) -> Parts {
    Parts::new(Settings { contract, ..product.services.parts.settings().clone() }, &product.services.aws)
}

fn default() -> Contract {
    Contract::default()
}

fn said(response: &Response<String>) -> (u16, String) {
    let body: Value = serde_json::from_str(response.body()).unwrap();
    let word = body["errors"][0]["code"].as_str().or(body["status"].as_str()).unwrap_or_default();
    (response.status().as_u16(), word.to_owned())
}

const SUBMIT: &str = "/posnext/order/submit";
const VALIDATE: &str = "/posnext/order/validate";

async fn submit(parts: &Parts, body: &str) -> (u16, String) {
    said(&parts.submit().handle(signed_request(SUBMIT, body)).await)
}

#[tokio::test]
async fn status_of_a_rejected_order() {
    let (product, _caller) = in_process().await;
    for (contract, code) in [(default(), 200), (Contract { rejected_status: 422, ..default() }, 422)] {
        let parts = parts(&product, contract);
        let body = order(&fresh_uid("rejected"), "PAR-LOC-OFF");
        assert_eq!(submit(&parts, &body).await, (code, "location_closed".to_owned()));
        let validated = parts.validate().handle(signed_request(VALIDATE, &body)).await;
        assert_eq!(said(&validated), (code, "location_closed".to_owned()));
    }
}

#[tokio::test]
async fn status_of_an_errored_order() {
    let (product, caller) = in_process().await;
    // No time is left for a second try, so the order ends while its caller waits.
    let policy = Policy::new(Duration::from_secs(1), Duration::from_millis(500));
    for (contract, code) in [(default(), 200), (Contract { errored_status: 502, ..default() }, 502)] {
        let settings = Settings { policy, contract, ..product.services.parts.settings().clone() };
        let parts = Parts::new(settings, &product.services.aws);
        let uid = fresh_uid("errored");
        assert_eq!(submit(&parts, &order(&uid, "PAR-LOC-DOWN")).await, (code, "pos_unreachable".to_owned()));
        // Whoever reads it has asked for it, and gets it.
        assert_eq!(caller.get(&uid).await.code, 200);
    }
}

#[tokio::test]
async fn status_of_a_wrong_digest_and_of_what_is_not_mapped() {
    let (product, _caller) = in_process().await;
    for (contract, digest_code, unmapped_code) in
        [(default(), 412, 404), (Contract { digest_status: 401, unmapped_status: 403, ..default() }, 401, 403)]
    {
        let parts = parts(&product, contract);
        let mut request = signed_request(SUBMIT, &order(&fresh_uid("digest"), "PAR-LOC-12345"));
        request.headers_mut().insert("x-pch-digest", "00".parse().unwrap());
        assert_eq!(said(&parts.submit().handle(request).await), (digest_code, "digest_mismatch".to_owned()));
        let unmapped = submit(&parts, &order(&fresh_uid("unmapped"), "PAR-LOC-NONE")).await;
        assert_eq!(unmapped, (unmapped_code, "unknown_location".to_owned()));
    }
}

#[tokio::test]
async fn what_a_request_digest_covers() {
    let (product, _caller) = in_process().await;
    let body = order(&fresh_uid("recipe"), "PAR-LOC-12345");
    let punchh = hmac_hex(CLIENT_SECRET, &format!("{SUBMIT}{body}"));
    let recipe = digest_of(&serde_json::from_str(&body).unwrap());
    let path_and_body = Contract { request_digest: RequestDigest::PathAndBody, ..default() };
    for (contract, digest, code) in [
        (default(), &recipe, 200),
        (default(), &punchh, 412),
        (path_and_body.clone(), &recipe, 412),
        (path_and_body.clone(), &punchh, 200),
        (path_and_body, &punchh.to_uppercase(), 200),
    ] {
        let mut request = signed_request(SUBMIT, &body);
        request.headers_mut().insert("x-pch-digest", digest.parse().unwrap());
        let response = parts(&product, contract).submit().handle(request).await;
        assert_eq!(response.status().as_u16(), code, "{}", response.body());
        if code == 200 {
            assert_eq!(response.headers()["x-pch-digest"], recipe.as_str(), "answers are always signed by the recipe");
        }
    }
}

#[tokio::test]
async fn cents_that_were_cut_off_from_binary_doubles() {
    let (product, _caller) = in_process().await;
    // 23.45 x 100 cut off is 2344; 21.50 x 100 is exact.
    let uid = fresh_uid("cut");
    let body = order(&uid, "PAR-LOC-12345");
    let digest = |totals: &str| hmac_hex(&SHARED_ID[..10], &format!("{uid}|PAR-LOC-12345|ORD-{uid}|{totals}|1742049045"));
    let accepting = Contract { accept_truncated_cents: true, ..default() };
    for (contract, totals, code) in [
        (default(), "2345|2150", 200),
        (default(), "2344|2150", 412),
        (accepting.clone(), "2344|2150", 200),
        (accepting.clone(), "2344|2149", 200),
        (accepting.clone(), "2346|2150", 412),
        (accepting, "2343|2150", 412),
    ] {
        let mut request = signed_request(SUBMIT, &body);
        request.headers_mut().insert("x-pch-digest", digest(totals).parse().unwrap());
        let response = parts(&product, contract).submit().handle(request).await;
        assert_eq!(response.status().as_u16(), code, "{totals}: {}", response.body());
        if code == 200 {
            assert_eq!(response.headers()["x-pch-digest"], digest("2345|2150").as_str(), "we always sign with rounding");
        }
    }
}

#[tokio::test]
async fn menus_signed_or_not() {
    let (product, _caller) = in_process().await;
    for (contract, message) in [(default(), None), (Contract { sign_menus: true, ..default() }, Some("0|PAR-LOC-MENU|0|0|0|0"))] {
        let function = parts(&product, contract).menu();
        let ask = |location: &str| {
            let request = http::Request::post(format!("/posnext/menus?location_id={location}"));
            request.header("authorization", format!("Bearer {}", token())).body(String::new()).unwrap()
        };
        let response = function.handle(ask("PAR-LOC-MENU")).await;
        let digest = response.headers().get("x-pch-digest").map(|digest| digest.to_str().unwrap().to_owned());
        assert_eq!(digest, message.map(|message| hmac_hex(&SHARED_ID[..10], message)));
        let refused = function.handle(ask("PAR-LOC-NONE")).await;
        let digest = refused.headers().get("x-pch-digest").map(|digest| digest.to_str().unwrap().to_owned());
        assert_eq!(digest, message.map(|_| hmac_hex(&SHARED_ID[..10], "0|0|0|0|0|0")), "an error echoes nothing");
    }
}

#[tokio::test]
async fn prices_that_are_not_the_menus() {
    let (product, _caller) = in_process().await;
    let cheaper =
        |uid: &str| menu_order(uid, "PAR-LOC-MENU").replace(r#""price":9.25"#, r#""price":9.00"#).replace("23.45", "22.95");
    let with = |prices| Contract { prices, ..default() };
    for (contract, validated, total, submitted) in [
        (default(), "price_mismatch", "22.95", "price_mismatch"),
        (with(PricePolicy::Recalculate), "validated", "23.45", "price_mismatch"),
        (with(PricePolicy::Trust), "validated", "22.95", "placed"),
    ] {
        let parts = parts(&product, contract);
        let body = cheaper(&fresh_uid("price"));
        let response = parts.validate().handle(signed_request(VALIDATE, &body)).await;
        assert_eq!(said(&response).1, validated);
        let json: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(json["order_details"]["grand_total"].to_string(), total);
        assert_eq!(response.headers()["x-pch-digest"], digest_of(&json).as_str(), "signed over what it says");
        assert_eq!(submit(&parts, &body).await.1, submitted);
    }
}

#[tokio::test]
async fn locations_without_a_menu() {
    let (product, _caller) = in_process().await;
    for (contract, word) in [(default(), "placed"), (Contract { menu_required: true, ..default() }, "location_closed")] {
        let parts = parts(&product, contract);
        assert_eq!(submit(&parts, &order(&fresh_uid("menu"), "PAR-LOC-12345")).await, (200, word.to_owned()));
        assert_eq!(submit(&parts, &menu_order(&fresh_uid("menu"), "PAR-LOC-MENU")).await, (200, "placed".to_owned()));
    }
}

#[tokio::test]
async fn where_the_pos_order_id_stands() {
    let (product, _caller) = in_process().await;
    for (key, pointer) in [
        ("order_details.pos_order_id", "/order_details/pos_order_id"),
        ("order_details.ticket", "/order_details/ticket"),
        ("pos_ticket_id", "/pos_ticket_id"),
    ] {
        let parts = parts(&product, Contract { pos_order_id_key: key.parse().unwrap(), ..default() });
        let uid = fresh_uid("key");
        let submitted = parts.submit().handle(signed_request(SUBMIT, &order(&uid, "PAR-LOC-12345"))).await;
        let read = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()));
        let read = parts.get().handle(read.body(()).unwrap()).await;
        let validated = parts.validate().handle(signed_request(VALIDATE, &order(&uid, "PAR-LOC-12345"))).await;
        for response in [&submitted, &read] {
            let json: Value = serde_json::from_str(response.body()).unwrap();
            assert!(json.pointer(pointer).unwrap().as_str().unwrap().starts_with("YC-LC-001-"), "{key}: {json}");
            assert_eq!(response.body().matches("YC-LC-001-").count(), 1, "{key}");
        }
        let json: Value = serde_json::from_str(validated.body()).unwrap();
        assert_eq!(json.pointer(pointer), Some(&Value::Null), "{key}: never from validate");
    }
}

#[tokio::test]
async fn the_plural_paths() {
    let (product, _caller) = in_process().await;
    for (contract, code) in [(default(), 200), (Contract { path_aliases: false, ..default() }, 404)] {
        let parts = parts(&product, contract);
        let body = order(&fresh_uid("alias"), "PAR-LOC-12345");
        let submitted = parts.submit().handle(signed_request("/posnext/orders/submit", &body)).await;
        let validated = parts.validate().handle(signed_request("/stage/posnext/orders/validate", &body)).await;
        assert_eq!((submitted.status().as_u16(), validated.status().as_u16()), (code, code));
        let singular = parts.submit().handle(signed_request("/orders/posnext/order/submit", &body)).await;
        assert_eq!(singular.status().as_u16(), 200, "the singular is always served, whatever stands before it");
    }
}

#[tokio::test]
async fn how_old_a_request_may_be() {
    let (product, _caller) = in_process().await;
    let window = Contract { request_window: Some(Duration::from_secs(600)), ..default() };
    let uid = fresh_uid("window");
    let body = order(&uid, "PAR-LOC-12345");
    assert!(body.contains(DATETIME), "of 2025");
    let refused = parts(&product, window.clone()).submit().handle(signed_request(SUBMIT, &body)).await;
    assert_eq!(said(&refused), (400, "invalid_field".to_owned()));
    assert_eq!(refused.headers()["x-pch-digest"], digest_of(&serde_json::from_str(refused.body()).unwrap()).as_str());
    assert_eq!(submit(&parts(&product, default()), &body).await, (200, "placed".to_owned()));

    let seconds = now();
    let fresh = body.replace(DATETIME, &jiff::Timestamp::from_second(seconds).unwrap().to_string());
    let digest = hmac_hex(&SHARED_ID[..10], &format!("{uid}|PAR-LOC-12345|ORD-{uid}|2345|2150|{seconds}"));
    let request = http::Request::post(SUBMIT).header("content-type", "application/json").header("x-pch-digest", digest);
    let request = request.header("authorization", format!("Bearer {}", token())).body(fresh).unwrap();
    assert_eq!(parts(&product, window).submit().handle(request).await.status().as_u16(), 200);
}

#[tokio::test]
async fn what_a_token_must_claim() {
    let (product, _caller) = in_process().await;
    let body = order(&fresh_uid("claims"), "PAR-LOC-12345");
    let claims = |more: &str, expires: i64| {
        token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}{more}}}"#, now() + expires), CLIENT_SECRET)
    };
    let naming = |claim| Expectations { client_claim: Some(claim), ..Expectations::default() };
    for (expectations, token, code) in [
        (Expectations::default(), claims("", 60), 200),
        (naming(ClientClaim::Sub), claims("", 60), 401),
        (naming(ClientClaim::Sub), claims(r#","sub":"par-local""#, 60), 200),
        (naming(ClientClaim::Sub), claims(r#","sub":"other""#, 60), 401),
        (naming(ClientClaim::ClientId), claims(r#","sub":"par-local""#, 60), 401),
        (naming(ClientClaim::ClientId), claims(r#","client_id":"par-local""#, 60), 200),
        (naming(ClientClaim::Iss), claims(r#","iss":"par-local""#, 60), 200),
        (Expectations::default(), claims("", -30), 200),
        (Expectations { skew: Duration::ZERO, ..Expectations::default() }, claims("", -30), 401),
        (Expectations { skew: Duration::from_secs(300), ..Expectations::default() }, claims("", -200), 200),
        (Expectations::default(), claims("", -200), 401),
    ] {
        let shown = format!("{expectations:?}");
        let settings = Settings { expectations, ..product.services.parts.settings().clone() };
        let mut request = signed_request(SUBMIT, &body);
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let response = Parts::new(settings, &product.services.aws).submit().handle(request).await;
        assert_eq!(response.status().as_u16(), code, "{shown}: {}", response.body());
    }
}
