//! AWS, under the SDK: what a function's HTTP client would send goes to tables, queues and secrets in memory. Every call
//! takes its time, may be lost or done without a reply, and is done whether or not whoever called is still there.

mod dynamodb;
mod queue;
mod secrets;

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use aws_config::Region;
use aws_sdk_dynamodb::config::{
    Credentials, RuntimeComponents, SharedCredentialsProvider, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use posnext_aws::{adapters::aws, wiring::Aws};
use posnext_shared::app::ports::Clock;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

pub(crate) use self::dynamodb::{DIRECTORY, MENUS, ORDERS};
use self::{dynamodb::Tables, queue::Queue, secrets::Secrets};
use crate::{
    clock::MachineClock,
    dice::Dice,
    faults::Fault,
    sim::{Shared, lock},
};

/// Where the queues are said to be.
pub(crate) const QUEUE: &str = "http://127.0.0.1:1/queue/orders";
pub(crate) const DEAD: &str = "http://127.0.0.1:1/queue/dead";

/// For how long there may be no room for an operation of a machine: the SDK's repeats end sooner.
const NO_ROOM: Duration = Duration::from_secs(3);

/// The services of one account.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) tables: Tables,
    pub(crate) queue: Queue,
    pub(crate) secrets: Secrets,
}

impl Services {
    pub(crate) fn new(sim: &Shared) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self { tables: Tables::new(sim)?, queue: Queue::new(sim), secrets: Secrets::default() }))
    }

    /// The SDK's configuration of one machine: the product's own, but for the HTTP client.
    pub(crate) fn configured(self: &Arc<Self>, sim: &Shared, who: &str, clock: &MachineClock, calm: bool) -> Aws {
        let credentials = Credentials::new("key", "secret", None, None, "simulation");
        let machine = Machine {
            sim: Arc::clone(sim),
            services: Arc::clone(self),
            who: who.into(),
            clock: clock.clone(),
            dice: sim.dice.part(who, 0),
            calls: Arc::default(),
            refused: Arc::default(),
            calm,
        };
        let region = Region::from_static("us-east-1");
        let config = aws::over(SharedHttpClient::new(machine), region, SharedCredentialsProvider::new(credentials));
        // The SDK signs with the time; nothing here looks at that, and it is to be the same in every run.
        let signed_at = StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(1_742_049_045));
        let config = config.to_builder().endpoint_url("http://127.0.0.1:1").time_source(signed_at).build();
        Aws { dynamodb: config.clone(), sqs: aws::for_messages(&config), secrets: config }
    }
}

/// What one machine calls AWS over.
#[derive(Debug, Clone)]
struct Machine {
    sim: Shared,
    services: Arc<Services>,
    who: Arc<str>,
    clock: MachineClock,
    dice: Dice,
    calls: Arc<AtomicU64>,
    /// Operations that have no room until then.
    refused: Arc<Mutex<BTreeMap<String, Instant>>>,
    /// Nothing goes wrong with its calls.
    calm: bool,
}

/// What a service says: an HTTP status, and JSON.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) json: String,
    /// It is not said before so much time has passed.
    pub(crate) not_before: Duration,
}

impl Said {
    pub(crate) fn ok(json: impl Into<String>) -> Self {
        Self { status: 200, json: json.into(), not_before: Duration::ZERO }
    }

    pub(crate) fn error(status: u16, kind: &str) -> Self {
        let json = format!(r#"{{"__type":"{kind}","message":"simulated"}}"#);
        Self { status, json, not_before: Duration::ZERO }
    }

    /// `done`, or the name of its error.
    fn name(&self) -> String {
        if self.status == 200 {
            return "done".to_owned();
        }
        let error: serde_json::Value = serde_json::from_str(&self.json).unwrap_or_default();
        let kind = error.get("__type").and_then(|kind| kind.as_str()).unwrap_or("?");
        let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
        let reasons = error.get("CancellationReasons").and_then(|reasons| reasons.as_array());
        let codes = reasons.into_iter().flatten().filter_map(|reason| reason.get("Code")?.as_str());
        codes.fold(kind, |text, code| format!("{text} {code}"))
    }
}

impl HttpClient for Machine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Machine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body = request.body().bytes().map(<[u8]>::to_vec).unwrap_or_default();
        let (machine, number) = (self.clone(), self.calls.fetch_add(1, Ordering::Relaxed));
        HttpConnectorFuture::new(async move { machine.exchange(target, body, number).await })
    }
}

