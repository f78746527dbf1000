use super::*;

fn canonical(text: &str) -> Result<String, JsonError> {
    Members::parse(text)?.canonical(text, &[])
}

#[test]
fn the_same_content_in_another_spelling_is_equal() {
    let one = canonical(r#"{"a": 21.50, "b": ["\u00e9", 100, -0, 1e2], "c": {"y": null, "x": true}}"#);
    let two = canonical(r#"{"c":{"x":true,"y":null},"b":["é",1E+2,0.0,1e2],"a":2150e-2}"#);
    assert!(one.is_ok());
    assert_eq!(one, two);
}

#[test]
fn a_number_is_its_value_whatever_its_spelling() {
    for spellings in [
        &["2100", "21e2", "2.1E+3", "2100.00", "0.21e4", "210000e-2"][..],
        &["-0.0305", "-305e-4", "-3.05e-2", "-0.03050", "-30500E-6"],
        &["0", "-0", "0.000", "0e99999999999999999999"],
    ] {
        let forms: HashSet<_> = spellings.iter().map(|text| canonical(&format!("{{\"a\":{text}}}")).unwrap()).collect();
        assert_eq!(forms.len(), 1, "{forms:?}");
    }
}

#[test]
fn other_content_is_different() {
    let texts = [
        r#"{"a":1}"#,
        r#"{"a":10}"#,
        r#"{"a":0.1}"#,
        r#"{"a":-1}"#,
        r#"{"a":"1"}"#,
        r#"{"a":[1]}"#,
        r#"{"a":null}"#,
        "{}",
        r#"{"a":12345678901234567890}"#,
        r#"{"a":12345678901234567891}"#,
        r#"{"a":{"b":1}}"#,
        r#"{"a":[1,2]}"#,
        r#"{"a":12}"#,
    ];
    let forms: HashSet<_> = texts.iter().map(|text| canonical(text).unwrap()).collect();
    assert_eq!(forms.len(), texts.len());
}

#[test]
fn a_repeated_key_is_refused_at_any_depth_and_in_any_spelling() {
    assert_eq!(canonical(r#"{"a":1,"\u0061":2}"#), Err(JsonError::RepeatedKey));
    assert_eq!(canonical(r#"{"a":[{"b":1,"b":1}]}"#), Err(JsonError::RepeatedKey));
}

#[test]
fn a_repeated_key_inside_a_skipped_member_is_refused_too() {
    let text = r#"{"status":{"b":1,"b":1}}"#;
    let result = Members::parse(text).unwrap().canonical(text, &["status"]);
    assert_eq!(result, Err(JsonError::RepeatedKey));
}

#[test]
fn half_a_surrogate_pair_is_content_as_any_other() {
    let texts = [
        r#"{"a":"x\ud83d"}"#,
        r#"{"a":"x\ud83e"}"#,
        r#"{"a":"x\udc00"}"#,
        r#"{"a":"x\ufffd"}"#,
        r#"{"a":"x\ufffd\ufffd\ufffd"}"#,
        r#"{"a":"x\ud83d\udc00"}"#,
        r#"{"a":"x\\ud83d"}"#,
        r#"{"a":"x"}"#,
        r#"{"\ud83d":"x"}"#,
        r#"{"\ud83e":"x"}"#,
        r#"{"\ufffd":"x"}"#,
        r#"{"\ud83d":1,"\ud83e":2}"#,
        r#"{"\ud83d":2,"\ud83e":1}"#,
    ];
    let forms: HashSet<_> = texts.iter().map(|text| canonical(text).unwrap()).collect();
    assert_eq!(forms.len(), texts.len(), "{forms:?}");
    assert_eq!(canonical(r#"{"\uD83D":1,"b":"\uDC00\/"}"#), canonical(r#"{"b":"\udc00/","\ud83d":1}"#));
    assert_eq!(canonical(r#"{"a":{"\ud83d":1,"\uD83D":2}}"#), Err(JsonError::RepeatedKey));
    let many: Vec<_> = (0..20).map(|n| format!(r#""\ud8{n:02}":1"#)).collect();
    assert!(canonical(&format!("{{{}}}", many.join(","))).is_ok());
    assert_eq!(canonical(&format!("{{{},\"\\uD800\":1}}", many.join(","))), Err(JsonError::RepeatedKey));
}

#[test]
fn a_fault_is_where_it_says_however_deep_it_stands() {
    for (text, place) in [
        (r#"{"a":{"b":[1,{"c":"x]}]}}"#, "line 1 column 25"),
        ("{\"a\":{\n  \"b\":[tru]}}", "line 2 column 11"),
        ("{\"a\":[\n {\"b\":1e99999999999999999999}]}", "line 2 column 7 "),
        ("{\"a\":\n\"\\x\"}", "line 2 column 3"),
    ] {
        let error = canonical(text).unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
}

#[test]
fn deep_nesting_is_refused_without_recursing_into_it() {
    let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
    assert!(canonical(&deep(MAX_DEPTH - 1)).is_ok());
    assert_eq!(canonical(&deep(MAX_DEPTH)), Err(JsonError::TooDeep));
    assert_eq!(canonical(&deep(100_000)), Err(JsonError::TooDeep));
    let skipping = |text: &str| Members::parse(text)?.canonical(text, &["a"]);
    assert!(skipping(&deep(MAX_DEPTH - 1)).is_ok());
    assert_eq!(skipping(&deep(MAX_DEPTH)), Err(JsonError::TooDeep));
}

#[test]
fn what_is_not_json_or_not_an_object_is_told_apart() {
    for text in
        ["", "{", "{\"a\":}", "{\"a\":01}", "{\"a\":1}x", "nonsense", "{\"a\":\"\\ud80\"}", "{\"a\":1e99999999999999999999}"]
    {
        assert!(matches!(canonical(text), Err(JsonError::Syntax(_))), "{text}");
    }
    for text in ["[]", "1", "null", "\"{}\""] {
        assert_eq!(canonical(text), Err(JsonError::NotAnObject), "{text}");
    }
}
