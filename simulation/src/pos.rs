//! The POS systems, and what stands before them: real bytes over a pipe, answered by the played POS, which keeps the
//! promises that its address names.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use posnext_aws::adapters::http_pos::line::{Connection, Network};
use posnext_local::pos::{ABILITIES, Entry, PlayedPos};
use tokio::{
    io::{DuplexStream, duplex},
    time::sleep,
};

use crate::{
    clock::MachineClock,
    dice::Dice,
    faults::Fault,
    sim::{Shared, lock},
};

/// POS systems: two, so that a location can be mapped from one to the other.
pub(crate) const SYSTEMS: u16 = 2;
/// The port of the first; behind a proxy it is [`SYSTEMS`] higher.
const PORT: u16 = 7_000;

/// The address of a POS, with a proxy before it or without.
pub(crate) fn base(system: u16, behind: bool, abilities: &str, behaviour: &str) -> String {
    let port = PORT + system + if behind { SYSTEMS } else { 0 };
    format!("http://127.0.0.1:{port}/{abilities}/{behaviour}")
}

/// An answer, whole.
#[derive(Debug, Clone)]
struct Answered {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

/// A place that came to be a meal, or that was asked for: its key, and the order in it.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) key: String,
    pub(crate) order: String,
}

#[derive(Debug)]
pub(crate) struct Restaurants {
    sim: Shared,
    systems: Vec<PlayedPos<MachineClock>>,
    /// Answers that were given, by method and path, the latest last; a proxy remembers them.
    past: Mutex<Vec<(Method, String, Answered)>>,
    placements: Mutex<Vec<Placement>>,
    requests: Mutex<u64>,
}

