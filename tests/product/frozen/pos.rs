//! A POS that speaks contract 2 of the connector (docs/connector.md), and keeps what it promises: `find`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// The wall clock of the test: how many milliseconds it is ahead of the machine's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wall(pub(crate) Arc<AtomicU64>);

impl Wall {
    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(since.as_millis()).unwrap() + self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A request that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) key: String,
    /// The secret that it proves itself by.
    pub(crate) bearer: String,
    /// What it was answered.
    pub(crate) code: u16,
}

#[derive(Debug, Default)]
struct State {
    /// The secret that it takes now; any, if there is none.
    secret: Option<String>,
    /// Keys, and each order's number.
    placed: HashMap<String, String>,
    cancelled: Vec<String>,
    /// Keys.
    meals: Vec<String>,
    requests: Vec<Request>,
}

/// The POS.
#[derive(Debug, Clone)]
pub(crate) struct Pos {
    pub(crate) address: SocketAddr,
    wall: Wall,
    state: Arc<Mutex<State>>,
}

impl Pos {
    pub(crate) async fn start(wall: &Wall) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pos = Self { address: listener.local_addr().unwrap(), wall: wall.clone(), state: Arc::default() };
        let serving = pos.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let pos = serving.clone();
                // A connection that breaks has said what it said.
                tokio::spawn(async move { drop(pos.serve(stream).await) });
            }
        });
        pos
    }

    /// From now on it takes this secret alone.
    pub(crate) fn takes(&self, secret: &str) {
        self.state.lock().unwrap().secret = Some(secret.to_owned());
    }

    /// The meals that were made.
    pub(crate) fn meals(&self) -> usize {
        self.state.lock().unwrap().meals.len()
    }

    /// The requests that came whole.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Those that would place an order.
    pub(crate) fn puts(&self) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.method == "PUT").collect()
    }

    /// One request after the other; an error where one breaks off.
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let mut words = line.split_whitespace().map(str::to_owned);
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let headers = headers(&mut stream).await?;
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            stream.read_exact(&mut vec![0; length]).await?;

            let key = path.trim_start_matches("/orders/").to_owned();
            let (code, body) = self.answer(method, key, &headers);
            let repeated = headers.get("posnext-request").map(|id| format!("posnext-request: {id}\r\n"));
            let answer = format!(
                "HTTP/1.1 {code} POS\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n{body}",
                repeated.unwrap_or_default(),
                body.len()
            );
            stream.write_all(answer.as_bytes()).await?;
            if headers.get("connection").is_some_and(|connection| connection == "close") {
                return Ok(());
            }
        }
    }

    fn answer(&self, method: String, key: String, headers: &HashMap<String, String>) -> (u16, String) {
        let mut state = self.state.lock().unwrap();
        let bearer = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let bearer = bearer.unwrap_or_default().to_owned();
        let not_after = headers.get("posnext-not-after").map(|at| at.parse::<u64>().unwrap());
        let (code, mut body) = if state.secret.as_ref().is_some_and(|secret| *secret != bearer) {
            (401, json!({ "status": "not_started" }))
        } else if not_after.is_some_and(|at| self.wall.now() > at) {
            (503, json!({ "status": "not_started" }))
        } else {
            state.done(&method, &key)
        };
        body["key"] = key.as_str().into();
        state.requests.push(Request { method, key, bearer, code });
        (code, body.to_string())
    }
}

impl State {
    fn done(&mut self, method: &str, key: &str) -> (u16, Value) {
        if self.cancelled.iter().any(|cancelled| cancelled == key) {
            return (410, json!({ "status": "cancelled" }));
        }
        match (method, self.placed.get(key)) {
            ("PUT", _) => {
                self.meals.push(key.to_owned());
                let number = format!("P-{}", self.meals.len());
                self.placed.entry(key.to_owned()).or_insert_with(|| number.clone());
                (201, json!({ "status": "placed", "pos_order_id": number }))
            }
            ("GET", Some(number)) => (200, json!({ "status": "placed", "pos_order_id": number })),
            ("GET", None) => (404, json!({ "status": "unknown" })),
            ("DELETE", Some(number)) => (409, json!({ "status": "placed", "pos_order_id": number })),
            _ => {
                self.cancelled.push(key.to_owned());
                (200, json!({ "status": "cancelled" }))
            }
        }
    }
}

/// Their names in small letters.
async fn headers(stream: &mut BufReader<TcpStream>) -> std::io::Result<HashMap<String, String>> {
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(headers) };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}
