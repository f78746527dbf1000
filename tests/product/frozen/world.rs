//! The services, the functions beside them, and the test in the place of what triggers them.

use std::{
    net::SocketAddr,
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    routing::post,
};
use posnext_local::{
    local::{ORGANIZATION, Services, start_services},
    secret_store::{Live, SecretStore},
};
use posnext_shared::{
    app::ports::SaveMenu,
    domain::{ids::ParId, menu::Menu, time::UnixMillis},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, OnceCell, mpsc, oneshot},
};

use super::{date::dated, in_time, pos::Wall, process::Process, relay::Relay};
use crate::support::{CLIENT_SECRET, ROOT, digest_of, token_with};

/// The location of these tests.
pub(crate) const LOCATION: &str = "PAR-LOC-FROZEN";
/// A batch that has been worked on.
const NO_FAILURES: &str = r#"{"batchItemFailures":[]}"#;

type Queue = mpsc::UnboundedSender<Batch>;

/// A batch of the work queue, as the event source mapping hands it over.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) event: String,
    answer: oneshot::Sender<String>,
}

impl Batch {
    /// It has been worked on, and this was answered.
    pub(crate) fn done(self, answer: &Value) {
        let _ = self.answer.send(answer.to_string());
    }
}

/// The world of one test.
pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) wall: Wall,
    /// How the services are reached in the time of this world.
    environment: Vec<(&'static str, String)>,
    folder: TempDir,
    settings: Vec<(&'static str, &'static str)>,
    processes: Mutex<Vec<Process>>,
    get: OnceCell<Process>,
    batches: AsyncMutex<mpsc::UnboundedReceiver<Batch>>,
}

