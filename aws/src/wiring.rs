//! Builds each function from its settings. The only place that knows every layer.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;

use crate::{
    adapters::{
        aws,
        clock::SystemClock,
        connections::ConnectionTable,
        directory::DirectoryTable,
        http_pos::{
            HttpPos,
            line::Network,
            sockets::{Roots, Sockets},
        },
        menu_table::MenuTable,
        order_item,
        orders::OrderTable,
        pos::PosRouter,
        push::Connected,
        queue::{DeliveryQueue, Queues, parse_delivery, parse_message},
        sandbox::SandboxPos,
        secrets::{SecretCache, SecretRules},
        subscribers::SubscriberTable,
        webhooks::WebhookClient,
    },
    edge::{
        deliveries::Deliveries, get::GetOrder, menus::GetMenu, queue::Consumer, stream::Stream, submit::Submit,
        validate::Validate, watch::WatchOrders,
    },
    settings::Settings,
};
use posnext_shared::{
    app::{
        METRICS,
        accept::Accept,
        announce::Announce,
        caller::Gate,
        check::Check,
        deliver::Deliver,
        lately::Lately,
        limits::Limits,
        menus::Menus,
        ports::{Clock, Directory, Refresh, Secrets},
        process::Process,
        read::Read,
        recover::Recover,
        watch::{TellWatchers, Watch},
        world::World,
    },
    domain::{
        contract::Contract,
        policy::{MENU_LIMIT, WORKER_FUNCTION_TIMEOUT},
    },
};

/// What an init waits for its services: Lambda ends one that takes 10 s.
const WARM_UP_LIMIT: Duration = Duration::from_secs(2);

/// Connections to the orders table that a batch shares. Its records wait for their POS at once, and for a write one after the
/// other: over three, ten take 1.1 times as long as one (tests/bench/run --batches).
const BATCH_CONNECTIONS: usize = 3;

/// The world of the functions: AWS by its SDK, and the POS systems by HTTP. The clock, and how a POS is connected to, are
/// the machine's in production, and the simulation's own there: it has nothing else otherwise (docs/decisions/0032).
#[derive(Debug)]
pub struct OnAws<C, N>(PhantomData<fn() -> (C, N)>);

/// The same on a machine of AWS's, or a laptop.
pub type Production = OnAws<SystemClock, Sockets>;

impl<C: Clock + fmt::Debug, N: Network> World for OnAws<C, N> {
    type Clock = C;
    type Directory = Arc<DirectoryTable<C>>;
    type Secrets = Arc<SecretCache<C>>;
    type Menus = Arc<MenuTable<C>>;
    type Orders = OrderTable;
    type Queue = Queues;
    type Pos = PosRouter<Arc<SecretCache<C>>, C, N>;
    type Subscribers = SubscriberTable;
    type Deliveries = DeliveryQueue;
    type Webhooks = WebhookClient;
    type Connections = ConnectionTable;
    type Push = Connected;
}

/// process-order.
pub type ProcessFunction = Consumer<Production>;

/// How each service is reached. On AWS they are one; on a laptop each has an endpoint of its own.
#[derive(Debug, Clone)]
pub struct Aws {
    /// DynamoDB.
    pub dynamodb: SdkConfig,
    /// SQS.
    pub sqs: SdkConfig,
    /// Secrets Manager.
    pub secrets: SdkConfig,
}

/// Clients and caches, from which the functions are made.
#[derive(Debug, Clone)]
pub struct Parts<C = SystemClock, N = Sockets> {
    settings: Settings,
    clock: C,
    dynamodb: aws_sdk_dynamodb::Client,
    orders: OrderTable,
    queues: Queues,
    /// What the functions that push make their clients of: no other is to link them.
    aws: Aws,
    directory: Arc<DirectoryTable<C>>,
    secrets: Arc<SecretCache<C>>,
    menus: Arc<MenuTable<C>>,
    limits: Arc<Limits>,
    contract: Arc<Contract>,
    network: Lazily<N>,
}

/// Makes what only some functions need: TLS to a POS costs a cold start.
#[derive(Clone)]
struct Lazily<N>(Arc<dyn Fn() -> N + Send + Sync>);

impl<N> fmt::Debug for Lazily<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazily")
    }
}

/// A sentence that says what keeps a function from starting.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// What a function's `main` does first: reads the settings, starts logging, builds the clients.
///
/// # Errors
/// Every setting that is missing or wrong, no region, or certificates that cannot be read.
pub fn start() -> Result<Parts, StartError> {
    let mut settings = Settings::from_env()?;
    let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "local".to_owned());
    crate::edge::log::start(settings.log, function);
    tracing::info!(target: METRICS, ColdStarts = 1);
    let file = |name: &str, path: &Option<String>| -> Result<Option<Vec<u8>>, String> {
        path.as_ref().map(std::fs::read).transpose().map_err(|error| format!("{name}: {error}"))
    };
    let roots = file("POSNEXT_CA_FILE", &settings.ca_file)?;
    let mut pos_roots = Roots::of_the_web();
    if let Some(pem) = file("POSNEXT_POS_CA_FILE", &settings.pos_ca_file)? {
        pos_roots = pos_roots.and(&pem).map_err(|error| format!("POSNEXT_POS_CA_FILE: {error}"))?;
    }
    let sdk = aws::on_lambda(roots.as_deref())?;
    let service = |service| aws::at_endpoint_of(service, &sdk);
    let aws = Aws { dynamodb: service("DYNAMODB"), sqs: aws::for_messages(&service("SQS")), secrets: service("SECRETS_MANAGER") };
    // As for every other service, in the SDK's own variable.
    settings.connections_endpoint =
        settings.connections_endpoint.map(|set| aws::endpoint_of("APIGATEWAYMANAGEMENTAPI").unwrap_or(set));
    Ok(Parts::with(settings, &aws, SystemClock, move || Sockets::trusting(pos_roots.clone())))
}

