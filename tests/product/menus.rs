//! `POST /posnext/menus`, and how menus get there.

use std::{
    io::{Read, Write},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use posnext_aws::{adapters::clock::SystemClock, settings::Settings, wiring::Parts};
use posnext_local::local::{Product, SAMPLE_MENU, Services, start_services};
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{
        ability::Abilities,
        directory::{Connector, HttpConnector, Location},
        ids::ParId,
        menu::Menu,
    },
};
use serde_json::{Value, json};

use crate::support::{fresh_uid, in_process, location, menu_order, selling_pos, token};

const SMALL: &str = r#"{"currency":"EUR","products":[{"id":"1","name":"Soup","price":4.35}]}"#;

fn ids() -> (ParId, ParId) {
    (ParId::new("IA-YC-01").unwrap(), ParId::new("PAR-LOC-MENU").unwrap())
}

fn product<'a>(menu: &'a Value, id: &str) -> &'a Value {
    menu["products"].as_array().unwrap().iter().find(|product| product["id"] == id).unwrap()
}

#[tokio::test]
async fn an_unchanged_menu_is_not_sent_again_and_a_changed_one_is_compressed() {
    let (product, caller) = in_process().await;
    let request = || caller.http.post(format!("{}/posnext/menus?location_id=PAR-LOC-MENU", caller.url)).bearer_auth(token());
    let first = caller.send(request()).await;
    let etag = first.header("etag").unwrap().to_owned();
    let unchanged = caller.send(request().header("if-none-match", &etag)).await;
    assert_eq!((unchanged.code, unchanged.text.as_str(), unchanged.header("etag")), (304, "", Some(etag.as_str())));
    let compressed = request().header("accept-encoding", "gzip").header("if-none-match", "\"other\"").send().await.unwrap();
    assert_eq!((compressed.status().as_u16(), &compressed.headers()["content-encoding"]), (200, &"gzip".parse().unwrap()));
    assert_eq!(compressed.headers()["vary"], "Accept-Encoding");
    let bytes = compressed.bytes().await.unwrap();
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, first.text);
    assert!(bytes.len() * 3 < text.len(), "{} of {}", bytes.len(), text.len());

    let (organization, location) = ids();
    let menu = Menu::parse(SMALL.as_bytes()).unwrap();
    product.services.parts.menus().save(&organization, &location, &menu, SystemClock.now()).await.unwrap();
    let changed = later(async || caller.send(request().header("if-none-match", &etag)).await).await;
    assert_eq!((changed.code, changed.json["products"].as_array().unwrap().len()), (200, 1));
}

/// The same a minute later, by the clock that caches go by.
async fn later<T>(ask: impl AsyncFnOnce() -> T) -> T {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    ask().await
}

#[tokio::test]
async fn what_is_switched_off_shows_within_a_minute_in_menu_validate_and_submit() {
    let (product_, caller) = in_process().await;
    let (organization, location) = ids();
    assert_eq!(product(&caller.menu("PAR-LOC-MENU").await.json, "4720")["available"], true);
    assert_eq!(caller.validate(&menu_order(&fresh_uid("on"), "PAR-LOC-MENU")).await.status(), "validated");
    let etag = caller.menu("PAR-LOC-MENU").await.header("etag").unwrap().to_owned();

    let switch = async |available| {
        let menus = product_.services.parts.menus();
        assert!(menus.switch(&organization, &location, &["4720".to_owned(), "17".to_owned()], available).await.unwrap());
    };
    switch(false).await;
    let menu = later(async || caller.menu("PAR-LOC-MENU").await).await;
    assert_eq!((product(&menu.json, "4720")["available"].as_bool(), menu.header("etag") == Some(&etag)), (Some(false), false));
    let uid = fresh_uid("switched-off");
    for answer in
        [caller.validate(&menu_order(&uid, "PAR-LOC-MENU")).await, caller.submit(&menu_order(&uid, "PAR-LOC-MENU")).await]
    {
        assert_eq!((answer.status(), answer.error()), ("rejected", "item_unavailable"));
        assert_eq!(answer.json["errors"].as_array().unwrap().len(), 2, "product and modifier");
    }
    // A new menu does not switch it on; whoever switched it off does.
    let menu = Menu::parse(SAMPLE_MENU.as_bytes()).unwrap();
    product_.services.parts.menus().save(&organization, &location, &menu, SystemClock.now()).await.unwrap();
    assert_eq!(product(&caller.menu("PAR-LOC-MENU").await.json, "4720")["available"], false);
    switch(true).await;
    let menu = later(async || caller.menu("PAR-LOC-MENU").await).await;
    assert_eq!((product(&menu.json, "4720")["available"].as_bool(), menu.header("etag")), (Some(true), Some(etag.as_str())));
}

