//! What Lambda does around an invocation, for the local product and for the fault run: the concurrency of an account, and
//! how what found none free comes again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// How many functions may run at a time in an account, all together (AWS: "Understanding Lambda function scaling").
#[derive(Debug, Clone)]
pub struct Account {
    free: Arc<Semaphore>,
    throttled: Arc<AtomicU64>,
}

impl Account {
    /// What AWS gives an account unless it asks for more (AWS: "Lambda quotas").
    pub const DEFAULT: usize = 1_000;

    /// An account in which so many may run.
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(concurrency)), throttled: Arc::default() }
    }

    /// An invocation begins, and lasts until the permit is dropped; nothing where it is throttled.
    #[must_use]
    pub fn begin(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok();
        self.throttled.fetch_add(u64::from(permit.is_none()), Ordering::Relaxed);
        permit
    }

    /// Invocations that were throttled so far.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }
}

/// An invocation found no concurrency free (AWS: "Invoke", `TooManyRequestsException`, 429).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled;

impl std::fmt::Display for Throttled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("throttled: as many functions run as the account may run")
    }
}

impl std::error::Error for Throttled {}

/// How what was throttled comes again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    first: Duration,
    longest: Duration,
    all: Duration,
}

/// An asynchronous event, such as a schedule's (AWS: "How Lambda handles errors and retries with asynchronous invocation").
pub const QUEUED: Patience =
    Patience { first: Duration::from_secs(1), longest: Duration::from_mins(5), all: Duration::from_hours(6) };

/// A batch of messages, until it is visible in its queue again (AWS: "Handling errors for an SQS event source in Lambda";
/// the pauses are not told there).
#[must_use]
pub const fn until_visible(visibility: Duration) -> Patience {
    Patience { first: Duration::from_millis(200), longest: Duration::from_secs(10), all: visibility }
}

impl Patience {
    /// Invokes, and comes again as long as it is throttled. Another error is the caller's to handle.
    ///
    /// # Errors
    /// What the invocation failed with at last; [`Throttled`] if that was all the time.
    pub async fn invoke<T, F>(self, mut invocation: impl FnMut() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let (end, mut pause) = (Instant::now() + self.all, self.first);
        loop {
            match invocation().await {
                Err(error) if error.is::<Throttled>() && Instant::now() + pause < end => tokio::time::sleep(pause).await,
                other => return other,
            }
            pause = (pause * 2).min(self.longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_accounts_concurrency_an_invocation_is_throttled_and_counted() {
        let account = Account::new(2);
        let [first, _second] = [account.begin(), account.begin()];
        assert!(first.is_some() && account.clone().begin().is_none());
        drop(first);
        assert!(account.begin().is_some());
        assert_eq!(account.throttled(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_throttled_schedule_has_queued_is_delivered_hours_later() {
        let (account, began) = (Account::new(1), Instant::now());
        let busy = account.begin();
        let delivered = std::cell::RefCell::new(Vec::new());
        let scheduled = QUEUED.invoke(|| async {
            let _slot = account.begin().ok_or(Throttled)?;
            delivered.borrow_mut().push(began.elapsed());
            Ok(())
        });
        let until = tokio::time::sleep(Duration::from_hours(5));
        let free = async {
            until.await;
            drop(busy);
        };
        tokio::join!(scheduled, free).0.unwrap();
        let [after] = delivered.take()[..] else { panic!("it is delivered once") };
        assert!(after >= Duration::from_hours(5) && after < Duration::from_mins(306), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_queued_event_is_given_up_after_six_hours_and_another_failure_at_once() {
        let began = Instant::now();
        let error = QUEUED.invoke(|| async { Err::<(), _>(Throttled.into()) }).await.unwrap_err();
        assert!(error.is::<Throttled>() && began.elapsed() > Duration::from_mins(354), "{:?}", began.elapsed());
        let began = Instant::now();
        let failed = QUEUED.invoke(|| async { Err::<(), _>(anyhow::anyhow!("the function failed")) }).await;
        assert!(failed.is_err() && began.elapsed().is_zero());
    }
}
