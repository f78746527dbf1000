//! The order board: one page that shows orders as they move, those of this process or, read-only, of a deployed stack. No part of the API.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use aws_sdk_sqs::types::QueueAttributeName;
use posnext_aws::adapters::{clock::SystemClock, orders::OrderTable};
use posnext_shared::{
    app::ports::{Clock, ListOpen, ReadOrder},
    domain::{
        canonical::Members,
        ids::{OrderKey, RequestUid, Tenant},
        json_text::whole,
        processing::{Processing, processing},
        record::{OrderRecord, Row},
        time::UnixMillis,
        words::{Change, history},
    },
};
use serde::Serialize;

use super::{CLIENT_ID, CLIENT_SECRET, ORGANIZATION, SHARED_ID, fixed_points, resources::QueueUrls};
use crate::par::{Manner, Par, sample_order};

/// Orders that are shown; older ones are forgotten.
const SHOWN: usize = 100;

/// The page. It asks for [`Board::state`] each second.
pub(super) const PAGE: &str = include_str!("board.html");

/// What the page shows.
#[derive(Debug)]
pub struct Board {
    orders: OrderTable,
    sqs: aws_sdk_sqs::Client,
    work: String,
    dead: String,
    source: Source,
    seen: Mutex<Seen>,
}

/// Whose orders they are.
#[derive(Debug)]
enum Source {
    /// This process's, which tells of each, and takes sample orders.
    Here(Box<Par>),
    /// A deployed stack's, by its URL: the index of open orders tells of each.
    Stack(String),
}

#[derive(Debug, Default)]
struct Seen {
    /// The newest first.
    keys: VecDeque<OrderKey>,
    /// Final ones: they do not change any more.
    ended: HashMap<OrderKey, Card>,
}

/// One order.
#[derive(Debug, Clone, Serialize)]
struct Card {
    request_uid: String,
    location_id: String,
    status: &'static str,
    #[serde(skip)]
    accepted: UnixMillis,
    /// Milliseconds from acceptance to the end, or until now.
    age_ms: u64,
    processing: Processing,
    history: Vec<Change>,
    /// Why a person must look at it.
    person: Option<String>,
}

/// Messages of a queue.
#[derive(Debug, Serialize)]
struct Depth {
    waiting: u32,
    under_way: u32,
    delayed: u32,
}

/// What the page is told.
#[derive(Debug, Serialize)]
pub struct State {
    /// URL of the stack, if it is one.
    of: Option<String>,
    orders: Vec<Card>,
    queue: Depth,
    dead_letters: Depth,
    /// Locations whose POS is not waited for at the moment; of a stack each instance knows its own.
    breakers: Option<Vec<String>>,
    /// Where sample orders can be sent.
    locations: Vec<fixed_points::Sample>,
}

impl Board {
    pub(super) fn new(orders: OrderTable, sqs: aws_sdk_sqs::Client, queues: &QueueUrls, url: &str) -> anyhow::Result<Self> {
        let par = Par::new(url, CLIENT_ID, CLIENT_SECRET, SHARED_ID)?;
        let (work, dead) = (queues.work.clone(), queues.dead.clone());
        Ok(Self { orders, sqs, work, dead, source: Source::Here(Box::new(par)), seen: Mutex::default() })
    }

    /// The board of a deployed stack: its URL, its orders, and the URLs of its two queues of orders.
    #[must_use]
    pub fn of_stack(url: &str, orders: OrderTable, sqs: aws_sdk_sqs::Client, work: String, dead: String) -> Self {
        Self { orders, sqs, work, dead, source: Source::Stack(url.to_owned()), seen: Mutex::default() }
    }

    /// Remembers the order that an answer to a submit is about, if it is about one.
    pub(super) fn notice(&self, answer: &str) {
        let members = Members::parse(answer).unwrap_or_default();
        let Some(request_uid) = members.get("request_uid").and_then(|text| whole(text).ok()) else { return };
        let (Ok(tenant), Ok(request_uid)) = (Tenant::new(CLIENT_ID), RequestUid::new(request_uid)) else { return };
        self.remember(OrderKey { tenant, request_uid });
    }

