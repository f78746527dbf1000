//! The stream of the orders table: every change of an order, one after the other, on its way to those who want to know. Nothing here
//! can hold up an order.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use aws_lambda_events::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use posnext_shared::{
    app::{
        METRICS,
        announce::Announce,
        ports::{PortError, Secrets},
        watch::TellWatchers,
        world::{Announces, TellsWatchers, World},
    },
    domain::{
        ids::OrderKey,
        policy::{DELIVERY_SEND_LIMIT, LAST_ANSWER, STORAGE_LIMIT},
        record::OrderRecord,
    },
};

/// The order that a change has left; nothing for what is no order any more, or only a second name of one.
pub type Changed = fn(&EventRecord) -> Result<Option<OrderRecord>, PortError>;

/// What must be left for one more change: its subscribers read, some messages, and then whoever watches.
const ONE_MORE: Duration = Duration::from_millis(
    STORAGE_LIMIT.as_millis() as u64 + DELIVERY_SEND_LIMIT.as_millis() as u64 + FOR_WATCHERS.as_millis() as u64,
);
/// Orders whose watchers are told at once.
const ORDERS: usize = 8;
/// Kept for those who watch.
const FOR_WATCHERS: Duration = Duration::from_secs(5);

/// The reader of the stream.
#[derive(Debug)]
pub struct Stream<W: World> {
    /// How a change is read.
    pub changed: Changed,
    /// Who is told of an order's end, where anybody can be.
    pub announce: Option<Announce<W>>,
    /// Who watches orders, where anybody can.
    pub watchers: Option<TellWatchers<W>>,
}

impl<W: Announces + TellsWatchers> Stream<W> {
    /// Works on a batch in its order, up to the first change that has to come again; Lambda sends the rest from there. Ends are announced
    /// first: who watches keeps no subscriber of the batch waiting. `remaining` is what the function's own time-out leaves.
    pub async fn handle(&self, event: Event, remaining: Duration) -> DynamoDbEventResponse {
        let began = Instant::now();
        let left = || remaining.saturating_sub(began.elapsed());
        let mut response = DynamoDbEventResponse::default();
        let mut changes: BTreeMap<OrderKey, Vec<OrderRecord>> = BTreeMap::new();
        for record in &event.records {
            let announced = match left() {
                left if left < ONE_MORE => Err(PortError::Unavailable("not enough of the function's time is left".to_owned())),
                // On the heap, as what watchers need below: the compiler would else lay out all of it at once.
                left => tokio::time::timeout(left - FOR_WATCHERS, Box::pin(self.announced(record)))
                    .await
                    .unwrap_or_else(|_| Err(PortError::Unavailable("the function's time is nearly over".to_owned()))),
            };
            match announced {
                Ok(order) => {
                    if let Some(order) = order {
                        changes.entry(order.key.clone()).or_default().push(order);
                    }
                }
                // It would be no better the next time, and all that comes after it would wait.
                Err(PortError::Corrupt(reason)) => {
                    tracing::info!(target: METRICS, ChangesPassedOver = 1);
                    tracing::error!(alarm = "unreadable", event.id = record.event_id, reason, "a change is passed over");
                }
                Err(PortError::Unavailable(reason)) => {
                    tracing::error!(event.id = record.event_id, reason, "a change is left to come back");
                    // Without a number Lambda sends the whole batch again, which is safe.
                    let mut failure = DynamoDbBatchItemFailure::default();
                    failure.item_identifier = Some(record.change.sequence_number.clone().unwrap_or_default());
                    response.batch_item_failures.push(failure);
                    break;
                }
            }
        }
        // The next batch waits meanwhile, and with it its subscribers: so not for longer, whatever time is left.
        let limit = FOR_WATCHERS.min(left().saturating_sub(LAST_ANSWER));
        if tokio::time::timeout(limit, Box::pin(self.tell_watchers(changes))).await.is_err() {
            tracing::info!(target: METRICS, PushesFailed = 1);
            tracing::error!("there was no time to tell every watcher");
        }
        response
    }

