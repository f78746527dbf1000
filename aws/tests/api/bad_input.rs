//! Bad input: each its own clear error, signed as far as that may be, and nothing written.

use serde_json::json;

use crate::support::{
    Answer, Api, Asked, CLIENT_SECRET, SHARED_ID, SUBMIT, bare_submission, fresh_uid, hmac_hex, now, order, read, submission,
    token, token_with,
};

const ALL_NULL: &str = "0|0|0|0|0|0";

/// What every refusal must be: its code, a sentence, a digest that is of no use as a request's, and no row.
struct Bench {
    api: Api,
    body: String,
}

impl Bench {
    fn new() -> Self {
        Self { api: Api::new(), body: order(&fresh_uid("bad"), "PAR-LOC-12345") }
    }

    /// `signed`: the caller is known. Until the request's digest has verified that means the all-null order, and no echo.
    async fn refused(&self, answer: Answer, code: u16, error: &str, signed: bool) {
        assert_eq!((answer.code, answer.error()), (code, error), "{}", answer.text);
        assert!(answer.json["errors"][0]["message"].as_str().unwrap().len() > 10, "{}", answer.text);
        assert!(!answer.text.contains("secret customer text"), "echoes nothing: {}", answer.text);
        let members: Vec<&str> = answer.json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["detail", "errors", "status", "title", "type"], "echoes nothing: {}", answer.text);
        assert_eq!(answer.json["type"], format!("/posnext/docs/errors.html#{error}"));
        assert_eq!((&answer.json["status"], &answer.json["detail"]), (&code.into(), &answer.json["errors"][0]["message"]));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let digest = answer.header("x-pch-digest");
        assert_eq!(digest.map(str::to_owned), signed.then(|| hmac_hex(&SHARED_ID[..10], ALL_NULL)), "{}", answer.text);
        if let Some(digest) = digest {
            self.replayed(digest).await;
        }
        self.nothing_written();
    }

    /// An error's digest, replayed as a request's, is refused: for an order, and for one made to have its very message.
    async fn replayed(&self, digest: &str) {
        let zeros = json!({
            "request_uid": "0", "organization_id": "IA-YC-01", "location_id": "0", "request_datetime": "1970-01-01T00:00:00Z",
            "order_details": { "online_order_id": "0", "grand_total": 0, "subtotal": 0 },
        });
        for body in [self.body.clone(), zeros.to_string()] {
            let answer = self.api.send(bare_submission(&body).bearer(token()).header("x-pch-digest", digest)).await;
            assert_eq!((answer.code, answer.error()), (412, "digest_mismatch"), "{}", answer.text);
        }
    }

    fn nothing_written(&self) {
        assert_eq!((self.api.rows(), self.api.world.calls().len()), (0, 0));
    }

    /// A submit of this body, right in every other way.
    async fn body_refused(&self, body: &str, code: u16, error: &str) {
        let request = bare_submission(body).bearer(token()).header("x-pch-digest", "00");
        let answer = self.api.send(request).await;
        self.refused(answer, code, error, true).await;
    }
}

