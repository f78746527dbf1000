//! The tables and queues of the template, as far as the engines know their settings.

use std::collections::HashMap;

use anyhow::{Context, anyhow};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_sqs::types::QueueAttributeName;
use posnext_aws::{adapters::orders::DUE_INDEX, wiring::Aws};
use posnext_shared::domain::policy::WORKER_FUNCTION_TIMEOUT;

pub(super) const ORDERS: &str = "posnext-orders";
pub(super) const DIRECTORY: &str = "posnext-directory";
pub(super) const MENUS: &str = "posnext-menus";
pub(super) const SANDBOX: &str = "posnext-sandbox";
pub(super) const CONNECTIONS: &str = "posnext-connections";

/// The queues.
#[derive(Debug, Clone)]
pub(super) struct QueueUrls {
    pub(super) work: String,
    pub(super) dead: String,
    pub(super) webhooks: String,
}

/// Creates what is not there yet.
pub(super) async fn create(aws: &Aws) -> anyhow::Result<QueueUrls> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.dynamodb);
    let existing = dynamodb.list_tables().send().await.context("the local DynamoDB does not answer")?;
    let missing = |name: &str| !existing.table_names().iter().any(|table| table == name);
    if missing(ORDERS) {
        let due = GlobalSecondaryIndex::builder()
            .index_name(DUE_INDEX)
            .key_schema(key("due_shard", KeyType::Hash)?)
            .key_schema(key("due_at", KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::Include).non_key_attributes("acc").build())
            .build()?;
        let table = dynamodb.create_table().table_name(ORDERS).billing_mode(BillingMode::PayPerRequest);
        let table = table.attribute_definitions(attribute("pk", ScalarAttributeType::S)?).key_schema(key("pk", KeyType::Hash)?);
        let table = table.attribute_definitions(attribute("due_shard", ScalarAttributeType::S)?);
        let table = table.attribute_definitions(attribute("due_at", ScalarAttributeType::N)?).global_secondary_indexes(due);
        table.send().await.context("cannot create the orders table")?;
    }
    // Those have a partition and a sort key.
    for name in [DIRECTORY, MENUS, CONNECTIONS].into_iter().filter(|name| missing(name)) {
        let table = dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        let table = table.attribute_definitions(attribute("pk", ScalarAttributeType::S)?).key_schema(key("pk", KeyType::Hash)?);
        let table = table.attribute_definitions(attribute("sk", ScalarAttributeType::S)?).key_schema(key("sk", KeyType::Range)?);
        table.send().await.with_context(|| format!("cannot create the table {name}"))?;
    }
    if missing(SANDBOX) {
        let table = dynamodb.create_table().table_name(SANDBOX).billing_mode(BillingMode::PayPerRequest);
        let table = table.attribute_definitions(attribute("pk", ScalarAttributeType::S)?).key_schema(key("pk", KeyType::Hash)?);
        table.send().await.context("cannot create the sandbox table")?;
    }
    queues(&aws_sdk_sqs::Client::new(&aws.sqs)).await
}

async fn queues(sqs: &aws_sdk_sqs::Client) -> anyhow::Result<QueueUrls> {
    let create = async |name: &str, attributes: HashMap<QueueAttributeName, String>| {
        let created = sqs.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
        let created = created.with_context(|| format!("cannot create the queue {name}"))?;
        created.queue_url.ok_or_else(|| anyhow!("the queue {name} has no URL"))
    };
    let dead = create("posnext-orders-dlq", HashMap::new()).await?;
    let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:posnext-orders-dlq","maxReceiveCount":10}"#;
    // Six times the function's time-out and the batching window (AWS: "Configuring a queue to use with Lambda").
    let attributes = HashMap::from([
        (QueueAttributeName::VisibilityTimeout, (WORKER_FUNCTION_TIMEOUT.as_secs() * 6).to_string()),
        (QueueAttributeName::RedrivePolicy, redrive.to_owned()),
    ]);
    let webhooks = create("posnext-webhooks", HashMap::from([(QueueAttributeName::VisibilityTimeout, "180".to_owned())])).await?;
    Ok(QueueUrls { work: create("posnext-orders", attributes).await?, dead, webhooks })
}

fn key(name: &str, kind: KeyType) -> anyhow::Result<KeySchemaElement> {
    Ok(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?)
}

fn attribute(name: &str, kind: ScalarAttributeType) -> anyhow::Result<AttributeDefinition> {
    Ok(AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()?)
}
