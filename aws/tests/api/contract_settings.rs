//! Every switch for what PAR has not told us, in both of its positions. The first position is the default.

use std::time::Duration;

use posnext_shared::domain::{
    contract::{Contract, PricePolicy, RequestDigest},
    policy::Policy,
    token::{ClientClaim, Expectations},
};
use serde_json::Value;

use crate::support::{
    Answer, Api, Asked, CLIENT_SECRET, DATETIME, SHARED_ID, SUBMIT, VALIDATE, bare_submission, digest_of, fresh_uid, hmac_hex,
    menu_order, now, order, read, signed_request, token, token_with,
};

fn default() -> Contract {
    Contract::default()
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.code, if answer.error().is_empty() { answer.status() } else { answer.error() }.to_owned())
}

async fn submit(api: &Api, body: &str) -> (u16, String) {
    said(&api.send(Asked::of(signed_request(SUBMIT, body))).await)
}

async fn validate(api: &Api, body: &str) -> Answer {
    api.send(Asked::of(signed_request(VALIDATE, body))).await
}

#[tokio::test]
async fn status_of_a_rejected_order() {
    let all = Api::new();
    for (contract, code) in [(default(), 200), (Contract { rejected_status: 422, ..default() }, 422)] {
        let api = all.with(contract);
        let body = order(&fresh_uid("rejected"), "PAR-LOC-OFF");
        assert_eq!(submit(&api, &body).await, (code, "location_closed".to_owned()));
        assert_eq!(said(&validate(&api, &body).await), (code, "location_closed".to_owned()));
    }
}

#[tokio::test]
async fn status_of_an_errored_order() {
    let all = Api::new();
    // No time is left for a second try, so the order ends while its caller waits.
    let policy = Policy { retention: all.policy.retention, ..Policy::new(Duration::from_secs(1), Duration::from_millis(500)) };
    for (contract, code) in [(default(), 200), (Contract { errored_status: 502, ..default() }, 502)] {
        let api = Api { policy, contract, ..all.clone() };
        let uid = fresh_uid("errored");
        assert_eq!(submit(&api, &order(&uid, "PAR-LOC-DOWN")).await, (code, "pos_unreachable".to_owned()));
        // Whoever reads it has asked for it, and gets it.
        assert_eq!(all.get(&uid).await.code, 200);
    }
}

#[tokio::test]
async fn status_of_a_wrong_digest_and_of_what_is_not_mapped() {
    let all = Api::new();
    for (contract, digest_code, unmapped_code) in
        [(default(), 412, 404), (Contract { digest_status: 401, unmapped_status: 403, ..default() }, 401, 403)]
    {
        let api = all.with(contract);
        let request = Asked::of(signed_request(SUBMIT, &order(&fresh_uid("digest"), "PAR-LOC-12345")));
        assert_eq!(said(&api.send(request.instead("x-pch-digest", "00")).await), (digest_code, "digest_mismatch".to_owned()));
        let unmapped = submit(&api, &order(&fresh_uid("unmapped"), "PAR-LOC-NONE")).await;
        assert_eq!(unmapped, (unmapped_code, "unknown_location".to_owned()));
    }
}

#[tokio::test]
async fn what_a_request_digest_covers() {
    let all = Api::new();
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
        let request = Asked::of(signed_request(SUBMIT, &body)).instead("x-pch-digest", digest);
        let response = all.with(contract).send(request).await;
        assert_eq!(response.code, code, "{}", response.text);
        if code == 200 {
            assert_eq!(response.header("x-pch-digest"), Some(recipe.as_str()), "answers are always signed by the recipe");
        }
    }
}

#[tokio::test]
async fn cents_that_were_cut_off_from_binary_doubles() {
    let all = Api::new();
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
        let request = Asked::of(signed_request(SUBMIT, &body)).instead("x-pch-digest", digest(totals));
        let response = all.with(contract).send(request).await;
        assert_eq!(response.code, code, "{totals}: {}", response.text);
        if code == 200 {
            assert_eq!(response.header("x-pch-digest"), Some(digest("2345|2150").as_str()), "we always sign with rounding");
        }
    }
}

#[tokio::test]
async fn menus_signed_or_not() {
    let all = Api::new();
    for (contract, message) in [(default(), None), (Contract { sign_menus: true, ..default() }, Some("0|PAR-LOC-MENU|0|0|0|0"))] {
        let api = all.with(contract);
        let ask = |location: &str| read(&format!("/posnext/menus?location_id={location}")).posted();
        let answer = api.send(ask("PAR-LOC-MENU")).await;
        assert_eq!(answer.header("x-pch-digest").map(str::to_owned), message.map(|message| hmac_hex(&SHARED_ID[..10], message)));
        let refused = api.send(ask("PAR-LOC-NONE")).await;
        let digest = refused.header("x-pch-digest").map(str::to_owned);
        assert_eq!(digest, message.map(|_| hmac_hex(&SHARED_ID[..10], "0|0|0|0|0|0")), "an error echoes nothing");
    }
}

