//! A menu that changes between validate and submit: the order is paid by then, and the old prices hold for a while.

use std::{sync::Arc, time::Duration};

use posnext_fakes::Fake;
use posnext_shared::{
    app::ports::{Clock, PortError, SaveMenu},
    domain::{menu::Menu, older::PRICES_HOLD, time::UnixMillis},
};
use serde_json::Value;

use crate::support::{Answer, Api, Asked, SAMPLE_MENU, SUBMIT, fresh_uid, id, menu_order, now, signed_request};

const AT: &str = "PAR-LOC-MENU";
const MINUTE: Duration = Duration::from_mins(1);

/// The API an hour ago: the tokens of these tests are valid for as long as one goes on.
fn an_hour_ago() -> Api {
    let world = Fake::beginning_at(UnixMillis((now() - 3_600) * 1_000));
    world.play();
    Api { world, ..Api::new() }
}

fn by_id<'a>(list: &'a mut Value, id: &str) -> &'a mut Value {
    list.as_array_mut().unwrap().iter_mut().find(|one| one["id"] == id).unwrap()
}

fn without(list: &mut Value, is: impl Fn(&Value) -> bool) {
    list.as_array_mut().unwrap().retain(|one| !is(one));
}

fn dearer(menu: &mut Value) {
    by_id(&mut menu["products"], "4711")["price"] = 9.95.into();
}

fn gone(menu: &mut Value) {
    take_off(menu, "4720");
}

fn take_off(menu: &mut Value, product: &str) {
    without(&mut menu["products"], |one| one["id"] == product);
    for category in menu["categories"].as_array_mut().unwrap() {
        without(&mut category["products"], |id| id == product);
    }
}

fn group_of_17(menu: &mut Value) -> &mut Value {
    let has = |group: &Value| group["modifiers"].as_array().unwrap().iter().any(|modifier| modifier["id"] == "17");
    menu["modifier_groups"].as_array_mut().unwrap().iter_mut().find(|group| has(group)).unwrap()
}

fn not_to_be_chosen(menu: &mut Value) {
    without(&mut group_of_17(menu)["modifiers"], |modifier| modifier["id"] == "17");
}

fn two_to_be_chosen(menu: &mut Value) {
    let group = group_of_17(menu);
    (group["min"], group["max"]) = (2.into(), 9.into());
}

fn sold_out(menu: &mut Value) {
    by_id(&mut menu["products"], "4720")["available"] = false.into();
}

fn no_pizza_and_no_basil(menu: &mut Value) {
    by_id(&mut group_of_17(menu)["modifiers"], "17")["available"] = false.into();
    take_off(menu, "4711");
}

/// The sample menu with these changes is put, now.
async fn put(api: &Api, changes: &[fn(&mut Value)]) -> String {
    let mut menu: Value = serde_json::from_str(SAMPLE_MENU).unwrap();
    for change in changes {
        change(&mut menu);
    }
    let menu = Menu::parse(menu.to_string().as_bytes()).unwrap();
    let stored = api.mapped.save(&id("IA-YC-01"), &id(AT), &menu, api.world.now()).await.unwrap();
    stored.version.clone()
}

fn body() -> String {
    menu_order(&fresh_uid("paid"), AT)
}

#[track_caller]
fn rejected(answer: &Answer, code: &str) {
    assert_eq!((answer.code, answer.status(), answer.error()), (200, "rejected", code), "{}", answer.text);
}

