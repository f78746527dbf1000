//! PAR: callers who send orders, again and again until they are answered, under other names and as other clients, and who
//! remember what they were told.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use posnext_local::par::bearer_token;
use posnext_shared::domain::{
    canonical::Members,
    order::Body,
    signature::{DigestMessage, SharedId},
};
use tokio::time::{Instant, sleep};

use crate::{
    dice::Dice,
    faults::Fault,
    fleet::{Fleet, Kind},
    sim::{Shared, lock},
    world::{CLIENTS, ORGANIZATION, SHARED_ID, TENANT},
};

/// How long a caller goes on asking.
const PATIENCE: Duration = Duration::from_mins(20);

/// What a caller was told of one name of an order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// It was answered 200 or 202.
    pub(crate) accepted: bool,
    /// The final answers: status and the POS's number.
    pub(crate) finals: BTreeSet<(String, String)>,
}

/// An order that somebody has paid for, under all its names.
#[derive(Debug)]
pub(crate) struct Paid {
    pub(crate) number: u64,
    pub(crate) location: String,
    online_order_id: Option<String>,
    quantity: u64,
    names: Mutex<Vec<(String, Told)>>,
}

impl Paid {
    pub(crate) fn new(number: u64, location: String, dice: &mut Dice) -> Arc<Self> {
        let online_order_id = (!dice.in_a_thousand(150)).then(|| format!("ONL-{number}"));
        let quantity = dice.within(1..9);
        Arc::new(Self { number, location, online_order_id, quantity, names: Mutex::default() })
    }

    pub(crate) fn names(&self) -> Vec<(String, Told)> {
        lock(&self.names).clone()
    }

