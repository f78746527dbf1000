//! `POST /posnext/menus`: whose menu is meant, and what it says.

use std::sync::Arc;

use posnext_shared::domain::{
    ids::ParId,
    menu::{Menu, StoredMenu},
    time::UnixMillis,
};
use serde_json::{Value, json};

use crate::support::{Api, Asked, SAMPLE_MENU, order, read};

fn menu(query: &str) -> Asked {
    read(&format!("/posnext/menus{query}")).posted().header("content-type", "application/json")
}

#[tokio::test(start_paused = true)]
async fn the_menu_is_answered_as_it_was_put_with_decimal_prices_and_references_that_lead_somewhere() {
    let api = Api::new();
    let answer = api.send(menu("?location_id=PAR-LOC-MENU")).await;
    assert_eq!((answer.code, answer.header("x-pch-digest")), (200, None), "unsigned by default");
    let menu = &answer.json;
    assert_eq!((&menu["organization_id"], &menu["location_id"]), (&json!("IA-YC-01"), &json!("PAR-LOC-MENU")));
    assert!(answer.text.contains(r#""id":"4711","name":"Margherita","#) && answer.text.contains(r#""price":18.15"#));
    let sample: Value = serde_json::from_str(SAMPLE_MENU).unwrap();
    for kind in ["categories", "products", "modifier_groups"] {
        let ids = |menu: &Value| -> Vec<String> {
            menu[kind].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(menu), ids(&sample), "{kind}");
    }
    let groups: Vec<&Value> = menu["modifier_groups"].as_array().unwrap().iter().map(|group| &group["id"]).collect();
    let products = menu["products"].as_array().unwrap();
    let modifiers = menu["modifier_groups"].as_array().unwrap().iter().flat_map(|group| group["modifiers"].as_array().unwrap());
    for owner in products.iter().chain(modifiers) {
        assert!(owner["price"].is_number() && owner["available"].is_boolean(), "{owner}");
        assert!(owner["modifier_group_ids"].as_array().unwrap().iter().all(|id| groups.contains(&id)), "{owner}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_product_whose_required_choice_is_sold_out_is_not_available() {
    let api = Api::new();
    let combo = r#"{"currency":"USD","products":[{"id":"combo","name":"Combo","price":12.00,"modifier_groups":["drink"]}],
        "modifier_groups":[{"id":"drink","name":"Drink","min":1,"max":1,"modifiers":[{"id":"cola","name":"Cola","price":0}]}]}"#;
    let combo = Arc::new(Menu::parse(combo.as_bytes()).unwrap());
    for (sold_out, available) in [(vec![], true), (vec!["cola".to_owned()], false)] {
        let (version, put_at) = ("v".to_owned(), UnixMillis(0));
        let stored =
            StoredMenu { menu: Arc::clone(&combo), version, sold_out: sold_out.into_iter().collect(), put_at, older: Vec::new() };
        let key = (ParId::new("IA-YC-01").unwrap(), ParId::new("PAR-LOC-MENU").unwrap());
        api.mapped.0.menus.lock().unwrap().insert(key, Arc::new(stored));
        let answer = api.send(menu("?location_id=PAR-LOC-MENU")).await;
        assert_eq!(answer.json["products"][0]["available"], available, "{}", answer.text);
        let order = order("combo", "PAR-LOC-MENU");
        let order = order.split_once("\"grand_total\"").unwrap().0.to_owned() + r#""items":[{"id":"combo"}]}}"#;
        let answer = api.validate(&order).await;
        assert_eq!((answer.status(), answer.error()), ("rejected", "modifier_count"), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn whose_menu_is_meant_is_said_in_the_body_or_the_query_and_errors_say_what_is_wrong() {
    let api = Api::new();
    let named = r#"{"organization_id":"IA-YC-01","location_id":"PAR-LOC-MENU"}"#;
    for (query, body, code, error) in [
        ("", named, 200, ""),
        ("?location_id=PAR-LOC-MENU", "", 200, ""),
        ("?location_id=PAR-LOC-MENU&organization_id=IA-YC-01", "{}", 200, ""),
        ("?location_id=PAR-LOC-12345", r#"{"location_id":"PAR-LOC-MENU"}"#, 200, ""),
        ("", "", 400, "missing_field"),
        ("", r#"{"location_id":7}"#, 400, "invalid_field"),
        ("?location_id=a%7Cb", "", 400, "invalid_field"),
        ("", "[]", 400, "invalid_json"),
        ("", r#"{"location_id":"a","location_id":"b"}"#, 400, "repeated_key"),
        ("", r#"{"organization_id":"OTHER","location_id":"PAR-LOC-MENU"}"#, 404, "unknown_organization"),
        ("?location_id=PAR-LOC-NONE", "", 404, "unknown_location"),
        ("?location_id=PAR-LOC-12345", "", 404, "unknown_menu"),
    ] {
        assert_eq!(
            {
                let answer = api.send(menu(query).body(body)).await;
                (answer.code, answer.error().to_owned())
            },
            (code, error.to_owned()),
            "{query} {body}"
        );
    }
    let right = || menu("?location_id=PAR-LOC-MENU");
    assert_eq!(api.send(right().without("authorization")).await.code, 401);
    let get = api.send(read("/posnext/menus?location_id=PAR-LOC-MENU")).await;
    assert_eq!((get.code, get.header("allow")), (405, Some("POST")));
    assert_eq!(api.send(right().instead("content-type", "text/plain").body(named)).await.code, 415);
}
