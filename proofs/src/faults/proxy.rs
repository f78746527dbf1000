//! A reverse proxy before the POS that lies, caches, delays, truncates and replays (`lies.rs`), a share of the requests at a
//! time. What the contract of the connector takes from it, it does not do: it leaves headers as they are, and repeats a place
//! only where placing is idempotent (docs/proofs.md#what-the-proxy-does-not-do).

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::lies::{Answered, Asked, Lie, PAGES, Past, Told, half};
use posnext_local::pos::ABILITIES;

/// The longest that any sender waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may be held.
const HELD_ANSWER: Duration = Duration::from_secs(12);
/// Before a connection breaks, what was sent has left.
const LEAVES: Duration = Duration::from_millis(100);

/// How it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Lies in a thousand requests.
    pub(super) rate: u32,
    pub(super) seed: u64,
    /// How much longer than its sender waits a request may be held.
    pub(super) holds: Duration,
    /// This lie alone.
    pub(super) only: Option<Lie>,
    /// It repeats places at any POS: what no promise holds against, to see that a second meal is noticed.
    pub(super) any_place_twice: bool,
}

#[derive(Debug)]
pub(super) struct Proxy {
    manner: Manner,
    rate: AtomicU32,
    random: Mutex<fastrand::Rng>,
    past: Mutex<Past>,
    told: Mutex<Told>,
    /// Requests that it still holds.
    held: AtomicUsize,
    /// Where requests go that are handed on as they should be.
    upstream: String,
    /// The POS itself, for those that are not.
    pos: String,
    http: reqwest::Client,
}