    /// The order as it is sent under a name, at a time.
    fn text(&self, uid: &str, at: &str) -> String {
        let online = self.online_order_id.as_ref().map(|id| format!(r#""online_order_id":"{id}","#)).unwrap_or_default();
        let (quantity, cents) = (self.quantity, self.quantity * 925);
        let total = format!("{}.{:02}", cents / 100, cents % 100);
        format!(
            r#"{{"request_uid":"{uid}","organization_id":"{ORGANIZATION}","location_id":"{}","request_datetime":"{at}","order_details":{{{online}"items":[{{"id":"4711","name":"Margherita","quantity":{quantity},"price":9.25,"modifiers":[]}}],"subtotal":{total},"grand_total":{total}}}}}"#,
            self.location
        )
    }
}

/// Everybody who calls.
#[derive(Debug)]
pub(crate) struct Callers {
    sim: Shared,
    fleet: Arc<Fleet>,
    shared_id: SharedId,
    /// What was ever signed by a caller.
    signed: Mutex<BTreeSet<String>>,
}

impl Callers {
    pub(crate) fn new(sim: &Shared, fleet: &Arc<Fleet>) -> anyhow::Result<Arc<Self>> {
        let shared_id = SharedId::new("par", SHARED_ID)?;
        let signed = Mutex::new(BTreeSet::from([DigestMessage::all_null().as_str().to_owned()]));
        Ok(Arc::new(Self { sim: Arc::clone(sim), fleet: Arc::clone(fleet), shared_id, signed }))
    }

    /// Sends an order until it is decided, or nobody has any patience left.
    pub(crate) async fn order(self: Arc<Self>, paid: Arc<Paid>) {
        let mut dice = self.sim.dice.part("order", paid.number);
        let (mut uid, mut at) = (format!("o{}", paid.number), self.sim.now().rfc3339());
        let (began, mut client) = (Instant::now(), 0);
        if self.sim.strikes(&mut dice, Fault::SentTwice) {
            let (this, paid, text) = (Arc::clone(&self), Arc::clone(&paid), paid.text(&uid, &at));
            let (uid, wait, later) = (uid.clone(), dice.millis(0..2_000), dice.part("twice", 0));
            tokio::spawn(async move {
                sleep(wait).await;
                this.submit(&paid, &uid, &text, 0, later).await;
            });
        }
        let mut tries = 0;
        while began.elapsed() < PATIENCE {
            let told = self.submit(&paid, &uid, &paid.text(&uid, &at), client, dice.part("try", tries)).await;
            match told {
                Heard::Final | Heard::Refused => break,
                Heard::Pending => {
                    self.poll(&paid, &uid, client, &mut dice, began).await;
                    break;
                }
                Heard::Nothing => {}
            }
            tries += 1;
            sleep(dice.millis(300..6_000)).await;
            if paid.online_order_id.is_some() && self.sim.strikes(&mut dice, Fault::Renamed) {
                (uid, at) = (format!("o{}-{tries}", paid.number), self.sim.now().rfc3339());
            }
            if self.sim.strikes(&mut dice, Fault::Restamped) {
                at = self.sim.now().rfc3339();
            }
            if self.sim.strikes(&mut dice, Fault::OtherClient) {
                client = 1 - client;
            }
        }
        if self.sim.strikes(&mut dice, Fault::SentLater) {
            sleep(dice.millis(10_000..3_600_000)).await;
            self.submit(&paid, &uid, &paid.text(&uid, &at), client, dice.part("later", 0)).await;
        }
    }

    /// Reads an order once more, when nothing goes wrong any more.
    pub(crate) async fn ask_again(&self, paid: &Paid, uid: &str) {
        let dice = self.sim.dice.part("again", paid.number);
        for _ in 0..3 {
            if !matches!(self.get(paid, uid, 0, dice.clone()).await, Heard::Nothing) {
                return;
            }
            sleep(Duration::from_secs(2)).await;
        }
        self.sim.harm("an order cannot be read although nothing goes wrong", uid.to_owned());
    }

    async fn poll(&self, paid: &Paid, uid: &str, client: usize, dice: &mut Dice, began: Instant) {
        let mut tries = 0;
        while began.elapsed() < PATIENCE {
            sleep(dice.millis(700..9_000)).await;
            tries += 1;
            if matches!(self.get(paid, uid, client, dice.part("poll", tries)).await, Heard::Final) {
                return;
            }
        }
    }

    async fn submit(&self, paid: &Paid, uid: &str, text: &str, client: usize, mut dice: Dice) -> Heard {
        let Some(message) = message_of(text) else { return Heard::Refused };
        lock(&self.signed).insert(message.as_str().to_owned());
        let later = dice.in_a_thousand(60);
        let mut request = self.request(Method::POST, "/posnext/order/submit", client, text.to_owned());
        let headers = request.headers_mut();
        if let Ok(digest) = self.shared_id.sign(&message).parse() {
            headers.insert("x-pch-digest", digest);
        }
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        if later {
            headers.insert("prefer", http::HeaderValue::from_static("respond-async"));
        }
        {
            let mut names = lock(&paid.names);
            if !names.iter().any(|(name, _)| name == uid) {
                names.push((uid.to_owned(), Told::default()));
            }
        }
        self.sim.tell(format_args!("PAR order {}", paid.number), || {
            format!("submits {uid} as {}", CLIENTS.get(client).map_or("", |c| c.0))
        });
        self.sent(paid, uid, Kind::Submit, request, dice).await
    }

    async fn get(&self, paid: &Paid, uid: &str, client: usize, dice: Dice) -> Heard {
        let request = self.request(Method::GET, &format!("/posnext/orders/{uid}"), client, String::new());
        self.sent(paid, uid, Kind::Get, request, dice).await
    }

    fn request(&self, method: Method, path: &str, client: usize, body: String) -> Request<String> {
        let (id, secret) = CLIENTS.get(client).copied().unwrap_or_default();
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (method, path.parse().unwrap_or_default());
        let token = bearer_token(id, secret, self.sim.now().seconds()).unwrap_or_default();
        if let Ok(token) = format!("Bearer {token}").parse() {
            request.headers_mut().insert("authorization", token);
        }
        request
    }

    async fn sent(&self, paid: &Paid, uid: &str, kind: Kind, request: Request<String>, mut dice: Dice) -> Heard {
        let who = format!("PAR order {}", paid.number);
        sleep(dice.millis(1..30)).await;
        let answer = self.fleet.http(kind, request).await;
        // What leaves is held to its promises, whether or not it arrives.
        let heard = answer.as_ref().map_or(Heard::Nothing, |answer| self.looked_at(paid, uid, kind, answer));
        let lost = answer.is_some() && self.sim.strikes(&mut dice, Fault::AnswerLost);
        self.sim.tell(who, || {
            let said = answer.as_ref().map_or("nothing".to_owned(), |answer| {
                format!("{} {}", answer.status().as_u16(), member(answer.body(), "status").unwrap_or_default())
            });
            format!("{uid} is answered {said}{}", if lost { ", and does not hear it" } else { "" })
        });
        if lost {
            return Heard::Nothing;
        }
        sleep(dice.millis(1..30)).await;
        heard
    }

    /// Whether an answer is one that may be given, and what it says.
    fn looked_at(&self, paid: &Paid, uid: &str, kind: Kind, answer: &Response<String>) -> Heard {
        let (code, body) = (answer.status().as_u16(), answer.body());
        let message = DigestMessage::of_body(body);
        let digest = answer.headers().get("x-pch-digest").and_then(|digest| digest.to_str().ok());
        if digest.is_none_or(|digest| digest != self.shared_id.sign(&message)) && !matches!(code, 503 | 500) {
            self.sim.harm("an answer without a right signature", format!("{uid}: {code} {body}"));
        }
        if digest.is_some() && !lock(&self.signed).contains(message.as_str()) {
            self.sim.harm("something is signed that no caller has signed", format!("{uid}: {code} {body}"));
        }
        let status = member(body, "status").unwrap_or_default();
        let mut names = lock(&paid.names);
        let Some((_, told)) = names.iter_mut().find(|(name, _)| name == uid) else { return Heard::Refused };
        match (code, status.as_str()) {
            (200, "placed") | (200 | 422 | 500 | 502, "rejected" | "errored") => {
                told.accepted = true;
                told.finals.insert((status, number(body).unwrap_or_default()));
                if told.finals.len() > 1 {
                    self.sim.harm("a final answer changed", format!("{uid}: {:?}", told.finals));
                }
                Heard::Final
            }
            (200 | 202, "pending") => {
                told.accepted = true;
                if !told.finals.is_empty() {
                    self.sim.harm("an answer is older than one before it", format!("{uid}: pending after {:?}", told.finals));
                }
                Heard::Pending
            }
            (404, _) if kind == Kind::Get => {
                if told.accepted {
                    self.sim.harm("an accepted order is not known", uid.to_owned());
                }
                Heard::Nothing
            }
            (429 | 503, _) => Heard::Nothing,
            // Another name of the same order, and the same content: it is no conflict.
            _ => {
                self.sim.harm("an answer that no promise allows", format!("{uid}: {code} {body}"));
                Heard::Refused
            }
        }
    }
}

/// What a caller heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Final,
    Pending,
    Refused,
    Nothing,
}

/// The key of an order at its POS.
pub(crate) fn pos_key(uid: &str) -> String {
    format!("{TENANT}.{uid}")
}

fn message_of(text: &str) -> Option<DigestMessage> {
    let order = Body::parse(text.as_bytes()).ok()?.into_order().ok()?;
    Some(order.message(order.identity()))
}

fn member(body: &str, name: &str) -> Option<String> {
    serde_json::from_str(Members::parse(body).ok()?.get(name)?).ok()
}

fn number(body: &str) -> Option<String> {
    let details = Members::parse(body).ok()?;
    let details = Members::parse(details.get("order_details")?).ok()?;
    serde_json::from_str(details.get("pos_order_id")?).ok()
}
