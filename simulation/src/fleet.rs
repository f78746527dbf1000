//! Lambda: processes of each function, with the product's own wiring in each; the queue and the schedule that invoke them;
//! and API Gateway before them.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lambda_events::sqs::SqsMessage;
use http::{Request, Response};
use posnext_aws::{
    edge::{
        get::GetOrder,
        queue::{Answer, Consumer, Invocation},
        schedule,
        submit::Submit,
        validate::Validate,
    },
    settings::Settings,
    wiring::{OnAws, Parts},
};
use posnext_shared::{
    app::recover::Recover,
    domain::{
        by_hand::{Granted, Wish},
        policy::{API_FUNCTION_TIMEOUT, WORKER_FUNCTION_TIMEOUT},
    },
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    aws::Services,
    clock::MachineClock,
    dice::Dice,
    faults::Fault,
    pos::Restaurants,
    process::Process,
    sim::{Shared, lock},
    wire::Wire,
};

/// Invocations that the account has room for at a time.
const ROOM: usize = 24;
/// Of a thousand invocations so many get a process of their own, although another is idle.
const FRESH: u32 = 150;

/// The functions, over this world.
pub(crate) type World = OnAws<MachineClock, Wire>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Submit,
    Validate,
    Get,
    Process,
    Recover,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit-order",
            Self::Validate => "validate-order",
            Self::Get => "get-order",
            Self::Process => "process-order",
            Self::Recover => "recover-orders",
        }
    }
}

/// One execution environment. It holds every function, of which it is used for one.
#[derive(Debug)]
pub(crate) struct Instance {
    who: String,
    parts: Parts<MachineClock, Wire>,
    warm: AtomicBool,
    submit: Submit<World>,
    validate: Validate<World>,
    get: GetOrder<World>,
    process: Consumer<World>,
    recover: Recover<World>,
}

#[derive(Debug)]
pub(crate) struct Fleet {
    sim: Shared,
    services: Arc<Services>,
    restaurants: Arc<Restaurants>,
    /// Before and after they are changed.
    settings: [Settings; 2],
    idle: Mutex<BTreeMap<Kind, Vec<Arc<Instance>>>>,
    running: AtomicUsize,
    invocations: AtomicU64,
}

impl Fleet {
    pub(crate) fn new(
        sim: &Shared,
        services: &Arc<Services>,
        restaurants: &Arc<Restaurants>,
        settings: [Settings; 2],
    ) -> Arc<Self> {
        Arc::new(Self {
            sim: Arc::clone(sim),
            services: Arc::clone(services),
            restaurants: Arc::clone(restaurants),
            settings,
            idle: Mutex::default(),
            running: AtomicUsize::new(0),
            invocations: AtomicU64::new(0),
        })
    }

    /// What a caller is answered; nothing if the function does not, or there is no room for it.
    pub(crate) async fn http(self: &Arc<Self>, kind: Kind, request: Request<String>) -> Option<Response<String>> {
        let answering = async move |instance: Arc<Instance>| match kind {
            Kind::Submit => instance.submit.handle(request).await,
            Kind::Validate => instance.validate.handle(request).await,
            _ => instance.get.handle(request).await,
        };
        self.invoke(kind, API_FUNCTION_TIMEOUT, answering).await
    }

    /// What a person is answered who wants something done.
    pub(crate) async fn wish(self: &Arc<Self>, wish: Wish) -> Option<Granted> {
        let invocation = Invocation { records: None, wish: Some(wish) };
        let granting = async move |instance: Arc<Instance>| instance.process.invoke(invocation, WORKER_FUNCTION_TIMEOUT).await;
        match self.invoke(Kind::Process, WORKER_FUNCTION_TIMEOUT, granting).await? {
            Ok(Answer::Granted(granted)) => Some(granted),
            _ => None,
        }
    }

    /// Hands out the queue's messages, for ever.
    pub(crate) async fn consume(self: Arc<Self>) {
        loop {
            let batch = self.services.queue.receive(10).await;
            self.sim.by_day().await;
            let this = Arc::clone(&self);
            tokio::spawn(async move {
                let record = |id: u64, body: &str| {
                    let mut record = SqsMessage::default();
                    (record.message_id, record.body) = (Some(id.to_string()), Some(body.to_owned()));
                    record
                };
                let records = batch.iter().map(|message| record(message.id, &message.body)).collect();
                let invocation = Invocation { records: Some(records), wish: None };
                let work =
                    async move |instance: Arc<Instance>| instance.process.invoke(invocation, WORKER_FUNCTION_TIMEOUT).await;
                let Some(Ok(Answer::Batch(response))) = this.invoke(Kind::Process, WORKER_FUNCTION_TIMEOUT, work).await else {
                    return;
                };
                let failed: Vec<_> = response.batch_item_failures.iter().map(|failed| failed.item_identifier.clone()).collect();
                for message in batch.iter().filter(|message| !failed.contains(&message.id.to_string())) {
                    this.services.queue.delete(message.id);
                }
            });
        }
    }

