//! The orders table. Every write is conditional; a repeat of one of our own writes is recognised by its write id.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    types::{
        AttributeValue, CancellationReason, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem,
    },
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    causes,
    order_item::{Item, MAY_TAKE, SHARDS, TAKE, alias_item, from_item, taking, to_item},
    unavailable,
};
use posnext_shared::{
    app::ports::{ClaimOrder, Claimed, ListOpen, NudgeOrder, OpenEntry, PortError, ReadOrder, SaveOrder, TakeOrder, Taken},
    domain::{
        guard::Guard,
        ids::OrderKey,
        policy::STORAGE_LIMIT,
        record::{Alias, OrderRecord, Row},
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

impl ClaimOrder for OrderTable {
    async fn claim(&self, record: &OrderRecord, guard: Option<&Guard>, now: UnixMillis) -> Result<Claimed, PortError> {
        let item = to_item(record)?;
        let Some(guard) = guard else {
            return match self.put_if(item, "attribute_not_exists(pk)", None).await? {
                PutIf::Written => Ok(Claimed::Ours),
                PutIf::Stands(old) => taken(record, old),
            };
        };
        let order = self.put(item, "attribute_not_exists(pk)").build().map_err(build)?;
        let guarded = self
            .put(guard_item(guard)?, "attribute_not_exists(pk) OR expires_at <= :now OR #owner = :old")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":now", AttributeValue::N(now.seconds().to_string()))
            .expression_attribute_values(
                ":old",
                // No order's key is a bare `#`.
                AttributeValue::S(guard.taken_over_from.as_ref().map_or_else(|| "#".to_owned(), OrderKey::to_string)),
            )
            .build()
            .map_err(build)?;
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(order).build())
            .transact_items(TransactWriteItem::builder().put(guarded).build())
            .client_request_token(&record.write_id)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Claimed::Ours),
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    cancelled_claim(record, cancelled.cancellation_reasons.unwrap_or_default())
                }
                TransactWriteItemsError::TransactionInProgressException(_) => Ok(Claimed::InProgress),
                error => Err(PortError::Unavailable(causes(&error))),
            },
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn claim_alias(&self, alias: &Alias) -> Result<bool, PortError> {
        Ok(self.put_if(alias_item(alias)?, "attribute_not_exists(pk)", None).await? == PutIf::Written)
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
    let (tenant, request_uid) = item.get("pk")?.as_s().ok()?.split_once('#')?;
    let time = |name: &str| Some(UnixMillis(item.get(name)?.as_n().ok()?.parse().ok()?));
    Some(OpenEntry {
        key: OrderKey { tenant: tenant.to_owned().try_into().ok()?, request_uid: request_uid.to_owned().try_into().ok()? },
        due_at: time("due_at")?,
        accepted_at: time("acc")?,
    })
}

/// Reads why a claim's transaction was cancelled: the order's own row first, then the guard.
fn cancelled_claim(record: &OrderRecord, reasons: Vec<CancellationReason>) -> Result<Claimed, PortError> {
    let failed = |reason: &CancellationReason| reason.code.as_deref() == Some("ConditionalCheckFailed");
    let mut reasons = reasons.into_iter();
    let (order, guard) = (reasons.next(), reasons.next());
    if let Some(order) = order.as_ref().filter(|reason| failed(reason)) {
        return taken(record, order.item.clone().unwrap_or_default());
    }
    if let Some(guard) = guard.as_ref().filter(|reason| failed(reason)) {
        let owner = guard.item.as_ref().and_then(|item| item.get("owner")?.as_s().ok()?.split_once('#'));
        let key = owner.and_then(|(tenant, request_uid)| {
            Some(OrderKey { tenant: tenant.to_owned().try_into().ok()?, request_uid: request_uid.to_owned().try_into().ok()? })
        });
        return key.map(Claimed::Guarded).ok_or_else(|| PortError::Corrupt("a guard row without an owner".to_owned()));
    }
    let codes: Vec<_> = [order, guard].into_iter().flatten().filter_map(|reason| reason.code).collect();
    if codes.iter().any(|code| code == "TransactionConflict") {
        return Ok(Claimed::Contended);
    }
    Err(PortError::Unavailable(format!("the claim was cancelled: {codes:?}")))
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

/// The key is taken; by this very write if the SDK repeated it after a lost reply.
fn taken(record: &OrderRecord, old: Item) -> Result<Claimed, PortError> {
    if is_ours(record, &old) { Ok(Claimed::Ours) } else { Ok(Claimed::Exists(Box::new(from_item(old)?))) }
}

fn is_ours(record: &OrderRecord, old: &Item) -> bool {
    old.get("wid").and_then(|id| id.as_s().ok()) == Some(&record.write_id)
        && old.get("ver").and_then(|ver| ver.as_n().ok()) == Some(&record.version.to_string())
}

fn guard_item(guard: &Guard) -> Result<Item, PortError> {
    Ok(Item::from([
        ("pk".to_owned(), AttributeValue::S(guard.key.clone())),
        ("owner".to_owned(), AttributeValue::S(guard.owner.to_string())),
        ("expires_at".to_owned(), AttributeValue::N(guard.expires_at.seconds().to_string())),
    ]))
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
