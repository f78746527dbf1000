//! Requests of which any part is missing or wrong, as PAR would never send them.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use posnext_shared::domain::{contract::RequestDigest, signature::DigestMessage};
use reqwest::Method;

use super::{Answer, Par, TOKEN_S, hmac, jwt_text};

/// How much of a SharedId is the key (docs/contract.md#signature).
const KEY_CHARACTERS: usize = 10;
/// What no Client Secret is.
const FOREIGN_SECRET: &[u8] = b"a-secret-that-nobody-has-been-given";

/// The token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// As PAR mints it.
    Right,
    /// None.
    Missing,
    /// No JWT.
    Malformed,
    /// Signed with another secret.
    Foreign,
    /// Expired an hour ago.
    Expired,
    /// `alg` is `none`, and there is no signature.
    Unsigned,
    /// Without `exp`: it would be good for ever.
    Endless,
}

/// A request, part by part.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// The bearer token.
    pub token: Option<String>,
    /// Every other header.
    pub headers: Vec<(&'static str, String)>,
    /// Its body, if it has one.
    pub body: Option<String>,
}

impl Par {
    /// The token of this kind; `None` for none at all.
    ///
    /// # Errors
    /// A sentence when the Client Secret is no key.
    pub fn bearer(&self, kind: Bearer) -> anyhow::Result<Option<String>> {
        let now = jiff::Timestamp::now().as_second();
        let claims = |from: i64| serde_json::json!({ "sub": self.client_id, "iat": from, "nbf": from, "exp": from + TOKEN_S });
        let sign = |claims: &serde_json::Value, secret: &[u8]| -> anyhow::Result<String> {
            let signed = jwt_text("HS256", claims);
            Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac(secret, &signed)?)))
        };
        let secret = self.client_secret.as_bytes();
        Ok(match kind {
            Bearer::Right => Some(self.token(now)?),
            Bearer::Missing => None,
            Bearer::Malformed => Some("no-token-at-all".to_owned()),
            Bearer::Foreign => Some(sign(&claims(now), FOREIGN_SECRET)?),
            Bearer::Expired => Some(sign(&claims(now - 3_600 - TOKEN_S), secret)?),
            Bearer::Unsigned => Some(format!("{}.", jwt_text("none", &claims(now)))),
            Bearer::Endless => Some(sign(&serde_json::json!({ "sub": self.client_id, "iat": now }), secret)?),
        })
    }

    /// The digest of a request, by either recipe (docs/contract.md#u7).
    ///
    /// # Errors
    /// A sentence when the URL or the Client Secret cannot be used.
    pub fn request_digest(&self, recipe: RequestDigest, path: &str, body: &str) -> anyhow::Result<String> {
        match recipe {
            RequestDigest::Order => Ok(self.digest(body)),
            RequestDigest::PathAndBody => {
                let path = reqwest::Url::parse(&format!("{}{path}", self.url))?.path().to_owned();
                Ok(hex(&hmac(self.client_secret.as_bytes(), &format!("{path}{body}"))?))
            }
        }
    }

    /// The digest of a body, as PAR makes it.
    #[must_use]
    pub fn digest(&self, body: &str) -> String {
        self.shared_id.sign(&DigestMessage::of_body(body))
    }

    /// The digest of the order without any value: what errors are signed over that echo nothing.
    #[must_use]
    pub fn null_digest(&self) -> String {
        self.shared_id.sign(&DigestMessage::all_null())
    }

    /// The digest of a body under the whole SharedId, which is wrong; `None` where the whole is what the key is.
    #[must_use]
    pub fn digest_under_whole_shared_id(&self, body: &str) -> Option<String> {
        if self.shared_id_text.chars().count() <= KEY_CHARACTERS {
            return None;
        }
        let bytes = hmac(self.shared_id_text.as_bytes(), DigestMessage::of_body(body).as_str()).ok()?;
        Some(hex(&bytes))
    }

    /// Sends it.
    ///
    /// # Errors
    /// A sentence when no answer came.
    pub async fn send_raw(&self, request: &RawRequest) -> anyhow::Result<Answer> {
        let mut sending = self.http.request(request.method.clone(), format!("{}{}", self.url, request.path));
        if let Some(token) = &request.token {
            sending = sending.bearer_auth(token);
        }
        for (name, value) in &request.headers {
            sending = sending.header(*name, value);
        }
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        self.send(sending).await.with_context(|| format!("{} {}", request.method, request.path))
    }

    /// A text in which nothing can be read that PAR and its partner keep to themselves.
    #[must_use]
    pub fn conceal(&self, text: &str, token: Option<&str>) -> String {
        let key: String = self.shared_id_text.chars().take(KEY_CHARACTERS).collect();
        let secrets = [
            (token.unwrap_or_default(), "<token>"),
            (&self.client_secret, "<client secret>"),
            (&self.shared_id_text, "<SharedId>"),
            (&key, "<key>"),
        ];
        secrets
            .iter()
            .filter(|(secret, _)| !secret.is_empty())
            .fold(text.to_owned(), |text, (secret, name)| text.replace(secret, name))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
