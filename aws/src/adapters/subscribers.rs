//! Subscribers of webhooks, in the directory table: read as they are now, since who is switched off must not be told.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client as Dynamo,
    error::SdkError,
    operation::{
        put_item::PutItemError,
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::AttributeValue,
};

use super::unavailable;
use posnext_shared::{
    app::{
        METRICS,
        ports::{KeepSubscriber, ListSubscribers, PortError},
    },
    domain::{
        ids::{ParId, SubscriberId},
        time::UnixMillis,
        webhook::{Event, Subscriber},
    },
};

/// The subscribers.
#[derive(Debug, Clone)]
pub struct SubscriberTable {
    dynamo: Dynamo,
    table: String,
}

fn pk(organization: &ParId) -> AttributeValue {
    AttributeValue::S(format!("webhook#{organization}"))
}

fn read(item: HashMap<String, AttributeValue>) -> Result<Subscriber, PortError> {
    let name = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
    serde_dynamo::from_item(item).map_err(|error| PortError::Corrupt(format!("the row of subscriber {name}: {error}")))
}

impl SubscriberTable {
    /// Those in the directory table of this name.
    #[must_use]
    pub const fn new(dynamo: Dynamo, table: String) -> Self {
        Self { dynamo, table }
    }

    /// Writes a subscriber that is not there yet; `false` if it is.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn create(&self, subscriber: &Subscriber) -> Result<bool, PortError> {
        let mut item: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(subscriber).map_err(|error| PortError::Corrupt(error.to_string()))?;
        item.insert("pk".to_owned(), pk(&subscriber.organization_id));
        item.insert("sk".to_owned(), AttributeValue::S(subscriber.id.to_string()));
        let put = self.dynamo.put_item().table_name(&self.table).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(pk)").send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => Ok(false),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Switches a subscriber on, its failures forgotten, or off; `false` if there is none.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn switch(&self, organization: &ParId, id: &SubscriberId, enabled: bool) -> Result<bool, PortError> {
        let update =
            self.update(organization, id).update_expression("SET enabled = :enabled REMOVE off_because, failing_since, given_up");
        let update = update.expression_attribute_values(":enabled", AttributeValue::Bool(enabled));
        written(update.condition_expression("attribute_exists(pk)")).await
    }

    /// Removes a subscriber; `false` if there was none.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn remove(&self, organization: &ParId, id: &SubscriberId) -> Result<bool, PortError> {
        let delete = self.dynamo.delete_item().table_name(&self.table).key("pk", pk(organization));
        let delete = delete.key("sk", AttributeValue::S(id.to_string()));
        let old = delete.return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld).send().await;
        Ok(old.map_err(|error| unavailable(&error))?.attributes.is_some())
    }

    fn update(&self, organization: &ParId, id: &SubscriberId) -> UpdateItemFluentBuilder {
        let update = self.dynamo.update_item().table_name(&self.table);
        update.key("pk", pk(organization)).key("sk", AttributeValue::S(id.to_string()))
    }
}

/// Whether a conditional update was done.
async fn written(update: UpdateItemFluentBuilder) -> Result<bool, PortError> {
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) if is_conditional(&error) => Ok(false),
        Err(error) => Err(unavailable(&error)),
    }
}

fn is_conditional(error: &SdkError<UpdateItemError>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

impl ListSubscribers for SubscriberTable {
    async fn subscribers(&self, organization: &ParId) -> Result<Vec<Subscriber>, PortError> {
        let readable = |row: Result<Subscriber, PortError>| {
            row.inspect_err(|error| {
                tracing::info!(target: METRICS, ChangesPassedOver = 1);
                tracing::error!(alarm = "unreadable", %error, "a subscriber is told nothing");
            })
            .ok()
        };
        Ok(self.rows(organization).await?.into_iter().filter_map(readable).collect())
    }
}

impl SubscriberTable {
    /// The subscribers of an organization, each by itself: one that cannot be read keeps nobody from seeing the others.
    ///
    /// # Errors
    /// [`PortError`] when none can be told.
    pub async fn rows(&self, organization: &ParId) -> Result<Vec<Result<Subscriber, PortError>>, PortError> {
        let query = self.dynamo.query().table_name(&self.table).consistent_read(true).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", pk(organization));
        let (mut subscribers, mut after) = (Vec::new(), None::<HashMap<String, AttributeValue>>);
        loop {
            let page = query.clone().set_exclusive_start_key(after).send().await.map_err(|error| unavailable(&error))?;
            for item in page.items.unwrap_or_default() {
                subscribers.push(read(item));
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(subscribers);
            }
        }
    }
}

impl KeepSubscriber for SubscriberTable {
    async fn subscriber(&self, organization: &ParId, id: &SubscriberId) -> Result<Option<Subscriber>, PortError> {
        let get = self.dynamo.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key("pk", pk(organization)).key("sk", AttributeValue::S(id.to_string()));
        get.send().await.map_err(|error| unavailable(&error))?.item.map(read).transpose()
    }

    async fn failing(&self, subscriber: &Subscriber, now: UnixMillis, given_up: Option<&Event>) -> Result<(), PortError> {
        const FAILING: &str = "SET failing_since = if_not_exists(failing_since, :now)";
        let update = self.update(&subscriber.organization_id, &subscriber.id).condition_expression("attribute_exists(pk)");
        let update = update.expression_attribute_values(":now", AttributeValue::N(now.0.to_string()));
        let update = match given_up {
            None => update.update_expression(FAILING),
            Some(event) => update
                .update_expression(format!("{FAILING}, given_up = if_not_exists(given_up, :event)"))
                .expression_attribute_values(":event", AttributeValue::S(event.id.clone())),
        };
        written(update).await.map(|_| ())
    }

    async fn works(&self, subscriber: &Subscriber) -> Result<(), PortError> {
        let update = self.update(&subscriber.organization_id, &subscriber.id).update_expression("REMOVE failing_since, given_up");
        written(update.condition_expression("attribute_exists(pk)")).await.map(|_| ())
    }

    async fn switch_off(
        &self,
        subscriber: &Subscriber,
        because: &str,
        failing_since: Option<UnixMillis>,
    ) -> Result<bool, PortError> {
        let update = self.update(&subscriber.organization_id, &subscriber.id);
        let update = update.update_expression("SET enabled = :off, off_because = :because");
        let update = match failing_since {
            None => update.condition_expression("enabled = :on AND #secret = :secret"),
            Some(since) => update
                .condition_expression("enabled = :on AND #secret = :secret AND failing_since = :since")
                .expression_attribute_values(":since", AttributeValue::N(since.0.to_string())),
        };
        // Of one that was removed and added again, the secret is another.
        let update = update.expression_attribute_names("#secret", "secret");
        let update = update.expression_attribute_values(":secret", AttributeValue::S(subscriber.secret.clone()));
        let update = update.expression_attribute_values(":off", AttributeValue::Bool(false));
        let update = update.expression_attribute_values(":on", AttributeValue::Bool(true));
        written(update.expression_attribute_values(":because", AttributeValue::S(because.to_owned()))).await
    }
}
