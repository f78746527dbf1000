//! A POS that is played, in a DynamoDB table of its own: what it holds outlives the process that asked, and a place counts
//! from its `done_at` whether or not the caller waits for it (docs/lifecycle.md#what-a-pos-promises).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::retry::RetryConfig,
    types::{AttributeValue, ReturnValue},
};
use serde::{Deserialize, Serialize};

use super::unavailable;
use posnext_shared::{
    app::ports::PortError,
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{Location, SandboxConnector},
        history::Cause,
        ids::OrderKey,
        status::{ErrorCode, OrderError},
        time::{UnixMillis, millis as as_millis},
    },
};

/// The played POS of every sandbox location.
#[derive(Debug, Clone)]
pub struct SandboxPos {
    dynamo: Client,
    table: String,
    now: fn() -> UnixMillis,
}

/// One order as the POS knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ticket {
    order_id: String,
    #[serde(default)]
    location_id: String,
    /// Placements that reached the POS.
    #[serde(default)]
    places: u32,
    #[serde(default)]
    meals: Vec<Meal>,
    /// The tombstone.
    #[serde(default)]
    cancelled_at: Option<UnixMillis>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Meal {
    pos_order_id: String,
    done_at: UnixMillis,
}

/// A meal that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Placement {
    /// PAR's `request_uid`.
    pub order_id: String,
    /// PAR's LocationId.
    pub location_id: String,
    /// The POS's own id of it.
    pub pos_order_id: String,
    /// Placements of the order that reached the POS.
    pub place_calls: u32,
    /// It was cancelled later.
    pub cancelled: bool,
}

impl Ticket {
    /// Meals that exist at `now`: done, and not prevented by an earlier tombstone.
    fn made(&self, now: UnixMillis) -> impl Iterator<Item = &Meal> {
        self.meals.iter().filter(move |meal| meal.done_at <= now && self.cancelled_at.is_none_or(|at| at >= meal.done_at))
    }
}

impl SandboxPos {
    /// A POS over the table of this name.
    #[must_use]
    pub fn new(dynamo: Client, table: String, now: fn() -> UnixMillis) -> Self {
        Self { dynamo, table, now }
    }

    /// The time there.
    pub(super) fn now(&self) -> UnixMillis {
        (self.now)()
    }

    /// Places an order.
    pub async fn place(&self, connector: &SandboxConnector, location: &Location, key: &OrderKey, limit: Duration) -> Placed {
        let not_reached = || Placed::NotStarted { cause: unreachable(), retry_after: None };
        if connector.down {
            return not_reached();
        }
        if connector.unreachable_first > 0 {
            match self.count_call(key).await {
                Ok(calls) if calls <= connector.unreachable_first => return not_reached(),
                Ok(_) => {}
                Err(error) => return Placed::NotStarted { cause: Cause::NoConnection(error.to_string()), retry_after: None },
            }
        }
        if let Some(message) = &connector.refuse {
            return Placed::Refused(vec![OrderError::new(ErrorCode::PosRefused, message)]);
        }
        let ticket = match self.make(connector, location, key).await {
            Ok(Some(ticket)) => ticket,
            Ok(None) => return Placed::Cancelled,
            Err(error) => return Placed::Unknown(cut(error)),
        };
        let Some(meal) = ticket.meals.last() else { return Placed::Unknown(cut("no meal was written")) };
        if ticket.places <= connector.lose_replies_first {
            return Placed::Unknown(cut("the reply was lost"));
        }
        let wait = meal.done_at.since((self.now)());
        if wait > limit {
            tokio::time::sleep(limit).await;
            return Placed::Unknown(Cause::NoAnswer(as_millis(limit).unsigned_abs()));
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            match self.ticket(key).await {
                Ok(Some(ticket)) if ticket.cancelled_at.is_some() => return Placed::Cancelled,
                Ok(_) => {}
                Err(error) => return Placed::Unknown(cut(error)),
            }
        }
        Placed::Done { pos_order_id: meal.pos_order_id.clone() }
    }

    /// Asks for an order.
    pub async fn find(&self, connector: &SandboxConnector, key: &OrderKey) -> Found {
        if connector.down {
            return Found::Unknown(unreachable());
        }
        match self.ticket(key).await {
            Ok(Some(ticket)) => match ticket.made((self.now)()).next() {
                _ if ticket.cancelled_at.is_some() => Found::Cancelled,
                Some(meal) => Found::Placed { pos_order_id: meal.pos_order_id.clone() },
                None => Found::Absent,
            },
            Ok(None) => Found::Absent,
            Err(error) => Found::Unknown(cut(error)),
        }
    }

