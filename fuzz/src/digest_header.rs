//! The header `x-pch-digest`. It verifies exactly when it is the digest of the request's own message under the first ten
//! characters of the SharedId; not one edit away, not for another key or message, and never for a message that names no order.

use posnext_shared::domain::signature::{DigestMessage, SharedId};

use super::{
    date, hmac_sha256,
    json::{self, Json, Value},
};

/// Checks one header (first line) against a SharedId (second line) and a body (the rest); whether it verifies.
pub fn check(data: &[u8]) -> bool {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let (header, value, body) = (line(), line(), line());
    let usable = value.chars().count() >= 10 && value.chars().any(|c| !c.is_whitespace());
    let Ok(shared_id) = SharedId::new("fuzzed", value) else {
        assert!(!usable, "a SharedId is refused");
        return false;
    };
    assert!(usable, "a SharedId that is too short or blank");

    let message = DigestMessage::of_body(body);
    is_what_the_recipe_says(message.as_str(), body);
    let key: String = value.chars().take(10).collect();
    let digest = hex::encode(hmac_sha256(key.as_bytes(), message.as_str().as_bytes()));
    assert_eq!(shared_id.sign(&message), digest);

    // A message that names no order (errors and menus are signed over such) is never a request's.
    let may_verify = !(message.as_str().starts_with("0|") && message.as_str().ends_with("|0|0|0|0"));
    let verifies = shared_id.verify_request(&message, header);
    assert_eq!(verifies, may_verify && header.eq_ignore_ascii_case(&digest), "{header}");
    assert_eq!(shared_id.verify_request(&message, &digest), may_verify);
    assert_eq!(shared_id.verify_request(&message, &digest.to_uppercase()), may_verify);

    let same_key = SharedId::new("longer", &format!("{key}another tail")).unwrap();
    assert_eq!(same_key.verify_request(&message, &digest), may_verify, "more than ten characters count");
    let last = key.chars().last().unwrap();
    let near: String = key.chars().take(9).chain([if last == 'x' { 'y' } else { 'x' }]).collect();
    assert!(!SharedId::new("near", &near).unwrap().verify_request(&message, &digest), "under another key");
    let other = DigestMessage::of_body(&format!("{{\"request_uid\":{}}}", serde_json::Value::from(header)));
    assert_eq!(shared_id.verify_request(&other, &digest), may_verify && other == message, "for another message");
    for edited in edits(&digest, header) {
        assert!(!shared_id.verify_request(&message, &edited), "{edited} for {digest}");
    }
    verifies
}

/// Digests one edit away, at places that the header chooses.
fn edits(digest: &str, header: &str) -> Vec<String> {
    let place = usize::from(header.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) % 64);
    let (head, tail) = digest.split_at(place);
    let (digit, rest) = tail.split_at(1);
    let other = if digit == "0" { "f" } else { "0" };
    vec![
        format!("{head}{other}{rest}"),
        format!("{head}{rest}"),
        format!("{head}{digit}{digit}{rest}"),
        format!("{head}\u{a0}{rest}"),
        format!("{digest}{header}00"),
        format!(" {digest}"),
        format!("0x{digest}"),
        digest[..62].to_owned(),
        String::new(),
    ]
}

/// The message of any body: what is absent, null or of another kind counts as null.
fn is_what_the_recipe_says(message: &str, body: &str) {
    let read = json::read(json::without_mark(body));
    let object = read.as_ref().map(|(json, _)| json).filter(|json| is_sound(json));
    let details = object.and_then(|json| json.get("order_details")).filter(|json| is_sound(json));
    let text = |json: Option<&Json<'_>>, key: &str| json?.get(key)?.text().map(str::to_owned);
    let ids = [text(object, "request_uid"), text(object, "location_id"), text(details, "online_order_id")];
    let ids = ids.map(|id| id.unwrap_or_else(|| "0".to_owned())).join("|");
    let rest = message.strip_prefix(&ids).and_then(|rest| rest.strip_prefix('|')).expect("the ids come first");
    let [grand_total, subtotal, date] = rest.split('|').collect::<Vec<_>>().try_into().expect("six fields");
    for (key, said) in [("grand_total", grand_total), ("subtotal", subtotal)] {
        let number = details.and_then(|details| details.get(key)).and_then(Json::number);
        let cents = number.and_then(super::number::Number::cents).unwrap_or(0);
        // A number with more digits than money has counts as null.
        assert!(said == cents.to_string() || (said == "0" && number.is_some()), "{key}: {said}, not {cents}");
    }
    let seconds = text(object, "request_datetime").and_then(|text| date::seconds(&text)).unwrap_or(0);
    assert!(date == seconds.to_string() || date::is_at_the_end_of_time(seconds), "{date}, not {seconds}");
}

/// An object whose keys can be told apart.
fn is_sound(json: &Json<'_>) -> bool {
    matches!(json.value, Value::Object(_)) && !json.repeats_any()
}
