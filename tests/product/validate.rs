//! `POST /posnext/order/validate`: what can be ordered and what it comes to, before anybody has paid.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use posnext_aws::{adapters::clock::SystemClock, settings::Settings, wiring::Parts};
use posnext_local::local::{Product, SAMPLE_MENU};
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{
        ability::Abilities,
        directory::{Connector, HttpConnector, Location, SandboxConnector},
        ids::ParId,
        menu::Menu,
        policy::Policy,
    },
};
use serde_json::{Value, json};

use crate::support::{Answer, fresh_uid, in_process, location, menu_order, order, rows, selling_pos, signed_request};

async fn put(product: &Product, location: &Location) {
    let parts = &product.services.parts;
    parts.directory().put_location(location).await.unwrap();
    let menu = Menu::parse(SAMPLE_MENU.as_bytes()).unwrap();
    parts.menus().save(&location.organization_id, &location.location_id, &menu, SystemClock.now()).await.unwrap();
}

fn codes(answer: &Answer) -> Vec<(&str, &str)> {
    let errors = answer.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|error| (error["code"].as_str().unwrap(), error["field"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_good_order_is_validated_as_it_came_and_leaves_nothing_behind() {
    let (product, caller) = in_process().await;
    let uid = fresh_uid("valid");
    let body = menu_order(&uid, "PAR-LOC-MENU");
    let answer = caller.validate(&body).await;
    assert_eq!((answer.code, answer.status()), (200, "validated"), "{}", answer.text);
    let mut expected: Value = serde_json::from_str(&body).unwrap();
    expected["status"] = "validated".into();
    expected["order_details"]["pos_order_id"] = Value::Null;
    assert_eq!(answer.json, expected);
    assert!(answer.header("location").is_none() && answer.header("cache-control") == Some("no-store"));
    for table in ["posnext-orders", "posnext-sandbox"] {
        assert_eq!(rows(&product, table).await, 0, "{table}");
    }
    assert_eq!(caller.get_any(&uid).await.code, 404);
    // It keeps nobody from submitting it, and the submit adds up the same.
    assert_eq!(caller.submit(&body).await.status(), "placed");
}

#[tokio::test]
async fn totals_that_are_not_given_are_calculated_and_signed() {
    let (_product, caller) = in_process().await;
    let mut body: Value = serde_json::from_str(&menu_order(&fresh_uid("totals"), "PAR-LOC-MENU")).unwrap();
    for total in ["subtotal", "grand_total"] {
        body["order_details"][total] = Value::Null;
    }
    let answer = caller.validate(&body.to_string()).await;
    let details = &answer.json["order_details"];
    assert_eq!((answer.status(), &details["subtotal"], &details["grand_total"]), ("validated", &json!(21.5), &json!(23.45)));
}

#[tokio::test]
async fn a_bad_order_is_rejected_with_every_reason_and_submit_gives_the_same_ones() {
    let (product, caller) = in_process().await;
    let uid = fresh_uid("invalid");
    let body = menu_order(&uid, "PAR-LOC-MENU")
        .replace(r#""price":9.25"#, r#""price":9.24"#)
        .replace(r#""id":"17""#, r#""id":"nails""#)
        .replace(r#""id":"4720""#, r#""id":"no-such-drink""#);
    let answer = caller.validate(&body).await;
    assert_eq!((answer.code, answer.status()), (200, "rejected"));
    let expected = [
        ("price_mismatch", "order_details.items[0].price"),
        ("unknown_modifier", "order_details.items[0].modifiers[0].id"),
        ("unknown_item", "order_details.items[1].id"),
    ];
    assert_eq!(codes(&answer), expected);
    assert_eq!(rows(&product, "posnext-orders").await, 0);

    let submitted = caller.submit(&body).await;
    assert_eq!((submitted.code, submitted.status(), codes(&submitted).as_slice()), (200, "rejected", &expected[..]));
    assert!(caller.placements(&uid).await.is_empty());
    // What was answered is stored: PAR may ask again.
    assert_eq!(caller.get(&uid).await.json, submitted.json);
    assert_eq!(caller.submit(&body).await.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn thousands_of_reasons_are_answered_and_stored_in_a_row_that_fits() {
    let (_product, caller) = in_process().await;
    let mut body: Value = serde_json::from_str(&menu_order(&fresh_uid("reasons"), "PAR-LOC-MENU")).unwrap();
    body["order_details"]["items"] = vec![json!({ "id": "x" }); 15_000].into();
    let answer = caller.submit(&body.to_string()).await;
    assert_eq!((answer.code, answer.status()), (200, "rejected"), "{}", &answer.text[..200]);
    let errors = answer.json["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[100]["message"]), (101, &json!("and 14900 more reasons")));
}

#[tokio::test]
async fn locations_that_are_off_reject_and_those_without_a_menu_are_not_checked_against_one() {
    let (_product, caller) = in_process().await;
    let off = caller.validate(&order(&fresh_uid("off"), "PAR-LOC-OFF")).await;
    assert_eq!((off.status(), codes(&off)), ("rejected", vec![("location_closed", "location_id")]));
    let free = caller.validate(&order(&fresh_uid("free"), "PAR-LOC-12345")).await;
    assert_eq!((free.status(), &free.json["order_details"]["grand_total"]), ("validated", &json!(23.45)));
    assert_eq!(caller.validate(&order(&fresh_uid("slow"), "PAR-LOC-SLOW")).await.code, 200, "never 202");
}

#[tokio::test]
async fn both_spellings_of_the_path_are_served_and_only_with_post() {
    let (_product, caller) = in_process().await;
    let body = menu_order(&fresh_uid("alias"), "PAR-LOC-MENU");
    for (path, method, code) in [
        ("order/validate", "POST", 200),
        ("orders/validate", "POST", 200),
        ("order/validate", "GET", 405),
        // By that path one reads an order of that name.
        ("orders/validate", "GET", 404),
    ] {
        let request = signed_request("/", &body);
        let url = format!("{}/posnext/{path}", caller.url);
        let sent = caller.http.request(method.parse().unwrap(), url).headers(request.headers().clone()).body(body.clone());
        assert_eq!(caller.send(sent).await.code, code, "{method} {path}");
    }
}

#[tokio::test]
async fn a_location_that_asks_its_pos_is_told_what_is_sold_out_now() {
    let (product, caller) = in_process().await;
    let base = selling_pos(Arc::new(Mutex::new(String::new())), &["4720"]).await;
    let connector = Connector::Http(HttpConnector { base, auth: None, abilities: Abilities::default() });
    put(&product, &Location { live_availability: true, ..location("PAR-LOC-LIVE", connector) }).await;
    let sandbox = SandboxConnector { sold_out: vec!["17".to_owned()], ..SandboxConnector::prompt() };
    put(&product, &Location { live_availability: true, ..location("PAR-LOC-PLAYED", Connector::Sandbox(sandbox)) }).await;
    for (name, field) in
        [("PAR-LOC-LIVE", "order_details.items[1].id"), ("PAR-LOC-PLAYED", "order_details.items[0].modifiers[0].id")]
    {
        let answer = caller.validate(&menu_order(&fresh_uid("live"), name)).await;
        assert_eq!((answer.status(), codes(&answer)), ("rejected", vec![("item_unavailable", field)]), "{name}");
    }
}

#[tokio::test]
async fn a_pos_that_does_not_say_in_time_what_is_sold_out_leaves_it_to_the_stored_menu() {
    let (product, _caller) = in_process().await;
    let prompt = SandboxConnector::prompt();
    for (name, sandbox) in [
        ("PAR-LOC-MUTE", SandboxConnector { delay_ms: 60_000, sold_out: vec!["4720".to_owned()], ..prompt.clone() }),
        ("PAR-LOC-DEAD", SandboxConnector { down: true, ..prompt }),
    ] {
        put(&product, &Location { live_availability: true, ..location(name, Connector::Sandbox(sandbox)) }).await;
    }
    let policy = Policy::new(Duration::from_secs(60), Duration::from_millis(900));
    let settings = Settings { policy, ..product.services.parts.settings().clone() };
    let validate = Parts::new(settings, &product.services.aws).validate();
    for name in ["PAR-LOC-MUTE", "PAR-LOC-DEAD"] {
        let began = Instant::now();
        let body = menu_order(&fresh_uid("mute"), name);
        let response = validate.handle(signed_request("/posnext/order/validate", &body)).await;
        assert!(response.body().starts_with(r#"{"status":"validated""#), "{name}: {}", response.body());
        assert!(began.elapsed() < Duration::from_secs(3), "{name}");
    }
}

#[tokio::test]
async fn without_its_menus_nothing_is_validated_and_no_order_accepted() {
    let (product, caller) = in_process().await;
    let settings = Settings { menus_table: "no-such-table".to_owned(), ..product.services.parts.settings().clone() };
    let parts = Parts::new(settings, &product.services.aws);
    let uid = fresh_uid("blind");
    let body = menu_order(&uid, "PAR-LOC-MENU");
    for response in [
        parts.validate().handle(signed_request("/posnext/order/validate", &body)).await,
        parts.submit().handle(signed_request("/posnext/order/submit", &body)).await,
    ] {
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "2"));
        assert!(response.body().contains("temporarily_unavailable") && response.headers().contains_key("x-pch-digest"));
    }
    assert_eq!(caller.get_any(&uid).await.code, 404);

    // What was accepted before is answered as ever, and other content under its name is a conflict.
    assert_eq!(caller.submit(&body).await.status(), "placed");
    let again = parts.submit().handle(signed_request("/posnext/order/submit", &body)).await;
    assert_eq!((again.status().as_u16(), again.headers().contains_key("idempotent-replayed")), (200, true));
    assert!(again.body().starts_with(r#"{"status":"placed""#), "{}", again.body());
    let other = body.replace(r#""quantity":2"#, r#""quantity":3"#);
    assert_ne!(other, body);
    let other = parts.submit().handle(signed_request("/posnext/order/submit", &other)).await;
    assert_eq!(other.status().as_u16(), 409, "{}", other.body());
}

#[tokio::test]
async fn an_order_sent_in_the_name_of_every_product_adds_up() {
    let (_product, caller) = in_process().await;
    let menu = Menu::parse(SAMPLE_MENU.as_bytes()).unwrap();
    assert!(menu.content().products.len() >= 150);
    let available = |choice: &&posnext_shared::domain::menu::Modifier| choice.available;
    fn least(menu: &Menu, groups: &[String], available: fn(&&posnext_shared::domain::menu::Modifier) -> bool) -> Vec<Value> {
        let group = |id: &String| menu.group(id).unwrap();
        let choose = |group: &posnext_shared::domain::menu::ModifierGroup| -> Vec<Value> {
            let chosen = group.modifiers.iter().filter(available).take(group.min as usize);
            chosen.map(|one| json!({ "id": one.id, "modifiers": least(menu, &one.modifier_groups, available) })).collect()
        };
        groups.iter().map(group).flat_map(choose).collect()
    }
    let items: Vec<Value> = menu
        .content()
        .products
        .iter()
        .filter(|product| product.available)
        .map(|product| json!({ "id": product.id, "modifiers": least(&menu, &product.modifier_groups, available) }))
        .collect();
    let mut body: Value = serde_json::from_str(&menu_order(&fresh_uid("all"), "PAR-LOC-MENU")).unwrap();
    body["order_details"] = json!({ "online_order_id": null, "items": items });
    let answer = caller.validate(&body.to_string()).await;
    assert_eq!(answer.status(), "validated", "{}", answer.text);
    assert_eq!(ParId::new("PAR-LOC-MENU").unwrap().as_str(), answer.json["location_id"]);
}