    /// Cancels an order and leaves a tombstone, whether or not it was ever placed.
    pub async fn cancel(&self, connector: &SandboxConnector, location: &Location, key: &OrderKey) -> Cancelled {
        if connector.down {
            return Cancelled::Unknown(unreachable());
        }
        let sent = self
            .dynamo
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.pos_key()))
            .update_expression("SET cancelled_at = if_not_exists(cancelled_at, :now), order_id = :order, location_id = :location")
            .expression_attribute_values(":now", millis((self.now)()))
            .expression_attribute_values(":order", AttributeValue::S(key.request_uid.to_string()))
            .expression_attribute_values(":location", AttributeValue::S(location.location_id.to_string()))
            .send()
            .await;
        match sent {
            Ok(_) => Cancelled::Done,
            Err(error) => Cancelled::Unknown(cut(unavailable(&error))),
        }
    }

    /// Every meal that was made.
    ///
    /// # Errors
    /// [`PortError`] when the table cannot be read.
    pub async fn placements(&self) -> Result<Vec<Placement>, PortError> {
        let now = (self.now)();
        let mut pages = self.dynamo.scan().table_name(&self.table).consistent_read(true).into_paginator().items().send();
        let mut placements = Vec::new();
        while let Some(item) = pages.next().await {
            let ticket = read(item.map_err(|error| unavailable(&error))?)?;
            placements.extend(ticket.made(now).map(|meal| Placement {
                order_id: ticket.order_id.clone(),
                location_id: ticket.location_id.clone(),
                pos_order_id: meal.pos_order_id.clone(),
                place_calls: ticket.places,
                cancelled: ticket.cancelled_at.is_some(),
            }));
        }
        Ok(placements)
    }

    async fn count_call(&self, key: &OrderKey) -> Result<u32, PortError> {
        let updated = self
            .dynamo
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.pos_key()))
            .update_expression("SET order_id = :order ADD tries :one")
            .expression_attribute_values(":order", AttributeValue::S(key.request_uid.to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        let tries = updated.attributes.and_then(|mut attributes| attributes.remove("tries"));
        tries
            .and_then(|tries| tries.as_n().ok()?.parse().ok())
            .ok_or_else(|| PortError::Corrupt("a ticket without tries".to_owned()))
    }

    /// Makes the meal; an idempotent POS makes one, any other one a call. `None` if a tombstone stands.
    async fn make(&self, connector: &SandboxConnector, location: &Location, key: &OrderKey) -> Result<Option<Ticket>, PortError> {
        let meal = HashMap::from([
            ("pos_order_id".to_owned(), AttributeValue::S(format!("{}-{}", location.internal_id, uuid::Uuid::now_v7().simple()))),
            ("done_at".to_owned(), millis((self.now)().plus(Duration::from_millis(connector.delay_ms)))),
        ]);
        let meals = if connector.abilities.idempotent_place {
            "if_not_exists(meals, :meal)"
        } else {
            "list_append(if_not_exists(meals, :none), :meal)"
        };
        let mut update = self
            .dynamo
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.pos_key()))
            .update_expression(format!("SET meals = {meals}, order_id = :order, location_id = :location ADD places :one"))
            .condition_expression("attribute_not_exists(cancelled_at)")
            .expression_attribute_values(":meal", AttributeValue::L(vec![AttributeValue::M(meal)]))
            .expression_attribute_values(":order", AttributeValue::S(key.request_uid.to_string()))
            .expression_attribute_values(":location", AttributeValue::S(location.location_id.to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::AllNew);
        if !connector.abilities.idempotent_place {
            update = update.expression_attribute_values(":none", AttributeValue::L(Vec::new()));
        }
        // The SDK must not repeat this by itself: a POS whose place is not idempotent would make a meal each time.
        let once = aws_sdk_dynamodb::config::Builder::new().retry_config(RetryConfig::disabled());
        match update.customize().config_override(once).send().await {
            Ok(updated) => updated.attributes.map(read).transpose(),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => Ok(None),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn ticket(&self, key: &OrderKey) -> Result<Option<Ticket>, PortError> {
        let got = self
            .dynamo
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.pos_key()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        got.item.map(read).transpose()
    }
}

/// What a played POS says is sold out of these; it takes as long as a place, and is as often down.
pub(super) async fn sold_out(
    connector: &SandboxConnector,
    ids: &BTreeSet<&str>,
    limit: Duration,
) -> Result<HashSet<String>, PortError> {
    let delay = Duration::from_millis(connector.delay_ms);
    tokio::time::sleep(delay.min(limit)).await;
    if connector.down || delay > limit {
        return Err(PortError::Unavailable("the sandbox POS does not answer in time".to_owned()));
    }
    Ok(connector.sold_out.iter().filter(|id| ids.contains(id.as_str())).cloned().collect())
}

fn unreachable() -> Cause {
    Cause::NoConnection("the sandbox POS cannot be reached".to_owned())
}

fn cut(why: impl std::fmt::Display) -> Cause {
    Cause::Cut(why.to_string())
}

fn millis(time: UnixMillis) -> AttributeValue {
    AttributeValue::N(time.0.to_string())
}

fn read(item: HashMap<String, AttributeValue>) -> Result<Ticket, PortError> {
    serde_dynamo::from_item(item).map_err(|error| PortError::Corrupt(format!("a sandbox ticket: {error}")))
}
