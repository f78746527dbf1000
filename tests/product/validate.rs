//! `POST /posnext/order/validate`: what can be ordered and what it comes to, before anybody has paid.

use std::sync::{Arc, Mutex};

use posnext_aws::adapters::clock::SystemClock;
use posnext_local::local::{Product, SAMPLE_MENU};
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{
        ability::Abilities,
        directory::{Connector, HttpConnector, Location, SandboxConnector},
        menu::Menu,
    },
};

use serde_json::{Value, json};

use crate::support::{Answer, fresh_uid, in_process, location, menu_order, selling_pos, signed_request};

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
    let connector = Connector::Http(HttpConnector::new(base, None, Abilities::default()));
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
