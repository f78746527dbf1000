//! Requests in any manner, and what came of them, kept for the report.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use posnext_shared::domain::{contract::Contract, signature::DigestMessage};
use reqwest::Method;
use serde::Serialize;

use super::{draft::Draft, told::Told};
use posnext_local::par::{Answer, Bearer, Par, RawRequest};

/// The most of a body that a report shows.
const LONGEST_BODY: usize = 4_000;
const DIGEST: &str = "x-pch-digest";

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// `POST /posnext/order/validate`
    Validate,
    /// `POST /posnext/order/submit`
    Submit,
    /// `GET /posnext/orders/{orderId}`
    Get,
    /// `POST /posnext/menus`
    Menus,
}

impl Endpoint {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Validate, Self::Submit, Self::Get, Self::Menus];

    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Submit => "submit",
            Self::Get => "get",
            Self::Menus => "menus",
        }
    }
}

/// The digest of a request.
#[derive(Debug, Clone)]
pub(crate) enum Digest {
    /// As PAR makes it, of what is sent.
    Right,
    /// None.
    Missing,
    /// As PAR makes it, of another body.
    Of(String),
    /// This text.
    Text(String),
}

/// A request before it is sent. What is not said otherwise is as PAR does it.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: String,
    pub(crate) bearer: Bearer,
    pub(crate) digest: Digest,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    /// The order it is about.
    pub(crate) about: Option<Draft>,
    /// Whether the other side can know whose SharedId signs the answer to it.
    pub(crate) attributable: bool,
}

impl Ask {
    /// An order, signed, to validate or submit.
    pub(crate) fn order(endpoint: Endpoint, draft: &Draft) -> Self {
        Self {
            endpoint,
            path: format!("/posnext/order/{}", endpoint.name()),
            bearer: Bearer::Right,
            digest: Digest::Right,
            headers: vec![("content-type", "application/json".to_owned())],
            body: Some(draft.json()),
            about: Some(draft.clone()),
            attributable: true,
        }
    }

    /// Reads the order.
    pub(crate) fn get(draft: &Draft) -> Self {
        Self {
            endpoint: Endpoint::Get,
            path: format!("/posnext/orders/{}", draft.uid),
            bearer: Bearer::Right,
            digest: Digest::Missing,
            headers: Vec::new(),
            body: None,
            about: Some(draft.clone()),
            attributable: false,
        }
    }

    /// Fetches a menu.
    pub(crate) fn menu(organization: &str, location: &str) -> Self {
        let body = serde_json::json!({ "organization_id": organization, "location_id": location }).to_string();
        Self {
            endpoint: Endpoint::Menus,
            path: "/posnext/menus".to_owned(),
            bearer: Bearer::Right,
            digest: Digest::Missing,
            headers: vec![("content-type", "application/json".to_owned())],
            body: Some(body),
            about: None,
            attributable: false,
        }
    }

    /// With another digest, or with none.
    pub(crate) fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// With another token.
    pub(crate) fn bearer(mut self, bearer: Bearer) -> Self {
        self.bearer = bearer;
        self
    }

    /// With a body that is no order.
    pub(crate) fn body(mut self, body: String) -> Self {
        self.body = Some(body);
        self.about = None;
        self
    }

    /// The other side cannot know for whom to sign.
    pub(crate) fn anonymous(mut self) -> Self {
        self.attributable = false;
        self
    }
}

/// One half of an exchange as a report shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The first line.
    pub line: String,
    /// The headers that matter.
    pub headers: Vec<(String, String)>,
    /// The body, cut where it is long.
    pub body: String,
}

/// An exchange as a report shows it: nothing in it is secret.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// What was sent.
    pub request: Shown,
    /// What came back; the line says so if nothing did.
    pub answer: Shown,
    /// How long it took.
    pub ms: u64,
}

/// A request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) ask: Ask,
    pub(crate) answer: Answer,
    pub(crate) told: Told,
    pub(crate) record: Arc<Record>,
}

impl Exchange {
    pub(crate) fn code(&self) -> u16 {
        self.answer.code.as_u16()
    }

    /// One line about the answer.
    pub(crate) fn summary(&self) -> String {
        match (&self.told.status, self.told.errors.first()) {
            (Some(status), _) => format!("{} {status}", self.code()),
            (None, Some((code, _))) => format!("{} {code}", self.code()),
            (None, None) => self.code().to_string(),
        }
    }

    /// Fails unless the answer has this code.
    pub(crate) fn expect(&self, code: u16) -> anyhow::Result<()> {
        ensure!(self.code() == code, "{} answered {}, not {code}", self.ask.endpoint.name(), self.summary());
        Ok(())
    }

