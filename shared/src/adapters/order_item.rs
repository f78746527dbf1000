//! How an order's row stands in DynamoDB. Names are short: they are paid for with every write.

use std::{
    collections::HashMap,
    io::{Read, Write},
    sync::Arc,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize};

use crate::{
    app::ports::PortError,
    domain::{
        ids::OrderKey,
        order::{Fingerprint, Order},
        record::{Alias, HistoryEntry, OrderRecord, Row, State},
        time::UnixMillis,
    },
};

/// The attributes of an item.
pub type Item = HashMap<String, AttributeValue>;

/// The version of this format. A reader that meets a newer one leaves the row alone.
const FORMAT: u32 = 1;
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
    /// Id of the SharedId.
    sid: String,
    /// Accepted, in the index too.
    acc: UnixMillis,
    /// Deadline.
    dl: UnixMillis,
    /// Attempts.
    n: u32,
    st: State,
    hist: Vec<HistoryEntry>,
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
        sid: record.shared_id.clone(),
        acc: record.accepted_at,
        dl: record.deadline,
        n: record.attempts,
        st: record.state.clone(),
        hist: record.history.clone(),
        tp: record.traceparent.clone(),
        due_shard: due_at.map(|_| shard(&pk)),
        due_at,
        expires_at,
        pk,
    })
    .map_err(corrupt)?;
    item.insert("body".to_owned(), AttributeValue::B(Blob::new(deflate(record.order.text()).map_err(corrupt)?)));
    Ok(item)
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
/// [`PortError::Corrupt`] for what we did not store, or what a newer version of us did.
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
    let text = inflate(body.as_ref()).map_err(corrupt)?;
    let order = Order::restore(text, row.fp).map_err(|errors| PortError::Corrupt(format!("{errors:?}")))?;
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
        shared_id: row.sid,
        accepted_at: row.acc,
        deadline: row.dl,
        attempts: row.n,
        state,
        history: row.hist,
        traceparent: row.tp,
    })))
}

fn corrupt(error: impl std::fmt::Display) -> PortError {
    PortError::Corrupt(error.to_string())
}

fn deflate(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn inflate(bytes: &[u8]) -> std::io::Result<String> {
    let mut text = String::new();
    DeflateDecoder::new(bytes).take(LARGEST_ORDER).read_to_string(&mut text)?;
    Ok(text)
}
