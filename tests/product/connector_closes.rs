//! No placement goes out on a connection that may be dying: placements aimed at the moment at which a POS closes what
//! it keeps. As a control the same is done with a client that keeps its connections for 5 seconds, as the connector did
//! once.
//!
//! `POSNEXT_TEST_CLOSES=full` aims a thousand placements at closes at 1, 2 and 5 s; without it there are fewer, at 1 s.
//! `POSNEXT_AIMED` names a file that gets a line with what came of them, for the proofs (proven/).

use std::{
    fs::OpenOptions,
    io::Write,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use posnext_shared::domain::ability::Placed;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::{
    connector::{location, place_within, record},
    support::{fresh_uid, order},
    tls_pos::{AUTHORITY, Closes, ROUND_TRIP, TlsPos},
};

const SENDERS: u32 = 32;
/// Time enough for a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(4);

/// A client that keeps its connections for 5 s.
type Keeping = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn keeping() -> Keeping {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap();
    let tls = config.with_root_certificates(store).with_no_client_auth();
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(5)).build(https)
}

/// What one placement came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Placed,
    NotStarted,
    Unknown,
}

/// Sends placements.
#[derive(Clone)]
enum Sender {
    /// The connector.
    Ours,
    /// The control; each sender has one connection of its own.
    Keeping(OnceLock<Arc<Keeping>>),
}

impl Sender {
    async fn place(&self, base: &str) -> Came {
        let uid = fresh_uid("closes");
        match self {
            Self::Ours => match place_within(LIMIT, &location(base, None), &record(&order(&uid, "PAR-LOC-HTTP"))).await {
                Placed::Done { .. } => Came::Placed,
                Placed::NotStarted { .. } => Came::NotStarted,
                other => {
                    println!("{other:?}");
                    Came::Unknown
                }
            },
            Self::Keeping(client) => {
                let client = client.get_or_init(|| Arc::new(keeping()));
                let request = Request::put(format!("{base}/orders/{uid}")).header("idempotency-key", &uid);
                let request = request.body(Full::from(order(&uid, "PAR-LOC-HTTP"))).unwrap();
                let answered = async { client.request(request).await.ok()?.into_body().collect().await.ok() };
                answered.await.map_or(Came::Unknown, |_| Came::Placed)
            }
        }
    }
}

/// What placements came to that were sent within two round trips of when the POS closes, by 32 senders, so many by
/// each.
async fn aimed(sender: &Sender, closes: Closes, rounds: u32) -> Vec<Came> {
    let pos = Arc::new(TlsPos::start(closes).await);
    let senders = (0..SENDERS).map(|number| {
        let (sender, pos) = (sender.clone(), Arc::clone(&pos));
        tokio::spawn(async move {
            let mut came = Vec::new();
            assert_eq!(sender.place(&pos.base).await, Came::Placed, "the first finds nothing kept");
            for round in 0..rounds {
                let answered = Instant::now();
                // From two round trips before it to none, as they are told apart by sender and round.
                let before = ROUND_TRIP * 2 * ((number * 7 + round * 11) % 32) / 32;
                match closes {
                    Closes::Idle(idle) => sleep_until(answered + idle - before).await,
                    Closes::After(_) => {}
                    Closes::OnRestart => {
                        sleep_until(answered + ROUND_TRIP * 2).await;
                        if number == 0 {
                            pos.restart();
                        }
                        sleep_until(answered + ROUND_TRIP * 4 - before).await;
                    }
                }
                came.push(sender.place(&pos.base).await);
                if came.last() != Some(&Came::Placed) {
                    // What is aimed at is a connection that is kept.
                    sender.place(&pos.base).await;
                }
            }
            came
        })
    });
    let mut all = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        all.extend(sender.await.unwrap());
    }
    all
}

fn unknown(came: &[Came]) -> usize {
    came.iter().filter(|came| **came == Came::Unknown).count()
}

fn tell(sender: &str, came: &[Came]) {
    println!("{sender}: {} placements, {} of unknown outcome", came.len(), unknown(came));
    if let Some(file) = std::env::var_os("POSNEXT_AIMED") {
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        let line = json!({ "sender": sender, "placements": came.len(), "unknown": unknown(came) });
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

fn is_full() -> bool {
    std::env::var("POSNEXT_TEST_CLOSES").is_ok_and(|value| value == "full")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_placement_goes_out_on_a_connection_that_may_be_dying() {
    let idle = |seconds| Closes::Idle(Duration::from_secs(seconds));
    let aims = match is_full() {
        true => vec![(idle(1), 10), (idle(2), 10), (idle(5), 4), (Closes::After(2), 4), (Closes::OnRestart, 4)],
        false => vec![(idle(1), 2), (Closes::After(2), 1), (Closes::OnRestart, 2)],
    };
    let mut sent = 0;
    for (closes, rounds) in aims {
        let came = aimed(&Sender::Ours, closes, rounds).await;
        tell("ours", &came);
        assert!(came.iter().all(|came| *came == Came::Placed), "{closes:?}: {came:?}");
        sent += came.len();
    }
    assert!(sent >= if is_full() { 1_000 } else { 150 }, "{sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_keeps_its_connections_loses_a_fifth_of_what_is_aimed_at_their_end() {
    let rounds = if is_full() { 10 } else { 2 };
    let came = aimed(&Sender::Keeping(OnceLock::new()), Closes::Idle(Duration::from_secs(1)), rounds).await;
    tell("keeping", &came);
    assert!(unknown(&came) * 5 >= came.len(), "the control loses {} of {}: nothing is aimed at", unknown(&came), came.len());
}
