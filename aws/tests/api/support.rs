//! The API in memory: a request goes in, an answer comes out. What stands behind the ports is `posnext_fakes`, in virtual time.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use lambda_http::Body;
use posnext_aws::edge::{get::GetOrder, menus::GetMenu, submit::Submit, validate::Validate};
use posnext_fakes::{Fake, FakeWorld, Mapped};
use posnext_shared::{
    app::{accept::Accept, caller::Gate, check::Check, lately::Lately, menus::Menus, ports::*, process::Process, read::Read},
    domain::{
        ability::{Abilities, Find},
        contract::Contract,
        directory::{Client, Connector, Location, Mode, Organization, SandboxConnector},
        ids::{ParId, Tenant},
        menu::Menu,
        policy::{MENU_LIMIT, Policy, WORKER_FUNCTION_TIMEOUT},
        time::UnixMillis,
        token::Expectations,
    },
};
use serde_json::Value;

#[path = "../../../tests/product/par.rs"]
mod par;

pub(crate) use par::*;

pub(crate) const SAMPLE_MENU: &str = include_str!("../../../local/src/local/sample_menu.json");
pub(crate) const SUBMIT: &str = "/posnext/order/submit";
pub(crate) const VALIDATE: &str = "/posnext/order/validate";

pub(crate) fn id(text: &str) -> ParId {
    ParId::new(text).unwrap()
}

/// A location of the organization of every test.
pub(crate) fn location(name: &str, sandbox: SandboxConnector) -> Location {
    Location {
        organization_id: id("IA-YC-01"),
        location_id: id(name),
        internal_id: "YC-LC-001".to_owned(),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Sandbox(sandbox),
    }
}

/// The client, the organization and the locations of the local product.
fn mapped() -> Mapped {
    let mapped = Mapped::default();
    mapped.put_secret("client", "local", CLIENT_SECRET);
    mapped.put_secret("shared-id", "local", SHARED_ID);
    let (organization_id, tenant) = (id("IA-YC-01"), Tenant::new("par-local").unwrap());
    let organizations = vec![organization_id.clone()];
    mapped.0.clients.lock().unwrap().push(Client {
        client_id: "par-local".into(),
        tenant: tenant.clone(),
        secret: "client".into(),
        organizations,
    });
    let shared_ids = "shared-id".into();
    mapped.put_organization(Organization { organization_id, tenant, internal_id: "YC01".into(), shared_ids });
    let prompt = SandboxConnector::prompt;
    let find_only = Abilities { idempotent_place: false, find: Some(Find { settle_s: 3 }), cancel: false };
    for (name, sandbox) in [
        ("PAR-LOC-12345", prompt()),
        ("PAR-LOC-SLOW", SandboxConnector { delay_ms: 20_000, ..prompt() }),
        ("PAR-LOC-ASYNC", prompt()),
        ("PAR-LOC-REJECT", SandboxConnector { refuse: Some("item 4711 is not available".to_owned()), ..prompt() }),
        ("PAR-LOC-FLAKY", SandboxConnector { unreachable_first: 2, ..prompt() }),
        ("PAR-LOC-LOSTREPLY", SandboxConnector { lose_replies_first: 1, ..prompt() }),
        ("PAR-LOC-DOWN", SandboxConnector { down: true, ..prompt() }),
        ("PAR-LOC-OFF", prompt()),
        ("PAR-LOC-FIND", SandboxConnector { lose_replies_first: 1, abilities: find_only, ..SandboxConnector::default() }),
        ("PAR-LOC-MENU", prompt()),
    ] {
        let mode = if name == "PAR-LOC-ASYNC" { Mode::Async } else { Mode::Sync };
        mapped.put_location(Location { mode, enabled: name != "PAR-LOC-OFF", ..location(name, sandbox) });
    }
    mapped.put_menu("PAR-LOC-MENU");
    mapped
}

