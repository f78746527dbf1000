//! The bearer token. It lets a caller in exactly when it is a JWT whose header says HS256, a live secret signed just these
//! bytes, and its claims hold now.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use posnext_shared::domain::{
    time::UnixMillis,
    token::{ClientSecret, Expectations, Token, TokenError},
};

use super::{
    hmac_sha256,
    json::{self, Faults, Json, Value},
};

const LIVE: [&[u8]; 2] = [b"local-client-secret-0123456789abcdef", b"the secret before it"];
const NOW: i64 = 1_742_049_045;
const SKEW: i128 = 60;
/// The claims that are looked at.
const KNOWN: [&str; 7] = ["exp", "nbf", "iat", "iss", "aud", "sub", "client_id"];

/// Checks one token, or, of two lines, the token whose header is the first and whose claims are the second, signed with a
/// live secret; whether it lets its bearer in.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Some((header, claims)) = text.split_once('\n') else { return lets_in(text) };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let made = |key: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(key, signed.as_bytes())));
    let good = made(LIVE[claims.len() % LIVE.len()]);
    match Token::parse(&good) {
        Ok(token) => assert!(token.signed_by(&live()), "a live secret's own token"),
        Err(error) => assert!(!must_parse(header, claims), "refused: {error}"),
    }
    assert!(!lets_in(&made(b"local-client-secret-0123456789abcdeF")), "under another secret");
    assert!(!lets_in(&format!("{signed}.")), "unsigned");
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let unsigned = format!("{none}.{}.", URL_SAFE_NO_PAD.encode(claims));
    assert_eq!(Token::parse(&unsigned).err(), Some(TokenError::Algorithm), "algorithm none");
    assert!(!lets_in(&edited(&good)), "one character away");
    lets_in(&good)
}

/// The token with another character at a place that its own length and text choose.
fn edited(token: &str) -> String {
    let place = token.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % token.len();
    let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..place], &token[place + 1..])
}

fn live() -> [ClientSecret; 2] {
    LIVE.map(|key| ClientSecret::new(key).unwrap())
}

fn lets_in(text: &str) -> bool {
    let token = match Token::parse(text) {
        Ok(token) => token,
        Err(error) => {
            assert!(matches!(error, TokenError::Malformed | TokenError::Algorithm), "{error}: before the signature");
            return false;
        }
    };
    let [header, claims, signature] = text.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let (header, claims) = (decode(header), decode(claims));
    let (header, claims) = (String::from_utf8_lossy(&header), String::from_utf8_lossy(&claims));
    is_hs256(&header);

    let signed = &text[..text.len() - signature.len() - 1];
    let ours = LIVE.iter().any(|key| hmac_sha256(key, signed.as_bytes()) == decode(signature));
    assert_eq!(token.signed_by(&live()), ours, "signed by a live secret");
    assert!(!token.signed_by(&[]) && !token.signed_by(&[ClientSecret::new(b"another").unwrap()]), "signed by nobody");

    let (claims, _) = json::read(&claims).expect("claims are JSON");
    assert!(matches!(claims.value, Value::Object(_)), "claims are an object");
    assert!(KNOWN.iter().all(|key| !claims.repeats(key)), "a claim that is made twice");
    let named: Vec<_> = ["client_id", "sub", "iss"].iter().filter_map(|key| claims.get(key)?.text()).collect();
    assert!(token.unverified_claims().client_ids().eq(named), "who it names");
    let date = |key: &&str| claims.get(key).is_none_or(|date| date.number().expect("a date").exponent.is_some());
    if !["exp", "nbf", "iat"].iter().all(date) {
        // An exponent of more than 64 bits: next to nothing, or refused.
        return false;
    }
    let strict = Expectations { issuer: Some("par".to_owned()), audience: Some("posnext".to_owned()), ..Expectations::default() };
    for expected in [&Expectations::default(), &strict] {
        let said = token.check_claims("fuzzed", expected, UnixMillis(NOW * 1000 + 999));
        // A date with more digits than a double has may be a second off.
        assert!((-1..=1).any(|off| judge(&claims, expected, off) == said), "{said:?}, not {:?}", judge(&claims, expected, 0));
    }
    ours && token.check_claims("fuzzed", &Expectations::default(), UnixMillis(NOW * 1000)).is_ok()
}

fn is_hs256(header: &str) {
    let (header, _) = json::read(header).expect("a header is JSON");
    assert!(matches!(header.value, Value::Object(_)), "a header is an object");
    assert_eq!(header.get("alg").and_then(Json::text), Some("HS256"));
    assert!(header.get("crit").is_none() && !header.repeats("alg") && !header.repeats("crit"));
}

/// What the claims come to at [`NOW`], judged from their text; dates later by `off`.
fn judge(claims: &Json<'_>, expected: &Expectations, off: i128) -> Result<(), TokenError> {
    let date = |key: &str| Some(claims.get(key)?.number().and_then(super::number::Number::whole).expect("a date") + off);
    let now = i128::from(NOW);
    match date("exp") {
        None => return Err(TokenError::NoExpiry),
        Some(exp) if exp + SKEW <= now => return Err(TokenError::Expired),
        Some(_) => {}
    }
    if [date("nbf"), date("iat")].into_iter().flatten().any(|date| date - SKEW > now) {
        return Err(TokenError::NotYetValid);
    }
    if expected.issuer.is_some() && expected.issuer.as_deref() != claims.get("iss").and_then(Json::text) {
        return Err(TokenError::Issuer);
    }
    let Some(wanted) = expected.audience.as_deref() else { return Ok(()) };
    let named = match claims.get("aud").map(|aud| &aud.value) {
        Some(Value::Text(one)) => one.as_deref() == Some(wanted),
        Some(Value::Array(many)) => many.iter().any(|one| one.text() == Some(wanted)),
        _ => false,
    };
    if named { Ok(()) } else { Err(TokenError::Audience) }
}

/// Whether this is a token beyond doubt: nobody may be kept out who sends what the standard says.
fn must_parse(header: &str, claims: &str) -> bool {
    let clean =
        |text| json::read(text).filter(|(json, faults)| *faults == Faults::default() && is_object(json)).map(|(json, _)| json);
    let (Some(header), Some(claims)) = (clean(header), clean(claims)) else { return false };
    let is_text = |json: &Json<'_>| json.text().is_some();
    header.get("alg").and_then(Json::text) == Some("HS256")
        && !header.members().iter().any(|(key, _)| key == "crit")
        && ["iss", "sub", "client_id"].iter().all(|key| claims.get(key).is_none_or(is_text))
        && claims.get("aud").is_none_or(|aud| match &aud.value {
            Value::Array(many) => many.iter().all(is_text),
            _ => is_text(aud),
        })
        && ["exp", "nbf", "iat"].iter().all(|key| claims.get(key).is_none_or(is_plain_date))
}

fn is_object(json: &Json<'_>) -> bool {
    matches!(json.value, Value::Object(_))
}

/// A number of at most 15 digits without an exponent.
fn is_plain_date(json: &Json<'_>) -> bool {
    json.number().is_some() && json.raw.len() <= 16 && !json.raw.contains(['e', 'E'])
}
