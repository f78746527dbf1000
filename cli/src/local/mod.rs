//! The whole product in one process: DynamoDB, SQS with an event source mapping, Secrets Manager, a sandbox POS, the
//! functions' own handlers and an HTTP gateway before them. The functions talk to the services over their real wire
//! protocols, as they do on AWS; only the engines behind those are others.

mod fixed_points;
mod gateway;
mod mapping;
mod resources;
mod services;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use posnext_shared::{
    edge::schedule,
    settings::Settings,
    wiring::{Aws, Parts},
};
use tokio::task::JoinHandle;

pub use fixed_points::{CLIENT_ID, CLIENT_SECRET, LISTEN, ORGANIZATION, SHARED_ID};

/// Between two recovery runs. On AWS it is a minute, the shortest of a schedule; here nobody wants to wait that long.
const RECOVERY: Duration = Duration::from_secs(15);
/// Time-out of a background function, as in the template.
const FUNCTION_TIMEOUT: Duration = posnext_shared::domain::policy::WORKER_FUNCTION_TIMEOUT;

/// The running product. Dropping it stops it.
#[derive(Debug)]
pub struct Product {
    /// Where the HTTP API listens.
    pub address: SocketAddr,
    /// The functions' parts, to look behind the API.
    pub parts: Parts,
    /// How the local services are reached.
    pub aws: Aws,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Product {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts everything. With `data`, DynamoDB lives in that folder; the queue always starts empty.
///
/// # Errors
/// A sentence that says what keeps it from starting, and what to do.
pub async fn start(listen: SocketAddr, data: Option<PathBuf>) -> anyhow::Result<Product> {
    let listener = services::listen(listen)
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen 127.0.0.1:PORT"))?;
    let (endpoints, mut tasks) = services::start(data).await?;
    let aws = endpoints.config().await?;
    let queues = resources::create(&aws).await?;
    let settings = settings(&queues)?;
    let parts = Parts::new(settings, &aws);
    fixed_points::put(&parts, &aws).await?;
    parts.warm_up().await;

    let handlers = gateway::Handlers { submit: parts.submit(), get: parts.get(), sandbox: parts.sandbox() };
    let address = listener.local_addr()?;
    tasks.push(tokio::spawn(gateway::serve(listener, handlers)));
    let consumer = Arc::new(parts.process());
    tasks.push(tokio::spawn(mapping::run(aws_sdk_sqs::Client::new(&endpoints.patient_sqs().await?), queues.work, consumer)));
    let recover = parts.recover();
    tasks.push(tokio::spawn(async move {
        // The first run is at once: the queue of an earlier run is gone, its open orders are not.
        let mut ticks = tokio::time::interval(RECOVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = schedule::run(&recover, FUNCTION_TIMEOUT).await {
                tracing::error!(%error, "a recovery run failed");
            }
        }
    }));
    Ok(Product { address, parts, aws, tasks })
}

/// The functions' settings: names of the local resources, the rest from the environment as on AWS.
fn settings(queues: &resources::QueueUrls) -> anyhow::Result<Settings> {
    let local = |name: &str| {
        Some(match name {
            "POSNEXT_ORDERS_TABLE" => resources::ORDERS.to_owned(),
            "POSNEXT_DIRECTORY_TABLE" => resources::DIRECTORY.to_owned(),
            "POSNEXT_SANDBOX_TABLE" => resources::SANDBOX.to_owned(),
            "POSNEXT_QUEUE_URL" => queues.work.clone(),
            "POSNEXT_DLQ_URL" => queues.dead.clone(),
            "POSNEXT_ALLOW_SANDBOX" => "true".to_owned(),
            _ => return None,
        })
    };
    Ok(Settings::read(|name| local(name).or_else(|| std::env::var(name).ok()))?)
}
