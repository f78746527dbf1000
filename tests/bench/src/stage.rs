//! What the functions run against: the local services over TLS, a POS over plain HTTP, and an event for everything they do.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use http::Request;
use posnext_local::{
    local::{self, MENU_LOCATION, Services, start_services},
    par::{Bearer, Par, sample_order},
    pos,
};
use posnext_shared::{
    app::ports::ReadOrder,
    domain::{
        directory::{Connector, HttpConnector, Location, Mode},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        record::{Row, State},
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{tls::Authority, units::Counter};

/// The location whose POS is asked while the caller waits.
pub(crate) const SYNC: &str = "BENCH-SYNC";
/// The location whose orders are always accepted.
pub(crate) const ASYNC: &str = "BENCH-ASYNC";

/// Something that a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    Hello,
    Submit,
    SubmitWithMenu,
    SubmitLater,
    Replay,
    Validate,
    Menu,
    Get,
    Process,
    Recover,
}

impl Job {
    /// Recover before all that leaves orders open: with any due it does another job.
    pub(crate) const ALL: [Self; 10] = [
        Self::Hello,
        Self::Recover,
        Self::Submit,
        Self::SubmitWithMenu,
        Self::SubmitLater,
        Self::Replay,
        Self::Validate,
        Self::Menu,
        Self::Get,
        Self::Process,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Submit => "submit 200",
            Self::SubmitWithMenu => "submit 200, with a menu",
            Self::SubmitLater => "submit 202",
            Self::Replay => "submit, a replay",
            Self::Validate => "validate",
            Self::Menu => "menu",
            Self::Get => "get",
            Self::Process => "process, a record",
            Self::Recover => "recover, nothing due",
        }
    }

    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Submit | Self::SubmitWithMenu | Self::SubmitLater | Self::Replay => "submit-order",
            Self::Validate => "validate-order",
            Self::Menu => "get-menu",
            Self::Get => "get-order",
            Self::Process => "process-order",
            Self::Recover => "recover-orders",
        }
    }

    /// Fails unless the function answered as it has to: what is refused quickly is not quick.
    pub(crate) fn check(self, answer: &Value) -> anyhow::Result<()> {
        let status = answer["statusCode"].as_u64();
        let right = match self {
            Self::SubmitLater => status == Some(202),
            Self::Process => *answer == json!({ "batchItemFailures": [] }),
            Self::Recover => answer.is_null(),
            _ => status == Some(200),
        };
        ensure!(right, "{} was answered {answer}", self.name());
        Ok(())
    }
}

/// The stage.
pub(crate) struct Stage {
    pub(crate) services: Services,
    par: Par,
    bootstraps: PathBuf,
    /// Where the POS listens.
    pub(crate) pos: SocketAddr,
    tls: Vec<(String, String)>,
    counted: Vec<(String, String)>,
    pub(crate) counter: Counter,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn start(bootstraps: &Path) -> anyhow::Result<Self> {
        Self::with_data(bootstraps, None).await
    }

    /// The same with its tables in a folder.
    pub(crate) async fn with_data(bootstraps: &Path, data: Option<PathBuf>) -> anyhow::Result<Self> {
        // Nobody listens on port 9: what is queued is left to the function that is measured.
        let services = start_services(data, "http://127.0.0.1:9").await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let pos = listener.local_addr()?;
        let base = format!("http://{pos}/all/prompt");
        tokio::spawn(async move { pos::serve(listener).await });
        for (name, mode) in [(SYNC, Mode::Sync), (ASYNC, Mode::Async)] {
            services.parts.directory().put_location(&location(name, mode, &base)?).await?;
        }
        let folder = tempfile::tempdir()?;
        let authority_file = folder.path().join("authority.pem");
        let authority = Authority::new(&authority_file)?;
        let counter = Counter::default();
        let mut tls = vec![("POSNEXT_CA_FILE".to_owned(), authority_file.display().to_string())];
        let mut counted = Vec::new();
        for (name, value) in services.environment() {
            if name.starts_with("AWS_ENDPOINT_URL_") {
                tls.push((name.to_owned(), authority.before(&value).await?));
                counted.push((name.to_owned(), counter.before(value).await?));
            } else {
                tls.push((name.to_owned(), value.clone()));
                counted.push((name.to_owned(), value));
            }
        }
        let par = Par::new("http://127.0.0.1:9", local::CLIENT_ID, local::CLIENT_SECRET, local::SHARED_ID)?;
        Ok(Self { services, par, bootstraps: bootstraps.to_owned(), pos, tls, counted, counter, _folder: folder })
    }

