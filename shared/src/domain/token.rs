//! The bearer token: a JWT signed by HS256 with a Client Secret (docs/contract.md#token; RFC 7515, RFC 7519). Sixty
//! lines over `hmac`, because the JWT crate's own HMAC would link a second copy of the cryptography
//! (docs/decisions/0004).

use std::{str::FromStr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::value::RawValue;
use sha2::Sha256;

use super::{
    canonical::Members,
    json_text::{text_of, whole},
    number::Number,
    time::UnixMillis,
};

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

/// The claims that are looked at, each as the text it came as: what is wrong with one counts only where it is checked.
#[derive(Debug, Clone)]
pub struct Claims(Vec<(&'static str, String)>);

impl Claims {
    const KNOWN: [&'static str; 7] = ["exp", "nbf", "iat", "iss", "aud", "sub", "client_id"];

    fn read(members: &Members<'_>) -> Self {
        let known = Self::KNOWN.into_iter();
        Self(known.flat_map(|claim| members.values(claim).map(move |value| (claim, value.to_owned()))).collect())
    }

    /// Texts that may name the Client ID, the likeliest first (docs/contract.md#u3).
    pub fn client_ids(&self) -> impl Iterator<Item = String> {
        ["client_id", "sub", "iss"].into_iter().filter_map(|claim| self.text(claim).ok().flatten())
    }

    /// The text of a claim; `None` when it is absent or `null`.
    fn raw(&self, claim: &'static str) -> Result<Option<&str>, TokenError> {
        let mut values = self.0.iter().filter(|(name, _)| *name == claim).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(TokenError::Claim(claim, ClaimFault::Twice));
        }
        Ok(value.filter(|value| *value != "null"))
    }

    fn text(&self, claim: &'static str) -> Result<Option<String>, TokenError> {
        let text = |value| text_of_claim(value).ok_or(TokenError::Claim(claim, ClaimFault::NoText));
        self.raw(claim)?.map(text).transpose()
    }

    /// A NumericDate (RFC 7519 section 2) in whole seconds; its fraction is dropped.
    fn date(&self, claim: &'static str) -> Result<Option<i64>, TokenError> {
        let date = |value| Number::read(value).map(|date| date.whole()).ok_or(TokenError::Claim(claim, ClaimFault::NoNumber));
        self.raw(claim)?.map(date).transpose()
    }

    /// Whether `aud`, a text or a list of texts, holds this one.
    fn is_for(&self, audience: &str) -> Result<bool, TokenError> {
        let Some(value) = self.raw("aud")? else { return Ok(false) };
        let is_it = |value: &str| text_of_claim(value).is_some_and(|text| text == audience);
        if value.starts_with('[') {
            let many: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
            return Ok(many.into_iter().any(|one| is_it(one.get())));
        }
        Ok(self.text("aud")?.is_some() && is_it(value))
    }
}

/// A text, or a whole number as its digits: some issuers write the ids that are numbers as numbers.
fn text_of_claim(value: &str) -> Option<String> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) { Some(value.to_owned()) } else { whole(value).ok() }
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

impl ClientClaim {
    fn name(self) -> &'static str {
        match self {
            Self::ClientId => "client_id",
            Self::Sub => "sub",
            Self::Iss => "iss",
        }
    }
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
    /// Not three parts of base64url.
    #[error("the token is not a JWT of three base64url parts")]
    Malformed,
    /// The header or the payload holds no JSON object.
    #[error("the token's {0} is not a JSON object in UTF-8")]
    NoObject(&'static str),
    /// `alg` is not HS256, `none` included, or the header holds `crit`.
    #[error("the token's algorithm is not HS256")]
    Algorithm,
    /// No live secret signed it.
    #[error("the token is not signed with a live Client Secret")]
    Signature,
    /// A claim that is checked cannot be read.
    #[error("the token's claim {0} {1}")]
    Claim(&'static str, ClaimFault),
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

/// What is wrong with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// A date that is no JSON number.
    #[error("is not a number")]
    NoNumber,
    /// An id that is neither a text nor a whole number; of `aud`, nor a list of such.
    #[error("is not a text")]
    NoText,
    /// Two readers could disagree on which one counts.
    #[error("is there twice")]
    Twice,
}

/// A token taken apart, nothing of it believed yet.
#[derive(Debug)]
pub struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    claims: Claims,
}

impl<'a> Token<'a> {
    /// Takes a token apart. The algorithm is pinned here, before any key is touched (docs/contract.md#u1).
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::NoObject`] or [`TokenError::Algorithm`].
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
            URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
        }
        /// Its members, of which any may be there twice.
        fn object<'j>(name: &'static str, json: &'j [u8]) -> Result<Members<'j>, TokenError> {
            text_of(json).ok().and_then(|text| serde_json::from_str(text).ok()).ok_or(TokenError::NoObject(name))
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let header = object("header", &header)?;
        let algorithms: Vec<_> = header.values("alg").map(whole).collect();
        if algorithms != [Ok("HS256".to_owned())] || header.values("crit").any(|value| value != "null") {
            return Err(TokenError::Algorithm);
        }
        Ok(Self { signed, signature, claims: Claims::read(&object("payload", &claims)?) })
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
        let (claims, now) = (&self.claims, now.seconds());
        let exp = claims.date("exp")?.ok_or(TokenError::NoExpiry)?;
        if exp.saturating_add(skew) <= now {
            return Err(TokenError::Expired);
        }
        // `iat` is no condition of RFC 7519: one that is no date says nothing.
        let begins = [claims.date("nbf")?, claims.date("iat").ok().flatten()];
        if begins.into_iter().flatten().any(|date| date.saturating_sub(skew) > now) {
            return Err(TokenError::NotYetValid);
        }
        if let Some(claim) = expected.client_claim
            && claims.text(claim.name())?.as_deref() != Some(client_id)
        {
            return Err(TokenError::Client);
        }
        if let Some(issuer) = &expected.issuer
            && claims.text("iss")?.as_ref() != Some(issuer)
        {
            return Err(TokenError::Issuer);
        }
        match &expected.audience {
            Some(audience) if !claims.is_for(audience)? => Err(TokenError::Audience),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
