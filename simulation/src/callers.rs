//! PAR: callers who send orders, again and again until they are answered, under other names and as other clients; and
//! strangers who have a token, and no SharedId.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Request, Response};
use posnext_local::par::bearer_token;
use posnext_shared::domain::signature::{DigestMessage, SharedId};
use tokio::time::{Instant, sleep};

use crate::{
    answers::{Heard, member, total},
    dice::Dice,
    faults::Fault,
    fleet::{Fleet, Kind},
    paid::{Paid, message_of, text},
    sim::{Shared, lock},
    world::{CLIENTS, ROTATED, SHARED_IDS},
};

/// How long a caller goes on asking.
const PATIENCE: Duration = Duration::from_mins(10);
/// The longest pause between two polls, in milliseconds.
const LONGEST_PAUSE: u64 = 100_000;

/// Everybody who calls.
#[derive(Debug)]
pub(crate) struct Callers {
    pub(crate) sim: Shared,
    fleet: Arc<Fleet>,
    /// The one before the secrets were changed, and the one after.
    pub(crate) shared_ids: [SharedId; 2],
    /// What was ever signed by a caller.
    pub(crate) signed: Mutex<BTreeSet<String>>,
    /// From when on the new secrets are used.
    rotated_at: Option<Instant>,
}

/// Under which name an order is sent, dated when, and by which client.
#[derive(Debug, Clone)]
struct As {
    uid: String,
    at: String,
    client: usize,
}

impl Callers {
    pub(crate) fn new(sim: &Shared, fleet: &Arc<Fleet>, rotated_at: Option<Instant>) -> anyhow::Result<Arc<Self>> {
        let [before, after] = SHARED_IDS;
        let shared_ids = [SharedId::new("par", before)?, SharedId::new("par", after)?];
        let signed = Mutex::new(BTreeSet::from([DigestMessage::all_null().as_str().to_owned()]));
        Ok(Arc::new(Self { sim: Arc::clone(sim), fleet: Arc::clone(fleet), shared_ids, signed, rotated_at }))
    }

    /// Sends an order until it is decided, or nobody has any patience left.
    pub(crate) async fn order(self: Arc<Self>, paid: Arc<Paid>) {
        let mut dice = self.sim.dice.part("order", paid.number);
        let mut sent = As { uid: format!("o{}", paid.number), at: self.sim.now().rfc3339(), client: 0 };
        let began = Instant::now();
        if self.sim.strikes(&mut dice, Fault::Thief) {
            self.tempt(&paid, dice.part("thief", 0)).await;
        }
        self.beside(&paid, &sent, &mut dice);
        let mut tries = 0;
        while began.elapsed() < PATIENCE {
            let told = self.submit(&paid, &sent, &paid.text(&sent.uid, &sent.at), dice.part("try", tries)).await;
            match told {
                Heard::Final | Heard::Refused => break,
                Heard::Pending => {
                    self.poll(&paid, &sent, &mut dice, began).await;
                    break;
                }
                Heard::Nothing => {}
            }
            tries += 1;
            sleep(dice.millis(300..6_000)).await;
            let renames = if paid.online_order_id.is_some() { Fault::Renamed } else { Fault::RenamedWithoutId };
            if self.sim.strikes(&mut dice, renames) {
                (sent.uid, sent.at) = (format!("o{}-{tries}", paid.number), self.sim.now().rfc3339());
            }
            if self.sim.strikes(&mut dice, Fault::Restamped) {
                sent.at = self.sim.now().rfc3339();
            }
            if self.sim.strikes(&mut dice, Fault::OtherClient) {
                sent.client = 1 - sent.client;
            }
        }
        if self.sim.strikes(&mut dice, Fault::SentLater) {
            sleep(dice.millis(5_000..480_000)).await;
            self.submit(&paid, &sent, &paid.text(&sent.uid, &sent.at), dice.part("later", 0)).await;
        }
    }

