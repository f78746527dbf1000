//! Plays PAR: mints the token, signs the order, sends it, checks the signature of every answer.

mod raw;

use std::{fmt, net::Ipv4Addr, time::Duration};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use posnext_shared::domain::{
    canonical::Members,
    order::Body,
    signature::{DigestMessage, SharedId},
};
use reqwest::{Method, StatusCode, header};
use sha2::Sha256;

use crate::address;
pub use raw::{Bearer, RawRequest};

/// How long a minted token lives.
const TOKEN_S: i64 = 300;
/// How long one answer is waited for: the gateway's own limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const DIGEST: &str = "x-pch-digest";

/// What every HTTP client here starts from: no redirect is followed.
pub fn http_client() -> reqwest::ClientBuilder {
    // A second client in one process finds the provider installed; either is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none())
}

/// A client of one deployment, with PAR's credentials.
pub struct Par {
    url: String,
    client_id: String,
    client_secret: String,
    shared_id: SharedId,
    shared_id_text: String,
    http: reqwest::Client,
}

impl fmt::Debug for Par {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Par").field("url", &self.url).field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// How an order is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As PAR does.
    Right,
    /// Asking for 202 at once (`Prefer: respond-async`).
    PreferAsync,
    /// With a digest that cannot be right.
    WrongDigest,
    /// Without a token.
    NoToken,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub code: StatusCode,
    /// `status` of the body, empty if there is none.
    pub status: String,
    /// The path of `Location`.
    pub location: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `x-pch-digest`.
    pub digest: Option<String>,
    /// Every header.
    pub headers: header::HeaderMap,
    /// The body as it came.
    pub body: String,
    /// Whether the answer's digest is right; `None` if it has none.
    pub signed: Option<bool>,
}

impl Par {
    /// Takes the deployment's URL and PAR's credentials.
    ///
    /// # Errors
    /// A sentence for credentials or a URL that cannot be used.
    pub fn new(url: &str, client_id: &str, client_secret: &str, shared_id: &str) -> anyhow::Result<Self> {
        let url = address::base(url).map_err(|why| anyhow::anyhow!("the URL {url:?} {why}"))?;
        let parsed = reqwest::Url::parse(&url)?;
        let mut http = http_client();
        // RFC 6761 section 6.3: names under localhost are this machine. Not every resolver knows it.
        if let Some(host) = parsed.host_str().filter(|host| host.ends_with(".localhost")) {
            http = http.resolve(host, (Ipv4Addr::LOCALHOST, 0).into());
        }
        Ok(Self {
            url,
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            shared_id: SharedId::new("par", shared_id)?,
            shared_id_text: shared_id.to_owned(),
            http: http.timeout(ANSWER_LIMIT).build()?,
        })
    }

