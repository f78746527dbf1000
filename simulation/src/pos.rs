//! The POS systems, and what stands before them: real bytes over a pipe, answered by the played POS, which keeps the
//! promises that its address names.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use posnext_local::pos::{ABILITIES, Entry, PlayedPos};
use tokio::{sync::Notify, time::sleep};

use crate::{
    clock::MachineClock,
    dice::Dice,
    faults::Fault,
    sim::{Shared, lock},
    wire::Gone,
};

/// POS systems: two, so that a location can be mapped from one to the other.
pub(crate) const SYSTEMS: u16 = 2;
/// The port of the first; behind a proxy it is [`SYSTEMS`] higher.
const PORT: u16 = 7_000;

pub(crate) fn is_a_port(port: u16) -> bool {
    (PORT..PORT + 2 * SYSTEMS).contains(&port)
}

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

/// A place that came whole: the order's key, and how many were wanted.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) key: String,
    pub(crate) quantity: u64,
}

impl Placement {
    fn of(body: &[u8]) -> Option<Self> {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        let quantity = body.pointer("/order/order_details/items/0/quantity")?.as_u64()?;
        Some(Self { key: body.get("key")?.as_str()?.to_owned(), quantity })
    }
}

#[derive(Debug)]
pub(crate) struct Restaurants {
    sim: Shared,
    systems: Vec<PlayedPos<MachineClock>>,
    /// Answers that were given, by method and path, the latest last; a proxy remembers them.
    past: Mutex<Vec<(Method, String, Answered)>>,
    placements: Mutex<Vec<Placement>>,
    requests: Mutex<u64>,
    /// Systems that were set back.
    set_back: Mutex<BTreeSet<u16>>,
    /// The system and the path of cancels that are held, of which operators hear.
    held_cancels: Mutex<Vec<(u16, String)>>,
    heard: Notify,
}

impl Restaurants {
    pub(crate) fn new(sim: &Shared) -> Arc<Self> {
        // Beside each one, what it is when it has been set back.
        let systems = (0..2 * SYSTEMS).map(|_| PlayedPos::new(MachineClock::right(sim))).collect();
        let (past, placements, requests) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (set_back, held_cancels, heard) = (Mutex::default(), Mutex::default(), Notify::new());
        Arc::new(Self { sim: Arc::clone(sim), systems, past, placements, requests, set_back, held_cancels, heard })
    }

