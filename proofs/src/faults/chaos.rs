//! What goes wrong, and when. A proxy stands before every call that a function makes; now and then it kills the caller just
//! before or just after the call has its effect, cuts the reply off, or refuses the call. So the binaries hold no fault
//! hooks, and every point between two external effects is a point at which a process can die.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::lambda::{Environment, Hold, Start, Surroundings};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// The caller dies, the call is not done.
    KilledBefore,
    /// The call is done, the caller dies.
    KilledAfter,
    /// The call is done, the reply is cut off.
    ReplyLost,
    /// The connection is cut, the call is not done.
    Refused,
    /// Whoever was called hung for a while.
    Stopped,
    /// Whoever was called was killed and started anew; the queue was empty then.
    Restarted,
}

/// Those of a single call.
const FATES: [Fate; 4] = [Fate::KilledBefore, Fate::KilledAfter, Fate::ReplyLost, Fate::Refused];

/// Where the services are; they move when they are started anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Upstreams {
    pub(super) dynamodb: String,
    pub(super) sqs: String,
    pub(super) secrets: String,
    /// Where SQS was at first: the functions name their queues by it for ever.
    pub(super) first_sqs: String,
    pub(super) pos: String,
}

/// A function's process.
#[derive(Debug, Clone)]
struct Caller {
    function: String,
    process: Option<Arc<Hold>>,
    /// What it works on. A process that was late finishes an earlier event first.
    events: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Chaos {
    /// Faults in a thousand calls.
    rate: AtomicU32,
    random: Mutex<fastrand::Rng>,
    pub(super) upstreams: RwLock<Upstreams>,
    /// The variables that all functions share.
    pub(super) settings: RwLock<Environment>,
    callers: Mutex<HashMap<u64, Caller>>,
    proxies: Mutex<HashMap<u64, JoinHandle<()>>>,
    counts: Mutex<BTreeMap<(String, Fate), u64>>,
    http: reqwest::Client,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chaos {
    pub(super) fn new(rate: u32, seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            rate: AtomicU32::new(rate),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            upstreams: RwLock::default(),
            settings: RwLock::default(),
            callers: Mutex::default(),
            proxies: Mutex::default(),
            counts: Mutex::default(),
            http: posnext_local::par::http_client().pool_max_idle_per_host(0).build()?,
        })
    }

    /// From now on nothing goes wrong.
    pub(super) fn stop(&self) {
        self.rate.store(0, Ordering::Relaxed);
    }

    /// Where the POS is, behind its proxy.
    pub(super) fn set_pos(&self, url: &str) {
        url.clone_into(&mut self.upstreams.write().unwrap_or_else(PoisonError::into_inner).pos);
    }

    /// More variables for every function.
    pub(super) fn share(&self, variables: Environment) {
        self.settings.write().unwrap_or_else(PoisonError::into_inner).extend(variables);
    }

    /// Counts a fault that was made elsewhere.
    pub(super) fn note(&self, point: &str, fate: Fate) {
        *lock(&self.counts).entry((point.to_owned(), fate)).or_default() += 1;
    }

    /// How often each fault has struck at each point.
    pub(super) fn counts(&self) -> BTreeMap<(String, Fate), u64> {
        lock(&self.counts).clone()
    }

    pub(super) fn chance(&self, in_a_thousand: u32) -> bool {
        lock(&self.random).u32(0..1000) < in_a_thousand
    }

    /// Mostly nothing; else the fault that this point has seen least.
    fn fate(&self, point: &str) -> Option<Fate> {
        // Polls are many and the least worth killing.
        let rate = self.rate.load(Ordering::Relaxed);
        let rate = if point.starts_with("get-order") { rate / 5 } else { rate * 2 };
        if !self.chance(rate) {
            return None;
        }
        let mut counts = lock(&self.counts);
        let seen = |fate: &Fate| counts.get(&(point.to_owned(), *fate)).copied().unwrap_or(0);
        let fate = FATES.into_iter().min_by_key(seen)?;
        *counts.entry((point.to_owned(), fate)).or_default() += 1;
        Some(fate)
    }

