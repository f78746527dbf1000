//! How an order's row stands in DynamoDB. Names are short: they are paid for with every write.

use std::{collections::HashMap, io, sync::Arc};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::pinned_item::PinnedItem;
use posnext_shared::{
    app::ports::PortError,
    domain::{
        ids::OrderKey,
        order::{Fingerprint, Order},
        record::{Alias, OrderRecord, Row, State},
        status::Stage,
        take::Take,
        time::UnixMillis,
    },
};

/// The attributes of an item.
pub type Item = HashMap<String, AttributeValue>;

/// The version of this format. A reader that meets another one leaves the row alone.
const FORMAT: u32 = 3;
/// Shards of the index of open orders: enough for some 8,000 writes a second.
pub(super) const SHARDS: u32 = 8;
/// No stored order is larger, so nothing that inflates to more was stored by us.
const LARGEST_ORDER: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct OrderItem {
    pk: String,
    /// Format.
    v: u32,
    key: OrderKey,
    /// Version of the row.
    ver: u64,
    /// Write id.
    wid: String,
    /// Fingerprint.
    fp: Fingerprint,
    /// Where it goes: JSON, as text. A map would be read and written member by member, and with every write.
    pos: String,
    /// Id of the SharedId.
    sid: String,
    /// Accepted, in the index too.
    acc: UnixMillis,
    /// Deadline.
    dl: UnixMillis,
    /// Attempts.
    n: u32,
    st: State,
    /// What happened: JSON, as text, each.
    hist: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tp: Option<String>,
    /// Partition and sort key of the sparse index: present while the order is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_shard: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<UnixMillis>,
    /// TTL, in seconds: present once the order is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct AliasItem {
    pk: String,
    v: u32,
    key: OrderKey,
    owner: OrderKey,
    at: String,
    fp: Fingerprint,
    expires_at: i64,
}

/// The index shard of a key (FNV-1a).
pub(super) fn shard(pk: &str) -> String {
    let hash = pk.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("s{}", hash % SHARDS)
}

/// The item of a row.
///
/// # Errors
/// [`PortError::Corrupt`] when it cannot be written down.
pub fn to_item(record: &OrderRecord) -> Result<Item, PortError> {
    let pk = record.key.to_string();
    let (due_at, expires_at) = match &record.state {
        State::Open(open) => (Some(open.due_at), None),
        State::Final(end) => (None, Some(end.expires_at.seconds())),
    };
    let mut item: Item = serde_dynamo::to_item(OrderItem {
        v: FORMAT,
        key: record.key.clone(),
        ver: record.version,
        wid: record.write_id.clone(),
        fp: record.order.fingerprint().clone(),
        pos: json(&PinnedItem::from(&record.pos))?,
        sid: record.shared_id.clone(),
        acc: record.accepted_at,
        dl: record.deadline,
        n: record.attempts,
        st: record.state.clone(),
        hist: record.history.iter().map(json).collect::<Result<_, _>>()?,
        tp: record.traceparent.clone(),
        due_shard: due_at.map(|_| shard(&pk)),
        due_at,
        expires_at,
        pk,
    })
    .map_err(corrupt)?;
    item.insert("body".to_owned(), AttributeValue::B(Blob::new(lz4_flex::compress_prepend_size(record.order.text().as_bytes()))));
    Ok(item)
}

/// [`Take::take`] as an update of the item.
pub(super) const TAKE: &str = "SET ver = ver + :one, wid = :wid, due_at = :until, n = n + :one, \
     st.#open.lease = :lease, st.#open.stage = :stage, hist = list_append(hist, :entry)";
/// When it may be done. A row of another format is left alone.
pub(super) const MAY_TAKE: &str = "ver = :ver AND v = :format AND dl >= :deadline AND size(hist) <= :longest \
     AND attribute_exists(st.#open) AND attribute_not_exists(st.#open.lease) \
     AND attribute_not_exists(st.#open.unknown_until) AND attribute_not_exists(st.#open.cancelling) \
     AND attribute_not_exists(st.#open.person)";

/// The values of both.
///
/// # Errors
/// [`PortError::Corrupt`] when they cannot be written down.
pub(super) fn taking(take: &Take) -> Result<Item, PortError> {
    fn value(value: impl Serialize) -> Result<AttributeValue, PortError> {
        serde_dynamo::to_attribute_value(value).map_err(corrupt)
    }
    Ok(Item::from([
        (":one".to_owned(), value(1)?),
        (":wid".to_owned(), value(&take.write_id)?),
        (":until".to_owned(), value(take.lease.until)?),
        (":lease".to_owned(), value(take.lease)?),
        (":stage".to_owned(), value(Stage::Placing)?),
        (":entry".to_owned(), value([json(&take.entry)?])?),
        (":ver".to_owned(), value(take.version)?),
        (":format".to_owned(), value(FORMAT)?),
        (":deadline".to_owned(), value(take.earliest_deadline)?),
        (":longest".to_owned(), value(Take::LONGEST_HISTORY)?),
    ]))
}

/// The item of an alias.
///
/// # Errors
/// [`PortError::Corrupt`] when it cannot be written down.
pub fn alias_item(alias: &Alias) -> Result<Item, PortError> {
    serde_dynamo::to_item(AliasItem {
        pk: alias.key.to_string(),
        v: FORMAT,
        key: alias.key.clone(),
        owner: alias.owner.clone(),
        at: alias.request_datetime.clone(),
        fp: alias.fingerprint.clone(),
        expires_at: alias.expires_at.seconds(),
    })
    .map_err(corrupt)
}