    /// Fails unless the answer has this code and this status.
    pub(crate) fn expect_status(&self, code: u16, status: &str) -> anyhow::Result<()> {
        let right = self.code() == code && self.told.status() == status;
        ensure!(right, "{} answered {}, not {code} {status}", self.ask.endpoint.name(), self.summary());
        Ok(())
    }

    /// Whether it is an answer about an order: signed, with a status.
    pub(crate) fn is_about_an_order(&self) -> bool {
        self.ask.endpoint != Endpoint::Menus && matches!(self.code(), 200..=299)
    }

    /// Whether it is a refusal of one of the endpoints about orders, by somebody who knows the caller.
    pub(crate) fn is_refusal(&self) -> bool {
        self.ask.endpoint != Endpoint::Menus && matches!(self.code(), 400 | 402..=428 | 430..=499)
    }

    /// Whether the digest is over the body, in whatever letter case.
    pub(crate) fn is_signed(&self, par: &Par) -> Option<bool> {
        let digest = self.answer.digest.as_ref()?;
        Some(digest.to_ascii_lowercase() == par.digest(&self.answer.body))
    }

    /// Why a digest that is not over the body is wrong, where that can be told.
    pub(crate) fn suspicion(&self, par: &Par) -> &'static str {
        let Some(digest) = &self.answer.digest else { return "there is no x-pch-digest" };
        let request = self.ask.body.as_deref().unwrap_or_default();
        if DigestMessage::of_body(request) != DigestMessage::of_body(&self.answer.body) && *digest == par.digest(request) {
            return "x-pch-digest is over the request's values, not over those of the answer";
        }
        "x-pch-digest is not over the six values of the answer's body"
    }

    /// Which request this was, for a reason.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.ask.endpoint.name(), self.summary())
    }
}

/// Sends it. The record is there even if no answer came.
pub(crate) async fn send(par: &Par, contract: &Contract, ask: Ask) -> (Arc<Record>, anyhow::Result<Exchange>) {
    let request = match request(par, contract, &ask) {
        Ok(request) => request,
        Err(error) => return (Arc::new(record(par, &unsent(&ask), Err(&error), Duration::ZERO)), Err(error)),
    };
    let began = tokio::time::Instant::now();
    let answer = par.send_raw(&request).await;
    let record = Arc::new(record(par, &request, answer.as_ref(), began.elapsed()));
    let key = &contract.pos_order_id_key;
    let exchange =
        answer.map(|answer| Exchange { told: Told::read(&answer.body, key), ask, answer, record: Arc::clone(&record) });
    (record, exchange)
}

/// The request without what could not be made.
fn unsent(ask: &Ask) -> RawRequest {
    let method = if ask.endpoint == Endpoint::Get { Method::GET } else { Method::POST };
    RawRequest { method, path: ask.path.clone(), token: None, headers: ask.headers.clone(), body: ask.body.clone() }
}

fn request(par: &Par, contract: &Contract, ask: &Ask) -> anyhow::Result<RawRequest> {
    let body = ask.body.as_deref().unwrap_or_default();
    let made = |body: &str| par.request_digest(contract.request_digest, &ask.path, body);
    let digest = match &ask.digest {
        Digest::Right => Some(made(body)?),
        Digest::Of(other) => Some(made(other)?),
        Digest::Text(text) => Some(text.clone()),
        Digest::Missing => None,
    };
    let mut request = RawRequest { token: par.bearer(ask.bearer)?, ..unsent(ask) };
    request.headers.extend(digest.map(|digest| (DIGEST, digest)));
    Ok(request)
}

fn record(par: &Par, request: &RawRequest, answer: Result<&Answer, &anyhow::Error>, took: Duration) -> Record {
    let token = request.token.as_deref();
    let conceal = |text: &str| par.conceal(text, token);
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| ((*name).to_owned(), conceal(value))).collect();
    if token.is_some() {
        headers.insert(0, ("authorization".to_owned(), "Bearer <token>".to_owned()));
    }
    let line = format!("{} {}", request.method, request.path);
    let request = Shown { line, headers, body: cut(&conceal(request.body.as_deref().unwrap_or_default())) };
    let answer = match answer {
        Ok(answer) => Shown {
            line: answer.code.to_string(),
            headers: answer
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), conceal(&String::from_utf8_lossy(value.as_bytes()))))
                .collect(),
            body: cut(&conceal(&answer.body)),
        },
        Err(error) => Shown { line: conceal(&format!("no answer: {error:#}")), headers: Vec::new(), body: String::new() },
    };
    Record { request, answer, ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
}

fn cut(body: &str) -> String {
    match body.char_indices().nth(LONGEST_BODY) {
        Some((end, _)) => format!("{}… ({} bytes)", body.get(..end).unwrap_or_default(), body.len()),
        None => body.to_owned(),
    }
}