    /// What goes on beside the first request: the same once more, under its name or another, or other content under its
    /// name.
    fn beside(self: &Arc<Self>, paid: &Arc<Paid>, sent: &As, dice: &mut Dice) {
        let (twice, changed) = (self.sim.strikes(dice, Fault::SentTwice), self.sim.strikes(dice, Fault::Changed));
        let (at_once, renamed) = (dice.in_a_thousand(500), dice.in_a_thousand(400));
        let (wait, later) = (dice.millis(0..if at_once { 80 } else { 2_000 }), dice.part("beside", 0));
        if !twice && !changed {
            return;
        }
        let (this, paid, mut sent) = (Arc::clone(self), Arc::clone(paid), sent.clone());
        if renamed && !changed && paid.online_order_id.is_some() {
            sent.uid += "-b";
        }
        let text = if changed {
            paid.change();
            paid.changed_text(&sent.uid, &sent.at)
        } else {
            paid.text(&sent.uid, &sent.at)
        };
        tokio::spawn(async move {
            sleep(wait).await;
            this.submit(&paid, &sent, &text, later).await;
        });
    }

    /// Sends an open order under another name, another day.
    pub(crate) async fn rename(self: Arc<Self>, paid: Arc<Paid>) {
        let mut dice = self.sim.dice.part("rename", paid.number);
        sleep(dice.millis(0..80_000)).await;
        let sent = As { uid: format!("o{}-day2", paid.number), at: self.sim.now().rfc3339(), client: 0 };
        for _ in 0..20 {
            let told = self.submit(&paid, &sent, &paid.text(&sent.uid, &sent.at), dice.clone()).await;
            if told != Heard::Nothing {
                return;
            }
            sleep(Duration::from_secs(5)).await;
        }
    }

    /// Sends what was sent once more, when it may be forgotten.
    pub(crate) async fn send_again(&self, paid: &Paid, uid: &str, at: String) {
        let sent = As { uid: uid.to_owned(), at, client: 0 };
        let dice = self.sim.dice.part("months", paid.number);
        self.submit(paid, &sent, &paid.text(uid, &sent.at), dice).await;
    }

    /// PAR validates an order without totals; a stranger hears the answer, and takes its totals and its signature for an
    /// order of his own.
    async fn tempt(&self, paid: &Paid, mut dice: Dice) {
        let (uid, at) = (format!("t{}", paid.number), self.sim.now().rfc3339());
        let asked = text(&uid, &at, &paid.location, None, paid.quantity, false);
        let Some(request) = self.signed_request("/posnext/order/validate", 0, &asked) else { return };
        let Some(answer) = self.fleet.http(Kind::Validate, request).await else { return };
        self.hold_to_signatures(&uid, &answer);
        let stolen = answer.headers().get("x-pch-digest").cloned();
        let wanted = text(&uid, &at, &paid.location, None, paid.quantity, true);
        let mut request = self.request(Method::POST, "/posnext/order/submit", 0, wanted.clone());
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        if let Some(stolen) = stolen {
            request.headers_mut().insert("x-pch-digest", stolen);
        }
        sleep(dice.millis(1..2_000)).await;
        self.sim.tell("a stranger", || format!("submits {uid} with a signature that was heard"));
        let Some(answer) = self.fleet.http(Kind::Submit, request).await else { return };
        self.hold_to_signatures(&uid, &answer);
        let signed = message_of(&wanted).is_some_and(|message| lock(&self.signed).contains(message.as_str()));
        if matches!(answer.status().as_u16(), 200 | 202) && !signed {
            self.sim.harm("a stranger has placed what nobody signed", format!("{uid}: {}", answer.body()));
        }
    }

    /// Reads an order once more, when nothing goes wrong any more.
    pub(crate) async fn ask_again(&self, paid: &Paid, uid: &str) {
        let dice = self.sim.dice.part("again", paid.number);
        let sent = As { uid: uid.to_owned(), at: String::new(), client: 0 };
        for _ in 0..3 {
            if self.get(paid, &sent, dice.clone()).await != Heard::Nothing {
                return;
            }
            sleep(Duration::from_secs(2)).await;
        }
        self.sim.harm("an order cannot be read although nothing goes wrong", uid.to_owned());
    }

