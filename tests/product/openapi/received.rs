//! One request for each way in which the API answers, sent to the functions' own handlers over local services.

use std::time::Duration;

use http::{Request, Response};
use lambda_http::Body;
use posnext_aws::{adapters::clock::SystemClock, settings::Settings, wiring::Parts};
use posnext_local::local::{Product, start_services};
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{
        ability::Abilities,
        by_hand::{Decision, Granted, Wish},
        directory::{Connector, HttpConnector, SandboxConnector},
        ids::ParId,
        menu::Menu,
        policy::{Policy, WORKER_FUNCTION_TIMEOUT},
        status::OrderStatus,
    },
};
use serde_json::Value;

use super::refused;
use crate::support::{Caller, DATETIME, digest_of, in_process, location, order, token};

pub(super) const SUBMIT: &str = "/posnext/order/submit";
pub(super) const VALIDATE: &str = "/posnext/order/validate";
pub(super) const GET: &str = "/posnext/orders/{request_uid}";
pub(super) const HISTORY: &str = "/posnext/orders/{request_uid}/history";
pub(super) const MENUS: &str = "/posnext/menus";

/// An answer, with what is another each time made the same.
pub(super) struct Received {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) request: Option<Value>,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

impl Received {
    pub(super) fn media_type(&self) -> &str {
        let (_, value) = self.headers.iter().find(|(name, _)| name == "content-type").unwrap();
        value.split(';').next().unwrap()
    }
}

#[derive(Default)]
pub(super) struct Log(Vec<Received>);

impl Log {
    pub(super) fn add<B: Into<Body>>(
        &mut self,
        path: &'static str,
        name: &str,
        about: &str,
        request: Option<&str>,
        response: Response<B>,
    ) {
        let (parts, body) = response.into_parts();
        let body: Body = body.into();
        let body = if parts.headers.contains_key("content-encoding") { unpacked(body.as_ref()).into() } else { body };
        let mut body: Option<Value> =
            Some(body.as_ref()).filter(|text| !text.is_empty()).map(|text| serde_json::from_slice(text).unwrap());
        if let Some(body) = &mut body {
            settle(body);
        }
        // How many steps an order has taken is a matter of time.
        let settled = |name: &str, value: &str| match name {
            "etag" if path != MENUS => format!("{}\"v2\"", if value.starts_with("W/") { "W/" } else { "" }),
            _ => value.to_owned(),
        };
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), settled(name.as_str(), value.to_str().unwrap()))
        };
        let headers = parts.headers.iter().map(header).collect();
        self.0.push(Received {
            path,
            method: if [GET, HISTORY].contains(&path) { "get" } else { "post" },
            name: name.to_owned(),
            about: about.to_owned(),
            request: request.and_then(|text| serde_json::from_str(text).ok()),
            status: parts.status.as_u16(),
            headers,
            body,
        });
    }
}

fn unpacked(bytes: &[u8]) -> String {
    std::io::read_to_string(flate2::read::GzDecoder::new(bytes)).unwrap()
}

/// The POS's number, and the times of a menu and of changes, are others each time.
fn settle(body: &mut Value) {
    let details = &mut body["order_details"];
    if details["pos_order_id"].is_string() {
        details["pos_order_id"] = "YC-LC-001-4711".into();
    }
    for change in body["history"].as_array_mut().into_iter().flatten() {
        change["at"] = DATETIME.into();
    }
    if body["generated_at"].is_string() {
        body["generated_at"] = DATETIME.into();
    }
    // Looking at an absent member has made it.
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

/// A request with everything right.
pub(super) fn signed(path: &str, body: &str) -> http::request::Builder {
    let digest = serde_json::from_str(body).ok().filter(Value::is_object).map(|json| digest_of(&json));
    let request =
        Request::post(path).header("content-type", "application/json").header("authorization", format!("Bearer {}", token()));
    request.header("x-pch-digest", digest.unwrap_or_default())
}

pub(super) fn read(uid: &str) -> http::request::Builder {
    Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()))
}

fn id(text: &str) -> ParId {
    ParId::new(text).unwrap()
}

pub(super) fn with(product: &Product, change: impl FnOnce(&mut Settings)) -> Parts {
    let mut settings = product.services.parts.settings().clone();
    change(&mut settings);
    Parts::new(settings, &product.services.aws)
}

/// Every answer, in the order in which a reader wants them.
pub(super) async fn all() -> Vec<Received> {
    let (product, caller) = in_process().await;
    // On the heap: together they are more than a stack holds.
    let mut log = Log::default();
    Box::pin(orders(&product, &caller, &mut log)).await;
    Box::pin(ends(&product, &caller, &mut log)).await;
    Box::pin(validations(&product, &mut log)).await;
    Box::pin(reads(&mut log)).await;
    Box::pin(menus(&product, &mut log)).await;
    Box::pin(refused::all(&product, &mut log)).await;
    log.0
}

