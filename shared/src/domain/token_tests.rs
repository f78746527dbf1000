use super::*;

const KEY: &[u8] = b"local-client-secret-0123456789abcdef";
const NOW: UnixMillis = UnixMillis(1_742_049_045_000);

fn token(header: &str, claims: &str, key: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn verify(text: &str, expected: &Expectations) -> Result<(), TokenError> {
    let token = Token::parse(text)?;
    if !token.signed_by(&[ClientSecret::new(b"another").unwrap(), ClientSecret::new(KEY).unwrap()]) {
        return Err(TokenError::Signature);
    }
    token.check_claims("par-local", expected, NOW)
}

fn with(claims: &str) -> Result<(), TokenError> {
    verify(&token(r#"{"alg":"HS256","typ":"JWT"}"#, claims, KEY), &Expectations::default())
}

#[test]
fn the_example_of_rfc_7515_appendix_a_1_verifies() {
    let key =
        URL_SAFE_NO_PAD.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow").unwrap();
    let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let token = Token::parse(text).unwrap();
    assert!(token.signed_by(&[ClientSecret::new(&key).unwrap()]));
    assert_eq!(token.check_claims("par-local", &Expectations::default(), UnixMillis(1_300_819_379_000)), Ok(()));
    assert_eq!(token.check_claims("par-local", &Expectations::default(), NOW), Err(TokenError::Expired));
}

#[test]
fn times_are_honoured_with_a_minute_of_skew() {
    assert_eq!(with(r#"{"exp":1742049046}"#), Ok(()));
    assert_eq!(with(r#"{"exp":1742048986}"#), Ok(()));
    assert_eq!(with(r#"{"exp":1742048985}"#), Err(TokenError::Expired));
    assert_eq!(with(r#"{"exp":1742049100.5,"nbf":1742049105,"iat":1742049105}"#), Ok(()));
    assert_eq!(with(r#"{"exp":1742059045,"nbf":1742049106}"#), Err(TokenError::NotYetValid));
    assert_eq!(with(r#"{"exp":1742059045,"iat":1742049106}"#), Err(TokenError::NotYetValid));
    assert_eq!(with(r#"{"sub":"par-local"}"#), Err(TokenError::NoExpiry));
}

#[test]
fn only_hs256_with_a_live_secret_is_taken() {
    let claims = r#"{"exp":1742049100}"#;
    for header in [
        r#"{}"#,
        r#"{"alg":5}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS256","crit":["x"]}"#,
    ] {
        assert_eq!(verify(&token(header, claims, KEY), &Expectations::default()), Err(TokenError::Algorithm), "{header}");
    }
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims));
    assert_eq!(verify(&unsigned, &Expectations::default()), Err(TokenError::Signature));
    assert_eq!(verify(&token(r#"{"alg":"HS256"}"#, claims, b"wrong"), &Expectations::default()), Err(TokenError::Signature));
    assert!(ClientSecret::new(b"").is_none());
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", "a", "a.b", "a.b.c", "....", "eyJhbGciOiJIUzI1NiJ9.e30=.c2ln"] {
        assert_eq!(verify(text, &Expectations::default()), Err(TokenError::Malformed), "{text}");
    }
    assert_eq!(verify("e30.e30.", &Expectations::default()), Err(TokenError::Algorithm));
    for (text, part) in [("bm8.e30.c2ln", "header"), ("eyJhbGciOiJIUzI1NiJ9.bm8.c2ln", "payload"), ("_w.e30.c2ln", "header")] {
        assert_eq!(verify(text, &Expectations::default()), Err(TokenError::NoObject(part)), "{text}");
    }
}

#[test]
fn a_header_or_claims_that_are_an_array_are_refused() {
    let verify = |header, claims| verify(&token(header, claims, KEY), &Expectations::default());
    assert_eq!(verify(r#" {"alg":"HS256"}"#, r#" {"exp":1742049100}"#), Ok(()));
    assert_eq!(verify(r#"["HS256",null]"#, r#"{"exp":1742049100}"#), Err(TokenError::NoObject("header")));
    let claims = "[1742049100,null,null,null,null,null,null]";
    assert_eq!(verify(r#"{"alg":"HS256"}"#, claims), Err(TokenError::NoObject("payload")));
}

#[test]
fn a_date_of_any_size_and_spelling_is_its_number() {
    for date in ["1.7e300", "123456789012345678901", "1742049106.5"] {
        assert_eq!(with(&format!(r#"{{"exp":1742049100,"nbf":{date}}}"#)), Err(TokenError::NotYetValid), "{date}");
    }
    for date in ["1.5e-7", "-1e300", "1.742049045e9"] {
        assert_eq!(with(&format!(r#"{{"exp":1742049100,"nbf":{date}}}"#)), Ok(()), "{date}");
    }
    for date in ["1e16", "1.7420491e9", "123456789012345678901", "1e400"] {
        assert_eq!(with(&format!(r#"{{"exp":{date}}}"#)), Ok(()), "{date}");
    }
    assert_eq!(with(r#"{"exp":1.742048985e9}"#), Err(TokenError::Expired));
}

#[test]
fn a_claim_that_nobody_checks_shuts_nobody_out() {
    for claim in [
        r#""sub":12345"#,
        r#""sub":{"id":5},"sub":6"#,
        r#""aud":5"#,
        r#""aud":[5,null]"#,
        r#""iat":"2025-03-15T14:30:45Z""#,
        r#""iat":{},"iat":9999999999"#,
        r#""iss":7"#,
        r#""client_id":[1]"#,
        r#""iss":"half \ud83d""#,
        r#""half \ud83d":1,"half \ud83d":2"#,
        r#""jti":1e400"#,
    ] {
        assert_eq!(with(&format!(r#"{{"exp":1742049100,{claim}}}"#)), Ok(()), "{claim}");
    }
    assert_eq!(with("\u{feff}{\"exp\":1742049100}"), Ok(()), "a byte order mark");
}

#[test]
fn a_claim_that_is_checked_is_named_with_what_is_wrong() {
    let expected = Expectations {
        client_claim: Some(ClientClaim::ClientId),
        issuer: Some("par".into()),
        audience: Some("posnext".into()),
        ..Expectations::default()
    };
    for (right, wrong, said) in [
        (r#""exp":1742049100"#, r#""exp":"1742049100""#, "the token's claim exp is not a number"),
        (r#""exp":1742049100"#, r#""exp":[1742049100]"#, "the token's claim exp is not a number"),
        (r#""exp":1742049100"#, r#""exp":1,"exp":1742049100"#, "the token's claim exp is there twice"),
        (r#""exp":1742049100"#, r#""exp":null"#, "the token has no exp claim"),
        (r#""nbf":5"#, r#""nbf":true"#, "the token's claim nbf is not a number"),
        (r#""iss":"par""#, r#""iss":{}"#, "the token's claim iss is not a text"),
        (r#""iss":"par""#, r#""iss":7"#, "the token's issuer is not the expected one"),
        (r#""aud":"posnext""#, r#""aud":{"a":"posnext"}"#, "the token's claim aud is not a text"),
        (r#""aud":"posnext""#, r#""aud":5"#, "the token's audience is not the expected one"),
        (r#""client_id":"par-local""#, r#""client_id":1.5"#, "the token's claim client_id is not a text"),
        (r#""client_id":"par-local""#, r#""client_id":15"#, "the token does not name the client whose secret signed it"),
    ] {
        let claims = r#"{"exp":1742049100,"nbf":5,"iss":"par","aud":"posnext","client_id":"par-local"}"#;
        let check = |claims: &str| verify(&token(r#"{"alg":"HS256"}"#, claims, KEY), &expected);
        assert_eq!(check(claims), Ok(()));
        assert_eq!(check(&claims.replace(right, wrong)).unwrap_err().to_string(), said, "{wrong}");
    }
}

#[test]
fn an_id_that_is_a_number_is_its_digits() {
    let check = |claims: &str| {
        let expected = Expectations {
            client_claim: Some(ClientClaim::Sub),
            issuer: Some("7".into()),
            audience: Some("20251128000100010001".into()),
            ..Expectations::default()
        };
        let text = token(r#"{"alg":"HS256"}"#, claims, KEY);
        Token::parse(&text).unwrap().check_claims("12345", &expected, NOW)
    };
    assert_eq!(check(r#"{"exp":1742049100,"sub":12345,"iss":7,"aud":20251128000100010001}"#), Ok(()));
    assert_eq!(check(r#"{"exp":1742049100,"sub":"12345","iss":"7","aud":["x",20251128000100010001]}"#), Ok(()));
    assert_eq!(
        check(r#"{"exp":1742049100,"sub":1.2345e4,"iss":7}"#).unwrap_err().to_string(),
        "the token's claim sub is not a text"
    );
}

#[test]
fn issuer_and_audience_are_checked_when_they_are_configured() {
    let expected = Expectations { issuer: Some("par".into()), audience: Some("posnext".into()), ..Expectations::default() };
    let check = |claims: &str| verify(&token(r#"{"alg":"HS256"}"#, claims, KEY), &expected);
    assert_eq!(check(r#"{"exp":1742049100,"iss":"par","aud":"posnext"}"#), Ok(()));
    assert_eq!(check(r#"{"exp":1742049100,"iss":"par","aud":["x","posnext"]}"#), Ok(()));
    assert_eq!(check(r#"{"exp":1742049100,"iss":"eve","aud":"posnext"}"#), Err(TokenError::Issuer));
    assert_eq!(check(r#"{"exp":1742049100,"iss":"par","aud":"other"}"#), Err(TokenError::Audience));
    assert_eq!(check(r#"{"exp":1742049100,"iss":"par","aud":["other","x"]}"#), Err(TokenError::Audience));
    assert_eq!(check(r#"{"exp":1742049100,"iss":"par"}"#), Err(TokenError::Audience));
    assert_eq!(with(r#"{"exp":1742049100,"aud":"anything"}"#), Ok(()));
}

#[test]
fn a_token_may_name_its_client_in_three_claims_the_likeliest_first() {
    for (claims, ids) in [
        (r#"{"iss":"i","sub":"s","client_id":"c"}"#, &["c", "s", "i"][..]),
        (r#"{"iss":"i","client_id":null}"#, &["i"]),
        (r#"{"iss":[],"sub":5,"client_id":"c","client_id":"d"}"#, &["5"]),
        ("{}", &[]),
    ] {
        let text = token(r#"{"alg":"HS256"}"#, claims, KEY);
        assert!(Token::parse(&text).unwrap().unverified_claims().client_ids().eq(ids.iter().copied()), "{claims}");
    }
}

#[test]
fn nothing_printed_holds_the_secret() {
    assert_eq!(format!("{:?}", ClientSecret::new(KEY)), "Some(ClientSecret(..))");
}