    /// A proxy of its own for each process, so that it is known whose call it is.
    async fn proxy_for(self: &Arc<Self>, id: u64) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        lock(&self.proxies).insert(id, self.serve(listener, Some(id)));
        Ok(address)
    }

    /// The proxy before the POS, shared by all: whose call it is, the order's key tells.
    pub(super) async fn pos_proxy(self: &Arc<Self>) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        drop(self.serve(listener, None));
        Ok(address)
    }

    fn serve(self: &Arc<Self>, listener: TcpListener, id: Option<u64>) -> JoinHandle<()> {
        let chaos = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let chaos = Arc::clone(&chaos);
                let service = service_fn(move |request| {
                    let chaos = Arc::clone(&chaos);
                    async move { chaos.call(request, id).await }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        })
    }

    async fn call(&self, request: Request<Incoming>, id: Option<u64>) -> anyhow::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).map(str::to_owned);
        let callers = self.callers_of(id, parts.uri.path());
        let function = callers.first().map_or("?", |caller| caller.function.as_str());
        let operation = match &target {
            Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
            None => format!("POS {}", parts.method),
        };
        let fate = self.fate(&format!("{function} {operation}"));
        match fate {
            Some(Fate::KilledBefore) => return Err(shoot(&callers)),
            Some(Fate::Refused) => anyhow::bail!("refused"),
            _ => {}
        }
        let (upstream, body) = self.forward_to(target.as_deref(), body);
        let url = format!("{upstream}{}", parts.uri);
        let answer = self.http.request(parts.method, url).headers(parts.headers).body(body).send().await?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding" && *name != "connection") {
            response = response.header(name, value);
        }
        let body = answer.bytes().await?;
        match fate {
            Some(Fate::KilledAfter) => Err(shoot(&callers)),
            Some(Fate::ReplyLost) => anyhow::bail!("the reply is cut off"),
            _ => Ok(response.body(Full::new(body))?),
        }
    }

    fn callers_of(&self, id: Option<u64>, path: &str) -> Vec<Caller> {
        let callers = lock(&self.callers);
        match id {
            Some(id) => callers.get(&id).cloned().into_iter().collect(),
            None => {
                let uid = path.rsplit('/').next().and_then(|key| key.split_once('.')).map_or("?", |(_, uid)| uid);
                callers.values().filter(|caller| caller.events.iter().any(|event| event.contains(uid))).cloned().collect()
            }
        }
    }

    fn forward_to(&self, target: Option<&str>, body: Bytes) -> (String, Bytes) {
        let upstreams = self.upstreams.read().unwrap_or_else(PoisonError::into_inner);
        match target.map(|target| target.split(['_', '.']).next().unwrap_or_default()) {
            Some("DynamoDB") => (upstreams.dynamodb.clone(), body),
            Some("AmazonSQS") => {
                let text = String::from_utf8_lossy(&body).replace(&upstreams.first_sqs, &upstreams.sqs);
                (upstreams.sqs.clone(), text.into_bytes().into())
            }
            Some(_) => (upstreams.secrets.clone(), body),
            None => (upstreams.pos.clone(), body),
        }
    }
}

/// SIGKILL to whoever makes the call.
fn shoot(callers: &[Caller]) -> anyhow::Error {
    for process in callers.iter().filter_map(|caller| caller.process.as_ref()) {
        process.kill();
    }
    anyhow::anyhow!("the caller was killed")
}

pub(super) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // It may have died by itself.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

impl Surroundings for Arc<Chaos> {
    async fn start(&self, function: &str, id: u64) -> anyhow::Result<Start> {
        let caller = Caller { function: function.to_owned(), process: None, events: Vec::new() };
        lock(&self.callers).insert(id, caller);
        let proxy = self.proxy_for(id).await?;
        let mut environment = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (_, value) in environment.iter_mut().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_")) {
            value.clone_from(&proxy);
        }
        Ok((environment, None))
    }

    fn begins(&self, id: u64, process: &Arc<Hold>, event: &str) {
        if let Some(caller) = lock(&self.callers).get_mut(&id) {
            caller.process = Some(Arc::clone(process));
            caller.events.push(event.to_owned());
        }
    }

    fn gone(&self, id: u64) {
        lock(&self.callers).remove(&id);
        if let Some(proxy) = lock(&self.proxies).remove(&id) {
            proxy.abort();
        }
    }

    fn ends(&self, id: u64) {
        if let Some(caller) = lock(&self.callers).get_mut(&id) {
            caller.events.clear();
        }
    }
}
