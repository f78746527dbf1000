//! An item of the orders table, as DynamoDB's JSON. No item makes the reader panic, none of another version is read, and a
//! row that is read is written and read again as the same row and the same item.
//!
//! An item's `body` may be written as text (`{"S": ...}`): it is packed as the product packs it, so that the fuzzer reaches
//! what is inside. As bytes (`{"B": base64}`) it is taken as it is.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, engine::general_purpose::STANDARD};
use posnext_aws::adapters::order_item::{Item, alias_item, from_item, to_item};
use posnext_shared::domain::{
    contract::PosOrderIdKey,
    record::{OrderRecord, Row, State},
    signature::DigestMessage,
};

use super::json::{self, Faults, Json, Value};

/// Checks one item; whether it is read as a row.
pub fn check(data: &[u8]) -> bool {
    let read = std::str::from_utf8(data).ok().and_then(json::read).filter(|(_, faults)| *faults == Faults::default());
    let Some(mut item) = read.and_then(|(json, _)| attributes(&json)) else { return false };
    let format = item.get("v").and_then(|v| v.as_n().ok()?.parse::<u32>().ok());
    if let Some(AttributeValue::S(text)) = item.get("body") {
        let packed = lz4_flex::compress_prepend_size(text.as_bytes());
        item.insert("body".to_owned(), AttributeValue::B(Blob::new(packed)));
    }
    let Ok(row) = from_item(item.clone()) else { return false };
    assert_eq!(format, Some(3), "a format of another version");
    for other in ["1", "2", "4"] {
        item.insert("v".to_owned(), AttributeValue::N(other.to_owned()));
        assert!(from_item(item.clone()).is_err(), "a format of another version");
    }
    match row {
        Row::Order(record) => order(&record),
        // The end of time, in seconds, is not a whole number of milliseconds.
        Row::Alias(alias) if alias.expires_at.0 % 1000 != 0 => {}
        Row::Alias(alias) => {
            let item = alias_item(&alias).expect("what was read can be written");
            let Ok(Row::Alias(again)) = from_item(item) else { panic!("an alias is read again as something else") };
            assert_eq!(alias, again);
        }
    }
    true
}

fn order(record: &OrderRecord) {
    let answer = record.answer(record.order.identity(), &PosOrderIdKey::default(), None);
    assert_eq!(DigestMessage::of_body(&answer), record.order.message(record.order.identity()), "signed over what it says");
    assert!(json::read(&answer).is_some(), "an answer is JSON");

    let item = to_item(record).expect("what was read can be written");
    let open = record.open().is_some();
    assert_eq!(["due_at", "due_shard"].map(|name| item.contains_key(name)), [open, open], "the index holds open orders");
    assert_eq!(item.contains_key("expires_at"), !open, "only a final order is forgotten");
    assert_eq!(item.get("pk"), Some(&AttributeValue::S(record.key.to_string())));
    if matches!(&record.state, State::Final(end) if end.expires_at.0 % 1000 != 0) {
        return;
    }
    let Ok(Row::Order(again)) = from_item(item.clone()) else { panic!("an order is read again as something else") };
    assert_eq!(format!("{record:?}"), format!("{again:?}"));
    assert_eq!(to_item(&again).ok(), Some(item), "written twice");
}

fn attributes(json: &Json<'_>) -> Option<Item> {
    let Value::Object(members) = &json.value else { return None };
    members.iter().map(|(name, json)| Some((name.whole()?.to_owned(), attribute(json)?))).collect()
}

fn attribute(json: &Json<'_>) -> Option<AttributeValue> {
    let [(kind, json)] = json.members() else { return None };
    let bytes = |text: &str| STANDARD.decode(text).ok().map(Blob::new);
    Some(match (kind.as_str(), &json.value) {
        ("S", Value::Text(text)) => AttributeValue::S(text.whole()?.to_owned()),
        ("N", Value::Text(text)) => AttributeValue::N(text.whole()?.to_owned()),
        ("B", Value::Text(text)) => AttributeValue::B(bytes(text.whole()?)?),
        ("BOOL", Value::Bool(is)) => AttributeValue::Bool(*is),
        ("NULL", Value::Bool(is)) => AttributeValue::Null(*is),
        ("M", Value::Object(_)) => AttributeValue::M(attributes(json)?),
        ("L", Value::Array(items)) => AttributeValue::L(items.iter().map(attribute).collect::<Option<_>>()?),
        ("SS", Value::Array(items)) => AttributeValue::Ss(items.iter().map(text).collect::<Option<_>>()?),
        ("NS", Value::Array(items)) => AttributeValue::Ns(items.iter().map(text).collect::<Option<_>>()?),
        ("BS", Value::Array(items)) => AttributeValue::Bs(items.iter().map(|json| bytes(json.text()?)).collect::<Option<_>>()?),
        _ => return None,
    })
}

fn text(json: &Json<'_>) -> Option<String> {
    json.text().map(str::to_owned)
}