    /// The next cancels that are held, each with its system and path.
    pub(crate) async fn cancels_held(&self) -> Vec<(u16, String)> {
        self.heard.notified().await;
        std::mem::take(&mut *lock(&self.held_cancels))
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

    pub(crate) async fn handle(
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
        if sim.strikes(dice, Fault::PosSetBack) {
            sim.tell(asked.who(), || "is set back, and has forgotten what it had".to_owned());
            lock(&self.set_back).insert(asked.system);
        }
        let answer = self.hand_on(asked).await?;
        if sim.strikes(dice, Fault::AnswerCut) { Err(cut()) } else { Ok(answer) }
    }

    /// What a proxy answers instead of handing on what it was asked, and what it was answered.
    async fn lie(self: &Arc<Self>, asked: &Asked, dice: &mut Dice, gone: &Arc<Gone>) -> Option<io::Result<Answered>> {
        let sim = Arc::clone(&self.sim);
        if asked.head.method == Method::GET && sim.strikes(dice, Fault::ProxyDenies) {
            return Some(Ok(denial(asked)));
        }
        let again = asked.head.method == Method::PUT && sim.strikes(dice, Fault::PlaceRepeated);
        if again {
            let _ = self.hand_on(asked).await;
            return Some(self.hand_on(asked).await);
        }
        if asked.head.method == Method::DELETE && sim.strikes(dice, Fault::CancelTaken) {
            lock(&self.held_cancels).push((asked.system, asked.path().to_owned()));
            self.heard.notify_one();
            self.hold(asked, dice.millis(0..45_000), gone);
            sleep(Duration::from_secs(60)).await;
            return Some(Err(cut()));
        }
        let same = self.past(|method, path| (method, path) == (&asked.head.method, asked.path()));
        let other = self.past(|method, path| method == asked.head.method && path != asked.path());
        let earlier = self.past(|_, path| path == asked.path());
        let repeats =
            asked.head.method == Method::PUT && self.placements().iter().any(|place| asked.path().ends_with(&place.key));
        let of_repeats = |fault| matches!(fault, Fault::ShortRepeat | Fault::LeftRepeat);
        let mut lies = |fault| (!of_repeats(fault) || repeats) && sim.strikes(dice, fault);
        let lie = [
            Fault::Page,
            Fault::Cached,
            Fault::Aged,
            Fault::Stranger,
            Fault::HeldRequest,
            Fault::ShortRequest,
            Fault::ShortRepeat,
            Fault::ShortAnswer,
            Fault::LeftOver,
            Fault::LeftRepeat,
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
                self.hold(asked, dice.millis(0..45_000), gone);
                sleep(Duration::from_secs(60)).await;
                Some(Err(cut()))
            }
            Fault::ShortRequest | Fault::ShortRepeat if !asked.body.is_empty() => {
                let body = asked.body.slice(..asked.body.len() / 2);
                Some(self.hand_on(&Asked { body, ..asked.clone() }).await)
            }
            Fault::ShortAnswer => Some(self.hand_on(asked).await.map(|answer| {
                let body = answer.body.slice(..answer.body.len() / 2);
                Answered { body, ..answer }
            })),
            Fault::LeftOver | Fault::LeftRepeat => match if lie == Fault::LeftOver { earlier } else { same } {
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

    /// Hands a request on so much later than its sender has gone.
    fn hold(self: &Arc<Self>, asked: &Asked, time: Duration, gone: &Arc<Gone>) {
        let (this, asked, gone) = (Arc::clone(self), asked.clone(), Arc::clone(gone));
        tokio::spawn(async move {
            while !gone.is_gone() {
                sleep(Duration::from_millis(100)).await;
            }
            sleep(time).await;
            let answer = this.hand_on(&asked).await;
            let status = answer.map_or_else(|error| error.to_string(), |answer| answer.status.as_u16().to_string());
            this.sim.tell(asked.who(), || format!("{} {}: held until now: {status}", asked.head.method, asked.path()));
        });
    }

    fn past(&self, is: impl Fn(&Method, &str) -> bool) -> Option<Answered> {
        lock(&self.past).iter().rev().find(|(method, path, _)| is(method, path)).map(|(.., answer)| answer.clone())
    }

    /// The POS that a request comes to.
    fn system(&self, asked: &Asked) -> Option<&PlayedPos<MachineClock>> {
        let key = asked.path().rsplit('/').next().unwrap_or_default();
        let again = asked.head.method == Method::PUT && !self.meals(key).is_empty();
        let another = lock(&self.set_back).contains(&asked.system) || (again && self.sim.is_broken(Fault::PromiseBroken));
        self.systems.get(usize::from(asked.system + if another { SYSTEMS } else { 0 }))
    }

    /// What the POS itself answers. It goes on when whoever asked has gone.
    async fn hand_on(self: &Arc<Self>, asked: &Asked) -> io::Result<Answered> {
        let (this, asked) = (Arc::clone(self), asked.clone());
        let answering = tokio::spawn(async move {
            let Some(pos) = this.system(&asked) else { return Err(cut()) };
            let key = asked.path().rsplit('/').next().unwrap_or_default().to_owned();
            if asked.head.method == Method::PUT {
                lock(&this.placements).extend(Placement::of(&asked.body));
            }
            let mut head = asked.head.clone();
            if this.sim.is_broken(Fault::NotAfterIgnored) {
                head.headers.remove("posnext-not-after");
            }
            let answer = pos.handle(Request::from_parts(head, Full::new(asked.body.clone()))).await?;
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

/// What a POS would say that does not have an order.
fn denial(asked: &Asked) -> Answered {
    let key = asked.path().rsplit('/').next().unwrap_or_default();
    let mut headers = http::HeaderMap::new();
    headers.extend(asked.head.headers.get("posnext-request").map(|id| (HeaderName::from_static("posnext-request"), id.clone())));
    let body = format!(r#"{{"key":"{key}","status":"unknown"}}"#);
    Answered { status: StatusCode::NOT_FOUND, headers, body: body.into() }
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
