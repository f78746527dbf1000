//! Orders that are taken wrongly.

use std::time::Duration;

use posnext_proofs::certify::Options;
use serde_json::{Value, json};

use super::{Seen, Variant, answers, orders, variant};
use crate::certify::{broken::Broken, options, owned};

/// What fails where there is no 202.
const NO_202: [&str; 5] = ["async-accepted", "async-location", "async-polls", "async-signed", "async-final"];

/// Deployments that lose track of orders.
pub(super) fn variants() -> Vec<Variant> {
    let (reads, gone, first_polls, replays) = (Seen::default(), Seen::default(), Seen::default(), Seen::default());
    vec![
        variant(
            "a final status changes",
            orders(move |sent, json| {
                if sent.is("get") && json["status"] == "placed" && reads.once_more(&sent.uid()) > 2 {
                    json["status"] = json!("errored");
                }
            }),
            &["final-status-stable"],
        ),
        variant(
            "a final order is gone after a while",
            answers(move |sent, back| {
                if sent.is("get") && back.status() == "placed" && gone.once_more(&sent.uid()) > 3 {
                    back.code = 404;
                    back.body = r#"{"errors":[{"code":"unknown_order","message":"no more"}]}"#.to_owned();
                    back.headers.remove("x-pch-digest");
                }
            }),
            &["final-status-stable"],
        ),
        variant(
            "GET tells of another order",
            orders(|sent, json| {
                if sent.is("get") && json["location_id"] == "PAR-LOC-12345" {
                    json["order_details"]["pos_order_id"] = json!("another");
                }
            }),
            &["get-order", "submit-conflict", "final-status-stable"],
        ),
        Variant {
            options: Options { async_location: "PAR-LOC-12345".to_owned(), ..options() },
            ..variant("nothing is answered 202", Broken::new(), &NO_202)
        },
        variant(
            "the 202 says placed",
            orders(|sent, json| {
                if sent.is("submit") && json["status"] == "pending" {
                    json["status"] = json!("placed");
                    json["order_details"]["pos_order_id"] = json!("too-early");
                }
            }),
            &["async-accepted", "final-status-stable"],
        ),
        variant(
            "the 202 has no Location",
            answers(|_, back| {
                if back.code == 202 {
                    back.headers.remove("location");
                }
            }),
            &["async-location"],
        ),
        variant(
            "the first poll after a 202 finds nothing",
            answers(move |sent, back| {
                if back.code == 202 {
                    first_polls.once_more(&sent.uid());
                } else if sent.is("get") && first_polls.has(&sent.uid()) && first_polls.once_more(&sent.uid()) == 2 {
                    back.code = 404;
                    back.body = r#"{"errors":[{"code":"unknown_order","message":"not yet"}]}"#.to_owned();
                    back.headers.remove("x-pch-digest");
                }
            }),
            &["async-polls"],
        ),
        Variant {
            options: Options { timeout: Duration::from_millis(300), skip: owned(&["submit-concurrent"]), ..options() },
            ..variant(
                "a 202 never ends",
                orders(|sent, json| {
                    if sent.is("get") && json["location_id"] == "PAR-LOC-ASYNC" {
                        json["status"] = json!("pending");
                        json["order_details"]["pos_order_id"] = Value::Null;
                    }
                }),
                &["async-final"],
            )
        },
        variant(
            "a replay places again",
            orders(move |sent, json| {
                if sent.is("submit") && json["status"] == "placed" && replays.once_more(&sent.uid()) > 1 {
                    json["order_details"]["pos_order_id"] = json!("another");
                }
            }),
            &["submit-replay", "final-status-stable"],
        ),
        variant(
            "a conflict is answered 200",
            answers(|sent, back| {
                if back.code == 409 {
                    back.code = 200;
                    back.body = sent.body.clone();
                    back.edit(|json| {
                        json["status"] = json!("placed");
                        json["order_details"]["pos_order_id"] = json!("another");
                    });
                }
            }),
            &["submit-conflict"],
        ),
        variant(
            "a conflict says the stored status over what was refused",
            answers(|sent, back| {
                if back.code == 409 {
                    let sent = sent.json();
                    back.edit(|json| json["order_details"] = sent["order_details"].clone());
                }
            }),
            &["submit-conflict"],
        ),
        variant(
            "202 where several orders come at once",
            answers(|sent, back| {
                if sent.under_way > 1 && back.status() == "placed" {
                    back.code = 202;
                    back.edit(|json| json["status"] = json!("pending"));
                }
            }),
            &["submit-concurrent"],
        ),
        variant(
            "one POS order id for all",
            orders(|_, json| {
                if json["status"] == "placed" {
                    json["order_details"]["pos_order_id"] = json!("the-one");
                }
            }),
            &["submit-concurrent"],
        ),
        variant(
            "placed without a POS order id",
            orders(|_, json| json["order_details"]["pos_order_id"] = Value::Null),
            &["submit-placed", "submit-concurrent", "async-final"],
        ),
    ]
}