#[tokio::test]
async fn prices_that_are_not_the_menus() {
    let all = Api::new();
    let cheaper =
        |uid: &str| menu_order(uid, "PAR-LOC-MENU").replace(r#""price":9.25"#, r#""price":9.00"#).replace("23.45", "22.95");
    let with = |prices| Contract { prices, ..default() };
    for (contract, validated, total, submitted) in [
        (default(), "price_mismatch", "22.95", "price_mismatch"),
        (with(PricePolicy::Recalculate), "validated", "22.95", "price_mismatch"),
        (with(PricePolicy::Trust), "validated", "22.95", "placed"),
    ] {
        let (prices, api) = (contract.prices, all.with(contract));
        let body = cheaper(&fresh_uid("price"));
        let answer = validate(&api, &body).await.signed();
        assert_eq!(said(&answer).1, validated);
        assert_eq!(answer.json["order_details"]["grand_total"].to_string(), total);
        let ours = if prices == PricePolicy::Recalculate { "23.45" } else { "null" };
        assert_eq!(answer.json["order_details"]["calculated"]["grand_total"].to_string(), ours);
        assert_eq!(submit(&api, &body).await.1, submitted);
    }
}

#[tokio::test]
async fn totals_that_validate_has_calculated_are_signed() {
    let all = Api::new();
    let wrong = |uid: &str| menu_order(uid, "PAR-LOC-MENU").replace("23.45", "22.95");
    let silent = |uid: &str| wrong(uid).replace(r#","subtotal":21.50,"grand_total":22.95"#, "");
    let with = |prices| Contract { prices, sign_calculated: true, ..default() };
    for (prices, body, totals) in [
        (PricePolicy::Recalculate, wrong("calculated-1"), ("21.5", "23.45")),
        (PricePolicy::Reject, silent("calculated-2"), ("21.5", "23.45")),
        (PricePolicy::Trust, wrong("calculated-3"), ("21.5", "22.95")),
        (PricePolicy::Trust, silent("calculated-4"), ("21.5", "23.45")),
    ] {
        let answer = validate(&all.with(with(prices)), &body).await.signed();
        let details = &answer.json["order_details"];
        let told = (details["subtotal"].to_string(), details["grand_total"].to_string());
        assert_eq!((said(&answer).1.as_str(), told), ("validated", (totals.0.to_owned(), totals.1.to_owned())), "{body}");
    }
}

#[tokio::test]
async fn locations_without_a_menu() {
    let all = Api::new();
    for (contract, word) in [(default(), "placed"), (Contract { menu_required: true, ..default() }, "location_closed")] {
        let api = all.with(contract);
        assert_eq!(submit(&api, &order(&fresh_uid("menu"), "PAR-LOC-12345")).await, (200, word.to_owned()));
        assert_eq!(submit(&api, &menu_order(&fresh_uid("menu"), "PAR-LOC-MENU")).await, (200, "placed".to_owned()));
    }
}

#[tokio::test]
async fn where_the_pos_order_id_stands() {
    let all = Api::new();
    for (key, pointer) in [
        ("order_details.pos_order_id", "/order_details/pos_order_id"),
        ("order_details.ticket", "/order_details/ticket"),
        ("pos_ticket_id", "/pos_ticket_id"),
    ] {
        let api = all.with(Contract { pos_order_id_key: key.parse().unwrap(), ..default() });
        let uid = fresh_uid("key");
        let body = order(&uid, "PAR-LOC-12345");
        for answer in [api.submit(&body).await, api.get(&uid).await] {
            assert!(answer.json.pointer(pointer).unwrap().as_str().unwrap().starts_with("YC-LC-001-"), "{key}: {}", answer.text);
            assert_eq!(answer.text.matches("YC-LC-001-").count(), 1, "{key}");
        }
        let validated = validate(&api, &body).await;
        assert_eq!(validated.json.pointer(pointer), Some(&Value::Null), "{key}: never from validate");
    }
}

#[tokio::test]
async fn the_plural_paths() {
    let all = Api::new();
    for (contract, code) in [(default(), 200), (Contract { path_aliases: false, ..default() }, 404)] {
        let api = all.with(contract);
        let body = order(&fresh_uid("alias"), "PAR-LOC-12345");
        let at = async |path: &str| api.send(Asked::of(signed_request(path, &body))).await.code;
        assert_eq!((at("/posnext/orders/submit").await, at("/stage/posnext/orders/validate").await), (code, code));
        assert_eq!(at("/orders/posnext/order/submit").await, 200, "the singular is always served, whatever stands before it");
    }
}

#[tokio::test]
async fn how_old_a_request_may_be() {
    let all = Api::new();
    let window = Contract { request_window: Some(Duration::from_secs(600)), ..default() };
    let uid = fresh_uid("window");
    let body = order(&uid, "PAR-LOC-12345");
    assert!(body.contains(DATETIME), "of 2025");
    let refused = all.with(window.clone()).submit(&body).await;
    assert_eq!(said(&refused), (400, "invalid_field".to_owned()));
    assert_eq!(submit(&all, &body).await, (200, "placed".to_owned()));

    let seconds = now();
    let fresh = body.replace(DATETIME, &jiff::Timestamp::from_second(seconds).unwrap().to_string());
    let digest = hmac_hex(&SHARED_ID[..10], &format!("{uid}|PAR-LOC-12345|ORD-{uid}|2345|2150|{seconds}"));
    let request = bare_submission(&fresh).header("x-pch-digest", digest).bearer(token());
    assert_eq!(all.with(window).send(request).await.code, 200);
}

#[tokio::test]
async fn what_a_token_must_claim() {
    let all = Api::new();
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
        let api = Api { expectations, ..all.clone() };
        let response = api.send(Asked::of(signed_request(SUBMIT, &body)).bearer(token)).await;
        assert_eq!(response.code, code, "{shown}: {}", response.text);
    }
}