impl Restaurants {
    pub(crate) fn new(sim: &Shared) -> Arc<Self> {
        let systems = (0..SYSTEMS).map(|_| PlayedPos::new(MachineClock::right(sim))).collect();
        let (past, placements, requests) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { sim: Arc::clone(sim), systems, past, placements, requests })
    }

    /// The meals of each system, by the order's key.
    pub(crate) fn ledgers(&self) -> Vec<BTreeMap<String, Entry>> {
        self.systems.iter().map(PlayedPos::ledger).collect()
    }

    /// Meals that exist of an order, in all systems.
    pub(crate) fn meals(&self, key: &str) -> Vec<String> {
        self.ledgers().into_iter().filter_map(|mut ledger| ledger.remove(key)).flat_map(|entry| entry.meals).collect()
    }

    /// What was asked to be made.
    pub(crate) fn placements(&self) -> Vec<Placement> {
        lock(&self.placements).clone()
    }

    /// Whether a meal is on its way that nobody can see yet.
    pub(crate) fn is_landing(&self) -> bool {
        self.ledgers().iter().any(|ledger| ledger.values().any(|entry| entry.landing))
    }

    async fn handle(
        self: Arc<Self>,
        port: u16,
        request: Request<Incoming>,
        gone: Arc<Gone>,
    ) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let number = {
            let mut requests = lock(&self.requests);
            *requests += 1;
            *requests
        };
        let mut dice = self.sim.dice.part("pos", number);
        let (system, behind) = ((port - PORT) % SYSTEMS, port - PORT >= SYSTEMS);
        let asked = Asked { head, body, system, behind };
        let answered = self.answered(&asked, &mut dice, &gone).await;
        let outcome = answered.as_ref().map_or_else(|error| error.to_string(), |answer| answer.status.as_u16().to_string());
        let back = if self.sim.strikes(&mut dice, Fault::SlowPos) { dice.millis(1_000..9_000) } else { dice.millis(1..20) };
        self.sim.tell(asked.who(), || format!("{} {}: {outcome}", asked.head.method, asked.path()));
        sleep(back).await;
        let Answered { status, headers, body } = answered?;
        let mut response = Response::new(Full::new(body));
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }

    async fn answered(self: &Arc<Self>, asked: &Asked, dice: &mut Dice, gone: &Arc<Gone>) -> io::Result<Answered> {
        let sim = Arc::clone(&self.sim);
        let there = if sim.strikes(dice, Fault::SlowPos) { dice.millis(500..6_000) } else { dice.millis(1..25) };
        sleep(there).await;
        // What had not left when its connection was reset never leaves; behind a proxy it has.
        if !asked.behind && gone.is_reset() {
            sim.tell(asked.who(), || format!("{} {}: its sender has reset it", asked.head.method, asked.path()));
            return Err(cut());
        }
        if sim.strikes(dice, Fault::RequestCut) {
            return Err(cut());
        }
        if asked.behind
            && let Some(answer) = self.lie(asked, dice, gone).await
        {
            return answer;
        }
        let answer = self.hand_on(asked).await?;
        if sim.strikes(dice, Fault::AnswerCut) { Err(cut()) } else { Ok(answer) }
    }

    /// What a proxy answers instead of handing on what it was asked, and what it was answered.
    async fn lie(self: &Arc<Self>, asked: &Asked, dice: &mut Dice, gone: &Arc<Gone>) -> Option<io::Result<Answered>> {
        let sim = Arc::clone(&self.sim);
        let same = self.past(|method, path| (method, path) == (&asked.head.method, asked.path()));
        let other = self.past(|method, path| method == asked.head.method && path != asked.path());
        let earlier = self.past(|_, path| path == asked.path());
        let mut lies = |fault| sim.strikes(dice, fault);
        let lie = [
            Fault::Page,
            Fault::Cached,
            Fault::Aged,
            Fault::Stranger,
            Fault::HeldRequest,
            Fault::ShortRequest,
            Fault::ShortAnswer,
            Fault::LeftOver,
            Fault::Twice,
        ]
        .into_iter()
        .find(|fault| lies(*fault))?;
        sim.tell(asked.who(), || format!("{} {}: a proxy lies ({})", asked.head.method, asked.path(), lie.name()));
        match lie {
            Fault::Page => Some(Ok(page(dice))),
            Fault::Cached => same.map(Ok),
            Fault::Aged => same.map(|mut answer| {
                answer.headers.insert(http::header::AGE, HeaderValue::from_static("7"));
                Ok(answer)
            }),
            Fault::Stranger => other.map(Ok),
            Fault::HeldRequest => {
                let (this, asked, time) = (Arc::clone(self), asked.clone(), dice.millis(0..45_000));
                let gone = Arc::clone(gone);
                tokio::spawn(async move {
                    while !gone.is_gone() {
                        sleep(Duration::from_millis(100)).await;
                    }
                    sleep(time).await;
                    let answer = this.hand_on(&asked).await;
                    let status = answer.map_or_else(|error| error.to_string(), |answer| answer.status.as_u16().to_string());
                    this.sim.tell(asked.who(), || format!("{} {}: held until now: {status}", asked.head.method, asked.path()));
                });
                sleep(Duration::from_secs(60)).await;
                Some(Err(cut()))
            }
            Fault::ShortRequest if !asked.body.is_empty() => {
                let body = asked.body.slice(..asked.body.len() / 2);
                Some(self.hand_on(&Asked { body, ..asked.clone() }).await)
            }
            Fault::ShortAnswer => Some(self.hand_on(asked).await.map(|answer| {
                let body = answer.body.slice(..answer.body.len() / 2);
                Answered { body, ..answer }
            })),
            Fault::LeftOver => match earlier {
                Some(earlier) => Some(self.hand_on(asked).await.map(|_| earlier)),
                None => None,
            },
            Fault::Twice if asked.head.method != Method::PUT || asked.is_idempotent() => {
                let _ = self.hand_on(asked).await;
                Some(self.hand_on(asked).await)
            }
            _ => None,
        }
    }

    fn past(&self, is: impl Fn(&Method, &str) -> bool) -> Option<Answered> {
        lock(&self.past).iter().rev().find(|(method, path, _)| is(method, path)).map(|(.., answer)| answer.clone())
    }

    /// What the POS itself answers. It goes on when whoever asked has gone.
    async fn hand_on(self: &Arc<Self>, asked: &Asked) -> io::Result<Answered> {
        let (this, asked) = (Arc::clone(self), asked.clone());
        let answering = tokio::spawn(async move {
            let Some(pos) = this.systems.get(usize::from(asked.system)) else { return Err(cut()) };
            let key = asked.path().rsplit('/').next().unwrap_or_default().to_owned();
            if asked.head.method == Method::PUT {
                let order = String::from_utf8_lossy(&asked.body).into_owned();
                lock(&this.placements).push(Placement { key: key.clone(), order });
            }
            let answer = pos.handle(Request::from_parts(asked.head.clone(), Full::new(asked.body.clone()))).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let answered = Answered { status: head.status, headers: head.headers, body };
            lock(&this.past).push((asked.head.method.clone(), asked.path().to_owned(), answered.clone()));
            let meals = this.meals(&key);
            if meals.len() > 1 {
                this.sim.tell("POS", || format!("two meals of {key}: {meals:?}"));
            }
            Ok(answered)
        });
        answering.await.map_err(io::Error::other)?
    }
}

