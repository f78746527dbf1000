//! Webhooks: announced, delivered, tried again, given up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use posnext_fakes::*;
use posnext_shared::{
    app::{announce::Announce, deliver::Deliver, ports::*, process::Turn, world::World},
    domain::{
        ids::{ParId, SubscriberId},
        pinned::Pinned,
        record::{Final, OrderRecord, Outcome, State},
        time::UnixMillis,
        webhook::{Delivery, Event, EventKind, Subscriber, Told, WebhookKey},
    },
};

/// Subscribers, a queue of deliveries, and what a subscriber answers.
#[derive(Debug, Clone)]
struct Hooks(Arc<HooksInner>);

#[derive(Debug)]
struct HooksInner {
    world: Fake,
    subscribers: Mutex<Vec<Subscriber>>,
    queue: Mutex<Vec<Delivery>>,
    answers: Mutex<VecDeque<Told>>,
    told: Mutex<Vec<(String, UnixMillis)>>,
    down: Mutex<bool>,
}

impl World for Hooks {
    type Clock = Fake;
    type Directory = ();
    type Secrets = Self;
    type Menus = ();
    type Orders = ();
    type Queue = ();
    type Pos = ();
    type Subscribers = Self;
    type Deliveries = Self;
    type Webhooks = Self;
    type Connections = ();
    type Push = ();
}

fn subscriber(id: &str) -> Subscriber {
    Subscriber {
        organization_id: ParId::new("O").unwrap(),
        id: SubscriberId::new(id).unwrap(),
        url: "https://hooks.example".to_owned(),
        secret: "s".to_owned(),
        events: EventKind::OF_ORDERS.to_vec(),
        enabled: true,
        off_because: None,
        failing_since: None,
        given_up: None,
    }
}

fn failed() -> Told {
    Told::Failed { reason: "answered 500".to_owned(), retry_after: None }
}

impl Hooks {
    fn new(subscribers: Vec<Subscriber>) -> Self {
        Self(Arc::new(HooksInner {
            world: Fake::default(),
            subscribers: Mutex::new(subscribers),
            queue: Mutex::default(),
            answers: Mutex::default(),
            told: Mutex::default(),
            down: Mutex::default(),
        }))
    }

    fn answer(&self, answers: impl IntoIterator<Item = Told>) {
        self.0.answers.lock().unwrap().extend(answers);
    }

    fn unavailable(&self) -> Result<(), PortError> {
        if *self.0.down.lock().unwrap() { Err(PortError::Unavailable("injected".to_owned())) } else { Ok(()) }
    }

    fn change(&self, of: &Subscriber, change: impl FnOnce(&mut Subscriber)) {
        change(self.0.subscribers.lock().unwrap().iter_mut().find(|one| one.id == of.id).unwrap());
    }

    fn first(&self) -> Subscriber {
        self.0.subscribers.lock().unwrap()[0].clone()
    }

    fn announce(&self) -> Announce<Self> {
        Announce { subscribers: self.clone(), queue: self.clone(), clock: self.0.world.clone() }
    }

    fn deliver(&self) -> Deliver<Self> {
        let this = || self.clone();
        Deliver { subscribers: this(), keys: this(), queue: this(), tell: this(), clock: self.0.world.clone() }
    }

    /// Plays the queue until it is empty: each message comes back when it is due, and after 15 minutes at the latest.
    async fn run(&self) -> usize {
        let mut turns = 0;
        let next = || self.0.queue.lock().unwrap().pop();
        while let Some(delivery) = next() {
            let wait = delivery.due_at.since(self.0.world.now()).min(Duration::from_mins(15));
            tokio::time::sleep(wait).await;
            assert_eq!(self.deliver().deliver(&delivery, Duration::from_secs(30)).await, Turn::Acknowledge);
            turns += 1;
        }
        turns
    }

    /// When it was told, in whole seconds since the first time.
    fn seconds(&self) -> Vec<u64> {
        let told = self.0.told.lock().unwrap();
        told.iter().map(|(_, at)| at.since(told[0].1).as_secs()).collect()
    }
}

impl ListSubscribers for Hooks {
    async fn subscribers(&self, organization: &ParId) -> Result<Vec<Subscriber>, PortError> {
        let all = self.0.subscribers.lock().unwrap().clone();
        Ok(all.into_iter().filter(|one| one.organization_id == *organization).collect())
    }
}

