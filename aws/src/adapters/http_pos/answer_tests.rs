use super::*;

const KEY: &str = "t.u-1";
const METHODS: [Method; 3] = [Method::PUT, Method::GET, Method::DELETE];

fn head(method: &Method, status: u16) -> Head<'_> {
    Head { method, status, repeats_request: true, aged: false, refused_anew: false }
}

fn put(status: u16, body: impl AsRef<[u8]>) -> Result<Said, Lack> {
    read(head(&Method::PUT, status), body.as_ref(), KEY)
}

fn body(status: &str) -> String {
    format!(r#"{{"key":"{KEY}","status":"{status}","pos_order_id":"P-1"}}"#)
}

/// The table of docs/connector.md#an-answer-that-counts, and nothing else.
#[test]
fn a_status_counts_with_its_own_http_statuses_alone() {
    let table: [(&str, [&[u16]; 3]); 7] = [
        ("placed", [&[200, 201], &[200], &[409]]),
        ("rejected", [&[200, 422], &[200], &[409]]),
        ("invalid", [&[400, 413, 422]; 3]),
        ("in_progress", [&[202], &[200], &[]]),
        ("not_started", [&[401, 403, 429, 503]; 3]),
        ("unknown", [&[], &[404], &[]]),
        ("cancelled", [&[410], &[410], &[200, 410]]),
    ];
    for (word, allowed) in table {
        for (method, allowed) in METHODS.iter().zip(allowed) {
            for status in 200..600 {
                let said = read(head(method, status), body(word).as_bytes(), KEY);
                match allowed.contains(&status) {
                    true => assert_eq!(said.unwrap().status.as_str(), word, "{method} {status}"),
                    false => assert_eq!(said, Err(Lack::Agreement), "{method} {status} {word}"),
                }
            }
        }
    }
}

#[test]
fn what_denies_counts_only_as_an_answer_to_this_very_request() {
    for (method, status, word, denies) in [
        (Method::GET, 404, "unknown", true),
        (Method::GET, 410, "cancelled", true),
        (Method::DELETE, 200, "cancelled", true),
        (Method::PUT, 410, "cancelled", true),
        (Method::PUT, 503, "not_started", true),
        (Method::PUT, 401, "not_started", true),
        (Method::PUT, 400, "invalid", true),
        (Method::PUT, 201, "placed", false),
        (Method::PUT, 422, "rejected", false),
        (Method::GET, 200, "placed", false),
        (Method::GET, 200, "in_progress", false),
        (Method::DELETE, 409, "placed", false),
    ] {
        let of = |repeats_request, aged| {
            read(Head { method: &method, status, repeats_request, aged, refused_anew: false }, body(word).as_bytes(), KEY)
                .map(|said| said.status.as_str())
        };
        assert_eq!(of(true, false), Ok(word));
        assert_eq!(of(false, false), if denies { Err(Lack::RequestId) } else { Ok(word) }, "{method} {word}");
        assert_eq!(of(true, true), if denies { Err(Lack::Freshness) } else { Ok(word) }, "{method} {word}");
    }
}

#[test]
fn a_refusal_after_an_earlier_attempt_counts_only_as_an_answer_to_this_very_request() {
    for (method, status) in [(Method::PUT, 422), (Method::PUT, 200), (Method::GET, 200), (Method::DELETE, 409)] {
        let of = |repeats_request, aged, refused_anew| {
            let head = Head { method: &method, status, repeats_request, aged, refused_anew };
            read(head, body("rejected").as_bytes(), KEY).map(|said| said.status)
        };
        assert_eq!(of(true, false, true), Ok(PosStatus::Rejected), "{method} {status}");
        assert_eq!((of(false, false, true), of(true, true, true)), (Err(Lack::RequestId), Err(Lack::Freshness)));
        assert_eq!(of(false, true, false), Ok(PosStatus::Rejected), "of the only attempt there was");
    }
}

#[test]
fn what_is_not_the_poss_own_says_what_it_lacks() {
    for (text, lack) in [
        ("", Lack::Json),
        ("default backend - 404", Lack::Json),
        ("<html>", Lack::Json),
        ("null", Lack::Json),
        (r#"[{"key":"t.u-1","status":"placed"}]"#, Lack::Json),
        (r#"{"key":"t.u-1","status":"placed"} {}"#, Lack::Json),
        (r#"{"key":"t.u-1","status":"placed""#, Lack::Json),
        (r#"{"key":"t.u-1","status":"placed","x":NaN}"#, Lack::Json),
        ("\u{feff}\u{feff}{\"key\":\"t.u-1\",\"status\":\"placed\"}", Lack::Json),
        (r#"{"status":"placed"}"#, Lack::Key),
        (r#"{"key":null,"status":"placed"}"#, Lack::Key),
        (r#"{"key":7,"status":"placed"}"#, Lack::Key),
        (r#"{"key":"t.u-1\ud83d","status":"placed"}"#, Lack::Key),
        (r#"{"key":"t.u-2","status":"placed"}"#, Lack::ThisKey),
        (r#"{"key":"T.U-1","status":"placed"}"#, Lack::ThisKey),
        (r#"{"key":" t.u-1","status":"placed"}"#, Lack::ThisKey),
        (r#"{"key":"t.u-1"}"#, Lack::Status),
        (r#"{"key":"t.u-1","status":true}"#, Lack::Status),
        (r#"{"key":"t.u-1","status":"PLACED"}"#, Lack::KnownStatus),
        (r#"{"key":"t.u-1","status":"pending"}"#, Lack::KnownStatus),
        (r#"{"key":"t.u-1","key":"t.u-1","status":"placed"}"#, Lack::OneOfEach),
        (r#"{"key":"t.u-1","status":"rejected","status":"placed"}"#, Lack::OneOfEach),
        (r#"{"key":"t.u-1","status":"placed","pos_order_id":1,"pos_order_id":2}"#, Lack::OneOfEach),
        (r#"{"key":"t.u-1","\u0073tatus":"placed","status":"placed"}"#, Lack::OneOfEach),
    ] {
        assert_eq!(put(200, text), Err(lack), "{text}");
    }
    assert_eq!(put(200, b"\xff\xfe{\0}\0"), Err(Lack::Json), "UTF-16");
}

#[test]
fn what_nobody_reads_hides_nothing() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for odd in [
        r#""x":"thanks \ud83d""#,
        r#""\ud83d":1"#,
        r#""x":1e400"#,
        r#""x":-0.0e-999999"#,
        r#""x":1,"x":2"#,
        r#""errors":null"#,
        r#""errors":{"a":1}"#,
        r#""started":"x""#,
        &format!(r#""x":{deep}"#),
    ] {
        let text = format!(r#"{{{odd},"key":"{KEY}","status":"placed","pos_order_id":"P-1"}}"#);
        assert_eq!(put(201, &text).unwrap().pos_order_id.as_deref(), Some("P-1"), "{odd:.40}");
    }
    let (open, close) =
        (b"{\"note\":\"caf\xe9\",".as_slice(), b"\"key\":\"t.u-1\",\"status\":\"placed\",\"pos_order_id\":\"P-1\"}");
    assert!(put(201, [open, close].concat()).is_ok(), "Latin-1");
    assert!(put(201, ["\u{feff}", &body("placed"), " \r\n"].concat()).is_ok(), "a BOM");
    assert!(put(201, r#"{"\u006bey":"t\u002eu-1","status":"plac\u0065d"}"#).is_ok(), "escapes");
}

#[test]
fn a_number_keeps_its_digits_and_one_that_cannot_be_used_is_none() {
    let number =
        |raw: &str| put(201, format!(r#"{{"key":"{KEY}","status":"placed","pos_order_id":{raw}}}"#)).unwrap().pos_order_id;
    for raw in ["20251128000000000001", "1234567.10", "1e3", "-0", "1E+400", "0.1000000000000000000000000000000001"] {
        assert_eq!(number(raw).as_deref(), Some(raw));
    }
    assert_eq!(number(r#""A\u002d7 \u00e9""#).as_deref(), Some("A-7 é"));
    let (longest, longer) = ("é".repeat(256), "é".repeat(257));
    assert_eq!(number(&format!("\"{longest}\"")), Some(longest));
    for raw in [
        &format!("\"{longer}\""),
        &"9".repeat(5_000),
        r#""""#,
        r#"" ""#,
        r#"" \u200b\ufeff\t""#,
        r#""P-\ud83d""#,
        "null",
        "true",
        "[1]",
        "{}",
    ] {
        assert_eq!(number(raw), None, "{raw:.40}");
    }
    assert_eq!(put(201, b"{\"key\":\"t.u-1\",\"status\":\"placed\",\"pos_order_id\":\"P\xe9\"}").unwrap().pos_order_id, None);
    assert_eq!(put(201, r#"{"key":"t.u-1","status":"placed"}"#).unwrap().pos_order_id, None);
}

#[test]
fn a_refusal_is_told_as_far_as_it_can_be_read() {
    let reasons = |errors: &str| {
        let text = format!(r#"{{"key":"{KEY}","status":"rejected","errors":{errors}}}"#);
        let errors = put(422, text).unwrap().errors;
        errors.into_iter().map(|error| (error.message, error.field)).collect::<Vec<_>>()
    };
    let only = |text: &str| vec![(text.to_owned(), None)];
    assert_eq!(reasons(r#"[{"message":"86","field":"items[0]"}]"#), [("86".to_owned(), Some("items[0]".to_owned()))]);
    assert_eq!(reasons(r#"[{"message":"no more pizza \ud83d"}]"#), only("no more pizza \u{fffd}\u{fffd}\u{fffd}"));
    assert_eq!(reasons(r#"[{"code":86},7]"#), [only("86"), only(NO_REASON)].concat());
    assert_eq!(reasons(r#"[{"code":"c","message":""}]"#), only("c"));
    assert_eq!(reasons(r#"[{"message":"a","message":"b"}]"#), only("b"));
    for none in ["null", "[]", "7", r#"{"message":"x"}"#] {
        assert_eq!(reasons(none), only(NO_REASON), "{none}");
    }
    assert_eq!(reasons(&format!("[{}7]", "7,".repeat(40))).len(), MOST_ERRORS);
    let latin = b"{\"key\":\"t.u-1\",\"status\":\"rejected\",\"errors\":[{\"message\":\"caf\xe9 zu\"}]}";
    assert_eq!(put(422, latin).unwrap().errors[0].message, "caf\u{fffd} zu");
}
