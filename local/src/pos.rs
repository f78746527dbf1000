//! A POS behind HTTP that is played (docs/pos-connector.openapi.yaml): it keeps its promises and misbehaves as its address
//! says, `/{abilities}/{behaviour}/orders/{key}`, and tells at `/ledger` which meals it holds. It makes nothing of a
//! place that comes too late, nor of half of one.

mod ledger;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Body, service::service_fn};
use hyper_util::rt::TokioIo;
pub use ledger::Entry;
use ledger::{Meal, Ticket};
use posnext_aws::adapters::clock::SystemClock;
use posnext_shared::{
    app::ports::Clock,
    domain::{
        ability::{Abilities, Find},
        directory::CONTRACT,
        time::UnixMillis,
    },
};
use serde::Deserialize;
use serde_json::json;
use tokio::{net::TcpListener, time::Instant};

/// After this long an order that is not found was never placed. Longer than anything here takes to land.
const SETTLE_S: u32 = 4;

/// What the POS promises, by the word in its address.
pub const ABILITIES: [(&str, Abilities); 6] = [
    ("all", Abilities { idempotent_place: true, find: FIND, cancel: true }),
    ("place", Abilities { idempotent_place: true, find: None, cancel: false }),
    ("find", Abilities { idempotent_place: false, find: FIND, cancel: false }),
    ("cancel", Abilities { idempotent_place: false, find: None, cancel: true }),
    ("find-cancel", Abilities { idempotent_place: false, find: FIND, cancel: true }),
    ("none", Abilities { idempotent_place: false, find: None, cancel: false }),
];
const FIND: Option<Find> = Some(Find { settle_s: SETTLE_S });

/// How it behaves, by the word in its address. A number instead is the milliseconds that a placement takes.
pub const BEHAVIOURS: [&str; 11] =
    ["prompt", "slow", "late", "later", "lost", "flaky", "refuse", "reopens", "stubborn", "nameless", "down"];

/// No answer at all stands for a connection that is cut.
pub type Answer = Result<Response<Full<Bytes>>, io::Error>;

/// A POS, and what it holds. The clock is its own; its orders are numbered by the clock's ids.
#[derive(Debug)]
pub struct PlayedPos<C = SystemClock> {
    tickets: Mutex<HashMap<String, Ticket>>,
    clock: C,
}

/// Serves until it is dropped.
///
/// # Errors
/// When connections can no longer be taken.
pub async fn serve(listener: TcpListener) -> io::Result<Infallible> {
    let played = Arc::new(PlayedPos::new(SystemClock));
    loop {
        let (stream, _) = listener.accept().await?;
        let played = Arc::clone(&played);
        let service = service_fn(move |request| {
            let played = Arc::clone(&played);
            async move { played.handle(request).await }
        });
        // A connection that breaks is its client's to notice.
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl<C: Clock> PlayedPos<C> {
    /// One that holds nothing yet.
    pub fn new(clock: C) -> Self {
        Self { tickets: Mutex::default(), clock }
    }

    /// What it answers a request.
    ///
    /// # Errors
    /// The connection is cut.
    pub async fn handle<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (head, body) = request.into_parts();
        // What does not arrive whole is nothing.
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let id = head.headers.get("posnext-request").cloned();
        let mut answer = answered(self, &head, &body).await?;
        if let Some(id) = id {
            answer.headers_mut().insert("posnext-request", id);
        }
        Ok(answer)
    }

    /// The meals that it holds, by the order's key.
    pub fn ledger(&self) -> BTreeMap<String, Entry> {
        let tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.iter().map(|(key, ticket)| (key.clone(), ticket.entry())).collect()
    }
}

async fn answered<C: Clock>(played: &PlayedPos<C>, head: &Parts, body: &[u8]) -> Answer {
    let path: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    match *path.as_slice() {
        ["ledger"] => answer(StatusCode::OK, &json!(played.ledger())),
        [abilities, behaviour, "orders", key] => {
            let Some((_, abilities)) = ABILITIES.iter().find(|(name, _)| *name == abilities) else {
                return answer(StatusCode::NOT_FOUND, &json!({ "message": "no such abilities" }));
            };
            let pos = Pos { played, abilities, behaviour, key };
            let foreign = head.headers.get("posnext-contract").is_some_and(|named| *named != HeaderValue::from(CONTRACT));
            match head.method {
                Method::PUT if foreign || !pos.is_of(body) || !has_end(head) => pos.invalid(),
                _ if foreign => pos.says(StatusCode::BAD_REQUEST, "invalid"),
                Method::PUT if not_after(head).is_some_and(|not_after| played.clock.now() > not_after) => pos.too_late(),
                Method::PUT => pos.place(not_after(head)).await,
                Method::GET if abilities.find.is_some() => pos.find(),
                Method::DELETE if abilities.cancel => pos.cancel(),
                _ => answer(StatusCode::NOT_IMPLEMENTED, &json!({ "message": "not promised" })),
            }
        }
        _ => answer(StatusCode::NOT_FOUND, &json!({ "message": "no such path" })),
    }
}

/// Until when a place counts, by this machine's clock, which is the sender's.
fn not_after(head: &Parts) -> Option<UnixMillis> {
    head.headers.get("posnext-not-after")?.to_str().ok()?.parse().ok().filter(|at| *at >= 0).map(UnixMillis)
}

/// Whether a place says until when it counts. Only who tries a POS by hand, and names no contract, may leave it out.
fn has_end(head: &Parts) -> bool {
    let named = |name| head.headers.contains_key(name);
    not_after(head).is_some() || !named("posnext-contract") && !named("posnext-not-after")
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Answer {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(body.to_string().into())).map_err(io::Error::other)
}

fn cut() -> Answer {
    Err(io::Error::other("cut"))
}

struct Pos<'a, C> {
    played: &'a PlayedPos<C>,
    abilities: &'a Abilities,
    behaviour: &'a str,
    key: &'a str,
}

