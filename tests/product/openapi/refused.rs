//! Every way in which a request is refused.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use lambda_http::Body;
use posnext_aws::{
    edge::{get::GetOrder, menus::GetMenu, submit::Submit, validate::Validate},
    wiring::{Parts, Production},
};
use posnext_local::local::Product;
use posnext_shared::{
    app::{
        accept::Accept,
        caller::Gate,
        check::Check,
        menus::Menus,
        ports::{Directory, PortError},
        read::Read,
        world::World,
    },
    domain::{
        contract::Contract,
        directory::{Client, Location, Organization},
        ids::ParId,
        policy::Policy,
    },
};

use super::received::{GET, HISTORY, Log, MENUS, SUBMIT, VALIDATE, read, signed, with};
use crate::support::{CLIENT_SECRET, now, order, token_with};

pub(super) async fn all(product: &Product, log: &mut Log) {
    Box::pin(orders(product, log)).await;
    Box::pin(of_any_kind(product, log)).await;
    Box::pin(breakdowns(product, log)).await;
}

/// What is wrong with an order: of validate and submit alike.
async fn orders(product: &Product, log: &mut Log) {
    let parts = &product.services.parts;
    let narrow = with(product, |settings| {
        settings.contract = Contract { path_aliases: false, request_window: Some(Duration::from_mins(5)), ..Contract::default() };
    });
    let right = order("order-refused", "PAR-LOC-12345");
    let wrong_digest = signed(SUBMIT, &order("order-other", "PAR-LOC-12345"));
    let answer = async |path: &'static str, parts: &Parts, request: Request<String>| match path {
        SUBMIT => parts.submit().handle(request).await,
        _ => parts.validate().handle(request).await,
    };
    let wrong_digest = wrong_digest.body(right.clone()).unwrap().headers().clone();
    for path in [VALIDATE, SUBMIT] {
        let send = |body: String| signed(path, &body).body(body).unwrap();
        for (name, about, body) in [
            ("missing_field", "Every field at once.", r#"{"organization_id":"IA-YC-01","request_uid":"order-1"}"#.to_owned()),
            ("invalid_field", "", right.replace("order-refused", "order/refused")),
            ("unknown_organization", "", right.replace("IA-YC-01", "IA-NO-99")),
            ("unknown_location", "Its digest has verified.", right.replace("PAR-LOC-12345", "PAR-LOC-NOBODY")),
        ] {
            log.add(path, name, about, None, answer(path, parts, send(body)).await);
        }
        let mut request = send(right.clone());
        request.headers_mut().remove("x-pch-digest");
        log.add(path, "digest_missing", "", None, answer(path, parts, request).await);
        let mut request = send(right.clone());
        *request.headers_mut() = wrong_digest.clone();
        log.add(path, "digest_mismatch", "The digest is another order's.", None, answer(path, parts, request).await);
        let alias = path.replace("/order/", "/orders/");
        log.add(
            path,
            "unknown_path",
            "The plural, where it is switched off.",
            None,
            answer(path, &narrow, signed(&alias, &right).body(right.clone()).unwrap()).await,
        );
        log.add(path, "too_old", "Where `request_datetime` is limited.", None, answer(path, &narrow, send(right.clone())).await);
    }
    let brief = with(product, |settings| settings.policy.retention = Policy::default().retention);
    let answer = brief.submit().handle(signed(SUBMIT, &right).body(right.clone()).unwrap()).await;
    log.add(SUBMIT, "may_be_forgotten", "It is not known, and older than orders are kept less a day.", None, answer);
    let submit = parts.submit();
    let other = order("order-placed", "PAR-LOC-12345").replace("Taco", "Burrito");
    log.add(
        SUBMIT,
        "idempotency_conflict",
        "The id is an order's with other content.",
        None,
        submit.handle(signed(SUBMIT, &other).body(other).unwrap()).await,
    );
    // At once, so that they are of one second.
    let narrow = with(product, |settings| settings.location_rate = 1).submit();
    let body = order("order-too-many", "PAR-LOC-ASYNC");
    let answers = (0..6).map(|_| narrow.handle(signed(SUBMIT, &body).body(body.clone()).unwrap()));
    let answers = futures_util::future::join_all(answers).await;
    let refused = answers.into_iter().find(|answer| answer.status().as_u16() == 429);
    log.add(SUBMIT, "too_many_requests", "More orders a second than the location may send.", None, refused.unwrap());
}