/// What a test puts into the directory besides.
pub(crate) trait Put {
    fn put_organization(&self, organization: Organization);
    fn put_menu(&self, location: &str);
}

impl Put for Mapped {
    fn put_organization(&self, organization: Organization) {
        self.0.organizations.lock().unwrap().insert(organization.organization_id.clone(), organization);
    }

    /// The sample menu.
    fn put_menu(&self, location: &str) {
        let menu = Menu::parse(SAMPLE_MENU.as_bytes()).unwrap();
        futures_util::FutureExt::now_or_never(self.save(&id("IA-YC-01"), &id(location), &menu, UnixMillis(0))).unwrap().unwrap();
    }
}

/// The API, and a caller of it. Clones share what is behind it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) world: Fake,
    pub(crate) mapped: Mapped,
    pub(crate) contract: Contract,
    pub(crate) expectations: Expectations,
    pub(crate) policy: Policy,
    /// Messages that a worker has had.
    pub(crate) delivered: Arc<std::sync::atomic::AtomicUsize>,
}

impl Api {
    pub(crate) fn new() -> Self {
        let world = Fake::beginning_at(UnixMillis(now() * 1_000));
        world.play();
        // The samples are dated 2025.
        let policy = Policy { retention: Duration::from_hours(3_650 * 24), ..Policy::default() };
        let (contract, expectations) = (Contract::default(), Expectations::default());
        Self { world, mapped: mapped(), contract, expectations, policy, delivered: Arc::default() }
    }

    /// The same, as it is with other answers to PAR's open questions.
    pub(crate) fn with(&self, contract: Contract) -> Self {
        Self { contract, ..self.clone() }
    }

    /// One request, as API Gateway hands it to the function of its path.
    pub(crate) async fn call(&self, request: Request<impl AsRef<[u8]>>) -> Response<String> {
        let path = request.uri().path().to_owned();
        if path.ends_with("/submit") {
            self.submit_order().handle(request).await
        } else if path.ends_with("/validate") {
            let answer_deadline = self.policy.answer_deadline;
            Validate { gate: self.gate(), check: self.check(), pos: self.world.clone(), answer_deadline }.handle(request).await
        } else if path.ends_with("/menus") {
            self.get_menu().handle(request).await.map(|body| match body {
                Body::Text(text) => text,
                Body::Binary(bytes) => String::from_utf8(bytes).unwrap(),
                _ => String::new(),
            })
        } else {
            let read = Read { orders: self.world.clone(), queue: self.world.clone(), clock: self.world.clone() };
            GetOrder { gate: self.gate(), read, lately: Lately::default() }.handle(request).await
        }
    }

    fn gate(&self) -> Gate<FakeWorld> {
        Gate {
            directory: self.mapped.clone(),
            secrets: self.mapped.clone(),
            clock: self.world.clone(),
            expectations: self.expectations.clone(),
            contract: Arc::new(self.contract.clone()),
        }
    }

    fn check(&self) -> Check<FakeWorld> {
        Check { menus: self.mapped.clone(), contract: Arc::new(self.contract.clone()) }
    }

    fn submit_order(&self) -> Submit<FakeWorld> {
        let accept = Accept {
            orders: self.world.clone(),
            queue: self.world.clone(),
            pos: self.world.clone(),
            clock: self.world.clone(),
            policy: self.policy,
            limits: Arc::default(),
            location_rate: 1_000,
        };
        Submit { gate: self.gate(), check: self.check(), accept }
    }

    fn get_menu(&self) -> GetMenu<FakeWorld> {
        let menus = Menus {
            menus: self.mapped.clone(),
            pos: self.world.clone(),
            clock: self.world.clone(),
            refresh: Duration::from_secs(300),
            limit: MENU_LIMIT,
        };
        GetMenu { gate: self.gate(), menus }
    }