/// What a background function's time-out leaves of an invocation that begins now.
///
/// A deadline that is over before the invocation begins is none (`cargo lambda watch` sends one of 1970): then it is the
/// whole time-out of the template.
#[must_use]
pub fn remaining(deadline: SystemTime) -> Duration {
    deadline.duration_since(SystemTime::now()).unwrap_or(WORKER_FUNCTION_TIMEOUT)
}

impl Parts {
    /// Builds the clients; sends nothing.
    #[must_use]
    pub fn new(settings: Settings, aws: &Aws) -> Self {
        Self::with(settings, aws, SystemClock, || Sockets::trusting(Roots::of_the_web()))
    }
}

impl<C: Clock + Clone + fmt::Debug, N: Network> Parts<C, N> {
    /// The same with this clock and this network.
    #[must_use]
    pub fn with(settings: Settings, aws: &Aws, clock: C, network: impl Fn() -> N + Send + Sync + 'static) -> Self {
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws.dynamodb);
        let rules =
            SecretRules { allow_local: settings.allow_sandbox, client_secrets_are_base64: settings.client_secrets_are_base64 };
        Self {
            orders: OrderTable::new(dynamodb.clone(), settings.orders_table.clone()),
            queues: Queues::new(
                aws_sdk_sqs::Client::new(&aws.sqs),
                settings.queue_url.clone(),
                settings.dead_letter_queue_url.clone(),
            ),
            directory: Arc::new(DirectoryTable::new(
                dynamodb.clone(),
                settings.directory_table.clone(),
                settings.allow_sandbox,
                clock.clone(),
            )),
            secrets: Arc::new(SecretCache::new(aws_sdk_secretsmanager::Client::new(&aws.secrets), rules, clock.clone())),
            menus: Arc::new(MenuTable::new(dynamodb.clone(), settings.menus_table.clone(), clock.clone())),
            limits: Arc::default(),
            contract: Arc::new(settings.contract.clone()),
            aws: aws.clone(),
            network: Lazily(Arc::new(network)),
            clock,
            dynamodb,
            settings,
        }
    }

    /// What a function does in its init that will hand off orders: the queue beside all else.
    pub async fn warm_up_with_queue(&self) {
        tokio::join!(self.warm_up(), self.queues.warm_up());
    }

    /// Opens the connection to the orders, for a function that asks nobody who calls.
    pub async fn warm_up_orders(&self) {
        self.orders.warm_up().await;
    }

    /// Reads the clients and the secrets once, so that the first request finds them and open connections. What is not read in
    /// time, or at all, is left to that request.
    pub async fn warm_up(&self) {
        let _ = tokio::time::timeout(WARM_UP_LIMIT, self.read_callers()).await;
    }

    async fn read_callers(&self) {
        let Ok(clients) = self.directory.clients().await else { return };
        for client in clients.iter() {
            let _ = self.secrets.client_secrets(&client.secret, Refresh::No).await;
            for id in &client.organizations {
                if let Ok(Some(organization)) = self.directory.organization(id).await {
                    let _ = self.secrets.shared_ids(&organization.shared_ids, Refresh::No).await;
                }
            }
        }
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The directory, to be written by administration.
    #[must_use]
    pub fn directory(&self) -> &DirectoryTable<C> {
        &self.directory
    }

    /// The table of orders.
    #[must_use]
    pub fn orders(&self) -> &OrderTable {
        &self.orders
    }

    /// The table of menus.
    #[must_use]
    pub fn menus(&self) -> &MenuTable<C> {
        &self.menus
    }

    /// The queues.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The played POS.
    #[must_use]
    pub fn sandbox(&self) -> SandboxPos {
        SandboxPos::new(self.dynamodb.clone(), self.settings.sandbox_table.clone(), || SystemClock.now())
    }

    fn gate(&self) -> Gate<OnAws<C, N>> {
        Gate {
            directory: Arc::clone(&self.directory),
            secrets: Arc::clone(&self.secrets),
            clock: self.clock.clone(),
            expectations: self.settings.expectations.clone(),
            contract: Arc::clone(&self.contract),
        }
    }

    fn check(&self) -> Check<OnAws<C, N>> {
        Check { menus: Arc::clone(&self.menus), contract: Arc::clone(&self.contract) }
    }

    fn pos(&self) -> PosRouter<Arc<SecretCache<C>>, C, N> {
        let http = HttpPos::new(Arc::clone(&self.secrets), (self.network.0)(), self.clock.clone());
        PosRouter { http, sandbox: self.settings.allow_sandbox.then(|| self.sandbox()) }
    }

    /// submit-order.
    #[must_use]
    pub fn submit(&self) -> Submit<OnAws<C, N>> {
        let accept = Accept {
            orders: self.orders.clone(),
            queue: self.queues.clone(),
            pos: self.pos(),
            clock: self.clock.clone(),
            policy: self.settings.policy,
            limits: Arc::clone(&self.limits),
            location_rate: self.settings.location_rate,
        };
        Submit { gate: self.gate(), check: self.check(), accept }
    }

    /// validate-order.
    #[must_use]
    pub fn validate(&self) -> Validate<OnAws<C, N>> {
        let answer_deadline = self.settings.policy.answer_deadline;
        Validate { gate: self.gate(), check: self.check(), pos: self.pos(), answer_deadline }
    }

    /// get-menu.
    #[must_use]
    pub fn menu(&self) -> GetMenu<OnAws<C, N>> {
        let menus = Menus {
            menus: Arc::clone(&self.menus),
            pos: self.pos(),
            clock: self.clock.clone(),
            refresh: self.settings.menu_refresh,
            limit: MENU_LIMIT,
        };
        GetMenu { gate: self.gate(), menus }
    }

    /// get-order.
    #[must_use]
    pub fn get(&self) -> GetOrder<OnAws<C, N>> {
        let read = Read { orders: self.orders.clone(), queue: self.queues.clone(), clock: self.clock.clone() };
        GetOrder { gate: self.gate(), read, lately: Lately::default() }
    }

    /// process-order.
    #[must_use]
    pub fn process(&self) -> Consumer<OnAws<C, N>> {
        let process = Process {
            orders: self.orders.clone().over(BATCH_CONNECTIONS),
            queue: self.queues.clone(),
            pos: self.pos(),
            directory: Arc::clone(&self.directory),
            clock: self.clock.clone(),
            policy: self.settings.policy,
            limits: Arc::clone(&self.limits),
        };
        Consumer { process, parse: parse_message, secrets: Arc::clone(&self.secrets) }
    }

    /// recover-orders.
    #[must_use]
    pub fn recover(&self) -> Recover<OnAws<C, N>> {
        Recover {
            orders: self.orders.clone(),
            queue: self.queues.clone(),
            clock: self.clock.clone(),
            policy: self.settings.policy,
        }
    }

    /// The subscribers of webhooks.
    #[must_use]
    pub fn subscribers(&self) -> SubscriberTable {
        SubscriberTable::new(self.dynamodb.clone(), self.settings.directory_table.clone())
    }

    /// announce-orders.
    #[must_use]
    pub fn announce(&self) -> Stream<OnAws<C, N>> {
        let announce =
            self.deliveries().map(|queue| Announce { subscribers: self.subscribers(), queue, clock: self.clock.clone() });
        let watchers = self.connections().zip(self.connected());
        let watchers = watchers.map(|(connections, push)| TellWatchers { gate: self.gate(), connections, push });
        Stream { changed: |record| order_item::changed(record.change.new_image.clone().into()), announce, watchers }
    }

    fn deliveries(&self) -> Option<DeliveryQueue> {
        let url = self.settings.webhooks_queue_url.clone()?;
        Some(DeliveryQueue::new(aws_sdk_sqs::Client::new(&aws::for_deliveries(&self.aws.sqs)), url))
    }

    fn connected(&self) -> Option<Connected> {
        self.settings.connections_endpoint.as_ref().map(|endpoint| Connected::at(&self.aws.dynamodb, endpoint))
    }

    fn connections(&self) -> Option<ConnectionTable> {
        self.settings.connections_table.clone().map(|table| ConnectionTable::new(self.dynamodb.clone(), table))
    }

    /// watch-orders; nothing where there are no connections.
    #[must_use]
    pub fn watch(&self) -> Option<WatchOrders<OnAws<C, N>>> {
        let (connections, push) = self.connections().zip(self.connected())?;
        Some(WatchOrders { watch: Watch { gate: self.gate(), connections, orders: self.orders.clone(), push } })
    }

    /// deliver-webhooks; nothing where there are no webhooks.
    #[must_use]
    pub fn deliver(&self) -> Option<Deliveries<OnAws<C, N>>> {
        let deliver = Deliver {
            subscribers: self.subscribers(),
            keys: Arc::clone(&self.secrets),
            queue: self.deliveries()?,
            tell: WebhookClient::new(self.settings.allow_sandbox),
            clock: self.clock.clone(),
        };
        Some(Deliveries { deliver, parse: parse_delivery })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_of_long_ago_is_no_deadline() {
        assert_eq!(remaining(SystemTime::UNIX_EPOCH + Duration::from_mins(10)), WORKER_FUNCTION_TIMEOUT);
        let left = remaining(SystemTime::now() + Duration::from_secs(5));
        assert!(left > Duration::from_secs(4) && left <= Duration::from_secs(5));
    }
}