/// Sends a request to the function behind a path.
async fn sent(parts: &Parts, path: &str, request: Request<String>) -> Response<Body> {
    match path {
        SUBMIT => parts.submit().handle(request).await.map(Body::from),
        VALIDATE => parts.validate().handle(request).await.map(Body::from),
        MENUS => parts.menu().handle(request).await,
        _ => parts.get().handle(request).await.map(Body::from),
    }
}

fn right(path: &str) -> http::request::Builder {
    match path {
        GET => read("order-placed"),
        HISTORY => read("order-placed/history"),
        _ => signed(path, &order("order-refused", "PAR-LOC-12345")),
    }
}

/// What is wrong whatever is asked for.
async fn of_any_kind(product: &Product, log: &mut Log) {
    let parts = &product.services.parts;
    let (hs256, later) = (r#"{"alg":"HS256"}"#, now() + 300);
    let body = || order("order-refused", "PAR-LOC-12345");
    for path in [VALIDATE, SUBMIT, GET, HISTORY, MENUS] {
        for (name, authorization) in [
            ("token_missing", None),
            ("token_malformed", Some("no.token".to_owned())),
            ("token_algorithm", Some(token_with(r#"{"alg":"none"}"#, &format!(r#"{{"exp":{later}}}"#), CLIENT_SECRET))),
            ("token_signature", Some(token_with(hs256, &format!(r#"{{"exp":{later}}}"#), "another secret"))),
            ("token_expired", Some(token_with(hs256, &format!(r#"{{"exp":{}}}"#, now() - 300), CLIENT_SECRET))),
            (
                "token_not_yet_valid",
                Some(token_with(hs256, &format!(r#"{{"exp":{later},"nbf":{}}}"#, now() + 200), CLIENT_SECRET)),
            ),
            ("token_claims", Some(token_with(hs256, "{}", CLIENT_SECRET))),
        ] {
            let mut request = right(path).body(body()).unwrap();
            request.headers_mut().remove("authorization");
            if let Some(token) = authorization {
                request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
            }
            log.add(path, name, "", None, sent(parts, path, request).await);
        }
        let mut request = right(path).body(body()).unwrap();
        *request.method_mut() = http::Method::DELETE;
        log.add(path, "method_not_allowed", "Another method than this one.", None, sent(parts, path, request).await);
    }
    for path in [VALIDATE, SUBMIT, MENUS] {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(70), "]".repeat(70));
        for (name, body) in [
            ("invalid_json", "{\"request_uid\":"),
            ("repeated_key", r#"{"location_id":"A","location_id":"B"}"#),
            ("too_deep", &deep),
            ("body_too_large", &"x".repeat(300 * 1024)),
        ] {
            // Of the body of a menu's request nothing but two members is read.
            if (path, name) == (MENUS, "too_deep") {
                continue;
            }
            log.add(path, name, "", None, sent(parts, path, right(path).body(body.to_owned()).unwrap()).await);
        }
        for (name, header, value) in [
            ("unsupported_media_type", "content-type", "text/plain"),
            ("unsupported_content_encoding", "content-encoding", "gzip"),
        ] {
            let mut request = right(path).body(body()).unwrap();
            request.headers_mut().insert(header, value.parse().unwrap());
            log.add(path, name, "", None, sent(parts, path, request).await);
        }
    }
}

/// A directory with a defect.
#[derive(Debug)]
struct Broken(<Production as World>::Directory);

impl Directory for Broken {
    async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
        self.0.clients().await
    }
    async fn organization(&self, id: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
        self.0.organization(id).await
    }
    async fn location(&self, _: &ParId, _: &ParId) -> Result<Option<Arc<Location>>, PortError> {
        panic!("a defect")
    }
}

/// The product, but for that directory.
#[derive(Debug)]
struct Defective;

impl World for Defective {
    type Directory = Broken;
    type Clock = <Production as World>::Clock;
    type Secrets = <Production as World>::Secrets;
    type Menus = <Production as World>::Menus;
    type Orders = <Production as World>::Orders;
    type Queue = <Production as World>::Queue;
    type Pos = <Production as World>::Pos;
    type Subscribers = <Production as World>::Subscribers;
    type Deliveries = <Production as World>::Deliveries;
    type Webhooks = <Production as World>::Webhooks;
    type Connections = <Production as World>::Connections;
    type Push = <Production as World>::Push;
}

fn broken(gate: Gate<Production>) -> Gate<Defective> {
    let Gate { directory, secrets, clock, expectations, contract } = gate;
    Gate { directory: Broken(directory), secrets, clock, expectations, contract }
}

fn checking(check: Check<Production>) -> Check<Defective> {
    let Check { menus, contract } = check;
    Check { menus, contract }
}

fn submit(submit: Submit<Production>) -> Submit<Defective> {
    let Submit { gate, check, accept } = submit;
    let Accept { orders, queue, pos, clock, policy, limits, location_rate } = accept;
    let accept = Accept { orders, queue, pos, clock, policy, limits, location_rate };
    Submit { gate: broken(gate), check: checking(check), accept }
}

fn validate(validate: Validate<Production>) -> Validate<Defective> {
    let Validate { gate, check, pos, answer_deadline } = validate;
    Validate { gate: broken(gate), check: checking(check), pos, answer_deadline }
}

fn get(get: GetOrder<Production>) -> GetOrder<Defective> {
    let GetOrder { gate, read: Read { orders, queue, clock }, lately } = get;
    GetOrder { gate: broken(gate), read: Read { orders, queue, clock }, lately }
}

fn menu(menu: GetMenu<Production>) -> GetMenu<Defective> {
    let GetMenu { gate, menus: Menus { menus, pos, clock, refresh, limit } } = menu;
    GetMenu { gate: broken(gate), menus: Menus { menus, pos, clock, refresh, limit } }
}

/// What breaks behind the API, and in it.
async fn breakdowns(product: &Product, log: &mut Log) {
    let parts = &product.services.parts;
    let defect = "A defect; the request may be sent again.";
    let request = |path: &str| right(path).body(order("order-refused", "PAR-LOC-12345")).unwrap();
    log.add(SUBMIT, "internal_error", defect, None, submit(parts.submit()).handle(request(SUBMIT)).await);
    log.add(VALIDATE, "internal_error", defect, None, validate(parts.validate()).handle(request(VALIDATE)).await);
    let get = get(parts.get());
    for path in [GET, HISTORY] {
        log.add(path, "internal_error", defect, None, get.handle(request(path)).await);
    }
    log.add(MENUS, "internal_error", defect, None, menu(parts.menu()).handle(request(MENUS)).await);

    let lost = with(product, |settings| settings.directory_table = "no-such-table".to_owned());
    for path in [VALIDATE, SUBMIT, MENUS] {
        log.add(path, "temporarily_unavailable", "Who calls cannot be looked up.", None, sent(&lost, path, request(path)).await);
    }
    let lost = with(product, |settings| settings.orders_table = "no-such-table".to_owned());
    for path in [GET, HISTORY] {
        log.add(path, "temporarily_unavailable", "The order cannot be read.", None, sent(&lost, path, request(path)).await);
    }
    let lost = with(product, |settings| {
        settings.menus_table = "no-such-table".to_owned();
        settings.contract.menu_required = true;
    });
    for path in [VALIDATE, SUBMIT] {
        log.add(
            path,
            "temporarily_unavailable_for_an_order",
            "It cannot be told now.",
            None,
            sent(&lost, path, request(path)).await,
        );
    }
}