impl World {
    /// One whose functions have these settings.
    pub(crate) async fn new(settings: &[(&'static str, &'static str)]) -> Self {
        let (queue, batches) = mpsc::unbounded_channel();
        let routes = Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoked)).with_state(queue);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lambda = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let (services, wall) = (start_services(None, &lambda).await.unwrap(), Wall::default());
        let mut environment = services.environment();
        for (_, url) in environment.iter_mut().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_")) {
            *url = dated(std::mem::take(url), wall.clone()).await;
        }
        Self {
            services,
            wall,
            environment,
            folder: tempfile::tempdir().unwrap(),
            settings: settings.to_vec(),
            processes: Mutex::default(),
            get: OnceCell::new(),
            batches: AsyncMutex::new(batches),
        }
    }

    /// A function of this world.
    pub(crate) async fn start(&self, function: &str) -> Process {
        self.start_with(function, &[]).await
    }

    /// One whose calls of DynamoDB go through a relay.
    pub(crate) async fn start_behind(&self, function: &str, relay: &Relay) -> Process {
        self.start_with(function, &[("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", relay.address))]).await
    }

    /// One whose clock is this much ahead of everybody's, AWS included.
    pub(crate) async fn start_ahead(&self, function: &str, ahead: Duration) -> Process {
        let settings = self.settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let environment = self.environment.clone().into_iter().chain(settings);
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).collect();
        Process::start(function, environment, self.folder.path(), ahead).await
    }

    async fn start_with(&self, function: &str, own: &[(&'static str, String)]) -> Process {
        let settings = self.settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let environment = self.environment.clone().into_iter().chain(settings).chain(own.iter().cloned());
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).collect();
        let ahead = Duration::from_millis(self.wall.0.load(Ordering::Relaxed));
        let process = Process::start(function, environment, self.folder.path(), ahead).await;
        self.processes.lock().unwrap().push(process.clone());
        process
    }

    /// A relay to DynamoDB.
    pub(crate) fn relay_to_dynamodb(&self) -> Relay {
        let (_, url) = self.environment.iter().find(|(name, _)| *name == "AWS_ENDPOINT_URL_DYNAMODB").unwrap();
        Relay::to(url.trim_start_matches("http://").parse().unwrap())
    }

    /// Lets the wall clock go on by this, for everybody.
    pub(crate) fn leap(&self, by: Duration) {
        self.wall.0.fetch_add(by.as_millis().try_into().unwrap(), Ordering::Relaxed);
        for process in self.processes.lock().unwrap().iter() {
            process.leap(by);
        }
    }

    /// Maps the location to a POS; `auth` is how requests prove where they come from.
    pub(crate) async fn map(&self, pos: SocketAddr, mode: &str, auth: Value) {
        let mut location = json!({
            "organization_id": ORGANIZATION, "location_id": LOCATION, "internal_id": "YC-LC-100",
            "enabled": true, "mode": mode,
            "connector": {
                "kind": "http", "base": format!("http://{pos}"),
                "abilities": { "idempotent_place": false, "find": { "settle_s": 1 }, "cancel": false },
            },
        });
        if !auth.is_null() {
            location["connector"]["auth"] = auth;
        }
        self.services.parts.directory().put_location(&serde_json::from_value(location).unwrap()).await.unwrap();
    }

    /// Writes a secret of one value.
    pub(crate) async fn put_secret(&self, name: &str, value: &str) {
        let secrets = SecretStore::new(aws_sdk_secretsmanager::Client::new(&self.services.aws.secrets));
        secrets.write(name, &Live::one("1", value)).await.unwrap();
    }

    /// Puts a menu of the location, which has nothing of what these tests order.
    pub(crate) async fn put_menu(&self) {
        let menu = Menu::parse(br#"{"currency":"EUR","products":[{"id":"9","name":"Cake","price":1}]}"#).unwrap();
        let [organization, location] = [ORGANIZATION, LOCATION].map(|id| ParId::new(id).unwrap());
        let now = UnixMillis(self.wall.now().try_into().unwrap());
        self.services.parts.menus().save(&organization, &location, &menu, now).await.unwrap();
    }

    /// A token that the wall clock of this world has not outlived.
    pub(crate) fn token(&self) -> String {
        self.token_for(Duration::from_mins(5))
    }

    /// One that it outlives after this.
    pub(crate) fn token_for(&self, time: Duration) -> String {
        let ends = self.wall.now() / 1000 + time.as_secs();
        token_with(r#"{"alg":"HS256"}"#, &json!({ "exp": ends }).to_string(), CLIENT_SECRET)
    }

    /// A submit, as an HTTP API hands it over.
    pub(crate) fn submission(&self, order: &str) -> String {
        submission_with(order, &self.token())
    }

    /// What a poll is answered: so a test knows nothing of how a row stands in its table. A poll brings back what has
    /// stopped.
    pub(crate) async fn poll(&self, uid: &str) -> Value {
        let function = self.get.get_or_init(|| self.start("get-order")).await;
        let sample = std::fs::read_to_string(format!("{ROOT}/events/get-order/200-placed.json")).unwrap();
        let mut event: Value = serde_json::from_str(&sample.replace("event-placed", uid)).unwrap();
        event["headers"]["authorization"] = format!("Bearer {}", self.token()).into();
        body(&function.invoke(event.to_string()).await)
    }

    /// The order's status.
    pub(crate) async fn status(&self, uid: &str) -> String {
        self.poll(uid).await["status"].as_str().unwrap().to_owned()
    }

    /// The next batch of the work queue.
    pub(crate) async fn batch(&self) -> Batch {
        let mut batches = self.batches.lock().await;
        in_time("a message", batches.recv()).await.unwrap()
    }

    /// Others carry the order to its end: its caller polls, and a worker of its own does what the queue says.
    pub(crate) async fn carried_on_by_others(&self, uid: &str) -> String {
        let worker = self.start("process-order").await;
        loop {
            let status = self.status(uid).await;
            if status != "pending" {
                return status;
            }
            let batch = self.batch().await;
            let answer = worker.invoke(batch.event.clone()).await;
            batch.done(&answer);
        }
    }
}

/// The body of a function's answer to an HTTP API.
pub(crate) fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// A submit under this token.
pub(crate) fn submission_with(order: &str, token: &str) -> String {
    let sample = std::fs::read_to_string(format!("{ROOT}/events/submit-order/200-placed.json")).unwrap();
    let mut event: Value = serde_json::from_str(&sample).unwrap();
    event["headers"]["x-pch-digest"] = digest_of(&serde_json::from_str(order).unwrap()).into();
    event["headers"]["authorization"] = format!("Bearer {token}").into();
    event["body"] = order.into();
    event.to_string()
}

/// What the event source mapping, the stream and the schedule invoke. Only what the queue of orders says is of
/// interest here.
async fn invoked(State(queue): State<Queue>, Path(function): Path<String>, event: String) -> String {
    if function != "process-order" {
        return NO_FAILURES.to_owned();
    }
    let (answer, answered) = oneshot::channel();
    let _ = queue.send(Batch { event, answer });
    // A batch that the test has left behind comes to nothing.
    answered.await.unwrap_or_default()
}
