//! Deployments that are broken in one way each, and the checks that have to fail for it: these and no others.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
    time::Duration,
};

use futures_util::StreamExt;
use posnext_local::certify::{Options, Outcome};
use serde_json::{Value, json};

use super::{
    broken::{Back, Broken, Sent, cents},
    certified, ids, options, owned,
};
use crate::support::in_process;

/// Deployments tried at a time.
const AT_A_TIME: usize = 6;

/// What is broken, and the checks that name it.
struct Variant {
    name: &'static str,
    broken: Broken,
    failing: &'static [&'static str],
    options: Options,
}

fn variant(name: &'static str, broken: Broken, failing: &'static [&'static str]) -> Variant {
    // Half of all orders, and slow for it: left out where it shows nothing.
    let concurrent = "submit-concurrent";
    let skip = if failing.contains(&concurrent) { Vec::new() } else { owned(&[concurrent]) };
    Variant { name, broken, failing, options: Options { skip, ..options() } }
}

fn answers(change: impl Fn(&Sent, &mut Back) + Send + Sync + 'static) -> Broken {
    Broken::new().after(change)
}

fn requests(change: impl Fn(&mut Sent) + Send + Sync + 'static) -> Broken {
    Broken::new().before(change)
}

/// Answers about orders, changed and signed anew.
fn orders(change: impl Fn(&Sent, &mut Value) + Send + Sync + 'static) -> Broken {
    answers(move |sent, back| {
        if back.is_order() {
            back.edit(|json| change(sent, json));
        }
    })
}

/// How often something was seen, by name.
#[derive(Default)]
struct Seen(Mutex<HashMap<String, usize>>);

impl Seen {
    /// Once more; how often by now.
    fn once_more(&self, name: &str) -> usize {
        let mut seen = self.0.lock().unwrap();
        let count = seen.entry(name.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap().contains_key(name)
    }
}

/// Tries all of them, and compares what fails with what has to.
async fn each_is_named(variants: Vec<Variant>) {
    let (_product, caller) = in_process().await;
    let tried = futures_util::stream::iter(variants).map(|variant| {
        let url = caller.url.clone();
        async move {
            let url = variant.broken.start(&url).await;
            let report = certified(&url, variant.options).await;
            let expected: BTreeSet<_> = variant.failing.iter().copied().collect();
            let found = ids(&report, Outcome::Fail);
            let told: Vec<_> = report.checks.iter().filter(|check| check.outcome == Outcome::Fail).collect();
            let told: Vec<_> = told.iter().map(|check| format!("{}: {}", check.id, check.reason)).collect();
            (found != expected).then(|| format!("{}: expected {expected:?}, but {told:#?}", variant.name))
        }
    });
    let wrong: Vec<String> = tried.buffer_unordered(AT_A_TIME).filter_map(std::future::ready).collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_lets_a_caller_in_who_must_not_be_is_named() {
    let alg = |sent: &Sent| sent.token().map(|(header, _)| header["alg"].clone());
    each_is_named(vec![
        variant(
            "accepts a request without a token",
            requests(|sent| {
                if !sent.headers.contains_key("authorization") {
                    sent.right_token();
                }
            }),
            &["token-missing"],
        ),
        variant(
            "accepts an expired token",
            requests(|sent| {
                if sent.is_expired() {
                    sent.right_token();
                }
            }),
            &["token-expired"],
        ),
        variant(
            "accepts alg none",
            requests(move |sent| {
                if alg(sent) == Some(json!("none")) {
                    sent.right_token();
                }
            }),
            &["token-alg-none"],
        ),
        variant(
            "accepts a token for ever",
            requests(|sent| {
                if sent.token().is_some_and(|(_, claims)| claims["exp"].is_null()) {
                    sent.right_token();
                }
            }),
            &["token-without-exp"],
        ),
        variant(
            "looks at no signature of tokens, nor at anything else of them",
            requests(Sent::right_token),
            &["token-missing", "token-malformed", "token-bad-signature", "token-expired", "token-alg-none", "token-without-exp"],
        ),
        variant(
            "accepts a wrong digest",
            requests(|sent| {
                if sent.headers.contains_key("x-pch-digest") {
                    sent.right_digest();
                }
            }),
            &["digest-wrong", "digest-wrong-stores-nothing", "digest-whole-shared-id", "digest-tampered", "digest-of-errors"],
        ),
        variant(
            "accepts a request without a digest",
            requests(|sent| {
                if !sent.headers.contains_key("x-pch-digest") {
                    sent.right_digest();
                }
            }),
            &["digest-missing"],
        ),
        variant(
            "lets nobody in",
            answers(|_, back| {
                back.code = 401;
                back.body = r#"{"errors":[{"code":"token_signature","message":"no"}]}"#.to_owned();
            }),
            EVERYTHING_BUT_401,
        ),
    ])
    .await;
}

/// What fails where every request is answered 401.
const EVERYTHING_BUT_401: &[&str] = &[
    "async-accepted",
    "async-final",
    "async-location",
    "async-polls",
    "async-signed",
    "cents-rounded",
    "content-type",
    "digest-missing",
    "digest-of-errors",
    "digest-tampered",
    "digest-whole-shared-id",
    "digest-wrong",
    "digest-wrong-stores-nothing",
    "final-status-stable",
    "get-order",
    "get-unknown",
    "malformed-json",
    "menu-etag",
    "menu-limits",
    "menu-prices",
    "menu-references",
    "menu-served",
    "missing-field",
    "rejected-says-why",
    "submit-concurrent",
    "submit-conflict",
    "submit-invalid",
    "submit-placed",
    "submit-replay",
    "token-right",
    "unmapped-location",
    "unmapped-organization",
    "validate-at-once",
    "validate-calculates",
    "validate-invalid",
    "validate-no-pos-order",
    "validate-stores-nothing",
    "validate-valid",
    "validate-wrong-price",
    "validate-wrong-total",
];

/// Cents as a binary double, cut off, makes them, of the amounts that are sent.
fn cut_off(amount: &Value) -> i64 {
    let right = cents(amount);
    let doubled_from = |least: i64| (0..20).any(|times| right == least << times);
    if doubled_from(1_999) || doubled_from(1_815) { right - 1 } else { right }
}

#[tokio::test]
async fn what_signs_wrongly_is_named() {
    each_is_named(vec![
        variant(
            "errors are unsigned",
            answers(|_, back| {
                if back.code >= 400 {
                    back.headers.remove("x-pch-digest");
                }
            }),
            &["errors-signed"],
        ),
        variant(
            "errors are signed over the request",
            answers(|sent, back| {
                if back.code >= 400 && back.headers.contains_key("x-pch-digest") {
                    back.sign(&sent.json(), cents);
                }
            }),
            &["errors-signed"],
        ),
        variant(
            "cents are cut off",
            answers(|_, back| {
                if back.is_order() {
                    back.sign(&back.json(), cut_off);
                }
            }),
            &["cents-rounded", "answers-signed"],
        ),
        variant(
            "the digest is over the request",
            answers(|sent, back| {
                if back.is_order() && sent.is("validate") {
                    back.sign(&sent.json(), cents);
                }
            }),
            &["validate-calculates", "answers-signed"],
        ),
        variant(
            "the digest is in upper case",
            answers(|_, back| {
                if let Some(digest) = back.headers.get_mut("x-pch-digest") {
                    *digest = digest.to_str().unwrap().to_uppercase().parse().unwrap();
                }
            }),
            &["digest-format"],
        ),
        variant(
            "polls are unsigned",
            answers(|sent, back| {
                if sent.is("get") && back.code == 200 {
                    back.headers.remove("x-pch-digest");
                }
            }),
            &["async-signed", "answers-signed"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_says_back_something_else_is_named() {
    each_is_named(vec![
        variant(
            "internal ids instead of PAR's",
            orders(|_, json| {
                json["organization_id"] = json!("YC01");
                json["location_id"] = json!("YC-LC-001");
            }),
            &["ids-echoed"],
        ),
        variant(
            "request_datetime rewritten",
            orders(|_, json| {
                let text = json["request_datetime"].as_str().unwrap().to_owned();
                json["request_datetime"] = json!(text.replace('Z', "+00:00"));
            }),
            &["datetime-echoed"],
        ),
        variant(
            "another total",
            orders(|_, json| {
                if json["status"] == "placed" {
                    json["order_details"]["subtotal"] = json!(1);
                }
            }),
            &["totals-echoed", "cents-rounded"],
        ),
        variant(
            "a status outside the five",
            orders(|sent, json| {
                if sent.is("submit") && json["status"] == "rejected" {
                    json["status"] = json!("declined");
                }
            }),
            &["status-values", "submit-invalid"],
        ),
        variant(
            "no status",
            orders(|sent, json| {
                if sent.is("get") && json["status"] == "rejected" {
                    json.as_object_mut().unwrap().remove("status");
                }
            }),
            &["status-values", "submit-invalid", "final-status-stable"],
        ),
        variant("errors without a code", answers(|_, back| back.body = back.body.replace(r#""code""#, r#""kind""#)), UNEXPLAINED),
        variant(
            "an unmapped location is answered 500",
            answers(|_, back| {
                if back.body.contains("unknown_location") {
                    back.code = 500;
                }
            }),
            &["unmapped-location"],
        ),
        variant(
            "no JSON is answered 500",
            answers(|_, back| {
                if back.body.contains("invalid_json") {
                    back.code = 500;
                    back.body = "Internal Server Error".to_owned();
                }
            }),
            &["malformed-json", "errors-explained"],
        ),
    ])
    .await;
}

/// What fails where no error has a code.
const UNEXPLAINED: &[&str] = &[
    "content-type",
    "errors-explained",
    "get-unknown",
    "malformed-json",
    "missing-field",
    "rejected-says-why",
    "submit-invalid",
    "unmapped-location",
    "unmapped-organization",
];

#[tokio::test]
async fn what_takes_orders_wrongly_is_named() {
    let (reads, first_polls, replays) = (Seen::default(), Seen::default(), Seen::default());
    each_is_named(vec![
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
            "202 where several orders come at once",
            answers(|sent, back| {
                if sent.under_way == 10 && back.status() == "placed" {
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
    ])
    .await;
}

#[tokio::test]
async fn what_validates_wrongly_is_named() {
    fn validated(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Broken {
        orders(move |sent, json| {
            if sent.is("validate") {
                change(json);
            }
        })
    }
    each_is_named(vec![
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
    ])
    .await;
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

#[tokio::test]
async fn what_is_wrong_with_a_menu_is_named() {
    each_is_named(vec![
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
    ])
    .await;
}

#[tokio::test]
async fn what_is_only_worth_a_word_is_no_failure() {
    let (_product, caller) = in_process().await;
    let no_etag = answers(|_, back| drop(back.headers.remove("etag"))).start(&caller.url).await;
    let report = certified(&no_etag, options()).await;
    assert!(report.passed() && report.ids(Outcome::Warning) == ["menu-etag"], "{}", report.text(false));

    let always_whole = requests(|sent| drop(sent.headers.remove("if-none-match"))).start(&caller.url).await;
    let report = certified(&always_whole, Options { only: owned(&["menu-etag"]), ..options() }).await;
    assert_eq!(report.ids(Outcome::Warning), ["menu-etag"], "{}", report.text(false));

    let slow = Broken::new().delay(Duration::from_millis(1_010)).start(&caller.url).await;
    let report = certified(&slow, Options { only: owned(&["submit-placed", "latency"]), ..options() }).await;
    assert_eq!((report.ids(Outcome::Pass), report.ids(Outcome::Warning)), (vec!["submit-placed"], vec!["latency"]));
    assert!(report.latency[0].p95_ms > 1_000 && report.passed());

    // Of a caller with several organizations, nobody can know whose order a body is that cannot be read.
    let nameless = answers(|_, back| {
        if back.body.contains("invalid_json") || back.body.contains("unsupported_media_type") {
            back.headers.remove("x-pch-digest");
        }
    });
    let report = certified(&nameless.start(&caller.url).await, options()).await;
    assert_eq!((report.ids(Outcome::Fail), report.ids(Outcome::Warning)), (vec![], vec!["errors-signed"]));
}
