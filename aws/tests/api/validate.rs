//! What is validated and what is not: an order against its location and its menu, and the same reasons at submit.

use std::time::Duration;

use posnext_shared::domain::{
    directory::{Location, SandboxConnector},
    ids::ParId,
    menu::Menu,
    policy::Policy,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    Answer, Api, Asked, Put, SAMPLE_MENU, SUBMIT, VALIDATE, digest_of, fresh_uid, location, menu_order, order, signed_request,
};

fn codes(answer: &Answer) -> Vec<(&str, &str)> {
    let errors = answer.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|error| (error["code"].as_str().unwrap(), error["field"].as_str().unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_good_order_is_validated_as_it_came_and_leaves_nothing_behind() {
    let api = Api::new();
    let uid = fresh_uid("valid");
    let body = menu_order(&uid, "PAR-LOC-MENU");
    let answer = api.validate(&body).await;
    assert_eq!((answer.code, answer.status()), (200, "validated"), "{}", answer.text);
    let mut expected: Value = serde_json::from_str(&body).unwrap();
    expected["status"] = "validated".into();
    expected["order_details"]["pos_order_id"] = Value::Null;
    expected["order_details"]["calculated"] = json!({ "subtotal": 21.5, "grand_total": 23.45 });
    assert_eq!(answer.json, expected);
    assert!(answer.header("location").is_none() && answer.header("cache-control") == Some("no-store"));
    assert_eq!((api.rows(), api.world.calls().len()), (0, 0));
    assert_eq!(api.get_any(&uid).await.code, 404);
    // It keeps nobody from submitting it, and the submit adds up the same.
    assert_eq!(api.submit(&body).await.status(), "placed");
}

/// An order without totals, and its digest.
fn silent() -> (Value, String) {
    let mut body: Value = serde_json::from_str(&menu_order(&fresh_uid("totals"), "PAR-LOC-MENU")).unwrap();
    for total in ["subtotal", "grand_total"] {
        body["order_details"].as_object_mut().unwrap().remove(total);
    }
    let digest = digest_of(&body);
    (body, digest)
}

#[tokio::test(start_paused = true)]
async fn totals_that_are_not_given_are_calculated_and_not_signed() {
    let api = Api::new();
    let (body, digest) = silent();
    let answer = api.validate(&body.to_string()).await;
    assert_eq!((answer.status(), answer.header("x-pch-digest")), ("validated", Some(digest.as_str())));
    let details = &answer.json["order_details"];
    assert_eq!((details.get("subtotal"), details.get("grand_total")), (None, None));
    assert_eq!(details["calculated"], json!({ "subtotal": 21.5, "grand_total": 23.45 }));
}

/// Who holds a token and no SharedId has seen one signed validate, and wants another order to be signed.
#[tokio::test(start_paused = true)]
async fn nobody_has_totals_signed_that_the_caller_did_not_sign() {
    let api = Api::new();
    let (mut body, digest) = silent();
    body["order_details"]["items"][0]["quantity"] = json!(9);
    let send = async |path: &str, body: &Value, digest: &str| {
        let asked = Asked::of(signed_request(path, &body.to_string())).instead("x-pch-digest", digest);
        api.send(asked).await
    };
    let answer = send(VALIDATE, &body, &digest).await;
    assert_eq!((answer.status(), answer.header("x-pch-digest")), ("validated", Some(digest.as_str())));
    let calculated = answer.json["order_details"]["calculated"].clone();
    for total in ["subtotal", "grand_total"] {
        body["order_details"][total] = calculated[total].clone();
    }
    let refused = send(SUBMIT, &body, answer.header("x-pch-digest").unwrap()).await;
    assert_eq!((refused.code, refused.error(), api.rows()), (412, "digest_mismatch", 0));
}

#[tokio::test(start_paused = true)]
async fn a_coupon_may_be_worth_all_of_an_order_and_no_more() {
    let api = Api::new();
    // 21.50 and 1.95 of taxes.
    for (coupon, total, expected) in [
        ("23.45", "0.00", "validated"),
        ("23.46", "0.00", "rejected"),
        ("30.00", "0.00", "rejected"),
        ("30.00", "null", "rejected"),
    ] {
        let discount = format!(r#""discounts":[{{"name":"coupon","amount":{coupon}}}],"taxes""#);
        let body = menu_order(&fresh_uid("coupon"), "PAR-LOC-MENU").replace(r#""taxes""#, &discount);
        let body = body.replace(r#""grand_total":23.45"#, &format!(r#""grand_total":{total}"#));
        let answer = api.validate(&body).await;
        assert_eq!(answer.status(), expected, "{coupon}: {}", answer.text);
        if expected == "rejected" {
            assert_eq!(codes(&answer)[0], ("invalid_field", "order_details.discounts"));
            assert!(answer.text.contains("the discounts are more than the order is worth"), "{}", answer.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_for_later_goes_to_the_pos_at_once() {
    let api = Api::new();
    let later = r#""order_type":"pickup","pickup_time":"2099-12-31T18:00:00Z","items""#;
    let body = order(&fresh_uid("later"), "PAR-LOC-12345").replace(r#""items""#, later);
    let began = Instant::now();
    let answer = api.submit(&body).await;
    assert_eq!((answer.code, answer.status(), api.world.calls()), (200, "placed", vec!["place"]), "{}", answer.text);
    assert!(began.elapsed() < Duration::from_secs(1) && answer.json["order_details"]["pickup_time"] == "2099-12-31T18:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_bad_order_is_rejected_with_every_reason_and_submit_gives_the_same_ones() {
    let api = Api::new();
    let uid = fresh_uid("invalid");
    let body = menu_order(&uid, "PAR-LOC-MENU")
        .replace(r#""price":9.25"#, r#""price":9.24"#)
        .replace(r#""id":"17""#, r#""id":"nails""#)
        .replace(r#""id":"4720""#, r#""id":"no-such-drink""#);
    let answer = api.validate(&body).await;
    assert_eq!((answer.code, answer.status()), (200, "rejected"));
    let expected = [
        ("price_mismatch", "order_details.items[0].price"),
        ("unknown_modifier", "order_details.items[0].modifiers[0].id"),
        ("unknown_item", "order_details.items[1].id"),
    ];
    assert_eq!(codes(&answer), expected);
    assert_eq!(api.rows(), 0);

    let submitted = api.submit(&body).await;
    assert_eq!((submitted.code, submitted.status(), codes(&submitted).as_slice()), (200, "rejected", &expected[..]));
    assert!(api.world.meals(&uid).is_empty());
    // What was answered is stored: PAR may ask again.
    assert_eq!(api.get(&uid).await.json, submitted.json);
    assert_eq!(api.submit(&body).await.header("idempotent-replayed"), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn locations_that_are_off_reject_and_those_without_a_menu_are_not_checked_against_one() {
    let api = Api::new();
    let off = api.validate(&order(&fresh_uid("off"), "PAR-LOC-OFF")).await;
    assert_eq!((off.status(), codes(&off)), ("rejected", vec![("location_closed", "location_id")]));
    let free = api.validate(&order(&fresh_uid("free"), "PAR-LOC-12345")).await;
    assert_eq!((free.status(), &free.json["order_details"]["grand_total"]), ("validated", &json!(23.45)));
    assert_eq!(api.validate(&order(&fresh_uid("slow"), "PAR-LOC-SLOW")).await.code, 200, "never 202");
}

#[tokio::test(start_paused = true)]
async fn a_pos_that_does_not_say_in_time_what_is_sold_out_leaves_it_to_the_stored_menu() {
    let api = Api::new();
    let prompt = SandboxConnector::prompt();
    for (name, sandbox) in [
        ("PAR-LOC-MUTE", SandboxConnector { delay_ms: 60_000, sold_out: vec!["4720".to_owned()], ..prompt.clone() }),
        ("PAR-LOC-DEAD", SandboxConnector { down: true, ..prompt }),
    ] {
        api.mapped.put_location(Location { live_availability: true, ..location(name, sandbox) });
        api.mapped.put_menu(name);
    }
    let api = Api { policy: Policy::new(Duration::from_secs(60), Duration::from_millis(900)), ..api };
    for name in ["PAR-LOC-MUTE", "PAR-LOC-DEAD"] {
        let began = Instant::now();
        let answer = api.validate(&menu_order(&fresh_uid("mute"), name)).await;
        assert_eq!(answer.status(), "validated", "{name}: {}", answer.text);
        assert!(began.elapsed() < Duration::from_secs(1), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_menus_nothing_is_validated_and_no_order_accepted() {
    let api = Api::new();
    *api.mapped.0.menus_down.lock().unwrap() = true;
    let uid = fresh_uid("blind");
    let body = menu_order(&uid, "PAR-LOC-MENU");
    for path in [VALIDATE, SUBMIT] {
        let answer = api.send(Asked::of(signed_request(path, &body))).await;
        assert_eq!((answer.code, answer.header("retry-after"), answer.error()), (503, Some("2"), "temporarily_unavailable"));
        assert!(answer.header("x-pch-digest").is_some());
    }
    assert_eq!(api.get_any(&uid).await.code, 404);

    // What was accepted before is answered as ever, and other content under its name is a conflict.
    *api.mapped.0.menus_down.lock().unwrap() = false;
    assert_eq!(api.submit(&body).await.status(), "placed");
    *api.mapped.0.menus_down.lock().unwrap() = true;
    let again = api.submit(&body).await;
    assert_eq!((again.code, again.status(), again.header("idempotent-replayed")), (200, "placed", Some("true")));
    let other = body.replace(r#""quantity":2"#, r#""quantity":3"#);
    assert_ne!(other, body);
    assert_eq!(api.submit(&other).await.code, 409);
}

#[tokio::test(start_paused = true)]
async fn an_order_sent_in_the_name_of_every_product_adds_up() {
    let api = Api::new();
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
    let answer = api.validate(&body.to_string()).await;
    assert_eq!(answer.status(), "validated", "{}", answer.text);
    assert_eq!(ParId::new("PAR-LOC-MENU").unwrap().as_str(), answer.json["location_id"]);
}