    fn remember(&self, key: OrderKey) {
        let seen = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.keys.contains(&key) {
            seen.keys.push_front(key);
            if let Some(old) = seen.keys.len().checked_sub(SHOWN + 1).and_then(|_| seen.keys.pop_back()) {
                seen.ended.remove(&old);
            }
        }
    }

    /// Everything the page shows, as it stands now.
    ///
    /// # Errors
    /// A sentence when the orders or the queues cannot be read.
    pub async fn state(&self, breakers: Option<Vec<String>>) -> anyhow::Result<State> {
        let (of, locations) = match &self.source {
            Source::Here(_) => (None, fixed_points::samples()),
            Source::Stack(url) => {
                let open = self.orders.list_open(SHOWN).await?;
                open.into_iter().for_each(|entry| self.remember(entry.key));
                (Some(url.clone()), Vec::new())
            }
        };
        let keys = self.seen.lock().unwrap_or_else(PoisonError::into_inner).keys.clone();
        let mut orders = Vec::new();
        for key in keys {
            // One row that cannot be read keeps no other from being shown.
            orders.extend(
                self.card(&key).await.inspect_err(|error| tracing::warn!(order.key = %key, %error, "not shown")).ok().flatten(),
            );
        }
        // An answer comes when it comes; what counts is when the order came.
        orders.sort_by_key(|card| std::cmp::Reverse(card.accepted));
        let (queue, dead_letters) = (self.depth(&self.work).await?, self.depth(&self.dead).await?);
        Ok(State { of, orders, queue, dead_letters, breakers, locations })
    }

    /// Sends a sample order to a location, as PAR would: the status and the body of the answer.
    pub(super) async fn sample(&self, location: &str) -> anyhow::Result<(http::StatusCode, String)> {
        let Source::Here(par) = &self.source else { bail!("nothing is sent to a deployed stack") };
        let order = sample_order(ORGANIZATION, location, &uuid::Uuid::now_v7().to_string());
        let answer = par.submit(&order, Manner::Right).await?;
        Ok((answer.code, answer.body))
    }

    async fn card(&self, key: &OrderKey) -> anyhow::Result<Option<Card>> {
        if let Some(card) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).ended.get(key) {
            return Ok(Some(card.clone()));
        }
        let record = match self.orders.read(key).await? {
            Some(Row::Order(record)) => *record,
            // A second name of an order that was shown under its first.
            Some(Row::Alias(_)) | None => return Ok(None),
        };
        let card = card(&record);
        if record.status().is_final() {
            let seen = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.keys.contains(key) {
                seen.ended.insert(key.clone(), card.clone());
            }
        }
        Ok(Some(card))
    }

    async fn depth(&self, queue: &str) -> anyhow::Result<Depth> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as UnderWay,
        };
        let asked = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All);
        let got = asked.send().await.context("the queue does not answer")?.attributes.unwrap_or_default();
        let count = |name| got.get(&name).and_then(|count| count.parse().ok()).unwrap_or(0);
        Ok(Depth { waiting: count(Waiting), under_way: count(UnderWay), delayed: count(Delayed) })
    }
}

fn card(record: &OrderRecord) -> Card {
    let now = SystemClock.now();
    let last = record.history.last().map_or(now, |change| change.at);
    let until = if record.status().is_final() { last } else { now };
    let age: Duration = until.since(record.accepted_at);
    Card {
        request_uid: record.order.request_uid().to_string(),
        location_id: record.order.location_id().to_string(),
        status: record.status().as_str(),
        accepted: record.accepted_at,
        age_ms: age.as_millis().try_into().unwrap_or(u64::MAX),
        processing: processing(record, record.order.request_uid(), now, None),
        history: history(record),
        person: record.open().and_then(|open| open.person).map(|person| person.to_string()),
    }
}
