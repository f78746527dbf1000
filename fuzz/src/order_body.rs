//! The body of a submit. It is accepted exactly when it is a strict JSON object with the fields of an order; two bodies have
//! one fingerprint exactly when they say the same; and what is answered says what was sent, to the digit.

use posnext_shared::domain::{
    answer::{Calculated, Identity, Said},
    canonical::JsonError,
    contract::PosOrderIdKey,
    ids::RequestUid,
    money::Cents,
    order::{Body, Order},
    signature::DigestMessage,
    status::{ErrorCode, OrderError, OrderStatus},
};

use super::{
    date, is_request_uid, is_signable,
    json::{self, Faults, Json, Text, Value},
    number::Number,
};

/// Members that do not belong to an order's content.
const NOT_CONTENT: [&str; 3] = ["request_uid", "status", "request_datetime"];

/// Checks one body; whether it is accepted as an order.
pub fn check(data: &[u8]) -> bool {
    let text = std::str::from_utf8(data).ok().map(json::without_mark);
    let read = text.and_then(json::read);
    let body = match Body::parse(data) {
        Ok(body) => body,
        Err(error) => {
            is_refused_for_its_fault(&error, read.as_ref());
            return false;
        }
    };
    let (json, faults) = read.expect("accepted against the grammar");
    assert!(!faults.refuse(), "accepted with a fault: {faults:?}");
    assert!(matches!(json.value, Value::Object(_)), "accepted, but no object");
    let text = text.unwrap();
    let verdict = verdict(&json);
    match body.into_order() {
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            assert_ne!(verdict, Verdict::Order, "refused: {errors:?}");
            false
        }
        Ok(order) => {
            assert_ne!(verdict, Verdict::NoOrder, "accepted against the rules");
            says_what_was_sent(&order, &json, text);
            is_known_by_its_content(&order, &json);
            is_answered_as_it_came(&order, &json);
            true
        }
    }
}