type Reply = Result<Response<UnsyncBoxBody<Bytes, io::Error>>, io::Error>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Serves it; and its base URL.
    pub(super) async fn start(manner: Manner, upstream: &str, pos: &str) -> anyhow::Result<(Arc<Self>, String)> {
        let proxy = Arc::new(Self {
            manner,
            rate: AtomicU32::new(manner.rate),
            random: Mutex::new(fastrand::Rng::with_seed(manner.seed)),
            past: Mutex::default(),
            told: Mutex::default(),
            held: AtomicUsize::new(0),
            upstream: upstream.to_owned(),
            pos: pos.to_owned(),
            http: posnext_local::par::http_client().pool_max_idle_per_host(0).build()?,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        tokio::spawn(Arc::clone(&proxy).serve(listener));
        Ok((proxy, address))
    }

    /// From now on it hands on what it gets.
    pub(super) fn stop(&self) {
        self.rate.store(0, Ordering::Relaxed);
    }

    /// Whether it holds no request any more.
    pub(super) fn is_empty(&self) -> bool {
        self.held.load(Ordering::SeqCst) == 0
    }

    pub(super) fn told(&self) -> Told {
        lock(&self.told).clone()
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let proxy = Arc::clone(&self);
            let service = service_fn(move |request| Arc::clone(&proxy).handle(request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let asked = Asked::new(head, body.collect().await.map_err(io::Error::other)?.to_bytes());
        let Some(lie) = self.lie(&asked) else { return whole(self.hand_on(&asked).await) };
        match lie {
            Lie::Page => whole(self.page()),
            Lie::Cached => whole(lock(&self.past).same(&asked).ok_or_else(cut)?),
            Lie::Aged => whole(lock(&self.past).same(&asked).ok_or_else(cut)?.aged()),
            Lie::Stranger => whole(lock(&self.past).of_another(&asked).ok_or_else(cut)?),
            Lie::HeldRequest => self.hold(asked).await,
            Lie::HeldAnswer => {
                let (answered, time) = (self.hand_on(&asked).await, self.up_to(HELD_ANSWER));
                tokio::time::sleep(time).await;
                whole(answered)
            }
            Lie::CutAnswer => broken(self.hand_on(&asked).await),
            Lie::ShortAnswer => whole(self.hand_on(&asked).await.half()),
            Lie::CutRequest => Err(self.send_half(&asked).await.err().unwrap_or_else(cut)),
            Lie::ShortRequest => whole(self.send(&self.pos, &asked.half()).await?),
            Lie::LeftOver => {
                let first = lock(&self.random).bool();
                let earlier = lock(&self.past).left_over(&asked, first);
                self.hand_on(&asked).await;
                whole(earlier.ok_or_else(cut)?)
            }
            Lie::Twice => {
                self.hand_on(&asked).await;
                whole(self.send(&self.pos, &asked).await?)
            }
        }
    }

    /// Mostly nothing; else, of those that can be told now, the lie that such a request was told least.
    fn lie(&self, asked: &Asked) -> Option<Lie> {
        let mut told = lock(&self.told);
        told.requests += 1;
        if lock(&self.random).u32(0..1000) >= self.rate.load(Ordering::Relaxed) {
            return None;
        }
        let times = |lie: &Lie| told.lies.get(&(*lie, asked.method.to_string())).copied().unwrap_or_default();
        let lies = Lie::ALL.map(|(lie, _)| lie).into_iter().filter(|lie| self.manner.only.is_none_or(|only| only == *lie));
        let lie = lies.filter(|lie| self.can_tell(*lie, asked)).min_by_key(times)?;
        *told.lies.entry((lie, asked.method.to_string())).or_default() += 1;
        Some(lie)
    }

    fn can_tell(&self, lie: Lie, asked: &Asked) -> bool {
        let past = lock(&self.past);
        match lie {
            Lie::Cached | Lie::Aged => past.same(asked).is_some(),
            Lie::Stranger => past.of_another(asked).is_some(),
            Lie::LeftOver => past.left_over(asked, true).is_some(),
            Lie::CutRequest | Lie::ShortRequest => !asked.body.is_empty(),
            Lie::Twice => asked.method != Method::PUT || self.manner.any_place_twice || is_idempotent(&asked.path),
            _ => true,
        }
    }

    fn page(&self) -> Answered {
        let mut told = lock(&self.told);
        let least = (0..PAGES.len()).min_by_key(|page| told.pages.get(page).copied().unwrap_or_default()).unwrap_or_default();
        *told.pages.entry(least).or_default() += 1;
        Answered::page(least)
    }

    fn up_to(&self, longest: Duration) -> Duration {
        Duration::from_millis(lock(&self.random).u64(0..u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The request is handed on once whoever sent it has gone, and a while after. Nobody hears the answer; it is left over.
    async fn hold(self: Arc<Self>, asked: Asked) -> Reply {
        let (waiting, gone) = oneshot::channel::<Infallible>();
        let (proxy, time) = (Arc::clone(&self), self.up_to(self.manner.holds));
        self.held.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(PATIENCE, gone).await;
            tokio::time::sleep(time).await;
            let _ = proxy.send(&proxy.pos, &asked).await;
            proxy.held.fetch_sub(1, Ordering::SeqCst);
        });
        // Dropped with this connection.
        let _waiting = waiting;
        tokio::time::sleep(PATIENCE).await;
        Err(cut())
    }

    /// What comes of a request that is handed on as it should be.
    async fn hand_on(&self, asked: &Asked) -> Answered {
        let answered = self.send(&self.upstream, asked).await;
        // As a gateway answers whose upstream breaks off.
        answered.unwrap_or_else(|_| Answered::page(PAGES.iter().position(|page| page.0 == 502).unwrap_or_default()))
    }

    async fn send(&self, base: &str, asked: &Asked) -> io::Result<Answered> {
        let request = self.http.request(asked.method.clone(), format!("{base}{}", asked.path)).headers(asked.headers.clone());
        let answer = request.body(asked.body.clone()).send().await.map_err(io::Error::other)?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        for name in ["connection", "content-length", "transfer-encoding"] {
            headers.remove(name);
        }
        let answered = Answered { status, headers, body: answer.bytes().await.map_err(io::Error::other)? };
        lock(&self.past).keep(asked, &answered);
        Ok(answered)
    }

    /// Half of the request goes to the POS, which is told to expect all of it.
    async fn send_half(&self, asked: &Asked) -> io::Result<Infallible> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: pos\r\ncontent-length: {}\r\n", asked.method, asked.path, asked.body.len());
        for (name, value) in &asked.headers {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
        let mut stream = TcpStream::connect(self.pos.trim_start_matches("http://")).await?;
        stream.write_all(format!("{head}\r\n").as_bytes()).await?;
        stream.write_all(&half(&asked.body)).await?;
        stream.flush().await?;
        tokio::time::sleep(LEAVES).await;
        Err(cut())
    }
}

/// Whether the POS at this address promises that a place may be repeated.
fn is_idempotent(path: &str) -> bool {
    let name = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    ABILITIES.iter().any(|(ability, abilities)| *ability == name && abilities.idempotent_place)
}

fn cut() -> io::Error {
    io::Error::other("cut")
}

fn head(answered: &Answered) -> http::response::Builder {
    let mut response = Response::builder().status(answered.status);
    if let Some(headers) = response.headers_mut() {
        headers.extend(answered.headers.clone());
    }
    response
}

fn whole(answered: Answered) -> Reply {
    let body = Full::new(answered.body.clone()).map_err(|never| match never {}).boxed_unsync();
    head(&answered).body(body).map_err(io::Error::other)
}

/// Half of an answer whose head promises all of it.
fn broken(answered: Answered) -> Reply {
    let first = Frame::data(half(&answered.body));
    let then = stream::once(async {
        tokio::time::sleep(LEAVES).await;
        Err(cut())
    });
    let body = StreamBody::new(stream::iter([Ok(first)]).chain(then)).boxed_unsync();
    head(&answered).header("content-length", answered.body.len()).body(body).map_err(io::Error::other)
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
