//! The whole product in one process: DynamoDB, SQS with an event source mapping, Secrets Manager, a sandbox POS, the
//! functions' own handlers and an HTTP gateway before them. The functions talk to the services over their real wire
//! protocols, as they do on AWS; only the engines behind those are others.

mod board;
mod fixed_points;
mod functions;
mod gateway;
mod guard;
mod lambda;
mod mapping;
mod resources;
mod secrets;
mod services;
mod stream;
mod websocket;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use aws_config::timeout::TimeoutConfig;
use posnext_aws::{
    adapters::directory_admin::DirectoryAdmin,
    settings::Settings,
    wiring::{Aws, Parts},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::lambda::{Account, QUEUED};
use functions::Queue;
use mapping::Source;

pub use board::{Board, State};
pub use fixed_points::{CLIENT_ID, CLIENT_SECRET, LISTEN, MENU_LOCATION, ORGANIZATION, Put, SAMPLE_MENU, SHARED_ID};
pub use gateway::serve_board;
pub use lambda::invocable;

/// Between two recovery runs. On AWS it is a minute, the shortest of a schedule; here nobody wants to wait that long.
const RECOVERY: Duration = Duration::from_secs(15);
/// Where `cargo lambda watch` listens unless told otherwise.
pub const LAMBDA_ENDPOINT: &str = "http://127.0.0.1:9000";

/// The running services: what AWS is to the functions, with the fixed points in it. Dropping it stops them.
#[derive(Debug)]
pub struct Services {
    /// The functions' parts, to look behind the API.
    pub parts: Parts,
    /// How the services are reached.
    pub aws: Aws,
    endpoints: services::Endpoints,
    queues: resources::QueueUrls,
    /// Where process-order can be invoked.
    lambda: String,
    engine: stream::Engine,
    /// Whether changes of orders are followed.
    followed: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// The running product. Dropping it stops it.
#[derive(Debug)]
pub struct Product {
    /// Where the HTTP API listens.
    pub address: SocketAddr,
    /// The services behind it.
    pub services: Services,
}

impl Drop for Services {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// AWS as the environment or the profile says, for commands that act on a deployed stack.
///
/// # Errors
/// A sentence when the certificates cannot be used.
pub async fn aws() -> anyhow::Result<aws_config::SdkConfig> {
    let loader = posnext_aws::adapters::aws::defaults(None).map_err(|error| anyhow::anyhow!(error))?;
    // Further away than a function is.
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(30));
    Ok(loader.timeout_config(timeouts.build()).load().await)
}

/// Starts everything. With `data`, DynamoDB lives in that folder; the queue always starts empty.
///
/// # Errors
/// A sentence that says what keeps it from starting, and what to do.
pub async fn start(listen: SocketAddr, data: Option<PathBuf>) -> anyhow::Result<Product> {
    start_in(&Account::new(Account::DEFAULT), listen, data).await
}

/// The same in an account that may run so many functions at a time.
///
/// # Errors
/// A sentence that says what keeps it from starting, and what to do.
pub async fn start_in(account: &Account, listen: SocketAddr, data: Option<PathBuf>) -> anyhow::Result<Product> {
    let listener = services::listen(listen)
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen 127.0.0.1:PORT"))?;
    let address = listener.local_addr()?;
    let mut services = Services::start(data, Some(address)).await?;
    services.lambda = format!("http://{}", invocable(services.parts.process())?);
    let parts = &services.parts;
    parts.warm_up().await;

    let sqs = aws_sdk_sqs::Client::new(&services.endpoints.patient_sqs()?);
    let handlers = gateway::Handlers {
        account: account.clone(),
        board: board::Board::new(parts.orders().clone(), sqs, &services.queues, &format!("http://{address}"))?,
        submit: parts.submit(),
        validate: parts.validate(),
        menu: parts.menu(),
        get: parts.get(),
        sandbox: parts.sandbox(),
        sockets: websocket::Sockets::new(
            parts.watch().context("the local connections have no table")?,
            services.followed.subscribe(),
        ),
    };
    let functions = functions::Here {
        account: account.clone(),
        process: parts.process(),
        recover: parts.recover(),
        announce: parts.announce(),
        deliver: parts.deliver().context("the local webhooks have no queue")?,
    };
    services.tasks.push(tokio::spawn(gateway::serve(listener, handlers)));
    services.trigger(functions).await?;
    Ok(Product { address, services })
}

/// Starts the services alone. What would trigger the background functions on AWS invokes them at `lambda`, the base URL
/// of a Lambda endpoint such as `cargo lambda watch`.
///
/// # Errors
/// A sentence that says what keeps it from starting, and what to do.
pub async fn start_services(data: Option<PathBuf>, lambda: &str) -> anyhow::Result<Services> {
    let mut services = Services::start(data, None).await?;
    lambda.trim_end_matches('/').clone_into(&mut services.lambda);
    services.trigger(functions::Endpoint::new(lambda)?).await?;
    Ok(services)
}

impl Services {
    /// With `gateway`, WebSocket connections are behind it.
    async fn start(data: Option<PathBuf>, gateway: Option<SocketAddr>) -> anyhow::Result<Self> {
        let (endpoints, engine, tasks) = services::start(data).await?;
        let aws = endpoints.config()?;
        let queues = resources::create(&aws).await?;
        let mut settings = settings(&queues)?;
        settings.connections_endpoint = gateway.map(|address| format!("http://{address}/_local"));
        let parts = Parts::new(settings, &aws);
        let (settings, dynamodb) = (parts.settings(), aws_sdk_dynamodb::Client::new(&aws.dynamodb));
        let directory = DirectoryAdmin::new(dynamodb, settings.directory_table.clone());
        fixed_points::Put::local(&aws, settings.client_secrets_are_base64).put_missing(&directory, parts.menus()).await?;
        Ok(Self { parts, aws, endpoints, queues, lambda: String::new(), engine, followed: watch::Sender::new(false), tasks })
    }

    /// The environment of a function that uses these services.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("AWS_REGION", services::REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", services::CREDENTIAL.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", services::CREDENTIAL.to_owned()),
        ];
        environment.extend(self.endpoints.environment());
        environment.push(("AWS_ENDPOINT_URL_LAMBDA", self.lambda.clone()));
        environment.push(("POSNEXT_PROCESS_FUNCTION", lambda::PROCESS_ORDER.to_owned()));
        environment.extend(self.parts.settings().connections_endpoint.clone().map(|url| ("POSNEXT_CONNECTIONS_ENDPOINT", url)));
        // The Client Secret is stored as the functions will read it.
        let base64 = self.parts.settings().client_secrets_are_base64;
        environment.extend(base64.then(|| ("POSNEXT_CLIENT_SECRET_BASE64", "true".to_owned())));
        let days = self.parts.settings().policy.retention.as_secs() / 86_400;
        environment.push(("POSNEXT_RETENTION_DAYS", days.to_string()));
        environment.push(("POSNEXT_SECRETS_PREFIX", fixed_points::LOCAL_PREFIX.to_owned()));
        environment.extend(resources(&self.queues).map(|(name, value)| (name, value.to_owned())));
        environment
    }

    /// Invokes the background functions: for the queue's messages, and on schedule.
    async fn trigger<F: functions::Functions>(&mut self, functions: F) -> anyhow::Result<()> {
        let functions = Arc::new(functions);
        let sqs = aws_sdk_sqs::Client::new(&self.endpoints.patient_sqs()?);
        let orders = Source { queue: Queue::Orders, url: self.queues.work.clone(), dead: Some(self.queues.dead.clone()) };
        let webhooks = Source { queue: Queue::Webhooks, url: self.queues.webhooks.clone(), dead: None };
        for source in [orders, webhooks] {
            self.tasks.push(tokio::spawn(mapping::run(sqs.clone(), source, Arc::clone(&functions))));
        }
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.dynamodb);
        self.tasks.push(tokio::spawn(stream::run(self.engine.clone(), dynamodb, Arc::clone(&functions), self.followed.clone())));
        self.tasks.push(tokio::spawn(async move {
            // The first run is at once: the queue of an earlier run is gone, its open orders are not.
            let (mut ticks, mut events) = (tokio::time::interval(RECOVERY), JoinSet::new());
            loop {
                ticks.tick().await;
                let functions = Arc::clone(&functions);
                events.spawn(async move { recover(&*functions).await });
                while events.try_join_next().is_some() {}
            }
        }));
        Ok(())
    }
}