    /// A worker takes every message that is there, each when it is due.
    pub(crate) async fn work(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        loop {
            let sent = self.world.sent();
            let Some((message, delay)) = sent.get(self.delivered.fetch_add(1, Relaxed)) else {
                self.delivered.fetch_sub(1, Relaxed);
                return;
            };
            tokio::time::sleep(*delay).await;
            let process = Process::<FakeWorld> {
                orders: self.world.clone(),
                queue: self.world.clone(),
                pos: self.world.clone(),
                directory: self.mapped.clone(),
                clock: self.world.clone(),
                policy: self.policy,
                limits: Arc::default(),
            };
            process.process(message, WORKER_FUNCTION_TIMEOUT).await;
        }
    }

    pub(crate) async fn send(&self, asked: Asked) -> Answer {
        let (parts, body) = self.call(asked.0).await.into_parts();
        let json = serde_json::from_str(&body).unwrap_or(Value::Null);
        Answer { code: parts.status.as_u16(), headers: parts.headers, json, text: body }
    }

    pub(crate) async fn submit(&self, body: &str) -> Answer {
        self.send(submission(body)).await.signed()
    }

    pub(crate) async fn validate(&self, body: &str) -> Answer {
        self.send(Asked::of(signed_request(VALIDATE, body))).await.signed()
    }

    pub(crate) async fn get_any(&self, uid: &str) -> Answer {
        self.send(read(&format!("/posnext/orders/{uid}"))).await
    }

    pub(crate) async fn get(&self, uid: &str) -> Answer {
        self.get_any(uid).await.signed()
    }

    /// Polls as PAR does, while a worker works, until the order is final.
    pub(crate) async fn final_answer(&self, uid: &str) -> Answer {
        let began = tokio::time::Instant::now();
        while began.elapsed() < Duration::from_secs(40) {
            let answer = self.get(uid).await;
            assert_eq!(answer.code, 200, "{}", answer.text);
            if answer.status() != "pending" {
                return answer;
            }
            self.work().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{uid} is still pending after {:?}", began.elapsed());
    }

    /// Rows of the orders table: orders, second names and guards.
    pub(crate) fn rows(&self) -> usize {
        self.world.0.rows.lock().unwrap().len() + self.world.0.guards.lock().unwrap().len()
    }
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Asked(Request<Vec<u8>>);

impl Asked {
    pub(crate) fn of(request: Request<String>) -> Self {
        Self(request.map(String::into_bytes))
    }

    pub(crate) fn to(method: &str, target: &str) -> Self {
        Self(Request::builder().method(method).uri(target).body(Vec::new()).unwrap())
    }

    /// Says this header besides.
    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.0.headers_mut().append(name, value.as_ref().parse().unwrap());
        self
    }

    /// Says this header and no other of its name.
    pub(crate) fn instead(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.0.headers_mut().insert(name, value.as_ref().parse().unwrap());
        self
    }

    pub(crate) fn posted(mut self) -> Self {
        *self.0.method_mut() = http::Method::POST;
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.headers_mut().remove(name);
        self
    }

    pub(crate) fn bearer(self, token: impl AsRef<str>) -> Self {
        // HTTP takes off white space at a value's end (RFC 9110 section 5.5).
        self.instead("authorization", format!("Bearer {}", token.as_ref()).trim_end())
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let (parts, _) = self.0.into_parts();
        Self(Request::from_parts(parts, body.into()))
    }
}

/// A submit with everything right, to be made wrong.
pub(crate) fn submission(body: &str) -> Asked {
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    bare_submission(body).header("x-pch-digest", digest_of(&json)).bearer(token())
}

/// A submit that says neither who calls nor what it signs.
pub(crate) fn bare_submission(body: &str) -> Asked {
    Asked::to("POST", SUBMIT).header("content-type", "application/json").body(body)
}

/// A GET with a token.
pub(crate) fn read(target: &str) -> Asked {
    Asked::to("GET", target).bearer(token())
}
