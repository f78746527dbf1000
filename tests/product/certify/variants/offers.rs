//! What can be ordered: validate and menus.

use serde_json::{Value, json};

use super::{Variant, answers, orders, requests, variant};
use crate::certify::broken::Broken;

/// Deployments that validate wrongly.
pub(super) fn validate() -> Vec<Variant> {
    fn validated(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Broken {
        orders(move |sent, json| {
            if sent.is("validate") {
                change(json);
            }
        })
    }
    vec![
        variant(
            "validate makes a POS order",
            validated(|json| json["order_details"]["pos_order_id"] = json!("P-1")),
            &["validate-no-pos-order"],
        ),
        variant(
            "validate is answered 202",
            answers(|sent, back| {
                if sent.is("validate") && back.status() == "validated" {
                    back.code = 202;
                    back.headers.insert("location", "/posnext/orders/x".parse().unwrap());
                }
            }),
            &["validate-at-once", "validate-calculates"],
        ),
        variant(
            "validate calls anything validated",
            validated(|json| {
                json["status"] = json!("validated");
                json.as_object_mut().unwrap().remove("errors");
            }),
            &["validate-invalid", "validate-wrong-price", "validate-wrong-total"],
        ),
        variant(
            "validate calls nothing validated",
            validated(|json| json["status"] = json!("rejected")),
            &["validate-valid", "validate-calculates", "rejected-says-why"],
        ),
        variant(
            "rejected without errors",
            orders(|_, json| {
                json.as_object_mut().unwrap().remove("errors");
            }),
            &["rejected-says-why", "submit-invalid"],
        ),
        variant(
            "validate submits",
            requests(|sent| {
                if sent.is("validate") && sent.headers.contains_key("x-pch-digest") {
                    sent.path = "/posnext/order/submit".to_owned();
                }
            }),
            &["validate-valid", "validate-no-pos-order", "validate-stores-nothing", "validate-calculates"],
        ),
        variant(
            "the other spelling is not served",
            answers(|sent, back| {
                if sent.path.starts_with("/posnext/orders/") && !sent.is("get") {
                    back.code = 404;
                    back.body = r#"{"errors":[{"code":"unknown_path","message":"there is no such path"}]}"#.to_owned();
                    back.headers.remove("x-pch-digest");
                }
            }),
            &["plural-paths", "errors-signed"],
        ),
    ]
}

/// The menu, changed.
fn menus(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Broken {
    answers(move |sent, back| {
        if sent.is("menus") && back.code == 200 {
            let mut json = back.json();
            change(&mut json);
            back.body = json.to_string();
        }
    })
}

/// Deployments with a wrong menu.
pub(super) fn menu() -> Vec<Variant> {
    vec![
        variant(
            "a modifier group that is not there",
            menus(|menu| menu["products"][0]["modifier_group_ids"] = json!(["gone"])),
            &["menu-references"],
        ),
        variant(
            "prices as strings",
            menus(|menu| {
                for product in menu["products"].as_array_mut().unwrap() {
                    product["price"] = json!(product["price"].to_string());
                }
            }),
            &["menu-prices"],
        ),
        variant("a price of half a cent", menus(|menu| menu["products"][3]["price"] = json!("0.125")), &["menu-prices"]),
        variant(
            "a group that nobody can choose from",
            menus(|menu| menu["modifier_groups"][0]["min"] = json!(1_000)),
            &["menu-limits"],
        ),
        variant("the menu of another location", menus(|menu| menu["location_id"] = json!("YC-LC-010")), &["menu-served"]),
        variant(
            "no menu",
            answers(|sent, back| {
                if sent.is("menus") && back.code == 200 {
                    back.code = 404;
                    back.body = r#"{"errors":[{"code":"unknown_menu","message":"none"}]}"#.to_owned();
                }
            }),
            // Orders that are made up without the menu are none that it has.
            &["menu-served"],
        ),
    ]
}