/// The row of an item.
///
/// # Errors
/// [`PortError::Corrupt`] for what we did not store, or what another version of us did.
pub fn from_item(mut item: Item) -> Result<Row, PortError> {
    let format = item.get("v").and_then(|v| v.as_n().ok()).and_then(|v| v.parse::<u32>().ok());
    if format != Some(FORMAT) {
        return Err(PortError::Corrupt(format!("row format {format:?} is not {FORMAT}")));
    }
    if item.contains_key("owner") {
        let alias: AliasItem = serde_dynamo::from_item(item).map_err(corrupt)?;
        return Ok(Row::Alias(Alias {
            key: alias.key,
            owner: alias.owner,
            request_datetime: alias.at,
            fingerprint: alias.fp,
            expires_at: UnixMillis(alias.expires_at.saturating_mul(1000)),
        }));
    }
    let Some(AttributeValue::B(body)) = item.remove("body") else {
        return Err(PortError::Corrupt("a row without a body".to_owned()));
    };
    let row: OrderItem = serde_dynamo::from_item(item).map_err(corrupt)?;
    let text = unpack(body.as_ref()).map_err(corrupt)?;
    let order = Order::restore(&text, row.fp).map_err(|errors| PortError::Corrupt(format!("{errors:?}")))?;
    let mut state = row.st;
    match (&mut state, row.due_at, row.expires_at) {
        (State::Open(open), Some(due_at), _) => open.due_at = due_at,
        (State::Final(end), _, Some(expires_at)) => end.expires_at = UnixMillis(expires_at.saturating_mul(1000)),
        _ => return Err(PortError::Corrupt("an open row without due_at, or a final one without expires_at".to_owned())),
    }
    Ok(Row::Order(Box::new(OrderRecord {
        key: row.key,
        version: row.ver,
        write_id: row.wid,
        order: Arc::new(order),
        pos: parsed::<PinnedItem>(&row.pos)?.into(),
        shared_id: row.sid,
        accepted_at: row.acc,
        deadline: row.dl,
        attempts: row.n,
        state,
        history: row.hist.iter().map(|entry| parsed(entry)).collect::<Result<_, _>>()?,
        traceparent: row.tp,
    })))
}

/// The order that a change of a row has left, given the row as it is now; nothing if it is gone, or none of an order: an alias,
/// a guard.
///
/// # Errors
/// [`PortError::Corrupt`] for what we did not store, or what another version of us did.
pub fn changed(image: Item) -> Result<Option<OrderRecord>, PortError> {
    if image.is_empty() || image.contains_key("owner") {
        return Ok(None);
    }
    Ok(match from_item(image)? {
        Row::Order(record) => Some(*record),
        Row::Alias(_) => None,
    })
}

fn json(value: &impl Serialize) -> Result<String, PortError> {
    serde_json::to_string(value).map_err(corrupt)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, PortError> {
    serde_json::from_str(text).map_err(corrupt)
}

fn corrupt(error: impl std::fmt::Display) -> PortError {
    PortError::Corrupt(error.to_string())
}

fn unpack(bytes: &[u8]) -> io::Result<String> {
    let bad = |error: &dyn std::fmt::Display| io::Error::other(format!("the order cannot be unpacked: {error}"));
    let (size, packed) = lz4_flex::block::uncompressed_size(bytes).map_err(|error| bad(&error))?;
    if size as u64 > LARGEST_ORDER {
        return Err(bad(&"it is larger than any that was stored"));
    }
    let text = lz4_flex::block::decompress(packed, size).map_err(|error| bad(&error))?;
    String::from_utf8(text).map_err(|error| bad(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use posnext_shared::domain::{
        ability::Abilities,
        ids::{ParId, RequestUid, Tenant},
        order::Body,
        pinned::{Pinned, PinnedPos},
        record::{Final, Outcome},
    };

    fn record() -> OrderRecord {
        let text = r#"{"request_uid":"u","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z",
            "order_details":{"grand_total":23.45}}"#;
        let outcome = Outcome::Placed { pos_order_id: "P".to_owned() };
        OrderRecord {
            key: OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u").unwrap() },
            version: 2,
            write_id: "w".to_owned(),
            order: Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap()),
            pos: Pinned { internal_id: "l".to_owned(), pos: PinnedPos::Sandbox { abilities: Abilities::default() } },
            shared_id: "s".to_owned(),
            accepted_at: UnixMillis(1),
            deadline: UnixMillis(2),
            attempts: 1,
            state: State::Final(Final { outcome, expires_at: UnixMillis(3_000) }),
            history: Vec::new(),
            traceparent: None,
        }
    }

    fn text(item: Item) -> Result<String, PortError> {
        match from_item(item)? {
            Row::Order(record) => Ok(record.order.text().to_owned()),
            Row::Alias(_) => panic!("an order is read as an alias"),
        }
    }

    #[test]
    fn a_row_of_this_format_is_read_and_of_any_other_left_alone() {
        let written = to_item(&record()).unwrap();
        assert_eq!(text(written.clone()).unwrap(), record().order.text());
        assert_eq!(record().order.location_id(), &ParId::new("L").unwrap());
        for other in [1, 2, FORMAT + 1] {
            let mut item = written.clone();
            item.insert("v".to_owned(), AttributeValue::N(other.to_string()));
            assert!(text(item).unwrap_err().to_string().contains(&format!("row format Some({other})")));
        }
    }

    #[test]
    fn a_body_that_claims_to_be_endless_is_refused_before_room_is_made_for_it() {
        for body in [vec![], vec![0xff, 0xff, 0xff, 0xff, 0], vec![9, 0, 0, 0, 1], vec![2, 0, 0, 0, 0x20, 0xc3, 0x28]] {
            let mut item = to_item(&record()).unwrap();
            item.insert("body".to_owned(), AttributeValue::B(Blob::new(body.clone())));
            assert!(matches!(text(item), Err(PortError::Corrupt(_))), "{body:?}");
        }
    }
}
