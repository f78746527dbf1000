//! The proxy before everything that a function calls.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    chaos::{Caller, Chaos, lock},
    fate::{Fate, moves_the_order, refusal},
};

/// How long DynamoDB goes on refusing, when it refuses more than one call.
const REFUSES: Duration = Duration::from_millis(1_200);

type Reply = anyhow::Result<Response<Full<Bytes>>>;

impl Chaos {
    /// A proxy for the process of this id; or for all.
    pub(super) async fn proxy(self: &Arc<Self>, id: Option<u64>) -> anyhow::Result<(String, JoinHandle<()>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, chaos) = (format!("http://{}", listener.local_addr()?), Arc::clone(self));
        let proxy = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let chaos = Arc::clone(&chaos);
                let service = service_fn(move |request| {
                    let chaos = Arc::clone(&chaos);
                    async move { chaos.call(request, id).await }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok((address, proxy))
    }

    async fn call(&self, request: Request<Incoming>, id: Option<u64>) -> Reply {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).map(str::to_owned);
        let operation = match &target {
            Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
            None => format!("POS {}", parts.method),
        };
        let named = if target.is_some() { String::from_utf8_lossy(&body) } else { parts.uri.path().into() };
        let order = self.orders_in(&named).pop_first();
        let caller = self.caller(id, order.as_deref());
        let function = caller.as_ref().map_or("?", |caller| caller.function.as_str());
        let point = format!("{function} {operation}");
        let fate = self.refuses(id, &operation).or_else(|| self.fate(caller.as_ref(), &operation));
        match (fate, &caller) {
            (Some(Fate::KilledBefore), _) => return Err(shoot(caller.as_ref())),
            (Some(Fate::Refused), _) => anyhow::bail!("refused"),
            (Some(Fate::FrozenBefore), Some(caller)) => self.freeze(caller, &point, order.as_deref()).await,
            (Some(fate @ (Fate::Throttled | Fate::Conflict)), _) => return self.refused(fate, id, &operation, &body),
            _ => {}
        }
        let (upstream, body) = self.forward_to(target.as_deref(), body);
        let url = format!("{upstream}{}", parts.uri);
        let answer = self.http.request(parts.method, url).headers(parts.headers).body(body).send().await?;
        let (status, mut response) = (answer.status(), Response::builder().status(answer.status()));
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding" && *name != "connection") {
            response = response.header(name, value);
        }
        let body = answer.bytes().await?;
        if let (Some(caller), Some(order)) = (&caller, &order)
            && moves_the_order(&operation)
            && matches!(caller.function.as_str(), "submit-order" | "process-order")
            && status.is_success()
        {
            self.has_moved(caller, order);
        }
        match (fate, &caller) {
            (Some(Fate::KilledAfter), _) => return Err(shoot(caller.as_ref())),
            (Some(Fate::ReplyLost), _) => anyhow::bail!("the reply is cut off"),
            (Some(Fate::FrozenAfter), Some(caller)) => self.freeze(caller, &point, order.as_deref()).await,
            _ => {}
        }
        Ok(response.body(Full::new(body))?)
    }

    /// What DynamoDB still refuses to this process.
    fn refuses(&self, id: Option<u64>, operation: &str) -> Option<Fate> {
        let refusing = lock(&self.refusing);
        let (fate, until) = refusing.get(&(id?, operation.to_owned()))?;
        (Instant::now() < *until).then_some(*fate)
    }

    /// DynamoDB refuses this call, and half the time the next ones as well: the SDK tries again by itself.
    fn refused(&self, fate: Fate, id: Option<u64>, operation: &str, body: &[u8]) -> Reply {
        if let Some(id) = id
            && self.refuses(Some(id), operation).is_none()
            && self.chance(500)
        {
            lock(&self.refusing).insert((id, operation.to_owned()), (fate, Instant::now() + REFUSES));
        }
        let (status, said) = refusal(fate, operation, body, self.random(6));
        let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
        Ok(response.body(Full::new(said.into()))?)
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
fn shoot(caller: Option<&Caller>) -> anyhow::Error {
    if let Some(process) = caller.and_then(|caller| caller.process.as_ref()) {
        process.kill();
    }
    anyhow::anyhow!("the caller was killed")
}
