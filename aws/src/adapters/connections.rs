//! The table of WebSocket connections. One row says who opened a connection (`connection#ID`, `self`); each topic it watches stands
//! twice, under the connection to be found when that ends, and under the topic to be found when an order changes. API Gateway ends a
//! connection after two hours; what was not forgotten by then expires.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{Client as Dynamo, types::AttributeValue};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::unavailable;
use posnext_shared::{
    app::ports::{Connection, KeepConnections, ListWatchers, PortError},
    domain::{ids::Tenant, time::UnixMillis},
};

type Item = HashMap<String, AttributeValue>;

/// A little more than API Gateway lets a connection live.
const LONGEST_LIFE: Duration = Duration::from_mins(125);
/// Rows that are deleted at once.
const DELETES: usize = 8;
/// The row that says who opened a connection. No topic has this name.
const SELF: &str = "self";

#[derive(Serialize, Deserialize)]
struct Row {
    pk: String,
    sk: String,
    tenant: Tenant,
    client: String,
    expires_at: i64,
}

impl Row {
    fn new(pk: String, sk: &str, connection: &Connection, now: UnixMillis) -> Self {
        let Connection { tenant, client_id: client, .. } = connection.clone();
        Self { pk, sk: sk.to_owned(), tenant, client, expires_at: now.plus(LONGEST_LIFE).seconds() }
    }

    fn connection(self, id: String) -> Connection {
        Connection { id, tenant: self.tenant, client_id: self.client }
    }
}

/// The connections.
#[derive(Debug, Clone)]
pub struct ConnectionTable {
    dynamo: Dynamo,
    table: String,
}

fn pk_of(id: &str) -> String {
    format!("connection#{id}")
}

impl ConnectionTable {
    /// Those in the table of this name.
    #[must_use]
    pub const fn new(dynamo: Dynamo, table: String) -> Self {
        Self { dynamo, table }
    }

    async fn put(&self, row: Row) -> Result<(), PortError> {
        let item: Item = serde_dynamo::to_item(row).map_err(|error| PortError::Corrupt(error.to_string()))?;
        let put = self.dynamo.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map_err(|error| unavailable(&error))?;
        Ok(())
    }

    async fn delete(&self, pk: String, sk: &str) -> Result<(), PortError> {
        let delete = self.dynamo.delete_item().table_name(&self.table).key("pk", AttributeValue::S(pk));
        delete.key("sk", AttributeValue::S(sk.to_owned())).send().await.map_err(|error| unavailable(&error))?;
        Ok(())
    }

    async fn query(&self, pk: String) -> Result<Vec<Row>, PortError> {
        let query = self.dynamo.query().table_name(&self.table).consistent_read(true).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(pk));
        let (mut rows, mut after) = (Vec::new(), None::<Item>);
        loop {
            let page = query.clone().set_exclusive_start_key(after).send().await.map_err(|error| unavailable(&error))?;
            for item in page.items.unwrap_or_default() {
                // One that cannot be read keeps nobody else from being told; it expires.
                match serde_dynamo::from_item(item) {
                    Ok(row) => rows.push(row),
                    Err(error) => tracing::error!(%error, "the row of a connection cannot be read"),
                }
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }
}

impl KeepConnections for ConnectionTable {
    async fn open(&self, connection: &Connection, now: UnixMillis) -> Result<(), PortError> {
        self.put(Row::new(pk_of(&connection.id), SELF, connection, now)).await
    }

    async fn connection(&self, id: &str) -> Result<Option<(Connection, Vec<String>)>, PortError> {
        let (mut connection, mut topics) = (None, Vec::new());
        for row in self.query(pk_of(id)).await? {
            match row.sk == SELF {
                true => connection = Some(row.connection(id.to_owned())),
                false => topics.push(row.sk),
            }
        }
        Ok(connection.map(|connection| (connection, topics)))
    }

    async fn watch(&self, connection: &Connection, topic: &str, now: UnixMillis) -> Result<(), PortError> {
        // In this order: whatever is found by a topic is forgotten with its connection.
        self.put(Row::new(pk_of(&connection.id), topic, connection, now)).await?;
        self.put(Row::new(topic.to_owned(), &connection.id, connection, now)).await
    }

    async fn unwatch(&self, id: &str, topic: &str) -> Result<(), PortError> {
        self.delete(topic.to_owned(), id).await?;
        self.delete(pk_of(id), topic).await
    }
}

impl ListWatchers for ConnectionTable {
    async fn watchers(&self, topic: &str, now: UnixMillis) -> Result<Vec<Connection>, PortError> {
        let mut rows = self.query(topic.to_owned()).await?;
        // DynamoDB takes its time with what has expired.
        rows.retain(|row| row.expires_at > now.seconds());
        let connection = |mut row: Row| {
            let id = std::mem::take(&mut row.sk);
            row.connection(id)
        };
        Ok(rows.into_iter().map(connection).collect())
    }

    async fn forget(&self, id: &str, topics: &[String]) -> Result<(), PortError> {
        let known = self.query(pk_of(id)).await?.into_iter().map(|row| row.sk).filter(|sk| sk != SELF);
        let topics: BTreeSet<String> = known.chain(topics.iter().cloned()).collect();
        // To the end, whatever fails: what is left is found again by the next push, or expires.
        let deletes: Vec<_> = topics.iter().map(|topic| self.unwatch(id, topic)).collect();
        let done: Vec<_> = stream::iter(deletes).buffer_unordered(DELETES).collect().await;
        self.delete(pk_of(id), SELF).await?;
        done.into_iter().collect()
    }
}