#[tokio::test]
async fn a_caller_without_a_valid_token_is_told_what_is_wrong_with_it_and_nothing_else() {
    let bench = Bench::new();
    let later = now() + 300;
    let hs256 = r#"{"alg":"HS256"}"#;
    let good = format!(r#"{{"exp":{later}}}"#);
    let unsigned = token_with(r#"{"alg":"none"}"#, &good, CLIENT_SECRET);
    let tokens = [
        ("token_missing", None),
        ("token_missing", Some(String::new())),
        ("token_malformed", Some("nonsense".to_owned())),
        ("token_expired", Some(token_with(hs256, &format!(r#"{{"exp":{}}}"#, now() - 61), CLIENT_SECRET))),
        ("token_not_yet_valid", Some(token_with(hs256, &format!(r#"{{"exp":{later},"nbf":{}}}"#, now() + 120), CLIENT_SECRET))),
        ("token_not_yet_valid", Some(token_with(hs256, &format!(r#"{{"exp":{later},"iat":{}}}"#, now() + 120), CLIENT_SECRET))),
        ("token_claims", Some(token_with(hs256, "{}", CLIENT_SECRET))),
        ("token_algorithm", Some(unsigned.clone())),
        ("token_algorithm", Some(format!("{}.", unsigned.rsplit_once('.').unwrap().0))),
        ("token_algorithm", Some(token_with(r#"{"alg":"HS384"}"#, &good, CLIENT_SECRET))),
        ("token_algorithm", Some(token_with(r#"{"alg":"RS256"}"#, &good, CLIENT_SECRET))),
        ("token_signature", Some(token_with(hs256, &good, "another-secret"))),
        ("token_signature", Some(token_with(hs256, &good, SHARED_ID))),
        // What is wrong inside a token that a stranger made is not told.
        ("token_signature", Some(token_with(hs256, r#"{"exp":1}"#, "another-secret"))),
    ];
    for (error, token) in tokens {
        for request in [submission(&bench.body).without("authorization"), Asked::to("GET", "/posnext/orders/x")] {
            let request = match &token {
                Some(token) => request.bearer(token),
                None => request,
            };
            let answer = bench.api.send(request).await;
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
            bench.refused(answer, 401, error, false).await;
        }
    }
}

#[tokio::test]
async fn a_digest_that_is_not_the_orders_own_is_refused() {
    let bench = Bench::new();
    let message = format!("{}|PAR-LOC-12345|ORD-{}|2345|2150|1742049045", uid(&bench.body), uid(&bench.body));
    let request = bare_submission(&bench.body).bearer(token());
    bench.refused(bench.api.send(request).await, 412, "digest_missing", true).await;
    for digest in [
        hmac_hex(SHARED_ID, &message),
        hmac_hex("0123456789", &message),
        hmac_hex(&SHARED_ID[..10], &message.replace("2345", "2344")),
        hmac_hex(&SHARED_ID[..10], &format!("{message}|")),
        "not hex".to_owned(),
        String::new(),
    ] {
        let request = bare_submission(&bench.body).bearer(token()).header("x-pch-digest", digest);
        bench.refused(bench.api.send(request).await, 412, "digest_mismatch", true).await;
    }
    // The same digest in upper case is taken: the recipe was once printed by code that made it so.
    let digest = hmac_hex(&SHARED_ID[..10], &message).to_uppercase();
    let request = bare_submission(&bench.body).bearer(token()).header("x-pch-digest", digest);
    assert_eq!(bench.api.send(request).await.signed().status(), "placed");
}

fn uid(body: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body).unwrap()["request_uid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_body_that_is_no_order_says_what_is_wrong_with_it() {
    let bench = Bench::new();
    let nested = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for (body, code, error) in [
        ("", 400, "invalid_json"),
        ("nonsense", 400, "invalid_json"),
        ("{\"request_uid\":", 400, "invalid_json"),
        ("[]", 400, "invalid_json"),
        ("\"{}\"", 400, "invalid_json"),
        ("\u{feff}\u{feff}{}", 400, "invalid_json"),
        (&bench.body.replace("\"grand_total\"", "\"subtotal\""), 400, "repeated_key"),
        (&bench.body.replacen('{', "{\"request_uid\":\"a\",", 1), 400, "repeated_key"),
        (&bench.body.replacen('{', r#"{"secret customer text":1,"secret customer text":2,"#, 1), 400, "repeated_key"),
        (&nested, 400, "too_deep"),
        (&"[".repeat(100_000), 400, "invalid_json"),
        (&format!("{}{}", bench.body, " ".repeat(1 << 20)), 413, "body_too_large"),
        ("{}", 400, "missing_field"),
        (&bench.body.replace("\"organization_id\":\"IA-YC-01\",", ""), 400, "missing_field"),
        (&bench.body.replace("IA-YC-01", "IA-XX-99"), 404, "unknown_organization"),
        (&bench.body.replace("request_uid", "request_id"), 400, "missing_field"),
        (&bench.body.replace("order_details", "details"), 400, "missing_field"),
        (&bench.body.replace("\"PAR-LOC-12345\"", "null"), 400, "missing_field"),
        (&bench.body.replace("\"PAR-LOC-12345\"", "12345"), 400, "invalid_field"),
        (&bench.body.replace(&uid(&bench.body), ".."), 400, "invalid_field"),
        (&bench.body.replace(&uid(&bench.body), "a|b"), 400, "invalid_field"),
        (&bench.body.replace(&uid(&bench.body), &"x".repeat(129)), 400, "invalid_field"),
        (&bench.body.replace("2025-03-15T14:30:45.123Z", "not-a-date"), 400, "invalid_field"),
        (&bench.body.replace("23.45", "-23.45"), 400, "invalid_field"),
        (&bench.body.replace("23.45", "-0.004"), 400, "invalid_field"),
        (&bench.body.replace("23.45", "1e400"), 400, "invalid_field"),
        (&bench.body.replace("23.45", "\"23.45\""), 400, "invalid_field"),
    ] {
        bench.body_refused(body, code, error).await;
    }
    let not_utf8 = bare_submission("").body(vec![b'{', 0xff, b'}']).bearer(token());
    bench.refused(bench.api.send(not_utf8).await, 400, "invalid_json", true).await;
}

#[tokio::test]
async fn a_request_of_the_wrong_form_says_what_the_right_one_is() {
    let bench = Bench::new();
    for content_type in ["text/plain", "application/xml", "application/jsonp", ""] {
        let request = bare_submission(&bench.body).instead("content-type", content_type).bearer(token());
        bench.refused(bench.api.send(request).await, 415, "unsupported_media_type", true).await;
    }
    let request = submission(&bench.body).header("content-encoding", "gzip");
    bench.refused(bench.api.send(request).await, 415, "unsupported_content_encoding", true).await;
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = Asked::to(method, SUBMIT).bearer(token());
        let answer = bench.api.send(request).await;
        assert_eq!(answer.header("allow"), Some("POST"));
        bench.refused(answer, 405, "method_not_allowed", true).await;
        let stranger = bench.api.send(Asked::to(method, SUBMIT)).await;
        bench.refused(stranger, 405, "method_not_allowed", false).await;
    }
    let request = Asked::to("DELETE", "/posnext/orders/x").bearer(token());
    let answer = bench.api.send(request).await;
    assert_eq!(answer.header("allow"), Some("GET"));
    bench.refused(answer, 405, "method_not_allowed", true).await;
    // A charset is nothing wrong.
    let request = submission(&bench.body).instead("content-type", "application/json; charset=utf-8");
    let answer = bench.api.send(request).await.signed();
    assert_eq!(answer.status(), "placed");
}

#[tokio::test]
async fn a_location_that_is_not_mapped_is_refused_with_the_callers_own_ids() {
    let bench = Bench::new();
    let body = bench.body.replace("PAR-LOC-12345", "PAR-LOC-99999");
    let answer = bench.api.submit(&body).await;
    assert_eq!((answer.code, answer.error()), (404, "unknown_location"));
    assert_eq!(
        (answer.json["location_id"].as_str(), answer.json["request_uid"].as_str()),
        (Some("PAR-LOC-99999"), Some(&*uid(&body)))
    );
    bench.nothing_written();
    // Its digest is the one the caller made, and good for nothing else.
    let digest = answer.header("x-pch-digest").unwrap();
    let forged = body.replace("PAR-LOC-99999", "PAR-LOC-12345");
    let answer = bench.api.send(bare_submission(&forged).bearer(token()).header("x-pch-digest", digest)).await;
    assert_eq!((answer.code, answer.error()), (412, "digest_mismatch"));
    bench.nothing_written();
}

#[tokio::test]
async fn unknown_foreign_and_impossible_orders_are_the_same_404() {
    let bench = Bench::new();
    for id in ["nobody", "..%2f..", "a%7Cb", "%00", "x.y~z", &"x".repeat(300)] {
        let request = read(&format!("/posnext/orders/{id}"));
        bench.refused(bench.api.send(request).await, 404, "unknown_order", true).await;
    }
}