impl KeepSubscriber for Hooks {
    async fn subscriber(&self, _: &ParId, id: &SubscriberId) -> Result<Option<Subscriber>, PortError> {
        Ok(self.0.subscribers.lock().unwrap().iter().find(|one| one.id == *id).cloned())
    }
    async fn failing(&self, subscriber: &Subscriber, now: UnixMillis, given_up: Option<&Event>) -> Result<(), PortError> {
        self.change(subscriber, |one| {
            one.failing_since = one.failing_since.or(Some(now));
            one.given_up = one.given_up.clone().or(given_up.map(|event| event.id.clone()));
        });
        Ok(())
    }
    async fn works(&self, subscriber: &Subscriber) -> Result<(), PortError> {
        self.change(subscriber, |one| (one.failing_since, one.given_up) = (None, None));
        Ok(())
    }
    async fn switch_off(&self, subscriber: &Subscriber, because: &str, since: Option<UnixMillis>) -> Result<bool, PortError> {
        let now = self.subscriber(&subscriber.organization_id, &subscriber.id).await?.unwrap();
        let same = now.enabled && (since.is_none() || now.failing_since == since);
        if same {
            self.change(subscriber, |one| (one.enabled, one.off_because) = (false, Some(because.to_owned())));
        }
        Ok(same)
    }
}

impl SendDelivery for Hooks {
    async fn send_delivery(&self, delivery: &Delivery, _: UnixMillis) -> Result<(), PortError> {
        self.unavailable()?;
        self.0.queue.lock().unwrap().push(delivery.clone());
        Ok(())
    }
}

impl WebhookKeys for Hooks {
    async fn webhook_keys(&self, name: &str) -> Result<Arc<Vec<WebhookKey>>, PortError> {
        if name == "unreadable" { Err(PortError::Unavailable("no such secret".to_owned())) } else { Ok(Arc::default()) }
    }
}

impl TellSubscriber for Hooks {
    async fn tell(&self, _: &Subscriber, event: &Event, _: &[WebhookKey], now: UnixMillis, _: Duration) -> Told {
        self.0.told.lock().unwrap().push((event.id.clone(), now));
        self.0.answers.lock().unwrap().pop_front().unwrap_or(Told::Taken)
    }
}