fn read_anew(api: &Api) -> usize {
    std::mem::take(&mut *api.mapped.0.read_anew.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_was_validated_by_the_menu_before_is_placed_for_a_quarter_of_an_hour() {
    for (change, code) in [
        (dearer as fn(&mut Value), "price_mismatch"),
        (gone, "unknown_item"),
        (not_to_be_chosen, "unknown_modifier"),
        (two_to_be_chosen, "modifier_count"),
    ] {
        let api = an_hour_ago();
        let (in_time, late) = (body(), body());
        assert_eq!(api.validate(&in_time).await.status(), "validated");
        put(&api, &[change]).await;
        rejected(&api.validate(&body()).await, code);
        api.world.stand_still(PRICES_HOLD - MINUTE);
        let placed = api.submit(&in_time).await;
        assert_eq!((placed.code, placed.status()), (200, "placed"), "{}", placed.text);
        rejected(&api.validate(&body()).await, code);
        api.world.stand_still(2 * MINUTE);
        rejected(&api.submit(&late).await, code);
        assert!(api.world.meals(late.split('"').nth(3).unwrap()).is_empty());
        // What was placed is answered as it stands, however the menu goes on.
        assert_eq!(api.submit(&in_time).await.header("idempotent-replayed"), Some("true"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_fits_one_menu_and_not_a_mixture_of_two() {
    let api = an_hour_ago();
    put(&api, &[dearer]).await;
    // The pizza of the old menu, and a lemonade at a price that no menu has had.
    let mixed = body().replace(r#""id":"4720","quantity":1,"price":3.00"#, r#""id":"4720","quantity":1,"price":2.00"#);
    rejected(&api.submit(&mixed.replace("21.50", "20.50").replace("23.45", "22.45")).await, "price_mismatch");
    // One pizza at the old price, one at the new.
    let line = r#"{"id":"4711","quantity":2,"price":9.25,"modifiers":[{"id":"17","quantity":1,"price":0.00}]}"#;
    let two = r#"{"id":"4711","price":9.25},{"id":"4711","price":9.95}"#;
    let both = body().replace(line, two).replace("21.50", "22.20").replace("23.45", "24.15");
    assert!(both.contains(two));
    rejected(&api.submit(&both).await, "price_mismatch");
}

#[tokio::test(start_paused = true)]
async fn every_menu_of_the_last_quarter_of_an_hour_holds() {
    let api = an_hour_ago();
    put(&api, &[dearer]).await;
    let dearer_order = body()
        .replace(r#""quantity":2,"price":9.25"#, r#""quantity":2,"price":9.95"#)
        .replace("21.50", "22.90")
        .replace("23.45", "24.85");
    assert_eq!(api.validate(&dearer_order).await.status(), "validated");
    api.world.stand_still(10 * MINUTE);
    put(&api, &[gone]).await;
    for body in [body(), dearer_order.clone()] {
        assert_eq!(api.submit(&body).await.status(), "placed");
    }
    // The first menu was replaced sixteen minutes ago, the second six.
    api.world.stand_still(6 * MINUTE);
    rejected(&api.submit(&body()).await, "unknown_item");
    let again = dearer_order.replace(dearer_order.split('"').nth(3).unwrap(), &fresh_uid("paid"));
    assert_eq!(api.submit(&again).await.status(), "placed");
}

#[tokio::test(start_paused = true)]
async fn what_the_kitchen_does_not_have_is_refused_at_once() {
    let api = an_hour_ago();
    put(&api, &[sold_out]).await;
    rejected(&api.submit(&body()).await, "item_unavailable");
    // Of what the menu of now does not sell, it does not see the topping that is sold out.
    let api = an_hour_ago();
    put(&api, &[no_pizza_and_no_basil]).await;
    rejected(&api.submit(&body()).await, "unknown_item");
    // By hand, at a location whose prices have changed as well.
    let api = an_hour_ago();
    put(&api, &[dearer]).await;
    let key = (id("IA-YC-01"), id(AT));
    let stored = api.mapped.0.menus.lock().unwrap()[&key].clone();
    for off in ["4720", "17"] {
        let mut switched = (*stored).clone();
        switched.sold_out.insert(off.to_owned());
        api.mapped.0.menus.lock().unwrap().insert(key.clone(), Arc::new(switched));
        let answer = api.submit(&body()).await;
        assert_eq!(answer.status(), "rejected", "{off}: {}", answer.text);
        assert!(answer.text.contains("item_unavailable"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_fits_the_menu_of_now_costs_no_read_more() {
    let api = an_hour_ago();
    put(&api, &[gone]).await;
    put(&api, &[]).await;
    assert_eq!(api.submit(&body()).await.status(), "placed");
    assert_eq!(read_anew(&api), 0);
    rejected(&api.submit(&body().replace("9.25", "9.24")).await, "price_mismatch");
    assert!(read_anew(&api) > 0);
    api.world.stand_still(PRICES_HOLD + MINUTE);
    rejected(&api.submit(&body().replace("9.25", "9.24")).await, "price_mismatch");
    assert_eq!(read_anew(&api), 1, "no menu before it is asked for");
}

#[tokio::test(start_paused = true)]
async fn a_submit_is_not_refused_by_a_menu_that_is_remembered_and_no_longer_stored() {
    let api = an_hour_ago();
    let key = (id("IA-YC-01"), id(AT));
    put(&api, &[gone]).await;
    api.world.stand_still(PRICES_HOLD + MINUTE);
    let before = api.mapped.0.menus.lock().unwrap()[&key].clone();
    put(&api, &[]).await;
    api.mapped.0.remembered.lock().unwrap().insert(key, before);
    assert_eq!(api.submit(&body()).await.status(), "placed");
}

#[tokio::test(start_paused = true)]
async fn an_older_menu_that_is_broken_refuses_no_more_than_none_and_one_that_is_unknown_decides_nothing() {
    let api = an_hour_ago();
    let first = put(&api, &[]).await;
    put(&api, &[dearer]).await;
    let broken = |error| *api.mapped.0.older_down.lock().unwrap() = error;
    broken(Some(PortError::Corrupt("torn".to_owned())));
    rejected(&api.submit(&body()).await, "price_mismatch");
    let fits = body().replace("9.25", "9.95").replace("21.50", "22.90").replace("23.45", "24.85");
    assert_eq!(api.submit(&fits).await.status(), "placed");

    // It may be right: a rejection would be final.
    broken(Some(PortError::Unavailable("down".to_owned())));
    let unknown = body();
    let answer = api.send(Asked::of(signed_request(SUBMIT, &unknown))).await.signed();
    assert_eq!((answer.code, answer.error()), (503, "temporarily_unavailable"));
    broken(None);
    assert_eq!(api.submit(&unknown).await.status(), "placed");

    api.mapped.0.versions.lock().unwrap().remove(&first);
    rejected(&api.submit(&body()).await, "price_mismatch");
}