    /// The order of a change, once its end is on its way to subscribers, if it is one.
    async fn announced(&self, record: &EventRecord) -> Result<Option<OrderRecord>, PortError> {
        let announced = AssertUnwindSafe(async {
            let order = (self.changed)(record)?;
            if let (Some(order), Some(announce)) = (&order, &self.announce) {
                announce.announce(order).await?;
            }
            Ok(order)
        });
        announced.catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(alarm = "panic", event.id = record.event_id, "announcing a change panicked");
            Err(PortError::Corrupt("it panics".to_owned()))
        })
    }

    /// Several orders at once, the changes of one in their order. Whoever is not told polls, so nothing comes again for it.
    async fn tell_watchers(&self, changes: BTreeMap<OrderKey, Vec<OrderRecord>>) {
        let Some(watchers) = &self.watchers else { return };
        let of_one = async move |changes: Vec<OrderRecord>| {
            for change in &changes {
                let told = AssertUnwindSafe(Box::pin(watchers.tell(change))).catch_unwind().await;
                let error = match told {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => {
                        tracing::error!(alarm = "panic", "telling watchers panicked");
                        "it panics".to_owned()
                    }
                };
                tracing::info!(target: METRICS, PushesFailed = 1);
                tracing::error!(order.key = %change.key, error, "watchers are not told of a change");
            }
        };
        let orders: Vec<_> = changes.into_values().map(of_one).collect();
        let told = stream::iter(orders).buffer_unordered(ORDERS).collect::<Vec<()>>();
        tokio::join!(told, watchers.gate.secrets.refresh_stale());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use posnext_shared::{
        app::{
            caller::Gate,
            ports::{Clock, Connection, Directory, ListSubscribers, ListWatchers, Push, Pushed, Refresh, SendDelivery},
        },
        domain::{
            ability::Abilities,
            contract::Contract,
            directory::{Client, Location, Organization},
            ids::{ParId, RequestUid, SubscriberId, Tenant},
            order::Body,
            pinned::{Pinned, PinnedPos},
            record::{Final, Outcome, State},
            signature::SharedId,
            time::UnixMillis,
            token::{ClientSecret, Expectations},
            webhook::{Delivery, EventKind, Subscriber},
        },
    };

    /// One subscriber, and a watcher at whom every push stands still.
    #[derive(Debug, Clone, Default)]
    struct Heard(Arc<Mutex<Vec<String>>>);

    impl ListSubscribers for Heard {
        async fn subscribers(&self, organization: &ParId) -> Result<Vec<Subscriber>, PortError> {
            Ok(vec![Subscriber {
                organization_id: organization.clone(),
                id: SubscriberId::new("s").unwrap(),
                url: String::new(),
                secret: String::new(),
                events: EventKind::OF_ORDERS.to_vec(),
                enabled: true,
                off_because: None,
                failing_since: None,
                given_up: None,
            }])
        }
    }

    impl SendDelivery for Heard {
        async fn send_delivery(&self, delivery: &Delivery, _: UnixMillis) -> Result<(), PortError> {
            self.0.lock().unwrap().push(format!("announced to {}", delivery.subscriber));
            Ok(())
        }
    }

    impl ListWatchers for Heard {
        async fn watchers(&self, _: &str, _: UnixMillis) -> Result<Vec<Connection>, PortError> {
            Ok(vec![Connection { id: "c".to_owned(), tenant: Tenant::new("par").unwrap(), client_id: "par".to_owned() }])
        }
        async fn forget(&self, _: &str, _: &[String]) -> Result<(), PortError> {
            Ok(())
        }
    }

    impl Push for Heard {
        async fn push(&self, id: &str, _: &str) -> Pushed {
            self.0.lock().unwrap().push(format!("pushed to {id}"));
            std::future::pending().await
        }
    }

    impl Directory for Heard {
        async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
            let (client_id, tenant) = ("par".to_owned(), Tenant::new("par").unwrap());
            Ok(Arc::new(vec![Client {
                client_id,
                tenant,
                secret: String::new(),
                organizations: vec![ParId::new("IA-YC-01").unwrap()],
            }]))
        }
        async fn organization(&self, id: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
            let (internal_id, shared_ids) = (String::new(), String::new());
            Ok(Some(Arc::new(Organization {
                organization_id: id.clone(),
                tenant: Tenant::new("par").unwrap(),
                internal_id,
                shared_ids,
            })))
        }
        async fn location(&self, _: &ParId, _: &ParId) -> Result<Option<Arc<Location>>, PortError> {
            Ok(None)
        }
    }

    impl Secrets for Heard {
        async fn client_secrets(&self, _: &str, _: Refresh) -> Result<Arc<Vec<ClientSecret>>, PortError> {
            Ok(Arc::default())
        }
        async fn shared_ids(&self, _: &str, _: Refresh) -> Result<Arc<Vec<SharedId>>, PortError> {
            Ok(Arc::new(SharedId::new("s", "0123456789").into_iter().collect()))
        }
        async fn pos_secret(&self, _: &str, _: Refresh) -> Result<String, PortError> {
            Ok(String::new())
        }
        async fn refresh_stale(&self) {}
    }

    impl Clock for Heard {
        fn now(&self) -> UnixMillis {
            UnixMillis(0)
        }
        fn fresh_id(&self) -> String {
            String::new()
        }
        fn random(&self) -> u64 {
            0
        }
    }

    impl World for Heard {
        type Clock = Self;
        type Directory = Self;
        type Secrets = Self;
        type Menus = ();
        type Orders = ();
        type Queue = ();
        type Pos = ();
        type Subscribers = Self;
        type Deliveries = Self;
        type Webhooks = ();
        type Connections = Self;
        type Push = Self;
    }

    fn placed() -> OrderRecord {
        let text = r#"{"request_uid":"u","organization_id":"IA-YC-01","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{}}"#;
        let outcome = Outcome::Placed { pos_order_id: "P".to_owned() };
        OrderRecord {
            key: OrderKey { tenant: Tenant::new("par").unwrap(), request_uid: RequestUid::new("u").unwrap() },
            version: 2,
            write_id: String::new(),
            order: Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap()),
            pos: Pinned { internal_id: "l".to_owned(), pos: PinnedPos::Sandbox { abilities: Abilities::default() } },
            shared_id: "s".to_owned(),
            accepted_at: UnixMillis(0),
            deadline: UnixMillis(0),
            attempts: 1,
            state: State::Final(Final { outcome, expires_at: UnixMillis(0) }),
            history: Vec::new(),
            traceparent: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_who_stands_still_holds_up_a_batch_for_seconds_and_no_subscriber_of_it() {
        let heard = Heard::default();
        let this = || heard.clone();
        let (expectations, contract) = (Expectations::default(), Arc::new(Contract::default()));
        let gate = Gate { directory: this(), secrets: this(), clock: this(), expectations, contract };
        let stream = Stream::<Heard> {
            changed: |_| Ok(Some(placed())),
            announce: Some(Announce { subscribers: this(), queue: this(), clock: this() }),
            watchers: Some(TellWatchers { gate, connections: this(), push: this() }),
        };
        let mut event = Event::default();
        event.records.push(EventRecord::default());
        let began = Instant::now();
        let response = stream.handle(event, Duration::from_secs(30)).await;
        assert_eq!(*heard.0.lock().unwrap(), ["announced to s", "pushed to c"], "in this order");
        assert!(response.batch_item_failures.is_empty(), "what a watcher misses does not come again");
        assert_eq!(began.elapsed(), FOR_WATCHERS);
    }
}
