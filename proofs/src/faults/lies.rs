//! What a proxy between a function and a POS says and does that it should not, and what it remembers to do so.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt::Write,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request::Parts};

/// What the proxy does with a request instead of handing it on, and its answer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lie {
    /// It answers by itself, one of [`PAGES`].
    Page,
    /// It answers by itself, as the POS has answered such a request before.
    Cached,
    /// The same, and says so (`Age`).
    Aged,
    /// It answers by itself, as the POS has answered such a request about another order.
    Stranger,
    /// It hands it on after the sender has gone.
    HeldRequest,
    /// It holds the answer.
    HeldAnswer,
    /// It hands on half the answer, and the connection breaks.
    CutAnswer,
    /// It hands on half the answer as if that were all.
    ShortAnswer,
    /// It hands on half the request, and the connection breaks.
    CutRequest,
    /// It hands on half the request as if that were all.
    ShortRequest,
    /// It hands it on, and gives an answer that an earlier request about the order had.
    LeftOver,
    /// It hands it on twice, and gives the second answer.
    Twice,
}

impl Lie {
    pub(super) const ALL: [(Self, &'static str); 12] = [
        (Self::Page, "answered by itself, as below"),
        (Self::Cached, "answered as the same request before"),
        (Self::Aged, "the same, with Age"),
        (Self::Stranger, "answered as for another order"),
        (Self::HeldRequest, "held until after its sender had gone"),
        (Self::HeldAnswer, "answer held"),
        (Self::CutAnswer, "half the answer, then cut"),
        (Self::ShortAnswer, "half the answer as if it were all"),
        (Self::CutRequest, "half the request, then cut"),
        (Self::ShortRequest, "half the request as if it were all"),
        (Self::LeftOver, "answer of an earlier request"),
        (Self::Twice, "sent twice"),
    ];
}

/// What an ingress, a firewall or a load balancer says: status, media type, body.
pub(super) const PAGES: [(u16, &str, &str); 11] = [
    (404, "text/plain", "default backend - 404"),
    (404, "application/json", r#"{"message":"no Route matched with those values"}"#),
    (200, "text/html", "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"),
    (503, "text/html", "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"),
    (502, "text/html", "<html><head><title>502 Bad Gateway</title></head></html>"),
    (307, "text/html", "<a href=\"https://login.example/\">Temporary Redirect</a>"),
    (410, "", ""),
    (405, "", ""),
    (401, "", ""),
    (403, "", ""),
    (204, "", ""),
];

/// A request to the POS.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn new(head: Parts, body: Bytes) -> Self {
        let mut headers = head.headers;
        // What is between two machines only, and what whoever sends it says anew.
        for name in ["host", "connection", "content-length", "transfer-encoding"] {
            headers.remove(name);
        }
        Self { method: head.method, path: head.uri.path().to_owned(), headers, body }
    }

    /// The same with half its body.
    pub(super) fn half(&self) -> Self {
        Self { body: half(&self.body), ..self.clone() }
    }
}

/// An answer of the POS.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answered {
    /// One of [`PAGES`].
    pub(super) fn page(page: usize) -> Self {
        let (status, kind, body) = PAGES.get(page).copied().unwrap_or((500, "", ""));
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert("content-type", HeaderValue::from_static(kind));
        }
        if status == 307 {
            headers.insert("location", HeaderValue::from_static("https://login.example/"));
        }
        Self { status: StatusCode::from_u16(status).unwrap_or_default(), headers, body: body.into() }
    }

    /// The same out of a cache that says so.
    pub(super) fn aged(mut self) -> Self {
        self.headers.insert(HeaderName::from_static("age"), HeaderValue::from_static("7"));
        self
    }

    pub(super) fn half(self) -> Self {
        Self { body: half(&self.body), ..self }
    }
}

pub(super) fn half(body: &Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

/// What the POS has answered so far.
#[derive(Debug, Default)]
pub(super) struct Past {
    of_orders: HashMap<String, Vec<(Method, Answered)>>,
    lately: VecDeque<(Method, String, Answered)>,
}

impl Past {
    /// Answers that are kept to be given for other orders.
    const LATELY: usize = 64;
    /// Answers that are kept of one order.
    const OF_ONE: usize = 16;

    pub(super) fn keep(&mut self, asked: &Asked, answered: &Answered) {
        let (method, path) = (asked.method.clone(), asked.path.clone());
        let of_one = self.of_orders.entry(path.clone()).or_default();
        if of_one.len() < Self::OF_ONE {
            of_one.push((method.clone(), answered.clone()));
        }
        self.lately.push_back((method, path, answered.clone()));
        if self.lately.len() > Self::LATELY {
            self.lately.pop_front();
        }
    }

    /// What such a request about this order was answered.
    pub(super) fn same(&self, asked: &Asked) -> Option<Answered> {
        let of_one = self.of_orders.get(&asked.path)?;
        of_one.iter().find(|(method, _)| *method == asked.method).map(|(_, answered)| answered.clone())
    }

    /// What was answered about this order first, or last, whatever was asked.
    pub(super) fn left_over(&self, asked: &Asked, first: bool) -> Option<Answered> {
        let of_one = self.of_orders.get(&asked.path)?;
        let answered = if first { of_one.first() } else { of_one.last() };
        answered.map(|(_, answered)| answered.clone())
    }

    /// What such a request about another order was answered.
    pub(super) fn of_another(&self, asked: &Asked) -> Option<Answered> {
        let another = |(method, path, _): &&(Method, String, Answered)| *method == asked.method && *path != asked.path;
        self.lately.iter().rev().find(another).map(|(_, _, answered)| answered.clone())
    }
}

/// How often each lie was told, by the method of the request, and each page.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) lies: BTreeMap<(Lie, String), u64>,
    pub(super) pages: BTreeMap<usize, u64>,
    /// Requests that it got.
    pub(super) requests: u64,
}

impl Told {
    /// What a person reads; `late` is how many places came to the POS after their not-after.
    pub(super) fn table(&self, late: u32) -> String {
        let mut text = String::new();
        let lies: u64 = self.lies.values().sum();
        let _ = writeln!(text, "\nproxy before the POS: {} requests, {lies} lies", self.requests);
        let _ = writeln!(text, "{:<48} {:>8} {:>8} {:>8}", "", "PUT", "GET", "DELETE");
        for (lie, words) in Lie::ALL {
            let [put, get, delete] = [Method::PUT, Method::GET, Method::DELETE]
                .map(|method| self.lies.get(&(lie, method.to_string())).copied().unwrap_or_default());
            let _ = writeln!(text, "{words:<48} {put:>8} {get:>8} {delete:>8}");
        }
        for (page, (status, kind, body)) in PAGES.iter().enumerate() {
            let words: String = format!("{status} {kind} {body}").chars().take(48).collect();
            let _ = writeln!(text, "{words:<48} {:>8}", self.pages.get(&page).copied().unwrap_or_default());
        }
        let _ = writeln!(text, "places that came after their not-after, of which the POS made nothing: {late}");
        text
    }
}