/// What a schedule does: an event is queued, and delivered once there is room for it. What it leaves out: that a run which
/// failed is tried twice more. The next one is due sooner here.
async fn recover<F: functions::Functions>(functions: &F) {
    if let Err(error) = QUEUED.invoke(|| functions.recover()).await {
        tracing::error!(error = format!("{error:#}"), "a recovery run failed");
    }
}

/// The settings that name the local resources.
fn resources(queues: &resources::QueueUrls) -> [(&'static str, &str); 9] {
    [
        ("POSNEXT_ORDERS_TABLE", resources::ORDERS),
        ("POSNEXT_DIRECTORY_TABLE", resources::DIRECTORY),
        ("POSNEXT_MENUS_TABLE", resources::MENUS),
        ("POSNEXT_SANDBOX_TABLE", resources::SANDBOX),
        ("POSNEXT_QUEUE_URL", &queues.work),
        ("POSNEXT_DLQ_URL", &queues.dead),
        ("POSNEXT_WEBHOOKS_QUEUE_URL", &queues.webhooks),
        ("POSNEXT_CONNECTIONS_TABLE", resources::CONNECTIONS),
        ("POSNEXT_ALLOW_SANDBOX", "true"),
    ]
}

/// The longest retention: the samples of the book and of `events/` are dated 2025, and an order that is older than the
/// retention is not taken (docs/contract.md#u22).
const RETENTION_DAYS: &str = "3650";

/// The functions' settings: names of the local resources, the rest from the environment as on AWS.
fn settings(queues: &resources::QueueUrls) -> anyhow::Result<Settings> {
    let local = resources(queues);
    let local = |name: &str| local.iter().find(|(local, _)| *local == name).map(|(_, value)| (*value).to_owned());
    let unless_set = |name: &str| (name == "POSNEXT_RETENTION_DAYS").then(|| RETENTION_DAYS.to_owned());
    Ok(Settings::read(|name| local(name).or_else(|| std::env::var(name).ok()).or_else(|| unless_set(name)))?)
}
