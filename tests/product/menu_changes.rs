//! A menu that changes under orders which are paid already, in the table of menus.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, Select},
};
use posnext_aws::{adapters::clock::SystemClock, wiring::Parts};
use posnext_local::local::{Product, SAMPLE_MENU};
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{
        ids::ParId,
        menu::{Menu, StoredMenu},
        older::{MOST_HELD, PRICES_HOLD},
        time::UnixMillis,
    },
};
use serde_json::Value;

use crate::support::{fresh_uid, in_process, menu_order, signed_request};

const AT: &str = "PAR-LOC-MENU";

/// The sample menu with this price of its pizza.
fn with_price(price: &str) -> Menu {
    let text = SAMPLE_MENU.replace(r#""price": 9.25"#, &format!(r#""price": {price}"#));
    assert!(price == "9.25" || text != SAMPLE_MENU);
    Menu::parse(text.as_bytes()).unwrap()
}

fn ids() -> (ParId, ParId) {
    (ParId::new("IA-YC-01").unwrap(), ParId::new(AT).unwrap())
}

fn ago(minutes: u64) -> UnixMillis {
    SystemClock.now().minus(Duration::from_mins(minutes))
}

async fn put(product: &Product, price: &str, now: UnixMillis) -> String {
    let (organization, location) = ids();
    product.services.parts.menus().save(&organization, &location, &with_price(price), now).await.unwrap().version.clone()
}

/// The functions as they start: nothing has been read.
fn anew(product: &Product) -> Parts {
    Parts::new(product.services.parts.settings().clone(), &product.services.aws)
}

/// What an order at the old price comes to: its status, and the code of its first error.
async fn submit(parts: &Parts) -> (String, String) {
    let body = menu_order(&fresh_uid("paid"), AT);
    let answer = parts.submit().handle(signed_request("/posnext/order/submit", &body)).await;
    let answer: Value = serde_json::from_str(answer.body()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&answer["status"]), text(&answer["errors"][0]["code"]))
}

fn placed() -> (String, String) {
    ("placed".to_owned(), String::new())
}

fn mismatch() -> (String, String) {
    ("rejected".to_owned(), "price_mismatch".to_owned())
}

#[tokio::test]
async fn an_order_that_was_validated_before_a_new_menu_is_placed_for_a_quarter_of_an_hour() {
    let (product, caller) = in_process().await;
    let body = menu_order(&fresh_uid("paid"), AT);
    assert_eq!(caller.validate(&body).await.status(), "validated");
    put(&product, "9.95", SystemClock.now()).await;
    assert_eq!(caller.validate(&body).await.error(), "price_mismatch");
    assert_eq!(caller.submit(&body).await.status(), "placed");
    // The second reads it from memory, another instance from the table.
    assert_eq!((submit(&product.services.parts).await, submit(&anew(&product)).await), (placed(), placed()));

    put(&product, "9.25", ago(60)).await;
    let hold = PRICES_HOLD.as_secs() / 60;
    put(&product, "9.95", ago(hold + 1)).await;
    assert_eq!((submit(&product.services.parts).await, submit(&anew(&product)).await), (mismatch(), mismatch()));
}

#[tokio::test]
async fn a_menu_of_long_ago_is_kept_as_long_as_its_prices_hold_and_then_it_goes() {
    let (product, _caller) = in_process().await;
    let (organization, location) = ids();
    // Another between: the same menu again would be as old as it was.
    put(&product, "7.75", ago(400)).await;
    put(&product, "9.25", ago(300)).await;
    put(&product, "9.95", ago(10)).await;
    put(&product, "10.45", ago(5)).await;
    assert_eq!(submit(&anew(&product)).await, placed());
    for cents in 10..30 {
        put(&product, &format!("8.{cents}"), ago(4)).await;
    }
    let stored = anew(&product).menus().read(&organization, &location).await.unwrap().unwrap();
    assert_eq!(stored.older.len(), MOST_HELD);
    assert_eq!(submit(&anew(&product)).await, mismatch(), "so many are not kept");
    // The state, this menu, and the one that a reader may still be at.
    put(&product, "9.95", SystemClock.now().plus(Duration::from_hours(2))).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let rows = dynamodb.query().table_name("posnext-menus").key_condition_expression("pk = :pk").select(Select::Count);
    let rows = rows.expression_attribute_values(":pk", AttributeValue::S(format!("{organization}|{location}")));
    assert_eq!(rows.send().await.unwrap().count, 3);
}

/// A row of the menu's, by its key.
fn row(sk: &str) -> HashMap<String, AttributeValue> {
    let key = [("pk", "IA-YC-01|PAR-LOC-MENU"), ("sk", sk)];
    key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

#[tokio::test]
async fn an_older_menu_that_is_broken_or_gone_keeps_no_order_from_being_decided() {
    let (product, _caller) = in_process().await;
    let old = put(&product, "9.25", ago(20)).await;
    put(&product, "9.95", ago(1)).await;
    assert_eq!(submit(&anew(&product)).await, placed());
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let part = row(&format!("data#{old}#0000"));
    let torn = dynamodb.put_item().table_name("posnext-menus").set_item(Some(part.clone()));
    torn.item("b", AttributeValue::B(Blob::new(b"no menu"))).send().await.unwrap();
    assert_eq!(submit(&anew(&product)).await, mismatch());
    dynamodb.delete_item().table_name("posnext-menus").set_key(Some(part)).send().await.unwrap();
    assert_eq!(submit(&anew(&product)).await, mismatch());

    put(&product, "9.25", ago(1)).await;
    let state = dynamodb.update_item().table_name("posnext-menus").set_key(Some(row("state")));
    let state = state.update_expression("SET older = :text");
    state.expression_attribute_values(":text", AttributeValue::S("of another format".to_owned())).send().await.unwrap();
    assert_eq!(submit(&anew(&product)).await, placed());
}

#[tokio::test]
async fn an_instance_that_remembers_a_menu_of_seconds_ago_refuses_nothing_by_it() {
    let (product, _caller) = in_process().await;
    let (organization, location) = ids();
    put(&product, "9.95", ago(60)).await;
    let instance = anew(&product);
    assert_eq!(submit(&instance).await, mismatch());
    // Validate may have seen it already.
    put(&product, "9.25", SystemClock.now()).await;
    assert_eq!(submit(&instance).await, placed());
    // The same of what is sold out.
    let switch = async |available| {
        let menus = anew(&product);
        assert!(menus.menus().switch(&organization, &location, &["4720".to_owned()], available).await.unwrap());
    };
    switch(false).await;
    let instance = anew(&product);
    assert_eq!(submit(&instance).await.1, "item_unavailable");
    switch(true).await;
    assert_eq!(submit(&instance).await, placed());
    let stored: std::sync::Arc<StoredMenu> = instance.menus().read(&organization, &location).await.unwrap().unwrap();
    assert!(stored.sold_out.is_empty());
}