/// What an ingress or a firewall says.
fn page(dice: &mut Dice) -> Answered {
    let pages: [(u16, &str); 8] = [
        (404, "default backend - 404"),
        (404, r#"{"message":"no Route matched with those values"}"#),
        (200, "<!doctype html><h1>We will be back soon</h1>"),
        (503, "<html>503 Service Temporarily Unavailable</html>"),
        (502, "<html>502 Bad Gateway</html>"),
        (410, ""),
        (401, ""),
        (204, ""),
    ];
    let (status, body) = dice.one_of(&pages).copied().unwrap_or((502, ""));
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    Answered { status, headers: http::HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) }
}

fn cut() -> io::Error {
    io::Error::other("cut")
}

/// A request that has come whole.
#[derive(Debug, Clone)]
struct Asked {
    head: Parts,
    body: Bytes,
    system: u16,
    behind: bool,
}

impl Asked {
    fn path(&self) -> &str {
        self.head.uri.path()
    }

    fn who(&self) -> String {
        format!("POS {}{}", self.system, if self.behind { " (proxy)" } else { "" })
    }

    fn is_idempotent(&self) -> bool {
        let name = self.path().trim_start_matches('/').split('/').next().unwrap_or_default();
        ABILITIES.iter().any(|(ability, abilities)| *ability == name && abilities.idempotent_place)
    }
}

/// Whether who sent a request is still there.
#[derive(Debug, Default)]
struct Gone {
    gone: AtomicBool,
    in_peace: AtomicBool,
}

impl Gone {
    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn is_reset(&self) -> bool {
        self.is_gone() && !self.in_peace.load(Ordering::Relaxed)
    }
}

/// The way of one machine to every POS.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) sim: Shared,
    pub(crate) restaurants: Arc<Restaurants>,
}

impl Network for Wire {
    type Connection = Pipe;

    async fn connect(&self, uri: Uri) -> Result<Pipe, String> {
        let mut dice = self.sim.dice.part("connect", self.sim.number());
        let time = if self.sim.strikes(&mut dice, Fault::SlowPos) { dice.millis(100..5_000) } else { dice.millis(1..30) };
        sleep(time).await;
        if self.sim.strikes(&mut dice, Fault::NoConnection) {
            return Err("connection refused".to_owned());
        }
        let port = uri.port_u16().filter(|port| (PORT..PORT + 2 * SYSTEMS).contains(port)).ok_or("no such port")?;
        let (near, far) = duplex(1 << 18);
        let (gone, restaurants) = (Arc::new(Gone::default()), Arc::clone(&self.restaurants));
        let seen = Arc::clone(&gone);
        let service = service_fn(move |request| {
            let handling = Arc::clone(&restaurants).handle(port, request, Arc::clone(&seen));
            // The POS, and what stands before it, goes on when the connection has gone.
            async move { tokio::spawn(handling).await.map_err(io::Error::other)? }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service));
        Ok(Pipe { bytes: TokioIo::new(near), gone })
    }
}

/// A connection to a POS.
#[derive(Debug)]
pub(crate) struct Pipe {
    bytes: TokioIo<DuplexStream>,
    gone: Arc<Gone>,
}

impl Connection for Pipe {
    fn close_in_peace(&self) {
        self.gone.in_peace.store(true, Ordering::Relaxed);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.gone.gone.store(true, Ordering::Relaxed);
    }
}

impl Read for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(cx, buf)
    }
}

impl Write for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }
}
