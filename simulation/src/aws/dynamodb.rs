//! DynamoDB: a real engine for conditions and updates; around it what AWS says of reads beside a transaction and of
//! indexes. Each write of an order's row is looked at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::anyhow;
use dynoxide::{Database, errors::DynoxideError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Said;
use crate::{
    dice::Dice,
    faults::Fault,
    sim::{Shared, lock},
};

pub(crate) const ORDERS: &str = "orders";
pub(crate) const DIRECTORY: &str = "directory";
pub(crate) const MENUS: &str = "menus";

/// The longest that a read that need not be consistent lags.
const STALE: Duration = Duration::from_millis(800);
/// The longest that an index lags.
const LAGS: Duration = Duration::from_secs(60);

/// An item, by its table and its key.
type Place = (String, String);

#[derive(Debug, Default)]
struct Beside {
    /// Items as they were before a transaction, and until when a read still sees them so.
    unseen: HashMap<Place, (Instant, Option<Value>)>,
    /// Items as they were before their last write, and when that was.
    before: HashMap<Place, (Instant, Option<Value>)>,
    /// What the index said last, by the question.
    said: HashMap<Vec<u8>, (Instant, String)>,
    /// Each order's version and state.
    rows: BTreeMap<String, (Value, Value, bool)>,
}

pub(crate) struct Tables {
    sim: Shared,
    engine: Database,
    beside: Mutex<Beside>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl Tables {
    pub(super) fn new(sim: &Shared) -> anyhow::Result<Self> {
        let engine = Database::memory().map_err(|error| anyhow!("{error:?}"))?;
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
        let orders = json!({
            "TableName": ORDERS, "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("pk", "HASH")],
            "AttributeDefinitions": [attribute("pk", "S"), attribute("due_shard", "S"), attribute("due_at", "N")],
            "GlobalSecondaryIndexes": [{
                "IndexName": "due", "KeySchema": [key("due_shard", "HASH"), key("due_at", "RANGE")],
                "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["acc"] },
            }],
        });
        let sorted = |name: &str| {
            json!({
                "TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
                "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "S")],
            })
        };
        for table in [orders, sorted(DIRECTORY), sorted(MENUS)] {
            engine.create_table(serde_json::from_value(table)?).map_err(|error| anyhow!("{error:?}"))?;
        }
        Ok(Self { sim: Arc::clone(sim), engine, beside: Mutex::default() })
    }

    /// Does a call; its reply leaves now.
    pub(super) fn call(&self, operation: &str, body: &[u8], dice: &mut Dice) -> Said {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let db = &self.engine;
        match operation {
            "GetItem" => self.get(&request, body, dice),
            "Query" if request.get("IndexName").is_some() => self.index(body, dice),
            "Query" => run(body, |request| db.query(request)),
            "PutItem" if self.sim.strikes(dice, Fault::NotConditional) => {
                let item = json!({ "TableName": request.get("TableName"), "Item": request.get("Item") }).to_string();
                self.written(&request, || run(item.as_bytes(), |request| db.put_item(request)))
            }
            "PutItem" => self.written(&request, || run(body, |request| db.put_item(request))),
            "UpdateItem" => self.written(&request, || run(body, |request| db.update_item(request))),
            "DeleteItem" => run(body, |request| db.delete_item(request)),
            "TransactWriteItems" => self.transaction(&request, body, dice),
            _ => Said::error(400, "com.amazonaws.dynamodb.v20120810#UnknownOperationException"),
        }
    }

    /// What TTL forgets at this time, in seconds.
    pub(crate) fn forget(&self, now: i64) {
        let request = json!({ "TableName": ORDERS }).to_string();
        let said = run(request.as_bytes(), |request| self.engine.scan(request));
        let found: Value = serde_json::from_str(&said.json).unwrap_or_default();
        let mut dice = self.sim.dice.part("ttl", now.unsigned_abs());
        for item in found.get("Items").and_then(Value::as_array).into_iter().flatten() {
            let expires = item.pointer("/expires_at/N").and_then(Value::as_str).and_then(|at| at.parse::<i64>().ok());
            let early = expires.is_some() && self.sim.strikes(&mut dice, Fault::ForgetsEarly);
            if early || expires.is_some_and(|at| at < now) {
                let key = json!({ "TableName": ORDERS, "Key": { "pk": item.get("pk") } }).to_string();
                run(key.as_bytes(), |request| self.engine.delete_item(request));
                if let Some(pk) = item.pointer("/pk/S").and_then(Value::as_str) {
                    lock(&self.beside).rows.remove(pk);
                }
            }
        }
    }

    fn get(&self, request: &Value, body: &[u8], dice: &mut Dice) -> Said {
        let place = place(request, "Key");
        let consistent = request.get("ConsistentRead").and_then(Value::as_bool) == Some(true);
        let stale = if consistent { Fault::NotConsistent } else { Fault::StaleRead };
        let before = place.as_ref().and_then(|place| lock(&self.beside).before.get(place).cloned());
        if let Some((_, before)) = before.filter(|(at, _)| at.elapsed() < STALE)
            && self.sim.strikes(dice, stale)
        {
            self.sim.tell("DynamoDB", || "a read sees a row as it was before".to_owned());
            return Said::ok(before.map_or_else(|| json!({}), |item| json!({ "Item": item })).to_string());
        }
        if let Some((until, before)) = place.and_then(|place| lock(&self.beside).unseen.get(&place).cloned())
            && Instant::now() < until
        {
            self.sim.tell("DynamoDB", || "a read sees a row as it was before a transaction".to_owned());
            return Said::ok(before.map_or_else(|| json!({}), |item| json!({ "Item": item })).to_string());
        }
        run(body, |request| self.engine.get_item(request))
    }

    fn index(&self, body: &[u8], dice: &mut Dice) -> Said {
        let now = Instant::now();
        if self.sim.strikes(dice, Fault::IndexLags) {
            let before = lock(&self.beside).said.get(body).filter(|(at, _)| now.duration_since(*at) < LAGS).cloned();
            return Said::ok(before.map_or_else(|| r#"{"Items":[],"Count":0,"ScannedCount":0}"#.to_owned(), |(_, said)| said));
        }
        let said = run(body, |request| self.engine.query(request));
        lock(&self.beside).said.insert(body.to_vec(), (now, said.json.clone()));
        said
    }

    fn transaction(&self, request: &Value, body: &[u8], dice: &mut Dice) -> Said {
        let items = request.get("TransactItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let puts: Vec<&Value> = items.iter().filter_map(|item| item.get("Put")).collect();
        let before: Vec<_> = puts.iter().filter_map(|put| place(put, "Item")).map(|place| (self.item(&place), place)).collect();
        let mut said = run(body, |request| self.engine.transact_write_items(request));
        if said.status == 200 {
            for (item, place) in before {
                lock(&self.beside).before.insert(place.clone(), (Instant::now(), item.clone()));
                if self.sim.strikes(dice, Fault::HalfSeen) {
                    // Whoever made it hears of it when all of it can be seen.
                    let unseen = dice.millis(0..HALF_SEEN);
                    said.not_before = said.not_before.max(unseen);
                    lock(&self.beside).unseen.insert(place, (Instant::now() + unseen, item));
                }
            }
            puts.iter().for_each(|put| self.look(put));
        }
        said
    }

    fn written(&self, request: &Value, write: impl FnOnce() -> Said) -> Said {
        let place = place(request, if request.get("Item").is_some() { "Item" } else { "Key" });
        let before = place.as_ref().and_then(|place| self.item(place));
        let said = write();
        if said.status == 200 {
            lock(&self.beside).before.extend(place.map(|place| (place, (Instant::now(), before))));
            self.look(request);
        }
        said
    }

    /// A final row does not change, and a version is one more than the one before.
    fn look(&self, write: &Value) {
        let Some(place) = place(write, if write.get("Item").is_some() { "Item" } else { "Key" }) else { return };
        let Some(item) = Some(&place).filter(|place| place.0 == ORDERS).and_then(|place| self.item(place)) else { return };
        let (Some(version), Some(state)) = (item.get("ver").cloned(), item.get("st").cloned()) else { return };
        let pk = item.pointer("/pk/S").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_final = item.get("due_shard").is_none();
        let before = lock(&self.beside).rows.insert(pk.clone(), (version.clone(), state.clone(), is_final));
        let Some((version_before, state_before, was_final)) = before else { return };
        if was_final && (version_before != version || state_before != state) {
            self.sim.harm("a final status changed", format!("{pk}: {state_before} became {state}"));
        }
        let number = |version: &Value| version.get("N").and_then(Value::as_str).and_then(|version| version.parse::<u64>().ok());
        if !matches!((number(&version_before), number(&version)), (Some(before), Some(now)) if now == before || now == before + 1)
        {
            self.sim.harm("a stale writer won", format!("{pk}: version {version_before} became {version}"));
        }
    }

    fn item(&self, (table, key): &Place) -> Option<Value> {
        let key: Value = serde_json::from_str(key).ok()?;
        let request = json!({ "TableName": table, "Key": key }).to_string();
        let said = run(request.as_bytes(), |request| self.engine.get_item(request));
        serde_json::from_str::<Value>(&said.json).ok()?.get("Item").cloned()
    }
}

/// The table and the key that a request names, which stand in its member of this name.
fn place(request: &Value, member: &str) -> Option<Place> {
    let (table, item) = (request.get("TableName")?.as_str()?, request.get(member)?);
    let key = match item.get("sk") {
        Some(sk) => json!({ "pk": item.get("pk")?, "sk": sk }),
        None => json!({ "pk": item.get("pk")? }),
    };
    Some((table.to_owned(), key.to_string()))
}

/// For so many milliseconds at most, a part of a transaction is seen and another is not.
const HALF_SEEN: u64 = 200;

fn run<Q: DeserializeOwned, A: Serialize>(body: &[u8], call: impl FnOnce(Q) -> Result<A, DynoxideError>) -> Said {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return Said {
                status: 400,
                json: json!({ "__type": "SerializationException", "message": error.to_string() }).to_string(),
                not_before: Duration::ZERO,
            };
        }
    };
    match call(request) {
        Ok(answer) => Said::ok(serde_json::to_string(&answer).unwrap_or_default()),
        Err(error) => Said { status: error.status_code(), json: error.to_json(), not_before: Duration::ZERO },
    }
}

/// A call, in words: what, and the keys it names.
pub(super) fn named(operation: &str, body: &[u8]) -> String {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let keys = |request: &Value| {
        let item = request.get("Key").or_else(|| request.get("Item"));
        item.and_then(|item| item.pointer("/pk/S")).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let items = request.get("TransactItems").and_then(Value::as_array);
    let of_all = |items: &Vec<Value>| {
        let each =
            items.iter().filter_map(|item| item.as_object()?.iter().next().map(|(verb, item)| format!("{verb} {}", keys(item))));
        each.collect::<Vec<_>>().join(", ")
    };
    let version = request.pointer("/Item/ver/N").and_then(Value::as_str).map(|version| format!(" version {version}"));
    let table = request.get("TableName").and_then(Value::as_str).unwrap_or_default();
    format!("{operation} {table} {}{}", items.map_or_else(|| keys(&request), of_all), version.unwrap_or_default())
}