    async fn poll(&self, paid: &Paid, sent: &As, dice: &mut Dice, began: Instant) {
        let (mut tries, mut pause) = (0, 1_000);
        while began.elapsed() < PATIENCE {
            sleep(dice.millis(pause / 2..pause * 2)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            tries += 1;
            if self.get(paid, sent, dice.part("poll", tries)).await == Heard::Final {
                return;
            }
        }
    }

    async fn submit(&self, paid: &Paid, sent: &As, text: &str, mut dice: Dice) -> Heard {
        let Some(mut request) = self.signed_request("/posnext/order/submit", sent.client, text) else { return Heard::Refused };
        if dice.in_a_thousand(60) {
            request.headers_mut().insert("prefer", HeaderValue::from_static("respond-async"));
        }
        paid.name(&sent.uid);
        self.sim.tell(format_args!("PAR order {}", paid.number), || {
            format!("submits {} as {}", sent.uid, CLIENTS.get(sent.client).map_or("", |client| client.id))
        });
        self.sent(paid, &sent.uid, Kind::Submit, request, dice).await
    }

    async fn get(&self, paid: &Paid, sent: &As, mut dice: Dice) -> Heard {
        let mut request = self.request(Method::GET, &format!("/posnext/orders/{}", sent.uid), sent.client, String::new());
        if dice.in_a_thousand(20) {
            request.headers_mut().insert("prefer", HeaderValue::from_static("wait=2"));
        }
        self.sent(paid, &sent.uid, Kind::Get, request, dice).await
    }

    fn is_rotated(&self) -> bool {
        self.rotated_at.is_some_and(|at| Instant::now() >= at)
    }

    /// A request that PAR signs itself.
    fn signed_request(&self, path: &str, client: usize, text: &str) -> Option<Request<String>> {
        let message = message_of(text)?;
        lock(&self.signed).insert(message.as_str().to_owned());
        let mut request = self.request(Method::POST, path, client, text.to_owned());
        let [before, after] = &self.shared_ids;
        let digest = if self.is_rotated() { after } else { before }.sign(&message).parse().ok()?;
        request.headers_mut().insert("x-pch-digest", digest);
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        Some(request)
    }

    fn request(&self, method: Method, path: &str, client: usize, body: String) -> Request<String> {
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (method, path.parse().unwrap_or_default());
        if let Some(client) = CLIENTS.get(client) {
            let secret = if self.is_rotated() && client.id == ROTATED { client.next_secret } else { client.secret };
            let token = bearer_token(client.id, secret, self.sim.now().seconds()).unwrap_or_default();
            insert(request.headers_mut(), "authorization", &format!("Bearer {token}"));
        }
        request
    }

    async fn sent(&self, paid: &Paid, uid: &str, kind: Kind, request: Request<String>, mut dice: Dice) -> Heard {
        sleep(dice.millis(1..30)).await;
        let (wanted, known) = (total(request.body()), paid.told(uid, |told| told.clone()).unwrap_or_default());
        let answer = self.fleet.http(kind, request).await;
        if let Some(answer) =
            answer.as_ref().filter(|answer| kind == Kind::Submit && matches!(answer.status().as_u16(), 200 | 202))
            && total(answer.body()) != wanted
        {
            self.sim.harm("an order is answered as another one", format!("{uid}: {wanted:?}, and {}", answer.body()));
        }
        // What leaves is held to its promises, whether or not it arrives.
        let heard = answer.as_ref().map_or(Heard::Nothing, |answer| self.looked_at(paid, uid, (kind, &known), answer));
        let lost = answer.is_some() && self.sim.strikes(&mut dice, Fault::AnswerLost);
        self.sim.tell(format_args!("PAR order {}", paid.number), || {
            let said = answer.as_ref().map_or("nothing".to_owned(), |answer: &Response<String>| {
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
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}