impl Machine {
    async fn exchange(self, target: String, body: Vec<u8>, number: u64) -> Result<HttpResponse, ConnectorError> {
        self.sim.calls();
        let sent = self.clock.now();
        let (reply, replied) = oneshot::channel();
        // It goes on when this machine has died.
        tokio::spawn(self.clone().carried(target, body, number, reply));
        let Ok((said, date)) = replied.await else { return pending().await };
        self.clock.heard(date, sent);
        let status = said.status.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))?;
        Ok(HttpResponse::new(status, SdkBody::from(said.json)))
    }

    async fn carried(
        self,
        target: String,
        body: Vec<u8>,
        number: u64,
        reply: oneshot::Sender<(Said, posnext_shared::domain::time::UnixMillis)>,
    ) {
        let (sim, mut dice) = (&self.sim, self.dice.part("call", number));
        let (service, operation) = target.split_once('.').unwrap_or_default();
        let mut strikes = |fault| !self.calm && sim.strikes(&mut dice, fault);
        let (lost, reply_lost) = (strikes(Fault::CallLost), strikes(Fault::ReplyLost));
        let (throttled, throttled_long) = (strikes(Fault::Throttled), strikes(Fault::ThrottledLong));
        let slow = strikes(Fault::SlowCall);
        let (failed, failed_done) = (strikes(Fault::ServerError), strikes(Fault::ServerErrorDone));
        let conflict = service == "DynamoDB_20120810" && is_write(operation) && strikes(Fault::Conflict);
        let (there, back) = (dice.millis(1..15), dice.millis(1..15));
        let there = if slow { there + dice.millis(50..1_500) } else { there };
        if lost {
            let what = self.services.named(service, operation, &body);
            sim.tell(&self.who, || format!("{what}: it does not arrive"));
            // For ever, as far as the caller is concerned.
            return pending().await;
        }
        sleep(there).await;
        let what = self.services.named(service, operation, &body);
        if throttled_long {
            lock(&self.refused).insert(operation.to_owned(), Instant::now() + NO_ROOM);
        }
        let refused = lock(&self.refused).get(operation).is_some_and(|until| Instant::now() < *until && !sim.is_quiet());
        let said = match () {
            () if throttled || refused => Said::error(400, "com.amazonaws#ThrottlingException"),
            () if failed => Said::error(500, "com.amazonaws#InternalServerError"),
            () if conflict => conflicted(operation, &body),
            () => self.services.done(service, operation, &body, &mut dice),
        };
        sim.tell(&self.who, || format!("{what}: {}{}", said.name(), if reply_lost { ", and the reply is lost" } else { "" }));
        let said = if failed_done { Said::error(500, "com.amazonaws#InternalServerError") } else { said };
        let date = sim.now();
        sleep(back.max(said.not_before)).await;
        if reply_lost {
            return pending().await;
        }
        let _ = reply.send((said, date));
    }
}

fn is_write(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "TransactWriteItems")
}

/// What a write is answered that meets a transaction.
fn conflicted(operation: &str, body: &[u8]) -> Said {
    if operation != "TransactWriteItems" {
        return Said::error(400, "com.amazonaws.dynamodb.v20120810#TransactionConflictException");
    }
    let items = serde_json::from_slice::<serde_json::Value>(body).ok();
    let items = items.and_then(|body| Some(body.get("TransactItems")?.as_array()?.len())).unwrap_or_default();
    let reasons: Vec<_> = (0..items).map(|item| if item == 0 { "TransactionConflict" } else { "None" }).collect();
    let reasons: Vec<_> = reasons.into_iter().map(|code| format!(r#"{{"Code":"{code}"}}"#)).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let json = format!(r#"{{"__type":"{kind}","Message":"simulated","CancellationReasons":[{}]}}"#, reasons.join(","));
    Said { status: 400, json, not_before: Duration::ZERO }
}

impl Services {
    fn done(&self, service: &str, operation: &str, body: &[u8], dice: &mut Dice) -> Said {
        match service {
            "DynamoDB_20120810" => self.tables.call(operation, body, dice),
            "AmazonSQS" => self.queue.call(operation, body, dice),
            "secretsmanager" => self.secrets.call(body),
            _ => Said::error(400, "UnknownOperationException"),
        }
    }

    /// A call, in words.
    fn named(&self, service: &str, operation: &str, body: &[u8]) -> String {
        match service {
            "DynamoDB_20120810" => dynamodb::named(operation, body),
            _ => format!("{service} {operation}"),
        }
    }
}
