//! The orders table. Every write is conditional; a repeat of one of our own writes is recognised by its write id.
//!
//! What is relied on, and no more (AWS: "DynamoDB transactions: How it works", isolation levels):
//!
//! - **A write against a write, single or in a transaction: serializable.** Of two writes of one row the later finds the
//!   earlier, or is refused (`TransactionConflict`) and tried again. Every decision is a condition of its write.
//! - **One strongly consistent read of one row**: it has every write that was answered before the read began. Replays and
//!   polls rely on it, and so does whoever asks whether its own write was done.
//! - **Two reads beside a transaction: read-committed.** They may see it half, one row already and the other not yet. So
//!   what was read of two rows (a guard, and then its owner) is a condition of the transaction that relies on it.
//! - **The index and the stream lag.** They are hints: whoever acts on one writes on condition of the row.
//! - **TTL forgets late, in any order, and is no condition.** A row that is still there counts, however old it is.
//! - **A write that failed may have been done.** The write id in the row tells.

mod claim;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Select},
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    order_item::{Item, MAY_TAKE, SHARDS, TAKE, from_item, taking, to_item},
    unavailable,
};
use posnext_shared::{
    app::ports::{ListOpen, NudgeOrder, OpenEntry, PortError, ReadOrder, SaveOrder, TakeOrder, Taken},
    domain::{
        ids::OrderKey,
        policy::STORAGE_LIMIT,
        record::{OrderRecord, Row},
        take::Take,
        time::UnixMillis,
    },
};

/// The sparse index of open orders.
pub const DUE_INDEX: &str = "due";

/// What a conditional write came to.
#[derive(Debug, PartialEq)]
enum PutIf {
    Written,
    /// The condition failed; this stands there.
    Stands(Item),
}

/// The orders table.
#[derive(Debug, Clone)]
pub struct OrderTable {
    client: Client,
    table: String,
    /// Who may call now: a call has a connection to itself.
    turns: Arc<Semaphore>,
}

impl OrderTable {
    /// The table of this name.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, turns: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)) }
    }

    /// The same over at most so many connections: a batch's records would else open one each, and pay for its handshake.
    #[must_use]
    pub fn over(self, connections: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(connections)), ..self }
    }

    /// Opens the connection. A failure is left to the first order.
    pub async fn warm_up(&self) {
        // No order's key is a bare `#`.
        let _ = self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S("#".to_owned())).send().await;
    }

    fn put(&self, item: Item, condition: &str) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Writes one item on a condition.
    async fn put_if(&self, item: Item, condition: &str, version: Option<u64>) -> Result<PutIf, PortError> {
        let began = Instant::now();
        loop {
            let error = match self.put_once(item.clone(), condition, version).await {
                Ok(()) => return Ok(PutIf::Written),
                Err(error) => error,
            };
            if may_repeat(&error, began) {
                pause().await;
                continue;
            }
            return match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(PutIf::Stands(failed.item().cloned().unwrap_or_default()))
                }
                _ => Err(unavailable(&error)),
            };
        }
    }

    async fn put_once(&self, item: Item, condition: &str, version: Option<u64>) -> Result<(), SdkError<PutItemError>> {
        let _turn = self.turns.acquire().await;
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(version.map(|version| Item::from([(":v".to_owned(), number(version))])))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await
            .map(|_| ())
    }
}

impl ReadOrder for OrderTable {
    async fn read(&self, key: &OrderKey) -> Result<Option<Row>, PortError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        got.item.map(from_item).transpose()
    }
}

impl SaveOrder for OrderTable {
    async fn save(&self, record: &OrderRecord) -> Result<bool, PortError> {
        let made_from = record.version.saturating_sub(1);
        match self.put_if(to_item(record)?, "ver = :v", Some(made_from)).await? {
            PutIf::Written => Ok(true),
            PutIf::Stands(old) => Ok(is_ours(record, &old)),
        }
    }
}