    /// The deployment.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Signs and submits an order.
    ///
    /// # Errors
    /// A sentence when the order is no order, or no answer came.
    pub async fn submit(&self, order: &str, manner: Manner) -> anyhow::Result<Answer> {
        let digest = self.digest_of_order(order)?;
        let path = "/posnext/order/submit";
        let request = match manner {
            Manner::Right => self.request(Method::POST, path)?.header(DIGEST, digest),
            Manner::PreferAsync => self.request(Method::POST, path)?.header(DIGEST, digest).header("prefer", "respond-async"),
            Manner::WrongDigest => self.request(Method::POST, path)?.header(DIGEST, "0".repeat(64)),
            Manner::NoToken => self.http.post(format!("{}{path}", self.url)).header(DIGEST, digest),
        };
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(order.to_owned())).await
    }

    /// Signs an order and asks whether it would be taken.
    ///
    /// # Errors
    /// A sentence when the order is no order, or no answer came.
    pub async fn validate(&self, order: &str) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, "/posnext/order/validate")?.header(DIGEST, self.digest_of_order(order)?);
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(order.to_owned())).await
    }

    /// Asks for a location's menu.
    ///
    /// # Errors
    /// A sentence when no answer came.
    pub async fn menus(&self, organization: &str, location: &str) -> anyhow::Result<Answer> {
        let body = serde_json::json!({ "organization_id": organization, "location_id": location }).to_string();
        let request = self.request(Method::POST, "/posnext/menus")?;
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(body)).await
    }

    /// Reads an order.
    ///
    /// # Errors
    /// A sentence when no answer came.
    pub async fn get(&self, request_uid: &str) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, &format!("/posnext/orders/{request_uid}"))?).await
    }

    /// Reads what was done with an order.
    ///
    /// # Errors
    /// A sentence when no answer came.
    pub async fn history(&self, request_uid: &str) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, &format!("/posnext/orders/{request_uid}/history"))?).await
    }

    fn digest_of_order(&self, order: &str) -> anyhow::Result<String> {
        let parsed = Body::parse(order.as_bytes())?.into_order();
        let parsed = parsed.map_err(|errors| {
            let reasons: Vec<_> = errors.into_iter().map(|error| error.message).collect();
            anyhow::anyhow!("this is no order: {}", reasons.join("; "))
        })?;
        Ok(self.shared_id.sign(&parsed.message(parsed.identity())))
    }

    fn request(&self, method: Method, path: &str) -> anyhow::Result<reqwest::RequestBuilder> {
        let token = self.token(jiff::Timestamp::now().as_second())?;
        Ok(self.http.request(method, format!("{}{path}", self.url)).bearer_auth(token))
    }

    /// A JWT as PAR mints it (docs/contract.md#token).
    fn token(&self, now: i64) -> anyhow::Result<String> {
        bearer_token(&self.client_id, &self.client_secret, now)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                bail!("nothing answers at {}; start the local product with `cargo run`, or give --url", self.url)
            }
            Err(error) => return Err(error).context("no answer"),
        };
        let (code, headers) = (response.status(), response.headers().clone());
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (location, retry_after, digest) = (text("location"), text("retry-after"), text(DIGEST));
        let body = response.text().await?;
        let status = Members::parse(&body).ok().and_then(|members| string(&members, "status")).unwrap_or_default();
        let signed = digest.as_ref().map(|digest| *digest == self.shared_id.sign(&DigestMessage::of_body(&body)));
        let retry_after = retry_after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        Ok(Answer { code, status, location, retry_after, digest, headers, body, signed })
    }
}

/// A JWT as PAR mints it; `now` in Unix seconds.
///
/// # Errors
/// A sentence when the Client Secret is no key.
pub fn bearer_token(client_id: &str, client_secret: &str, now: i64) -> anyhow::Result<String> {
    let claims = serde_json::json!({ "sub": client_id, "iat": now, "nbf": now, "exp": now + TOKEN_S });
    let signed = jwt_text("HS256", &claims);
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac(client_secret.as_bytes(), &signed)?)))
}

/// The part of a JWT that is signed.
fn jwt_text(algorithm: &str, claims: &serde_json::Value) -> String {
    let header = serde_json::json!({ "alg": algorithm, "typ": "JWT" });
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn hmac(key: &[u8], text: &str) -> anyhow::Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn string(members: &Members<'_>, key: &str) -> Option<String> {
    serde_json::from_str(members.get(key)?).ok()
}

/// An order to try with: two pizzas and a drink.
#[must_use]
pub fn sample_order(organization: &str, location: &str, request_uid: &str) -> String {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    let quote = posnext_shared::domain::canonical::quote;
    format!(
        r#"{{"request_uid":{},"organization_id":{},"location_id":{},"request_datetime":"{now}","order_details":{{"online_order_id":{},"order_type":"pickup","items":[{{"id":"4711","name":"Margherita","quantity":2,"price":9.25,"modifiers":[{{"id":"17","name":"Basil","quantity":1,"price":0.00}}]}},{{"id":"4720","name":"Lemonade","quantity":1,"price":3.00,"modifiers":[]}}],"subtotal":21.50,"taxes":[{{"name":"VAT","amount":1.95}}],"tip":0.00,"grand_total":23.45}}}}"#,
        quote(request_uid),
        quote(organization),
        quote(location),
        quote(&format!("ORD-{request_uid}")),
    )
}