    /// Runs recovery every minute, for ever.
    pub(crate) async fn recover(self: Arc<Self>) {
        let mut dice = self.sim.dice.part("schedule", 0);
        loop {
            sleep(Duration::from_secs(60)).await;
            self.sim.by_day().await;
            if self.sim.is_broken(Fault::ScheduleStops) || self.sim.strikes(&mut dice, Fault::RunMissed) {
                continue;
            }
            let work =
                async move |instance: Arc<Instance>| schedule::run(&instance.recover, WORKER_FUNCTION_TIMEOUT).await.is_ok();
            let this = Arc::clone(&self);
            tokio::spawn(async move { this.invoke(Kind::Recover, WORKER_FUNCTION_TIMEOUT, work).await });
        }
    }

    async fn invoke<T, W>(
        self: &Arc<Self>,
        kind: Kind,
        limit: Duration,
        work: impl FnOnce(Arc<Instance>) -> W + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let mut dice = self.sim.dice.part("invocation", self.invocations.fetch_add(1, Ordering::Relaxed));
        if self.running.load(Ordering::Relaxed) >= ROOM || self.sim.strikes(&mut dice, Fault::NoRoom) {
            self.sim.tell(kind.name(), || "there is no room for an invocation".to_owned());
            return None;
        }
        let instance = self.instance(kind, &mut dice);
        let (answer, answered) = oneshot::channel();
        let (over, this, who) = (Arc::new(AtomicBool::new(false)), Arc::clone(self), instance.who.clone());
        self.running.fetch_add(1, Ordering::Relaxed);
        let (was_over, used) = (Arc::clone(&over), Arc::clone(&instance));
        let process = Process::new(&self.sim, who.clone(), limit, dice, async move {
            if !used.warm.swap(true, Ordering::Relaxed) {
                used.parts.warm_up().await;
            }
            work(used).await
        });
        let of = Arc::clone(&instance);
        tokio::spawn(async move {
            let Some(value) = process.await else { return };
            if was_over.load(Ordering::Relaxed) {
                return this.sim.tell(&of.who, || "answers an invocation that is over".to_owned());
            }
            lock(&this.idle).entry(kind).or_default().push(of);
            let _ = answer.send(value);
        });
        let outcome = timeout(limit, answered).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        match outcome {
            Ok(value) => value.ok(),
            Err(_) => {
                over.store(true, Ordering::Relaxed);
                self.sim.tell(&who, || "its time is over".to_owned());
                // The next invocation may find the process as it is.
                lock(&self.idle).entry(kind).or_default().push(instance);
                None
            }
        }
    }

    fn instance(&self, kind: Kind, dice: &mut Dice) -> Arc<Instance> {
        let mut idle = lock(&self.idle);
        let of_kind = idle.entry(kind).or_default();
        if !of_kind.is_empty() && !dice.in_a_thousand(FRESH) {
            let chosen = usize::try_from(dice.within(0..of_kind.len() as u64)).unwrap_or_default();
            return of_kind.swap_remove(chosen);
        }
        drop(idle);
        let clock = MachineClock::new(&self.sim);
        let who = format!("{}#{}", kind.name(), self.sim.number());
        if clock.ahead() != 0 {
            self.sim.tell(&who, || format!("begins with a clock that is {} ms ahead", clock.ahead()));
        }
        let aws = self.services.configured(&self.sim, &who, &clock, false);
        let wire = Wire { sim: Arc::clone(&self.sim), restaurants: Arc::clone(&self.restaurants) };
        let [before, after] = &self.settings;
        let changed = self.sim.strikes(dice, Fault::SettingsChanged);
        if changed {
            self.sim.tell(&who, || "has the changed settings".to_owned());
        }
        let settings = if changed { after } else { before };
        let parts = Parts::with(settings.clone(), &aws, clock, move || wire.clone());
        Arc::new(Instance {
            who,
            warm: AtomicBool::new(false),
            submit: parts.submit(),
            validate: parts.validate(),
            get: parts.get(),
            process: parts.process(),
            recover: parts.recover(),
            parts,
        })
    }
}