impl TakeOrder for OrderTable {
    async fn take(&self, take: &Take) -> Result<Taken, PortError> {
        let began = Instant::now();
        let expressions = taking(take)?;
        loop {
            let turn = self.turns.acquire().await;
            let sent = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("pk", AttributeValue::S(take.key.to_string()))
                .update_expression(TAKE)
                .condition_expression(MAY_TAKE)
                .expression_attribute_names("#open", "open")
                .set_expression_attribute_values(Some(expressions.clone()))
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            drop(turn);
            let error = match sent {
                Ok(written) => return lease(take, written.attributes.unwrap_or_default()),
                Err(error) => error,
            };
            if may_repeat(&error, began) {
                pause().await;
                continue;
            }
            return match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => stands(take, failed.item()),
                _ => Err(unavailable(&error)),
            };
        }
    }
}

impl NudgeOrder for OrderTable {
    async fn nudge(&self, key: &OrderKey, version: u64, due_at: UnixMillis, new_due_at: UnixMillis) -> Result<bool, PortError> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.to_string()))
            .update_expression("SET due_at = :new")
            .condition_expression("ver = :v AND due_at = :old")
            .expression_attribute_values(":v", number(version))
            .expression_attribute_values(":old", AttributeValue::N(due_at.0.to_string()))
            .expression_attribute_values(":new", AttributeValue::N(new_due_at.0.to_string()))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {
                Ok(false)
            }
            Err(error) => Err(unavailable(&error)),
        }
    }
}

impl ListOpen for OrderTable {
    async fn list_open(&self, limit: usize) -> Result<Vec<OpenEntry>, PortError> {
        let per_shard = i32::try_from(limit).unwrap_or(i32::MAX) / i32::try_from(SHARDS).unwrap_or(1);
        let mut entries = Vec::new();
        for shard in 0..SHARDS {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(DUE_INDEX)
                .key_condition_expression("due_shard = :s")
                .expression_attribute_values(":s", AttributeValue::S(format!("s{shard}")))
                .select(Select::AllProjectedAttributes)
                .limit(per_shard)
                .send()
                .await
                .map_err(|error| unavailable(&error))?;
            entries.extend(page.items.unwrap_or_default().iter().filter_map(open_entry));
        }
        entries.sort_by_key(|entry| entry.due_at);
        Ok(entries)
    }
}

fn open_entry(item: &Item) -> Option<OpenEntry> {
    let time = |name: &str| Some(UnixMillis(item.get(name)?.as_n().ok()?.parse().ok()?));
    Some(OpenEntry { key: key(item.get("pk")?.as_s().ok()?)?, due_at: time("due_at")?, accepted_at: time("acc")? })
}

fn key(text: &str) -> Option<OrderKey> {
    let (tenant, request_uid) = text.split_once('#')?;
    Some(OrderKey { tenant: tenant.to_owned().try_into().ok()?, request_uid: request_uid.to_owned().try_into().ok()? })
}

/// The lease that was taken, of the row that the write replaced.
fn lease(take: &Take, old: Item) -> Result<Taken, PortError> {
    let Row::Order(record) = from_item(old)? else { return Err(PortError::Corrupt("a lease on an alias".to_owned())) };
    let record = take.take(*record).ok_or_else(|| PortError::Corrupt("a lease on a row that does not wait".to_owned()))?;
    Ok(Taken::Ours(Box::new(record)))
}

/// Nothing was taken; unless by this very write, if the SDK repeated it after a lost reply.
fn stands(take: &Take, item: Option<&Item>) -> Result<Taken, PortError> {
    let Some(item) = item else { return Ok(Taken::Absent) };
    let row = from_item(item.clone())?;
    Ok(match row {
        Row::Order(record) if record.write_id == take.write_id => Taken::Ours(record),
        row => Taken::Stands(Box::new(row)),
    })
}

fn is_ours(record: &OrderRecord, old: &Item) -> bool {
    old.get("wid").and_then(|id| id.as_s().ok()) == Some(&record.write_id)
        && old.get("ver").and_then(|ver| ver.as_n().ok()) == Some(&record.version.to_string())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn build(error: aws_sdk_dynamodb::error::BuildError) -> PortError {
    PortError::Corrupt(error.to_string())
}

/// A transaction was at the same row. The tries share one write's time: budgets are sums (docs/lifecycle.md#time).
fn may_repeat(error: &impl ProvideErrorMetadata, began: Instant) -> bool {
    error.code() == Some("TransactionConflictException") && began.elapsed() < STORAGE_LIMIT / 2
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(10..60))).await;
}