async fn orders(product: &Product, caller: &Caller, log: &mut Log) {
    let submit = product.services.parts.submit();
    let body = order("order-placed", "PAR-LOC-12345");
    log.add(SUBMIT, "placed", "In the POS.", Some(&body), submit.handle(signed(SUBMIT, &body).body(body.clone()).unwrap()).await);
    log.add(
        SUBMIT,
        "replayed",
        "The same request again.",
        None,
        submit.handle(signed(SUBMIT, &body).body(body.clone()).unwrap()).await,
    );
    let body = order("order-rejected", "PAR-LOC-REJECT");
    log.add(
        SUBMIT,
        "rejected",
        "The POS refuses it.",
        Some(&body),
        submit.handle(signed(SUBMIT, &body).body(body.clone()).unwrap()).await,
    );
    let body = order("order-closed", "PAR-LOC-OFF");
    log.add(
        SUBMIT,
        "closed",
        "The location is switched off.",
        Some(&body),
        submit.handle(signed(SUBMIT, &body).body(body.clone()).unwrap()).await,
    );
    let body = order("order-pending", "PAR-LOC-SLOW");
    let asked = signed(SUBMIT, &body).header("prefer", "respond-async").body(body.clone()).unwrap();
    log.add(SUBMIT, "pending", "Accepted; its caller did not want to wait.", Some(&body), submit.handle(asked).await);
    let again = signed(SUBMIT, &body).body(body.clone()).unwrap();
    log.add(SUBMIT, "pending_replayed", "Sent again while it is being placed.", None, submit.handle(again).await);
    caller.final_answer("order-placed", Duration::from_secs(5)).await;
}

/// Other deadlines, of an order and of an answer, in milliseconds.
fn kept(settings: &Settings, order: u64, answer: u64) -> Policy {
    let policy = Policy::new(Duration::from_millis(order), Duration::from_millis(answer));
    Policy { retention: settings.policy.retention, ..policy }
}

/// Orders that end other than at once, or by us.
async fn ends(product: &Product, caller: &Caller, log: &mut Log) {
    // So little time that the order ends while its caller waits.
    let hasty = with(product, |settings| settings.policy = kept(settings, 1_000, 500));
    let body = order("order-unreachable", "PAR-LOC-DOWN");
    log.add(
        SUBMIT,
        "unreachable",
        "The POS could not be reached before the deadline.",
        Some(&body),
        hasty.submit().handle(signed(SUBMIT, &body).body(body.clone()).unwrap()).await,
    );

    // A POS that takes its time, and can cancel.
    let cancels = SandboxConnector {
        delay_ms: 60_000,
        abilities: Abilities { cancel: true, ..Abilities::default() },
        ..SandboxConnector::default()
    };
    product.services.parts.directory().put_location(&location("PAR-LOC-CANCELS", Connector::Sandbox(cancels))).await.unwrap();
    // A POS that can take no order as it is sent.
    let (base, _) = crate::stub_pos::answering(422, r#"{"key":"$KEY","status":"invalid"}"#).await;
    product
        .services
        .parts
        .directory()
        .put_location(&location("PAR-LOC-NOPOS", Connector::Http(HttpConnector::new(base, None, Abilities::default()))))
        .await
        .unwrap();

    let body = order("order-misconfigured", "PAR-LOC-NOPOS");
    log.add(
        SUBMIT,
        "misconfigured",
        "The POS can never take it as it was sent.",
        Some(&body),
        product.services.parts.submit().handle(signed(SUBMIT, &body).body(body.clone()).unwrap()).await,
    );
    let body = order("order-overdue", "PAR-LOC-CANCELS");
    let brief = with(product, |settings| settings.policy = kept(settings, 8_000, 5_000));
    let accepted = brief.submit().handle(signed(SUBMIT, &body).body(body.clone()).unwrap()).await;
    assert_eq!(accepted.status().as_u16(), 202, "{}", accepted.body());
    caller.final_answer("order-overdue", Duration::from_secs(50)).await;
    log.add(
        GET,
        "overdue",
        "Not placed in time, and cancelled at the POS.",
        None,
        product.services.parts.get().handle(read("order-overdue").body(()).unwrap()).await,
    );
}

const MENU: &str = r#"{"currency":"USD","categories":[{"id":"pizza","name":"Pizza","products":["4711"]}],
  "products":[{"id":"4711","name":"Margherita","price":9.25,"modifier_groups":["size"]},{"id":"4720","name":"Lemonade","price":3.00,"available":false}],
  "modifier_groups":[{"id":"size","name":"Size","max":1,"modifiers":[{"id":"large","name":"Large","price":2.50}]}]}"#;

