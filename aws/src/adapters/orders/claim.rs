//! The claim of an order, and of the guard on its online order id: one transaction.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, CancellationReason, ConditionCheck, TransactWriteItem},
};
use posnext_shared::{
    app::ports::{ClaimOrder, Claimed, PortError},
    domain::{
        guard::{Former, Guard},
        record::{Alias, OrderRecord},
        time::UnixMillis,
    },
};

use super::{
    super::{
        causes,
        order_item::{Item, alias_item, from_item, to_item},
        unavailable,
    },
    OrderTable, PutIf, build, is_ours, key, number,
};

impl OrderTable {
    /// An owner stands as it was read.
    fn still(&self, former: &Former) -> Result<ConditionCheck, PortError> {
        let check = ConditionCheck::builder().table_name(&self.table).key("pk", AttributeValue::S(former.owner.to_string()));
        let check = match former.version {
            None => check.condition_expression("attribute_not_exists(pk)"),
            Some(version) => check.condition_expression("ver = :v").expression_attribute_values(":v", number(version)),
        };
        check.build().map_err(build)
    }
}

impl ClaimOrder for OrderTable {
    async fn claim(&self, record: &OrderRecord, guard: Option<&Guard>) -> Result<Claimed, PortError> {
        let item = to_item(record)?;
        let Some(guard) = guard else {
            return match self.put_if(item, "attribute_not_exists(pk)", None).await? {
                PutIf::Written => Ok(Claimed::Ours),
                PutIf::Stands(old) => taken(record, old),
            };
        };
        let order = self.put(item, "attribute_not_exists(pk)").build().map_err(build)?;
        let mut items = vec![TransactWriteItem::builder().put(order).build()];
        let guarded = guard_item(guard)?;
        items.push(
            match &guard.former {
                None => TransactWriteItem::builder().put(self.put(guarded, "attribute_not_exists(pk)").build().map_err(build)?),
                Some(former) => {
                    let guarded = self.put(guarded, "attribute_not_exists(pk) OR #owner = :old");
                    let guarded = guarded.expression_attribute_names("#owner", "owner");
                    let old = AttributeValue::S(former.owner.to_string());
                    TransactWriteItem::builder().put(guarded.expression_attribute_values(":old", old).build().map_err(build)?)
                }
            }
            .build(),
        );
        // Of the order's own key its put is the check: one item may be named once.
        if let Some(former) = guard.former.as_ref().filter(|former| former.owner != record.key) {
            items.push(TransactWriteItem::builder().condition_check(self.still(former)?).build());
        }
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
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

/// Reads why a claim's transaction was cancelled: the order's own row first, then the guard, then its former owner.
fn cancelled_claim(record: &OrderRecord, reasons: Vec<CancellationReason>) -> Result<Claimed, PortError> {
    let failed = |reason: &CancellationReason| reason.code.as_deref() == Some("ConditionalCheckFailed");
    let mut reasons = reasons.into_iter();
    let (order, guard, former) = (reasons.next(), reasons.next(), reasons.next());
    if let Some(order) = order.as_ref().filter(|reason| failed(reason)) {
        return taken(record, order.item.clone().unwrap_or_default());
    }
    if let Some(guard) = guard.as_ref().filter(|reason| failed(reason)) {
        return guard
            .item
            .as_ref()
            .and_then(guarded)
            .ok_or_else(|| PortError::Corrupt("a guard row without an owner".to_owned()));
    }
    if former.as_ref().is_some_and(failed) {
        return Ok(Claimed::Contended);
    }
    let codes: Vec<_> = [order, guard, former].into_iter().flatten().filter_map(|reason| reason.code).collect();
    if codes.iter().any(|code| code == "TransactionConflict") {
        return Ok(Claimed::Contended);
    }
    Err(PortError::Unavailable(format!("the claim was cancelled: {codes:?}")))
}

/// Who owns a guard, and until when it holds: for good, if it does not say.
fn guarded(item: &Item) -> Option<Claimed> {
    let owner = key(item.get("owner")?.as_s().ok()?)?;
    let until = item.get("until").and_then(|until| until.as_n().ok()?.parse().ok());
    let earlier = item.get("earlier").and_then(|earlier| earlier.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
    let earlier = earlier.iter().filter_map(|earlier| key(earlier.as_s().ok()?)).collect();
    Some(Claimed::Guarded { owner, holds_until: UnixMillis(until.unwrap_or(i64::MAX)), earlier })
}

/// The key is taken; by this very write if the SDK repeated it after a lost reply.
fn taken(record: &OrderRecord, old: Item) -> Result<Claimed, PortError> {
    if is_ours(record, &old) { Ok(Claimed::Ours) } else { Ok(Claimed::Exists(Box::new(from_item(old)?))) }
}

fn guard_item(guard: &Guard) -> Result<Item, PortError> {
    let mut item = Item::from([
        ("pk".to_owned(), AttributeValue::S(guard.key.clone())),
        ("owner".to_owned(), AttributeValue::S(guard.owner.to_string())),
        ("until".to_owned(), AttributeValue::N(guard.holds_until.0.to_string())),
        ("expires_at".to_owned(), AttributeValue::N(guard.expires_at.seconds().to_string())),
    ]);
    if !guard.earlier.is_empty() {
        let earlier = guard.earlier.iter().map(|key| AttributeValue::S(key.to_string())).collect();
        item.insert("earlier".to_owned(), AttributeValue::L(earlier));
    }
    Ok(item)
}
