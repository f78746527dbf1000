//! The bearer token: a JWT signed by HS256 with a Client Secret (docs/contract.md#token; RFC 7515, RFC 7519). Sixty
//! lines over `hmac`, because the JWT crate's own HMAC would link a second copy of the cryptography
//! (docs/decisions/0004).

use std::{str::FromStr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::Sha256;

use super::time::UnixMillis;

/// How far the issuer's clock may differ from ours, unless it is set otherwise (docs/contract.md#u4).
pub const SKEW: Duration = Duration::from_secs(60);

/// A Client Secret ready to verify. Its value cannot be read back or printed.
#[derive(Clone)]
pub struct ClientSecret(Hmac<Sha256>);

impl ClientSecret {
    /// Takes the key's bytes; `None` for an empty key, with which anybody could sign.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Self> {
        if key.is_empty() { None } else { Hmac::new_from_slice(key).ok().map(Self) }
    }

    /// Whether `digest`, hexadecimal in either letter case, is its HMAC-SHA256 of these parts one after the other; compared in
    /// constant time (the sibling recipe: docs/contract.md#u7).
    #[must_use]
    pub fn verify_digest(&self, parts: [&[u8]; 2], digest: &str) -> bool {
        let Ok(digest) = hex::decode(digest) else { return false };
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.verify_slice(&digest).is_ok()
    }
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// The claims that are looked at. Numbers may have a fraction (RFC 7519 NumericDate); it is dropped.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    client_id: Option<String>,
}

impl Claims {
    /// Texts that may name the Client ID, the likeliest first (docs/contract.md#u3).
    pub fn client_ids(&self) -> impl Iterator<Item = &str> {
        [&self.client_id, &self.sub, &self.iss].into_iter().filter_map(Option::as_deref)
    }

    fn client_id(&self, claim: ClientClaim) -> Option<&str> {
        match claim {
            ClientClaim::ClientId => self.client_id.as_deref(),
            ClientClaim::Sub => self.sub.as_deref(),
            ClientClaim::Iss => self.iss.as_deref(),
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "serde_json::Number")]
struct NumericDate(i64);

impl TryFrom<serde_json::Number> for NumericDate {
    type Error = &'static str;
    fn try_from(number: serde_json::Number) -> Result<Self, Self::Error> {
        let text = number.to_string();
        if text.contains('e') {
            return Err("a NumericDate out of range");
        }
        let whole = text.split('.').next().unwrap_or_default();
        whole.parse().map(Self).map_err(|_| "a NumericDate out of range")
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The claim that must be the Client ID (docs/contract.md#u3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientClaim {
    /// `client_id`
    ClientId,
    /// `sub`
    Sub,
    /// `iss`
    Iss,
}

impl FromStr for ClientClaim {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "client_id" => Ok(Self::ClientId),
            "sub" => Ok(Self::Sub),
            "iss" => Ok(Self::Iss),
            _ => Err(()),
        }
    }
}

/// What a token must hold besides a signature that verifies.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// How far the issuer's clock may differ from ours.
    pub skew: Duration,
    /// The claim that must be the Client ID, when one must.
    pub client_claim: Option<ClientClaim>,
    /// `iss`, when it is to be checked.
    pub issuer: Option<String>,
    /// One of `aud`, when it is to be checked.
    pub audience: Option<String>,
}

impl Default for Expectations {
    fn default() -> Self {
        Self { skew: SKEW, client_claim: None, issuer: None, audience: None }
    }
}

/// Why a token is refused. For the log; the caller is told one sentence for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url, or no JSON in them.
    #[error("the token is not a JWT of three base64url parts")]
    Malformed,
    /// `alg` is not HS256, `none` included, or the header holds `crit`.
    #[error("the token's algorithm is not HS256")]
    Algorithm,
    /// No live secret signed it.
    #[error("the token is not signed with a live Client Secret")]
    Signature,
    /// `exp` is absent.
    #[error("the token has no exp claim")]
    NoExpiry,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The claim that must name the client does not.
    #[error("the token does not name the client whose secret signed it")]
    Client,
    /// `iss` is not the one configured.
    #[error("the token's issuer is not the expected one")]
    Issuer,
    /// `aud` does not hold the one configured.
    #[error("the token's audience is not the expected one")]
    Audience,
}

/// A token taken apart, nothing of it believed yet.
#[derive(Debug)]
pub struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde::de::IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Takes a token apart. The algorithm is pinned here, before any key is touched (docs/contract.md#u1).
    ///
    /// # Errors
    /// [`TokenError::Malformed`] or [`TokenError::Algorithm`].
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
            URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
        }
        /// serde would take a struct from an array of its values, too.
        fn object<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
            let json =
                Some(decode(part)?).filter(|json| json.trim_ascii_start().starts_with(b"{")).ok_or(TokenError::Malformed)?;
            serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = object(header)?;
        if header.alg != "HS256" || header.crit.is_some() {
            return Err(TokenError::Algorithm);
        }
        Ok(Self { signed, signature: decode(signature)?, claims: object(claims)? })
    }

    /// The claims, unverified: good for choosing whose secret to try, for nothing else.
    #[must_use]
    pub fn unverified_claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether one of the secrets signed it; compared in constant time.
    #[must_use]
    pub fn signed_by(&self, secrets: &[ClientSecret]) -> bool {
        secrets.iter().any(|secret| {
            let mut mac = secret.0.clone();
            mac.update(self.signed.as_bytes());
            mac.verify_slice(&self.signature).is_ok()
        })
    }

    /// Checks the times, the client, the issuer and the audience.
    ///
    /// # Errors
    /// [`TokenError`] for the first claim that fails.
    pub fn check_claims(&self, client_id: &str, expected: &Expectations, now: UnixMillis) -> Result<(), TokenError> {
        let skew = i64::try_from(expected.skew.as_secs()).unwrap_or(0);
        let now = now.seconds();
        let exp = self.claims.exp.ok_or(TokenError::NoExpiry)?;
        if exp.0.saturating_add(skew) <= now {
            return Err(TokenError::Expired);
        }
        if [self.claims.nbf, self.claims.iat].into_iter().flatten().any(|date| date.0.saturating_sub(skew) > now) {
            return Err(TokenError::NotYetValid);
        }
        if expected.client_claim.is_some_and(|claim| self.claims.client_id(claim) != Some(client_id)) {
            return Err(TokenError::Client);
        }
        if expected.issuer.is_some() && expected.issuer != self.claims.iss {
            return Err(TokenError::Issuer);
        }
        match (&expected.audience, &self.claims.aud) {
            (None, _) => Ok(()),
            (Some(wanted), Some(Audience::One(one))) if one == wanted => Ok(()),
            (Some(wanted), Some(Audience::Many(many))) if many.contains(wanted) => Ok(()),
            _ => Err(TokenError::Audience),
        }
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
