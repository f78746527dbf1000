//! What is outside: the queues and the POS.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use posnext_shared::{
    app::ports::*,
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{Connector, Location},
        history::Cause,
        record::OrderRecord,
        time::millis,
    },
};

use crate::world::Fake;

impl SendOrder for Fake {
    async fn send(&self, message: &OrderMessage, delay: Duration) -> Result<(), PortError> {
        // The row comes first: a message about a version that is not stored would be acknowledged as nobody's.
        let stored = self.stored(&message.key);
        assert_eq!(stored.version, message.version, "sent before it was written, or although it was not");
        if *self.0.queue_down.lock().unwrap() {
            return Err(PortError::Unavailable("the queue is down".to_owned()));
        }
        self.0.sent.lock().unwrap().push((message.clone(), delay));
        Ok(())
    }
}

impl SetAside for Fake {
    async fn set_aside(&self, what: Aside<'_>, reason: &str) -> Result<(), PortError> {
        if *self.0.queue_down.lock().unwrap() {
            return Err(PortError::Unavailable("the queue is down".to_owned()));
        }
        self.0.aside.lock().unwrap().push(format!("{reason}: {what:?}"));
        Ok(())
    }
}

fn no_answer(limit: Duration) -> Cause {
    Cause::NoAnswer(millis(limit).unsigned_abs())
}

impl Fake {
    fn called(&self, call: &'static str, location: &Location) {
        self.0.calls.lock().unwrap().push(call);
        self.0.stores.lock().unwrap().push(location.internal_id.clone());
    }
}

impl Pos for Fake {
    type Line = ();

    async fn open(&self, _: &Location) {
        let takes = {
            let (takes, opened) = &mut *self.0.opening.lock().unwrap();
            *opened += 1;
            *takes
        };
        tokio::time::sleep(takes).await;
    }

    async fn place(&self, (): (), location: &Location, record: &OrderRecord, attempt: Attempt) -> Placed {
        let limit = attempt.limit;
        // As an adapter does: right before the first byte would leave.
        if !attempt.may_begin(limit, self.now()) {
            return Placed::NotStarted { cause: Cause::NoTimeLeft, retry_after: None };
        }
        self.called("place", location);
        let panics_at = self.0.panics_at.lock().unwrap().clone();
        assert_ne!(panics_at.as_ref(), Some(&location.location_id), "a defect, on purpose");
        // The attempt must be in the row before it begins.
        let stored = self.stored(&record.key);
        assert_eq!((stored.version, stored.has_live_lease(self.now())), (record.version, true), "placed without a lease");
        if let Some(attempt) = self.with_played(|played| played.place(location, &record.key, self.now())) {
            let (takes, placed) = attempt;
            return if takes > limit {
                tokio::time::sleep(limit).await;
                Placed::Unknown(no_answer(limit))
            } else {
                tokio::time::sleep(takes).await;
                placed
            };
        }
        let (takes, placed) = self.0.pos.lock().unwrap().pop_front().expect("the POS was not expected to be asked");
        if takes == Duration::MAX {
            // It forgets its limit.
            std::future::pending::<()>().await;
        }
        if takes > limit {
            tokio::time::sleep(limit).await;
            return Placed::Unknown(no_answer(limit));
        }
        tokio::time::sleep(takes).await;
        placed
    }
    async fn find(&self, location: &Location, record: &OrderRecord, _: Duration) -> Found {
        self.called("find", location);
        if let Some(found) = self.with_played(|played| played.find(location, &record.key, self.now())) {
            return found;
        }
        self.0.found.lock().unwrap().pop_front().unwrap_or(Found::Absent)
    }
    async fn cancel(&self, location: &Location, record: &OrderRecord, attempt: Attempt) -> Cancelled {
        if !attempt.may_begin(attempt.limit, self.now()) {
            return Cancelled::Unknown(Cause::NoTimeLeft);
        }
        self.called("cancel", location);
        if let Some(cancelled) = self.with_played(|played| played.cancel(location, &record.key, self.now())) {
            return cancelled;
        }
        self.0.cancelled.lock().unwrap().pop_front().unwrap_or(Cancelled::Done)
    }
}

impl AskAvailability for Fake {
    async fn sold_out(&self, location: &Location, ids: &BTreeSet<&str>, limit: Duration) -> Result<HashSet<String>, PortError> {
        let Connector::Sandbox(sandbox) = &location.connector else {
            return Err(PortError::Unavailable("nobody plays this POS".to_owned()));
        };
        let takes = Duration::from_millis(sandbox.delay_ms);
        tokio::time::sleep(takes.min(limit)).await;
        if sandbox.down || takes > limit {
            return Err(PortError::Unavailable("no answer".to_owned()));
        }
        Ok(sandbox.sold_out.iter().filter(|id| ids.contains(id.as_str())).cloned().collect())
    }
}

impl FetchMenu for Fake {
    async fn fetch(&self, _: &Location, _: Duration) -> Result<Vec<u8>, PortError> {
        Err(PortError::Unavailable("this POS hands out no menu".to_owned()))
    }
}
