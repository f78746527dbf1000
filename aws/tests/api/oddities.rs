//! What is odd in a request and harms nobody: it costs no order.

use posnext_shared::domain::{
    contract::{Contract, RequestDigest},
    token::{ClientClaim, Expectations},
};

use crate::support::{
    Answer, Api, Asked, CLIENT_SECRET, DATETIME, SHARED_ID, SUBMIT, VALIDATE, bare_submission, digest_of, fresh_uid, hmac_hex,
    menu_order, now, order, read, submission, token, token_with,
};

/// Half an emoji in a value and in a key.
const HALF: &str = r#""note \ud83d":"doorman \ud83c","whole":"\ud83c\udf2e","#;

/// The same request with other bytes, which sign the same six values.
fn with_body(path: &str, plain: &str, body: impl Into<Vec<u8>>) -> Asked {
    let digest = digest_of(&serde_json::from_str(plain).unwrap());
    let request = Asked::to("POST", path).header("content-type", "application/json").header("x-pch-digest", digest);
    request.bearer(token()).body(body)
}

#[tokio::test(start_paused = true)]
async fn half_an_emoji_is_placed_echoed_to_the_byte_and_known_again() {
    let api = Api::new();
    let uid = fresh_uid("half");
    let plain = menu_order(&uid, "PAR-LOC-MENU");
    let odd =
        plain.replacen('{', &format!("{{{HALF}"), 1).replace(r#""quantity":2"#, r#""quantity":2,"notes":"\udf2e","\ud83d":1"#);
    let validated = api.send(with_body(VALIDATE, &plain, odd.as_str())).await;
    assert!(validated.code == 200 && validated.text.contains(r#""status":"validated""#), "{}", validated.text);
    let placed = api.send(with_body(SUBMIT, &plain, odd.as_str())).await;
    let (echo, _) = odd[1..].split_once("}]").unwrap();
    assert!(
        placed.code == 200 && placed.text.starts_with(r#"{"status":"placed","#) && placed.text.contains(echo),
        "{}",
        placed.text
    );
    assert_eq!(placed.header("x-pch-digest"), Some(digest_of(&serde_json::from_str(&plain).unwrap()).as_str()));
    assert_eq!(api.get_any(&uid).await.text, placed.text);
    assert_eq!(api.get_any(&format!("{uid}/history")).await.signed().status(), "placed");

    let again = api.send(with_body(SUBMIT, &plain, odd.replace(r"\ud83c\udf2e", "\u{1f32e}"))).await;
    assert_eq!((again.text.as_str(), again.header("idempotent-replayed")), (placed.text.as_str(), Some("true")));
    for other in [r"doorman \ud83d", r"doorman \ufffd", "doorman "] {
        let answer = api.send(with_body(SUBMIT, &plain, odd.replace(r"doorman \ud83c", other))).await;
        assert!(answer.code == 409 && answer.text.contains("idempotency_conflict"), "{other}");
    }
    assert_eq!(api.world.meals(&uid).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn half_an_emoji_in_an_id_and_a_key_that_is_repeated_are_refused_with_the_reason() {
    let api = Api::new();
    let plain = order(&fresh_uid("half"), "PAR-LOC-12345");
    let answer = api.send(with_body(SUBMIT, &plain, plain.replace("PAR-LOC-12345", r"PAR-LOC\ud83d"))).await;
    assert_eq!((answer.code, answer.error(), &answer.json["errors"][0]["field"]), (400, "invalid_field", &"location_id".into()));
    assert!(answer.text.contains("half a surrogate pair"), "{}", answer.text);
    let twice = plain.replacen('{', r#"{"\ud83d":1,"\uD83D":2,"#, 1);
    assert_eq!(api.send(with_body(SUBMIT, &plain, twice)).await.error(), "repeated_key");
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_is_left_out_of_the_answer_and_stays_in_a_digest_over_the_bytes() {
    let api = Api::new();
    let uid = fresh_uid("mark");
    let plain = order(&uid, "PAR-LOC-12345");
    let marked = format!("\u{feff}{plain}");
    assert_eq!(api.send(with_body(VALIDATE, &plain, marked.as_str())).await.signed().status(), "validated");
    let placed = api.send(with_body(SUBMIT, &plain, marked.as_str())).await.signed();
    assert!(placed.status() == "placed" && placed.text.starts_with('{'), "{}", placed.text);
    assert_eq!(api.submit(&plain).await.header("idempotent-replayed"), Some("true"));

    let over_bytes = api.with(Contract { request_digest: RequestDigest::PathAndBody, ..Contract::default() });
    let digest = |body: &str| hmac_hex(CLIENT_SECRET, &format!("{SUBMIT}{body}"));
    for (signed, code) in [(&marked, 200), (&plain, 412)] {
        let request = bare_submission(&marked).header("x-pch-digest", digest(signed)).bearer(token());
        assert_eq!(over_bytes.send(request).await.code, code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_menu_is_asked_for_with_a_byte_order_mark_too_and_a_fault_is_where_it_says() {
    let api = Api::new();
    let ask =
        async |body: &[u8]| api.send(read("/posnext/menus").posted().header("content-type", "application/json").body(body)).await;
    let named = r#"{"location_id":"PAR-LOC-MENU","x":"\ud83d","\ud83d":1}"#;
    assert_eq!(ask(format!("\u{feff}{named}").as_bytes()).await.code, 200);
    let message = async |body: &[u8]| {
        let answer = ask(body).await;
        assert_eq!((answer.code, answer.error()), (400, "invalid_json"), "{}", answer.text);
        answer.json["detail"].as_str().unwrap().to_owned()
    };
    assert!(message(b"{\"location_id\":\"Caf\xe9\"}").await.contains("byte 0xe9 at line 1 column 20 is not UTF-8"));
    assert!(message(b"{\n\"location_id\":tru}").await.contains("line 2 column 18"));
    assert_eq!(ask(br#"{"location_id":"a\ud83d"}"#).await.error(), "invalid_field");
}

#[tokio::test(start_paused = true)]
async fn a_fault_deep_in_an_order_is_where_it_says() {
    let api = Api::new();
    let plain = order(&fresh_uid("place"), "PAR-LOC-12345");
    for fault in ["1e99999999999999999999", r#""\x""#, "tru"] {
        let body = plain.replacen('{', &format!("{{\"a\":{{\"b\":[{{\"c\":{fault}}}]}},\n"), 1);
        let answer = api.send(bare_submission(&body).bearer(token()).header("x-pch-digest", "00")).await;
        let place = answer.json["detail"].as_str().unwrap().split_once("line 1 column ").unwrap().1;
        let column: usize = place.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        let begins = body.find(fault).unwrap() + 1;
        assert!((begins..=begins + fault.len()).contains(&column), "{fault} at {begins}: {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_preference_is_understood_in_every_form() {
    let api = Api::new();
    for (lines, code) in [
        (&["respond-async; wait=5"][..], 202),
        (&["wait=5", "Respond-Async"], 202),
        (&["foo=\"a,b\" , RESPOND-ASYNC ;x"], 202),
        (&["foo=\"a, respond-async\""], 200),
        (&["wait=5; respond-async"], 200),
    ] {
        let request = submission(&order(&fresh_uid("prefer"), "PAR-LOC-12345"));
        let answer = api.send(lines.iter().fold(request, |request, line| request.header("prefer", line))).await.signed();
        assert_eq!(answer.code, code, "{lines:?}");
        assert_eq!(answer.header("preference-applied"), (code == 202).then_some("respond-async"), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_is_there_twice_counts_once_and_two_values_of_it_are_a_clear_400() {
    let api = Api::new();
    for joined in [false, true] {
        let body = order(&fresh_uid("twice"), "PAR-LOC-12345");
        let digest = digest_of(&serde_json::from_str(&body).unwrap());
        let bearer = format!("Bearer {}", token());
        let sent = |name: &'static str, values: [&str; 2]| {
            let request = submission(&body).header("content-encoding", "identity").without(name);
            if joined { request.header(name, values.join(",")) } else { request.header(name, values[0]).header(name, values[1]) }
        };
        let json = "application/json; charset=utf-8";
        for (name, value) in
            [("content-type", json), ("x-pch-digest", &digest), ("authorization", &bearer), ("content-encoding", "identity")]
        {
            let answer = api.send(sent(name, [value, value])).await.signed();
            assert_eq!((answer.code, answer.status()), (200, "placed"), "{name} {joined}");
        }
        for (name, value, other, code) in [
            ("content-type", "application/json", "text/plain", 400),
            ("x-pch-digest", &digest, "00", 400),
            ("content-encoding", "identity", "gzip", 400),
            ("authorization", &bearer, "Bearer x", 401),
        ] {
            for values in [[value, other], [other, value]] {
                let answer = api.send(sent(name, values)).await;
                assert_eq!(answer.code, code, "{name} {joined} {}", answer.text);
                let message = answer.json["detail"].as_str().unwrap();
                assert!(message.contains(&format!("the header {name} is there more than once")), "{message}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_in_a_path_is_the_same_with_its_characters_encoded() {
    let api = Api::new();
    let uid = format!("t~{}", fresh_uid("a.b_c"));
    let placed = api.submit(&order(&uid, "PAR-LOC-12345")).await;
    for spelt in [uid.replace('~', "%7E"), uid.replace('~', "%7e").replace('-', "%2D"), uid.replace('t', "%74")] {
        assert_eq!(api.get(&spelt).await.text, placed.text, "{spelt}");
        assert_eq!(api.get(&format!("{spelt}/history")).await.status(), "placed", "{spelt}");
    }
    for other in [uid.replace('~', "%257E"), uid.replace('~', "%ff"), format!("x%2F{uid}"), uid.replace('~', "%7")] {
        assert_eq!(api.get_any(&other).await.code, 404, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_of_any_form_of_rfc_3339_is_taken_and_echoed_as_it_came() {
    let api = Api::new();
    for (date, seconds) in [
        ("2025-03-15t14:30:45z", "1742049045"),
        ("2025-03-15 14:30:45.12345678901234Z", "1742049045"),
        ("2025-03-15T14:30:45-00:00", "1742049045"),
        ("2016-12-31T23:59:60Z", "1483228800"),
    ] {
        let uid = fresh_uid("date");
        let body = order(&uid, "PAR-LOC-12345").replace(DATETIME, date);
        let digest = hmac_hex(&SHARED_ID[..10], &format!("{uid}|PAR-LOC-12345|ORD-{uid}|2345|2150|{seconds}"));
        let answer = api.send(bare_submission(&body).bearer(token()).header("x-pch-digest", &digest)).await;
        assert_eq!((answer.code, answer.header("x-pch-digest")), (200, Some(digest.as_str())), "{date} {}", answer.text);
        assert_eq!(answer.json["request_datetime"], date);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_counts_where_it_is_checked_and_is_named_where_it_is_wrong() {
    let api = Api::new();
    let ask = async |api: &Api, claims: &str| -> Answer {
        let token = token_with(r#"{"alg":"HS256"}"#, claims, CLIENT_SECRET);
        api.send(submission(&order(&fresh_uid("claims"), "PAR-LOC-12345")).bearer(token)).await
    };
    let exp = now() + 300;
    for claims in [r#""sub":12345"#, r#""aud":5"#, r#""iat":"2025-03-15""#, r#""iss":7"#, r#""client_id":{}"#] {
        assert_eq!(ask(&api, &format!(r#"{{"exp":{exp},{claims}}}"#)).await.code, 200, "{claims}");
    }
    assert_eq!(ask(&api, r#"{"exp":1e16}"#).await.code, 200);
    let expectations = Expectations { client_claim: Some(ClientClaim::Sub), ..Expectations::default() };
    let strict = Api { expectations, ..api.clone() };
    for (api, claims, error) in [
        (&api, r#"{"exp":"soon"}"#.to_owned(), "claim exp is not a number"),
        (&api, format!(r#"{{"exp":{exp},"nbf":"soon"}}"#), "claim nbf is not a number"),
        (&strict, format!(r#"{{"exp":{exp},"sub":{{}}}}"#), "claim sub is not a text"),
    ] {
        let answer = ask(api, &claims).await;
        assert_eq!((answer.code, answer.error()), (401, "token_claims"), "{}", answer.text);
        assert!(answer.json["detail"].as_str().unwrap().contains(error), "{}", answer.text);
        assert!(answer.header("www-authenticate").unwrap().contains(error));
    }
}

#[tokio::test(start_paused = true)]
async fn a_total_that_another_rounding_makes_is_validated_as_it_is_and_placed() {
    let api = Api::new();
    for (grand_total, status) in [("24.43", "validated"), ("24.44", "validated"), ("24.42", "rejected"), ("24.45", "rejected")] {
        let taxes = r#""taxes":[{"amount":1.734375},{"amount":0.485625},{"amount":0.346875},{"amount":0.365}]"#;
        let plain = menu_order(&fresh_uid("total"), "PAR-LOC-MENU").replace("23.45", grand_total);
        let body = plain.replace(r#""taxes":[{"name":"VAT","amount":1.95}]"#, taxes);
        let answer = api.send(with_body(VALIDATE, &plain, body.as_str())).await.signed();
        assert_eq!(answer.status(), status, "{grand_total} {}", answer.text);
        assert!(answer.text.contains(&format!(r#""grand_total":{grand_total}"#)));
        let submitted = api.send(with_body(SUBMIT, &plain, body.as_str())).await.signed();
        assert_eq!(submitted.status() == "placed", status == "validated", "{grand_total}");
    }
}
