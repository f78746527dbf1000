//! The body of a queue message. It is accepted exactly when it is this version of the format with a key that can be one, and
//! what is read from it is written and read again as the same.

use posnext_aws::adapters::queue::{body_of, parse_message};

use super::{
    is_request_uid, is_signable,
    json::{self, Faults, Json, Value},
};

/// Checks one body; whether it is accepted.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let read = json::read(text);
    let message = match parse_message(text) {
        Ok(message) => message,
        Err(reason) => {
            assert!(!reason.is_empty(), "refused without a reason");
            let sound = read.is_some_and(|(json, faults)| faults == Faults::default() && is_message(&json));
            assert!(!sound, "refused: {reason}");
            return false;
        }
    };
    let (json, _) = read.expect("accepted against the grammar");
    // serde takes a struct from an array of its values, too. That says the same, and only we write messages.
    let arrays = [Some(&json), json.get("key")].into_iter().flatten().any(|json| matches!(json.value, Value::Array(_)));
    if !arrays {
        assert!(is_message(&json), "accepted against the rules");
        assert_eq!(json.get("version").map(|version| version.raw), Some(message.version.to_string().as_str()));
        assert_eq!(json.get("group").and_then(Json::text), Some(message.group.as_str()));
    }

    let body = body_of(&message).expect("what was read can be written");
    assert_eq!(parse_message(&body).as_ref(), Ok(&message), "written and read again");
    assert_eq!(body_of(&message).ok(), Some(body.clone()), "written twice");
    for version in [0, 2, message.version.max(2)] {
        let other = body.replacen("\"v\":1", &format!("\"v\":{version}"), 1);
        assert!(parse_message(&other).is_err(), "a format of another version: {other}");
    }
    true
}

fn is_message(json: &Json<'_>) -> bool {
    let text = |json: &Json<'_>, key: &str, fits: fn(&str) -> bool| json.get(key).and_then(Json::text).is_some_and(fits);
    let tenant = |text: &str| is_signable(text) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let Some(key) = json.get("key") else { return false };
    let known = ["v", "key", "version", "group", "traceparent"];
    matches!((&json.value, &key.value), (Value::Object(_), Value::Object(_)))
        && known.iter().all(|name| !json.repeats(name))
        && ["tenant", "request_uid"].iter().all(|name| !key.repeats(name))
        && json.get("v").is_some_and(|v| v.raw == "1")
        && json.get("version").is_some_and(|version| version.raw.parse::<u64>().is_ok())
        && text(key, "tenant", tenant)
        && text(key, "request_uid", is_request_uid)
        && text(json, "group", is_signable)
        && json.get("traceparent").is_none_or(|traceparent| traceparent.text().is_some())
}