    /// Variables of a function that reaches its services over TLS, as on AWS.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.tls.clone()
    }

    /// Variables of a function whose calls are counted.
    pub(crate) fn counted_environment(&self) -> Vec<(String, String)> {
        self.counted.clone()
    }

    /// The function's binary, as Lambda gets it or as cargo leaves it.
    pub(crate) fn binary(&self, job: Job) -> anyhow::Result<PathBuf> {
        let function = job.function();
        // The yardstick is no function of the template, so cargo alone builds it.
        let candidates = [
            self.bootstraps.join(function),
            self.bootstraps.join(pascal(function)).join("bootstrap"),
            Path::new("target/release").join(function),
        ];
        let found = candidates.into_iter().find(|candidate| candidate.is_file());
        found.with_context(|| format!("no {function} in {}; tests/bench/run builds it", self.bootstraps.display()))
    }

    /// So many events of a kind, each to be answered with success.
    pub(crate) async fn events(&self, job: Job, count: usize) -> anyhow::Result<Vec<String>> {
        let submit = "/posnext/order/submit";
        let mut events = Vec::with_capacity(count);
        match job {
            Job::Replay | Job::Get => {
                let uid = fresh_uid();
                let order = five_lines(SYNC, &uid);
                self.submit(&order).await?;
                let event = if job == Job::Get {
                    self.api_event("GET", &format!("/posnext/orders/{uid}"), None)?
                } else {
                    self.api_event("POST", submit, Some(&order))?
                };
                events.resize(count, event);
            }
            Job::Hello => events.resize(count, self.api_event("GET", "/", None)?),
            Job::Menu => {
                events.resize(count, self.api_event("POST", &format!("/posnext/menus?location_id={MENU_LOCATION}"), None)?);
            }
            Job::Recover => events.resize(
                count,
                json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": [] }).to_string(),
            ),
            Job::Process => {
                for _ in 0..count {
                    events.push(self.batch(ASYNC, 1).await?);
                }
            }
            Job::Submit | Job::SubmitWithMenu | Job::SubmitLater | Job::Validate => {
                for _ in 0..count {
                    let (path, order) = match job {
                        Job::Submit => (submit, five_lines(SYNC, &fresh_uid())),
                        Job::SubmitWithMenu => (submit, sample_order(local::ORGANIZATION, MENU_LOCATION, &fresh_uid())),
                        Job::SubmitLater => (submit, five_lines(ASYNC, &fresh_uid())),
                        _ => ("/posnext/order/validate", sample_order(local::ORGANIZATION, MENU_LOCATION, &fresh_uid())),
                    };
                    events.push(self.api_event("POST", path, Some(&order))?);
                }
            }
        }
        Ok(events)
    }

    /// Maps a location that is always accepted, with its POS at a base URL.
    pub(crate) async fn map(&self, name: &str, base: &str) -> anyhow::Result<()> {
        Ok(self.services.parts.directory().put_location(&location(name, Mode::Async, base)?).await?)
    }

    /// An event with so many messages about orders of such a location.
    pub(crate) async fn batch(&self, location: &str, size: usize) -> anyhow::Result<String> {
        let mut uids = Vec::with_capacity(size);
        for _ in 0..size {
            let uid = fresh_uid();
            self.submit(&five_lines(location, &uid)).await?;
            uids.push(uid);
        }
        Ok(message_event(&uids))
    }

    /// The key of an order that was submitted and placed, as its row has it.
    pub(crate) async fn placed(&self) -> anyhow::Result<String> {
        let uid = fresh_uid();
        self.submit(&five_lines(SYNC, &uid)).await?;
        Ok(order_key(&uid)?.to_string())
    }

    /// Whether the product reads this order, and as final.
    pub(crate) async fn is_final(&self, uid: &str) -> anyhow::Result<bool> {
        let row = self.services.parts.orders().read(&order_key(uid)?).await?;
        Ok(matches!(row, Some(Row::Order(record)) if matches!(record.state, State::Final(_))))
    }

    /// The name of the orders table.
    pub(crate) fn table(&self) -> &str {
        &self.services.parts.settings().orders_table
    }

    /// Submits an order beside the measurement.
    async fn submit(&self, order: &str) -> anyhow::Result<()> {
        let request = Request::post("/posnext/order/submit").header("content-type", "application/json");
        let request = request.header("authorization", self.authorization()?).header("x-pch-digest", self.par.digest(order));
        let answer = self.services.parts.submit().handle(request.body(order.to_owned())?).await;
        ensure!(answer.status().is_success(), "an order was answered {}: {}", answer.status(), answer.body());
        Ok(())
    }

    fn authorization(&self) -> anyhow::Result<String> {
        Ok(format!("Bearer {}", self.par.bearer(Bearer::Right)?.unwrap_or_default()))
    }

    /// An event of an HTTP API (AWS: "AWS Lambda proxy integrations for HTTP APIs", format 2.0).
    fn api_event(&self, method: &str, target: &str, order: Option<&str>) -> anyhow::Result<String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = json!({
            "accept": "application/json", "content-type": "application/json", "host": "abc123.execute-api.us-east-1.amazonaws.com",
            "authorization": self.authorization()?,
        });
        if let Some(order) = order {
            headers.as_object_mut().context("headers")?.insert("x-pch-digest".to_owned(), self.par.digest(order).into());
        }
        Ok(json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": {
                "accountId": "123456789012", "apiId": "abc123", "domainName": "abc123.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "abc123", "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
                "time": "15/Mar/2025:14:30:45 +0000", "timeEpoch": 1_742_049_045_123_i64,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "PAR" },
            },
            "body": order, "isBase64Encoded": false,
        })
        .to_string())
    }
}