fn is_refused_for_its_fault(error: &JsonError, read: Option<&(Json<'_>, Faults)>) {
    let right = match (error, read) {
        (JsonError::Syntax(_), None) => true,
        (_, None) => false,
        (JsonError::Syntax(_), Some((_, faults))) => faults.unreadable,
        (JsonError::NotAnObject, Some((json, _))) => !matches!(json.value, Value::Object(_)),
        (JsonError::RepeatedKey, Some((_, faults))) => faults.repeated_key,
        (JsonError::TooDeep, Some((_, faults))) => faults.too_deep,
    };
    assert!(right, "refused with {error:?}, but read as {:?}", read.map(|(_, faults)| faults));
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Order,
    NoOrder,
    /// An order whose amounts have more digits than money has, or which is from the end of time: the product may refuse it.
    Extreme,
}

fn verdict(json: &Json<'_>) -> Verdict {
    let id = |json: Option<&Json<'_>>, fits: fn(&str) -> bool| json.and_then(Json::text).is_some_and(fits);
    let Some(details) = json.get("order_details") else { return Verdict::NoOrder };
    let online = details.get("online_order_id");
    let seconds = json.get("request_datetime").and_then(Json::text).and_then(date::seconds);
    let amounts: Vec<_> = ["grand_total", "subtotal"].iter().filter_map(|key| details.get(key)).collect();
    let sound = id(json.get("request_uid"), is_request_uid)
        && id(json.get("organization_id"), is_signable)
        && id(json.get("location_id"), is_signable)
        && matches!(details.value, Value::Object(_))
        && (online.is_none() || id(online, is_signable))
        && amounts.iter().all(|amount| amount.number().is_some_and(|number| !number.negative));
    match seconds {
        Some(seconds) if sound => {
            if date::is_at_the_end_of_time(seconds) || amounts.iter().any(|amount| !is_plain(amount.raw)) {
                return Verdict::Extreme;
            }
            Verdict::Order
        }
        _ => Verdict::NoOrder,
    }
}

/// A number that money can be, however it is spelt.
fn is_plain(number: &str) -> bool {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    mantissa.len() <= 16 && exponent.parse::<i64>().is_ok_and(|exponent| (-8..=0).contains(&exponent))
}

fn cents(details: Option<&Json<'_>>, key: &str) -> Option<i128> {
    details?.get(key)?.number()?.cents()
}

/// The values that are signed or decided on are those of the body, money to the cent.
fn says_what_was_sent(order: &Order, json: &Json<'_>, text: &str) {
    let details = json.get("order_details");
    let member = |key: &str| json.get(key).and_then(Json::text);
    let exact = |cents: Option<Cents>| cents.map(|cents| i128::from(cents.0));
    assert_eq!(Some(order.request_uid().as_str()), member("request_uid"));
    assert_eq!(Some(order.organization_id().as_str()), member("organization_id"));
    assert_eq!(Some(order.request_datetime()), member("request_datetime"));
    assert_eq!(exact(order.totals().grand_total), cents(details, "grand_total"), "grand_total");
    assert_eq!(order.details().has_customer, details.is_some_and(|details| details.get("customer").is_some()));
    if let Some(tip) = order.details().tip {
        assert_eq!(exact(Cents::rounded(tip)), cents(details, "tip"), "tip");
    }
    let message = format!(
        "{}|{}|{}|{}|{}|{}",
        member("request_uid").unwrap(),
        member("location_id").unwrap(),
        details.and_then(|details| details.get("online_order_id")).and_then(Json::text).unwrap_or("0"),
        cents(details, "grand_total").unwrap_or(0),
        cents(details, "subtotal").unwrap_or(0),
        member("request_datetime").and_then(date::seconds).unwrap(),
    );
    assert_eq!(order.message(order.identity()).as_str(), message);
    assert_eq!(DigestMessage::of_body(text).as_str(), message, "the recipe reads the body otherwise");
    let readable = order.readable_text();
    assert!(json::read(&readable).is_some_and(|(_, faults)| !faults.half), "a strict reader refuses it");
    let restored = Order::restore(order.text(), order.fingerprint().clone()).expect("an accepted order is restored");
    assert_eq!(restored.message(restored.identity()).as_str(), message);
}

/// The same content in another spelling, sent again under another name, is the same order; other content is not.
fn is_known_by_its_content(order: &Order, json: &Json<'_>) {
    let mut again = Writer { out: String::new(), change: None };
    again.value(json, 1);
    let body = Body::parse(again.out.as_bytes()).expect("a body is accepted in another spelling");
    if let Ok(same) = body.into_order() {
        assert_eq!(same.fingerprint(), order.fingerprint(), "the spelling counts");
        assert_eq!(same.message(same.identity()), order.message(order.identity()), "the spelling is signed");
        if !json.members().iter().any(|(key, _)| key.as_str() == "status") {
            let renamed = again.out.replacen('{', r#"{"status":["any"],"#, 1);
            let renamed = Body::parse(renamed.as_bytes()).ok().and_then(|body| body.into_order().ok());
            assert!(renamed.is_some_and(|renamed| renamed.fingerprint() == order.fingerprint()), "the status counts");
        }
    }
    // Which value is changed depends on the body, so that in the long run it is every one.
    let leaf = order.text().len() % 16;
    let mut other = Writer { out: String::new(), change: Some(leaf) };
    other.value(json, 1);
    if other.change.is_none() {
        let other = Body::parse(other.out.as_bytes()).expect("a body is accepted with another value");
        if let Ok(other) = other.into_order() {
            assert_ne!(other.fingerprint(), order.fingerprint(), "a value does not count");
        }
    }
}

/// Writes a body in another spelling: members backwards, keys escaped, numbers otherwise; with one value changed if wanted.
struct Writer {
    out: String,
    /// How many values of the content come before the one that is changed; `None` once it is.
    change: Option<usize>,
}

impl Writer {
    fn value(&mut self, json: &Json<'_>, depth: usize) {
        match &json.value {
            Value::Object(members) => {
                self.out.push_str("{\r\n");
                for (place, (key, member)) in members.iter().rev().enumerate() {
                    self.out.push_str(if place == 0 { "" } else { " , " });
                    self.text(&key.units);
                    self.out.push_str("\t:");
                    if depth == 1 && NOT_CONTENT.contains(&key.as_str()) {
                        let change = self.change.take();
                        self.value(member, depth + 1);
                        self.change = change;
                    } else {
                        self.value(member, depth + 1);
                    }
                }
                self.out.push('}');
            }
            Value::Array(items) => {
                self.out.push('[');
                for (place, item) in items.iter().enumerate() {
                    self.out.push_str(if place == 0 { " " } else { ",\n" });
                    self.value(item, depth + 1);
                }
                self.out.push(']');
            }
            scalar => match self.change {
                Some(0) => {
                    self.change = None;
                    self.changed(scalar, json.raw);
                }
                _ => {
                    self.change = self.change.map(|before| before - 1);
                    self.scalar(scalar, json.raw);
                }
            },
        }
    }

    fn scalar(&mut self, value: &Value<'_>, raw: &str) {
        match value {
            Value::Number(number) => self.out.push_str(&number.respelled()),
            Value::Text(text) => self.text(&text.units),
            _ => self.out.push_str(raw),
        }
    }

    fn changed(&mut self, value: &Value<'_>, raw: &str) {
        match value {
            Value::Number(number) => {
                let digits = format!("{}1", number.digits);
                let other =
                    Number { digits, exponent: number.exponent.map(|exponent| exponent.saturating_sub(1)), ..number.clone() };
                self.out.push_str(&other.respelled());
            }
            // Another half, where there is one.
            Value::Text(Text { units, .. }) => match units.split_last() {
                Some((last @ 0xd800..0xdfff, rest)) => self.text(&[rest, &[last + 1]].concat()),
                _ => self.text(&[units.as_slice(), &[0xd800]].concat()),
            },
            Value::Bool(true) => self.out.push_str("false"),
            _ => self.out.push_str(if raw == "null" { "false" } else { "true" }),
        }
    }

    fn text(&mut self, units: &[u16]) {
        self.out.push('"');
        for unit in units {
            self.out.push_str(&format!("\\u{unit:04X}"));
        }
        self.out.push('"');
    }
}

/// Every answer holds the members of the request as they came, and is signed over the values it holds.
fn is_answered_as_it_came(order: &Order, json: &Json<'_>) {
    let uid = RequestUid::new("another-name").unwrap();
    let alias = Identity { request_uid: &uid, request_datetime: "2031-02-03T04:05:06+01:00" };
    let errors = [OrderError::new(ErrorCode::PosRefused, "no \"taco\" today")];
    echoes(order, order.identity(), json, Some("POS \"7\"\u{2028}"), &[]);
    echoes(order, alias, json, None, &errors);

    let text = order.error_answer(&errors);
    assert_eq!(DigestMessage::of_body(&text), order.message(order.identity()), "an error is signed over what it says");
    let (error, faults) = json::read(&text).expect("an error is JSON");
    assert!(!faults.refuse());
    let allowed = ["request_uid", "organization_id", "location_id", "request_datetime", "order_details", "errors"];
    assert!(error.members().iter().all(|(key, _)| allowed.contains(&key.as_str())), "an error echoes more than was signed");
    let signed = ["online_order_id", "grand_total", "subtotal"];
    let details = error.get("order_details").expect("an error echoes the signed values");
    assert!(details.members().iter().all(|(key, _)| signed.contains(&key.as_str())), "an error echoes more than was signed");
}

fn echoes(order: &Order, identity: Identity<'_>, json: &Json<'_>, pos_order_id: Option<&str>, errors: &[OrderError]) {
    let status = if errors.is_empty() { OrderStatus::Placed } else { OrderStatus::Rejected };
    let what = Said {
        identity,
        status,
        totals: order.totals(),
        calculated: Calculated::AsItCame,
        pos_order_id,
        errors,
        processing: None,
    };
    let text = order.answer(&what, &PosOrderIdKey::default());
    assert_eq!(DigestMessage::of_body(&text), order.message(identity), "an answer is signed over what it says");
    let (answer, faults) = json::read(&text).expect("an answer is JSON");
    assert!(!faults.refuse());

    let mut said = answer.members().iter();
    let first = said.next().expect("an answer has a status");
    assert_eq!((first.0.as_str(), first.1.text()), ("status", Some(status.as_str())));
    for (key, sent) in json.members().iter().filter(|(key, _)| !matches!(key.as_str(), "status" | "errors")) {
        let (name, said) = said.next().expect("an answer has every member of the request");
        assert_eq!(name, key);
        match key.as_str() {
            "request_uid" => assert_eq!(said.text(), Some(identity.request_uid.as_str())),
            "request_datetime" => assert_eq!(said.text(), Some(identity.request_datetime)),
            "order_details" => {
                let kept = sent.members().iter().filter(|(key, _)| key.as_str() != "pos_order_id");
                let (last, rest) = said.members().split_last().expect("the answer's details have the POS's number");
                assert!(
                    kept.map(|(key, json)| (key.raw, json.raw)).eq(rest.iter().map(|(key, json)| (key.raw, json.raw))),
                    "{text}"
                );
                assert_eq!((last.0.as_str(), last.1.text()), ("pos_order_id", pos_order_id));
            }
            _ => assert_eq!((name.raw, said.raw), (key.raw, sent.raw), "{key:?}"),
        }
    }
    assert_eq!(said.next().map(|(key, _)| key.as_str()), (!errors.is_empty()).then_some("errors"));

    let again = Body::parse(text.as_bytes()).ok().and_then(|body| body.into_order().ok()).expect("an answer is an order");
    let what = Said { identity: again.identity(), totals: again.totals(), ..what };
    assert_eq!(again.answer(&what, &PosOrderIdKey::default()), text, "an answer to an answer");
}