fn order_of(uid: &str, items: &str) -> String {
    let order = order(uid, "PAR-LOC-EXAMPLE");
    order.replace(r#"[{"id":"1","name":"Taco","quantity":2,"price":10.75}]"#, items)
}

async fn validations(product: &Product, log: &mut Log) {
    let (organization, name) = (id("IA-YC-01"), id("PAR-LOC-EXAMPLE"));
    let parts = &product.services.parts;
    parts.directory().put_location(&location("PAR-LOC-EXAMPLE", Connector::Sandbox(SandboxConnector::prompt()))).await.unwrap();
    parts.menus().save(&organization, &name, &Menu::parse(MENU.as_bytes()).unwrap(), SystemClock.now()).await.unwrap();
    let validate = parts.validate();
    let good = order_of(
        "order-validated",
        r#"[{"id":"4711","quantity":2,"price":9.25,"modifiers":[]}],"taxes":[{"name":"VAT","amount":1.95}],"tip":3.00"#,
    )
    .replace("21.50", "18.50");
    let wrong = order_of(
        "order-not-of-the-menu",
        r#"[{"id":"9999","quantity":1},{"id":"4720","quantity":1},{"id":"4711","quantity":1,"price":8.00,"modifiers":[{"id":"olives"}]},{"id":"4711","quantity":1,"modifiers":[{"id":"large","quantity":2}]}]"#,
    );
    for (name, about, body) in [("validated", "It could be placed now.", good), ("rejected", "Every reason at once.", wrong)] {
        log.add(VALIDATE, name, about, Some(&body), validate.handle(signed(VALIDATE, &body).body(body.clone()).unwrap()).await);
    }
}

/// Polls, where no worker runs, so that nothing moves.
async fn reads(log: &mut Log) {
    let services = start_services(None, "http://127.0.0.1:9").await.unwrap();
    let parts = &services.parts;
    let (submit, get) = (parts.submit(), parts.get());
    for (uid, location) in [("order-placed", "PAR-LOC-12345"), ("order-pending", "PAR-LOC-ASYNC")] {
        let body = order(uid, location);
        submit.handle(signed(SUBMIT, &body).body(body).unwrap()).await;
    }
    log.add(GET, "placed", "Final; it may be kept.", None, get.handle(read("order-placed").body(()).unwrap()).await);
    log.add(
        GET,
        "pending",
        "Not known yet; ask again after Retry-After.",
        None,
        get.handle(read("order-pending").body(()).unwrap()).await,
    );
    let pending = read("order-pending").header("if-none-match", "*").header("prefer", "wait=0").body(()).unwrap();
    log.add(GET, "not_modified", "Nothing has changed.", None, get.handle(pending).await);

    let asked = read("order-pending").header("prefer", "wait=0").body(()).unwrap();
    log.add(GET, "held", "Held until it changes, for no longer than it was to wait.", None, get.handle(asked).await);
    let history = || read("order-pending/history");
    log.add(HISTORY, "pending", "An order that waits for a worker.", None, get.handle(history().body(()).unwrap()).await);
    let known = history().header("if-none-match", "*").body(()).unwrap();
    log.add(HISTORY, "not_modified", "Nothing has changed.", None, get.handle(known).await);

    let key = "par-local#order-pending".parse().unwrap();
    let wish = Wish::End { key, decision: Decision::Errored, reason: "the store has closed".to_owned(), asking: true };
    let granted = parts.process().process.grant(wish, WORKER_FUNCTION_TIMEOUT).await;
    assert_eq!(granted, Granted::Ended(OrderStatus::Errored));
    log.add(GET, "ended_by_operator", "A person has ended it.", None, get.handle(read("order-pending").body(()).unwrap()).await);
    log.add(HISTORY, "history", "An order that a person has ended.", None, get.handle(history().body(()).unwrap()).await);
    log.add(HISTORY, "unknown_order", "", None, get.handle(read("order-nobody/history").body(()).unwrap()).await);
    log.add(GET, "unknown_order", "No order of this caller.", None, get.handle(read("order-nobody").body(()).unwrap()).await);
}

async fn menus(product: &Product, log: &mut Log) {
    let menu = product.services.parts.menu();
    let ask = |body: &str| signed(MENUS, body).body(body.to_owned()).unwrap();
    let whose = r#"{"organization_id":"IA-YC-01","location_id":"PAR-LOC-EXAMPLE"}"#;
    log.add(MENUS, "menu", "What the location sells.", Some(whose), menu.handle(ask(whose)).await);
    let small = signed(MENUS, whose).header("accept-encoding", "gzip").body(whose.to_owned()).unwrap();
    log.add(MENUS, "compressed", "The same, compressed.", None, menu.handle(small).await);
    let known = signed(MENUS, whose).header("if-none-match", "*").body(whose.to_owned()).unwrap();
    log.add(MENUS, "not_modified", "Nothing has changed.", None, menu.handle(known).await);
    for (name, body) in [
        ("missing_field", r#"{"organization_id":"IA-YC-01"}"#),
        ("invalid_field", r#"{"location_id":17}"#),
        ("unknown_organization", r#"{"organization_id":"IA-NO-99","location_id":"PAR-LOC-12345"}"#),
        ("unknown_location", r#"{"location_id":"PAR-LOC-NOBODY"}"#),
        ("unknown_menu", r#"{"location_id":"PAR-LOC-12345"}"#),
    ] {
        log.add(MENUS, name, "", None, menu.handle(ask(body)).await);
    }
}