impl<C: Clock> Pos<'_, C> {
    fn ticket<T>(&self, with: impl FnOnce(&mut Ticket) -> T) -> T {
        with(self.played.tickets.lock().unwrap_or_else(PoisonError::into_inner).entry(self.key.to_owned()).or_default())
    }

    /// What it says of the order.
    fn says(&self, code: StatusCode, status: &str) -> Answer {
        answer(code, &json!({ "key": self.key, "status": status }))
    }

    fn holds(&self, code: StatusCode, pos_order_id: &str) -> Answer {
        // One of them has its orders under a name that cannot be used.
        let pos_order_id = if self.behaviour == "nameless" { " " } else { pos_order_id };
        answer(code, &json!({ "key": self.key, "status": "placed", "pos_order_id": pos_order_id }))
    }

    fn refuses(&self, code: StatusCode) -> Answer {
        let errors = json!([{ "message": "item 4711 is not available" }]);
        let body = json!({ "key": self.key, "status": "rejected", "errors": errors });
        answer(code, &body)
    }

    /// Whether a body is that of a place of this order, and whole.
    fn is_of(&self, body: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Whole {
            key: String,
        }
        serde_json::from_slice::<Whole>(body).is_ok_and(|whole| whole.key == self.key)
    }

    /// When a meal can be seen of which the place counts until then.
    fn lands_at(&self, not_after: Option<UnixMillis>) -> Instant {
        let left = not_after.map(|not_after| not_after.since(self.played.clock.now())).unwrap_or_default();
        Instant::now()
            + match self.behaviour {
                "late" => Duration::from_millis(1_500),
                // Just before an attempt counts as settled: that is 10 s and SETTLE_S after its not-after.
                "later" => left + Duration::from_secs(12),
                _ => Duration::ZERO,
            }
    }

    /// What it says of an order that it knows, whatever is wrong with a place: "not started" or "invalid" would deny that.
    fn known(&self) -> Option<Answer> {
        let known = self.ticket(|ticket| (ticket.cancelled(), ticket.made().next().cloned(), ticket.meals.is_empty()));
        match known {
            (true, ..) => Some(self.says(StatusCode::GONE, "cancelled")),
            (_, Some(meal), _) => Some(self.holds(StatusCode::OK, &meal.pos_order_id)),
            // It may still be cancelled before it lands.
            (_, None, false) => Some(self.says(StatusCode::ACCEPTED, "in_progress")),
            _ if self.has_refused() => Some(self.refuses(StatusCode::UNPROCESSABLE_ENTITY)),
            _ => None,
        }
    }

    /// Whether it has refused the order, and will whenever it comes again.
    fn has_refused(&self) -> bool {
        let for_ever = self.abilities.idempotent_place || self.behaviour == "refuse";
        for_ever && self.ticket(|ticket| ticket.refused && ticket.meals.is_empty())
    }

    fn invalid(&self) -> Answer {
        self.known().unwrap_or_else(|| self.says(StatusCode::BAD_REQUEST, "invalid"))
    }

    /// Nothing is made of a place that comes too late.
    fn too_late(&self) -> Answer {
        self.ticket(|ticket| ticket.late += 1);
        self.known().unwrap_or_else(|| self.says(StatusCode::SERVICE_UNAVAILABLE, "not_started"))
    }

    async fn place(&self, not_after: Option<UnixMillis>) -> Answer {
        let (calls, refused, cancelled) = self.ticket(|ticket| {
            ticket.calls += 1;
            if ticket.cancelled() {
                return (ticket.calls, ticket.refused, true);
            }
            ticket.refused |= self.behaviour == "refuse" || self.behaviour == "reopens" && ticket.calls == 1;
            (ticket.calls, ticket.refused, false)
        });
        if cancelled {
            return self.says(StatusCode::GONE, "cancelled");
        }
        match self.behaviour {
            "down" => return self.says(StatusCode::SERVICE_UNAVAILABLE, "not_started"),
            "flaky" if calls <= 2 => return self.says(StatusCode::SERVICE_UNAVAILABLE, "not_started"),
            "refuse" => return self.refuses(StatusCode::UNPROCESSABLE_ENTITY),
            // It refuses once, and where placing is idempotent for ever.
            "reopens" if calls <= 1 || refused && self.abilities.idempotent_place => {
                return self.refuses(StatusCode::UNPROCESSABLE_ENTITY);
            }
            _ => {}
        }
        let lands_at = self.lands_at(not_after);
        let made = self.ticket(|ticket| {
            if ticket.cancelled() {
                return None;
            }
            if ticket.meals.is_empty() || !self.abilities.idempotent_place {
                let pos_order_id = format!("POS-{}", self.played.clock.fresh_id());
                ticket.meals.push(Meal { pos_order_id, lands_at });
            }
            ticket.meals.last().cloned()
        });
        let Some(meal) = made else { return self.says(StatusCode::GONE, "cancelled") };
        match self.behaviour {
            // It lands whether or not anybody waits, and nobody is told.
            "late" | "later" if calls <= 1 => return cut(),
            "lost" | "stubborn" if calls <= 1 => return cut(),
            "slow" => tokio::time::sleep(Duration::from_secs(6)).await,
            other => match other.parse() {
                Ok(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
                Err(_) => tokio::time::sleep_until(meal.lands_at).await,
            },
        }
        if self.ticket(|ticket| ticket.cancelled()) {
            return self.says(StatusCode::GONE, "cancelled");
        }
        self.holds(StatusCode::CREATED, &meal.pos_order_id)
    }

    fn find(&self) -> Answer {
        let found = self.ticket(|ticket| (ticket.cancelled(), ticket.made().next().cloned()));
        match found {
            (true, _) => self.says(StatusCode::GONE, "cancelled"),
            (_, Some(meal)) => self.holds(StatusCode::OK, &meal.pos_order_id),
            _ if self.has_refused() => self.refuses(StatusCode::OK),
            // Nor does it see one that has not landed yet: for that it has settle_s.
            _ => self.says(StatusCode::NOT_FOUND, "unknown"),
        }
    }

    fn cancel(&self) -> Answer {
        let (kept, refused) = self.ticket(|ticket| {
            let made = ticket.made().next().cloned().filter(|_| self.behaviour == "stubborn" && !ticket.cancelled());
            if made.is_none() {
                ticket.cancelled_at.get_or_insert_with(Instant::now);
            }
            (made.map(|meal| meal.pos_order_id), ticket.refused && ticket.meals.is_empty())
        });
        match kept {
            Some(pos_order_id) => self.holds(StatusCode::CONFLICT, &pos_order_id),
            // The tombstone stands all the same.
            None if refused => self.refuses(StatusCode::CONFLICT),
            None => self.says(StatusCode::OK, "cancelled"),
        }
    }
}
