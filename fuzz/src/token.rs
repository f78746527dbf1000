//! The bearer token. It lets a caller in exactly when it is a JWT whose header says HS256, a live secret signed just these
//! bytes, and its claims hold now.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use posnext_shared::domain::{
    time::UnixMillis,
    token::{ClaimFault, ClientSecret, Expectations, Token, TokenError},
};

use super::{
    hmac_sha256,
    json::{self, Json, Value},
};

const LIVE: [&[u8]; 2] = [b"local-client-secret-0123456789abcdef", b"the secret before it"];
const NOW: i64 = 1_742_049_045;
const SKEW: i128 = 60;

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
            let before = matches!(error, TokenError::Malformed | TokenError::NoObject(_) | TokenError::Algorithm);
            assert!(before, "{error}: before the signature");
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

    let (claims, _) = json::read(json::without_mark(&claims)).expect("claims are JSON");
    assert!(matches!(claims.value, Value::Object(_)), "claims are an object");
    let named: Vec<_> = ["client_id", "sub", "iss"].iter().filter_map(|key| named(&claims, key).ok().flatten()).collect();
    assert!(token.unverified_claims().client_ids().eq(named), "who it names");
    let strict = Expectations { issuer: Some("par".to_owned()), audience: Some("posnext".to_owned()), ..Expectations::default() };
    for expected in [&Expectations::default(), &strict] {
        let said = token.check_claims("fuzzed", expected, UnixMillis(NOW * 1000 + 999));
        assert_eq!(said, judge(&claims, expected));
    }
    ours && token.check_claims("fuzzed", &Expectations::default(), UnixMillis(NOW * 1000)).is_ok()
}

fn is_hs256(header: &str) {
    let (header, _) = json::read(json::without_mark(header)).expect("a header is JSON");
    assert!(matches!(header.value, Value::Object(_)), "a header is an object");
    assert_eq!(header.get("alg").and_then(Json::text), Some("HS256"));
    assert!(!header.repeats("alg") && header.values("crit").all(|crit| matches!(crit.value, Value::Null)));
}

/// A claim, if it is there once.
fn claim<'j, 'a>(claims: &'j Json<'a>, key: &'static str) -> Result<Option<&'j Json<'a>>, TokenError> {
    if claims.repeats(key) { Err(TokenError::Claim(key, ClaimFault::Twice)) } else { Ok(claims.get(key)) }
}

/// A text, or the digits of a whole number.
fn text_of(json: &Json<'_>) -> Option<String> {
    let digits = json.number().filter(|_| json.raw.bytes().all(|c| c.is_ascii_digit())).map(|_| json.raw);
    json.text().or(digits).map(str::to_owned)
}

fn named(claims: &Json<'_>, key: &'static str) -> Result<Option<String>, TokenError> {
    claim(claims, key)?.map(|json| text_of(json).ok_or(TokenError::Claim(key, ClaimFault::NoText))).transpose()
}

/// A date, or one that is further away than anything counts.
fn date(claims: &Json<'_>, key: &'static str) -> Result<Option<i128>, TokenError> {
    const FAR: i128 = 10_i128.pow(30);
    let Some(json) = claim(claims, key)? else { return Ok(None) };
    let number = json.number().ok_or(TokenError::Claim(key, ClaimFault::NoNumber))?;
    let tiny = number.exponent.is_none() && (json.raw.contains("e-") || json.raw.contains("E-"));
    let far = if number.negative { -FAR } else { FAR };
    Ok(Some(number.whole().unwrap_or(if tiny { 0 } else { far })))
}

/// What the claims come to at [`NOW`], judged from their text.
fn judge(claims: &Json<'_>, expected: &Expectations) -> Result<(), TokenError> {
    let now = i128::from(NOW);
    match date(claims, "exp")? {
        None => return Err(TokenError::NoExpiry),
        Some(exp) if exp + SKEW <= now => return Err(TokenError::Expired),
        Some(_) => {}
    }
    // `iat` is no condition: one that is no date says nothing.
    let begins = [date(claims, "nbf")?, date(claims, "iat").ok().flatten()];
    if begins.into_iter().flatten().any(|date| date - SKEW > now) {
        return Err(TokenError::NotYetValid);
    }
    if expected.issuer.is_some() && expected.issuer != named(claims, "iss")? {
        return Err(TokenError::Issuer);
    }
    let Some(wanted) = expected.audience.as_deref() else { return Ok(()) };
    let aud = claim(claims, "aud")?;
    let named = match aud.map(|aud| &aud.value) {
        Some(Value::Array(many)) => many.iter().any(|one| text_of(one).as_deref() == Some(wanted)),
        _ => named(claims, "aud")?.as_deref() == Some(wanted),
    };
    if named { Ok(()) } else { Err(TokenError::Audience) }
}

/// Whether this is a token that can be read: what is wrong with a claim counts only where it is checked.
fn must_parse(header: &str, claims: &str) -> bool {
    let object = |text| json::read(json::without_mark(text)).map(|(json, _)| json).filter(is_object);
    let (Some(header), Some(_)) = (object(header), object(claims)) else { return false };
    header.get("alg").and_then(Json::text) == Some("HS256")
        && !header.repeats("alg")
        && header.values("crit").all(|crit| matches!(crit.value, Value::Null))
}

fn is_object(json: &Json<'_>) -> bool {
    matches!(json.value, Value::Object(_))
}