fn order_key(uid: &str) -> anyhow::Result<OrderKey> {
    Ok(OrderKey { tenant: Tenant::new(local::CLIENT_ID)?, request_uid: RequestUid::new(uid)? })
}

fn fresh_uid() -> String {
    format!("bench-{}", uuid::Uuid::now_v7())
}

/// The messages that the queue would hand over.
fn message_event(uids: &[String]) -> String {
    let records: Vec<Value> = uids
        .iter()
        .map(|uid| {
            // A version beyond that of any row: the message is about the order as it stands.
            let body = json!({ "v": 1, "key": { "tenant": local::CLIENT_ID, "request_uid": uid }, "version": 1, "group": ASYNC });
            json!({ "messageId": uid, "receiptHandle": "x", "body": body.to_string(), "eventSource": "aws:sqs", "awsRegion": "us-east-1" })
        })
        .collect();
    json!({ "Records": records }).to_string()
}

fn location(name: &str, mode: Mode, base: &str) -> anyhow::Result<Location> {
    let abilities = pos::ABILITIES.first().map(|(_, abilities)| *abilities).unwrap_or_default();
    Ok(Location {
        organization_id: ParId::new(local::ORGANIZATION)?,
        location_id: ParId::new(name)?,
        internal_id: name.to_owned(),
        enabled: true,
        mode,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Http(HttpConnector { base: base.to_owned(), auth: None, abilities }),
    })
}

/// A family's order.
pub(crate) fn five_lines(location: &str, uid: &str) -> String {
    let mut order: Value = serde_json::from_str(&sample_order(local::ORGANIZATION, location, uid)).unwrap_or_default();
    if let Some(items) = order.pointer_mut("/order_details/items").and_then(Value::as_array_mut)
        && let Some(line) = items.first().cloned()
    {
        *items = vec![line; 5];
    }
    order.to_string()
}

fn pascal(function: &str) -> String {
    let word = |word: &str| word.split_at_checked(1).map(|(first, rest)| first.to_ascii_uppercase() + rest);
    function.split('-').filter_map(word).collect()
}