fn ended(uid: &str) -> OrderRecord {
    let order = new(uid, "ON-1", 1);
    OrderRecord {
        key: order.key,
        version: 2,
        write_id: "w".to_owned(),
        order: order.order,
        pos: Pinned::of(mapped(all())),
        shared_id: "s".to_owned(),
        accepted_at: UnixMillis(0),
        deadline: UnixMillis(60_000),
        attempts: 1,
        state: State::Final(Final { outcome: Outcome::Rejected(Vec::new()), expires_at: UnixMillis(0) }),
        history: Vec::new(),
        traceparent: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_to_each_subscriber_that_wants_it() {
    let off = Subscriber { enabled: false, ..subscriber("off") };
    let other = Subscriber { events: vec![EventKind::Placed], ..subscriber("placed-only") };
    let elsewhere = Subscriber { organization_id: ParId::new("P").unwrap(), ..subscriber("elsewhere") };
    let hooks = Hooks::new(vec![subscriber("one"), off, other, elsewhere, subscriber("two")]);
    hooks.announce().announce(&ended("u")).await.unwrap();
    let names: Vec<_> = hooks.0.queue.lock().unwrap().iter().map(|delivery| delivery.subscriber.to_string()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(hooks.run().await, 2);
    let told = hooks.0.told.lock().unwrap().clone();
    assert!(told.len() == 2 && told[0].0 == told[1].0, "one event, one id: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_announced_is_left_to_come_again() {
    let hooks = Hooks::new(vec![subscriber("one")]);
    *hooks.0.down.lock().unwrap() = true;
    assert!(matches!(hooks.announce().announce(&ended("u")).await, Err(PortError::Unavailable(_))));
    *hooks.0.down.lock().unwrap() = false;
    hooks.announce().announce(&ended("u")).await.unwrap();
    assert_eq!(hooks.0.queue.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_by_the_schedule_and_a_success_ends_it() {
    let hooks = Hooks::new(vec![subscriber("one")]);
    hooks.answer([failed(), failed(), failed(), failed()]);
    hooks.announce().announce(&ended("u")).await.unwrap();
    hooks.run().await;
    let seconds = hooks.seconds();
    assert_eq!(seconds.len(), 5);
    for (at, latest) in seconds.iter().zip([0, 5, 65, 365, 2_165]) {
        assert!(*at <= latest && *at >= latest * 4 / 5, "{seconds:?}");
    }
    assert!(hooks.first().enabled && hooks.first().failing_since.is_none(), "a success is the end of failing");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_takes_nothing_for_a_day_is_switched_off_and_told_nothing_more() {
    let hooks = Hooks::new(vec![subscriber("one")]);
    hooks.answer((0..27).map(|_| failed()));
    hooks.announce().announce(&ended("u")).await.unwrap();
    hooks.run().await;
    let seconds = hooks.seconds();
    assert!(seconds.len() == 9 && (67_000..86_400).contains(&seconds[8]), "{seconds:?}");
    assert!(hooks.first().enabled, "one event that it will not take is no reason");
    hooks.announce().announce(&ended("u")).await.unwrap();
    hooks.run().await;
    assert!(hooks.first().enabled, "nor is the same one again");
    hooks.announce().announce(&ended("w")).await.unwrap();
    hooks.run().await;
    let off = hooks.first();
    assert!(!off.enabled && off.off_because.as_ref().unwrap().contains("answered 500"), "{off:?}");
    // What was on its way to it.
    hooks.0.queue.lock().unwrap().push(Delivery::first(Event::of(&ended("v")).unwrap(), &off, hooks.0.world.now()));
    assert_eq!((hooks.run().await, hooks.seconds().len()), (1, 27));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_given_up_switches_nobody_off_who_has_taken_another() {
    let hooks = Hooks::new(vec![subscriber("one")]);
    hooks.announce().announce(&ended("u")).await.unwrap();
    let mut delivery = hooks.0.queue.lock().unwrap().pop().unwrap();
    delivery.attempt = 9;
    hooks.answer([failed()]);
    let deliver = hooks.deliver();
    assert_eq!(deliver.deliver(&delivery, Duration::from_secs(30)).await, Turn::Acknowledge);
    assert!(hooks.first().enabled && hooks.first().failing_since.is_some());
    // It takes another meanwhile, between this one's look at it and its end.
    hooks.change(&subscriber("one"), |one| one.failing_since = Some(UnixMillis(0)));
    assert!(!hooks.switch_off(&hooks.first(), "late", Some(UnixMillis(7))).await.unwrap());
    assert!(hooks.first().enabled);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_to_one_who_is_told_of_other_things_is_dropped() {
    let hooks = Hooks::new(vec![subscriber("one")]);
    hooks.announce().announce(&ended("u")).await.unwrap();
    hooks.change(&subscriber("one"), |one| one.events = vec![EventKind::Placed]);
    assert_eq!((hooks.run().await, hooks.seconds().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_read_is_our_fault_and_switches_nobody_off() {
    let hooks = Hooks::new(vec![Subscriber { secret: "unreadable".to_owned(), ..subscriber("one") }]);
    for uid in ["u", "v", "w"] {
        hooks.announce().announce(&ended(uid)).await.unwrap();
        hooks.run().await;
    }
    let one = hooks.first();
    assert!(
        one == Subscriber { secret: "unreadable".to_owned(), ..subscriber("one") } && hooks.seconds().is_empty(),
        "never sent unsigned, and nothing held against it: {one:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn gone_is_the_end_and_retry_after_is_kept_to() {
    let hooks = Hooks::new(vec![subscriber("one")]);
    let busy = Told::Failed { reason: "answered 429".to_owned(), retry_after: Some(Duration::from_mins(40)) };
    hooks.answer([busy, Told::Gone]);
    hooks.announce().announce(&ended("u")).await.unwrap();
    let turns = hooks.run().await;
    assert_eq!(hooks.seconds(), [0, 2_400], "in hops of a queue's longest delay");
    assert_eq!(turns, 4);
    assert_eq!(hooks.first().off_because.as_deref(), Some("it answered 410 Gone"));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_next_try_cannot_be_sent_is_left_to_come_back() {
    let hooks = Hooks::new(vec![subscriber("one")]);
    hooks.announce().announce(&ended("u")).await.unwrap();
    let delivery = hooks.0.queue.lock().unwrap().pop().unwrap();
    hooks.answer([failed()]);
    *hooks.0.down.lock().unwrap() = true;
    assert!(matches!(hooks.deliver().deliver(&delivery, Duration::from_secs(30)).await, Turn::Retry(_)));
    // Nothing begins that the function's time-out would cut.
    assert!(matches!(hooks.deliver().deliver(&delivery, Duration::from_secs(10)).await, Turn::Retry(_)));
    assert_eq!(hooks.seconds().len(), 1);
}