#[tokio::test]
async fn a_menu_beyond_the_item_limit_is_stored_in_parts_and_replaced_as_a_whole() {
    let (product, _caller) = in_process().await;
    let (organization, location) = ids();
    let parts = &product.services.parts;
    let large = |seed: u64| {
        // What does not compress: random hexadecimal names.
        let mut random = fastrand::Rng::with_seed(seed);
        let mut name = || format!("{:032x}{:032x}", random.u128(..), random.u128(..));
        let products: Vec<String> =
            (0..18_000).map(|id| format!(r#"{{"id":"{id}","name":"{}{}","price":1.00}}"#, name(), name())).collect();
        Menu::parse(format!(r#"{{"currency":"USD","products":[{}]}}"#, products.join(",")).as_bytes()).unwrap()
    };
    for seed in [1, 2, 1] {
        let menu = large(seed);
        let saved = parts.menus().save(&organization, &location, &menu, SystemClock.now()).await.unwrap();
        let fresh = Parts::new(parts.settings().clone(), &product.services.aws);
        let read = fresh.menus().read(&organization, &location).await.unwrap().unwrap();
        assert_eq!((&read.version, read.menu.content() == menu.content()), (&saved.version, true));
    }
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let count = async || {
        let mut pages = dynamodb.scan().table_name("posnext-menus").projection_expression("pk").into_paginator().items().send();
        let mut rows = 0;
        while let Some(row) = pages.next().await {
            row.unwrap();
            rows += 1;
        }
        rows
    };
    let before = count().await;
    assert!(before > 6, "{before} rows");
    // An hour later the next menu takes the old ones with it, but for the one that readers may still be at.
    let in_an_hour = SystemClock.now().plus(Duration::from_hours(1));
    parts.menus().save(&organization, &location, &Menu::parse(SMALL.as_bytes()).unwrap(), in_an_hour).await.unwrap();
    let small = count().await;
    assert!(small < before, "{small} of {before} rows");
    let fresh = Parts::new(parts.settings().clone(), &product.services.aws);
    assert_eq!(
        fresh.menus().read(&organization, &location).await.unwrap().unwrap().menu.to_json().len(),
        Menu::parse(SMALL.as_bytes()).unwrap().to_json().len()
    );
}

#[tokio::test]
async fn two_who_put_a_menu_at_once_do_not_mix_theirs() {
    let (product, _caller) = in_process().await;
    let (organization, location) = ids();
    let menus: Vec<Menu> =
        (1..=8).map(|price| Menu::parse(SMALL.replace("4.35", &format!("{price}.00")).as_bytes()).unwrap()).collect();
    let parts = || Parts::new(product.services.parts.settings().clone(), &product.services.aws);
    let putting =
        menus.iter().map(async |menu| parts().menus().save(&organization, &location, menu, SystemClock.now()).await.is_ok());
    let put = futures_util::future::join_all(putting).await;
    assert!(put.contains(&true));
    let stands = parts().menus().read(&organization, &location).await.unwrap().unwrap();
    let winner = menus.iter().position(|menu| menu.content() == stands.menu.content()).unwrap();
    assert!(put[winner], "a put that was refused stands");
}

#[tokio::test]
async fn two_who_put_the_same_menu_at_once_both_succeed() {
    let (product, _caller) = in_process().await;
    let (organization, location) = (ParId::new("IA-YC-01").unwrap(), ParId::new("PAR-LOC-TWICE").unwrap());
    let menu = Menu::parse(SMALL.as_bytes()).unwrap();
    let tables: Vec<Parts> =
        (0..8).map(|_| Parts::new(product.services.parts.settings().clone(), &product.services.aws)).collect();
    let putting = tables.iter().map(|parts| parts.menus().save(&organization, &location, &menu, SystemClock.now()));
    for put in futures_util::future::join_all(putting).await {
        assert!(put.is_ok(), "{put:?}");
    }
}

#[tokio::test]
async fn the_same_menu_at_another_location_is_not_the_one_that_is_known() {
    let (product, caller) = in_process().await;
    let menu = Menu::parse(SAMPLE_MENU.as_bytes()).unwrap();
    let (organization, other) = (ParId::new("IA-YC-01").unwrap(), ParId::new("PAR-LOC-SLOW").unwrap());
    product.services.parts.menus().save(&organization, &other, &menu, SystemClock.now()).await.unwrap();
    let etag = caller.menu("PAR-LOC-MENU").await.header("etag").unwrap().to_owned();
    let url = format!("{}/posnext/menus?location_id=PAR-LOC-SLOW", caller.url);
    let answer = caller.send(caller.http.post(url).bearer_auth(token()).header("if-none-match", etag)).await;
    assert_eq!((answer.code, &answer.json["location_id"]), (200, &json!("PAR-LOC-SLOW")));
}

#[tokio::test]
async fn what_is_named_twice_is_switched_once() {
    let (product, _caller) = in_process().await;
    let (organization, location) = ids();
    let twice = ["4720".to_owned(), "4720".to_owned()];
    for available in [false, true] {
        assert!(product.services.parts.menus().switch(&organization, &location, &twice, available).await.unwrap());
    }
}

#[tokio::test]
async fn a_menu_that_cannot_be_read_now_serves_on_and_is_not_asked_for_again_by_every_order() {
    let (product, caller) = in_process().await;
    assert_eq!(caller.menu("PAR-LOC-MENU").await.code, 200);
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    let key = [("pk", "IA-YC-01|PAR-LOC-MENU"), ("sk", "state")];
    let key = key.map(|(name, value)| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned())));
    let newer =
        dynamodb.update_item().table_name("posnext-menus").set_key(Some(key.clone().into())).update_expression("SET v = :v");
    newer.expression_attribute_values(":v", aws_sdk_dynamodb::types::AttributeValue::N("99".into())).send().await.unwrap();
    assert_eq!(later(async || caller.menu("PAR-LOC-MENU").await.code).await, 200);
    dynamodb.delete_item().table_name("posnext-menus").set_key(Some(key.into())).send().await.unwrap();
    assert_eq!(caller.menu("PAR-LOC-MENU").await.code, 200, "asked for again at once");
    assert_eq!(later(async || caller.menu("PAR-LOC-MENU").await.code).await, 404);
}

async fn pulling(product: &Product, menu: &Arc<Mutex<String>>) -> (ParId, ParId) {
    let base = selling_pos(Arc::clone(menu), &[]).await;
    let connector = Connector::Http(HttpConnector::new(base, None, Abilities::default()));
    let location = Location { pull_menu: true, internal_id: "a/b ü".to_owned(), ..location("PAR-LOC-PULL", connector) };
    product.services.parts.directory().put_location(&location).await.unwrap();
    (location.organization_id, location.location_id)
}

#[tokio::test]
async fn a_menu_is_fetched_from_the_pos_and_what_is_no_menu_changes_nothing() {
    let (product, _caller) = in_process().await;
    let menu = Arc::new(Mutex::new(SMALL.to_owned()));
    pulling(&product, &menu).await;
    let settings = Settings { menu_refresh: Duration::ZERO, ..product.services.parts.settings().clone() };
    let function = Parts::new(settings, &product.services.aws).menu();
    let served = async || {
        let request = http::Request::post("/posnext/menus?location_id=PAR-LOC-PULL");
        let request = request.header("authorization", format!("Bearer {}", token())).body(String::new()).unwrap();
        let body = function.handle(request).await.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()["products"][0]["price"].to_string()
    };
    assert_eq!(served().await, "4.35");
    *menu.lock().unwrap() = SMALL.replace("4.35", "4.40");
    assert_eq!(served().await, "4.4", "4.40, as serde_json prints it");
    for broken in ["", "<html>", r#"{"currency":"EUR","products":[]}"#, &SMALL.replace("4.35", "\"free\"")] {
        *menu.lock().unwrap() = broken.to_owned();
        assert_eq!(served().await, "4.4", "{broken:?}");
    }
}

#[tokio::test]
async fn a_menu_that_is_young_enough_is_not_fetched_again() {
    let (product, caller) = in_process().await;
    let menu = Arc::new(Mutex::new(SMALL.to_owned()));
    pulling(&product, &menu).await;
    assert_eq!(caller.menu("PAR-LOC-PULL").await.json["products"][0]["price"].to_string(), "4.35");
    *menu.lock().unwrap() = SMALL.replace("4.35", "5.00");
    let again = later(async || caller.menu("PAR-LOC-PULL").await).await;
    assert_eq!(again.json["products"][0]["price"].to_string(), "4.35");
}

pub(crate) async fn admin(services: &Services, arguments: &[&str], input: impl AsRef<[u8]>) -> (i32, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.arg("admin").arg("menu").args(arguments).envs(services.environment());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_owned();
    tokio::task::spawn_blocking(move || {
        // A command that refuses early does not read all.
        let _ = stdin.write_all(&input);
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn an_operator_puts_shows_and_switches_a_menu_and_mistakes_change_nothing() {
    let services = start_services(None, "http://127.0.0.1:9").await.unwrap();
    let (code, said) = admin(&services, &["put", "-", "--location", "PAR-LOC-12345"], SMALL).await;
    assert!(code == 0 && said.contains("put: 1 products and 0 modifier groups"), "{said}");
    let (_, shown) = admin(&services, &["show", "--location", "PAR-LOC-12345"], "").await;
    assert!(shown.contains(r#""price": 4.35"#) && shown.contains("switched off: nothing"), "{shown}");

    let (code, said) = admin(&services, &["put", "-", "--location", "PAR-LOC-12345"], &SMALL.replace("4.35", "-1.005")).await;
    assert!(code == 2 && said.contains("at most two decimals"), "{said}");
    let (code, said) = admin(&services, &["off", "1", "soup", "--location", "PAR-LOC-12345"], "").await;
    assert!(code == 2 && said.contains("no product or modifier soup; nothing was switched"), "{said}");
    assert_eq!(admin(&services, &["off", "1", "--location", "PAR-LOC-12345"], "").await.0, 0);
    let (_, shown) = admin(&services, &["show", "--location", "PAR-LOC-12345"], "").await;
    assert!(shown.contains(r#""price": 4.35"#) && shown.contains("switched off: 1"), "{shown}");
    assert_eq!(admin(&services, &["on", "1", "--location", "PAR-LOC-12345"], "").await.0, 0);
    let (_, shown) = admin(&services, &["show", "--location", "PAR-LOC-12345"], "").await;
    assert!(shown.contains("switched off: nothing"), "{shown}");
    let (code, said) = admin(&services, &["show", "--location", "PAR-LOC-SLOW"], "").await;
    assert!(code == 2 && said.contains("has no menu; put one: posnext admin menu put FILE --location PAR-LOC-SLOW"), "{said}");
}
