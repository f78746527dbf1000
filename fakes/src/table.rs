//! The table of orders: conditional writes, as DynamoDB makes them.

use posnext_shared::{
    app::ports::*,
    domain::{
        guard::Guard,
        ids::OrderKey,
        record::{Alias, OrderRecord, Row, State},
        take::Take,
        time::UnixMillis,
    },
};

use crate::world::{Fake, Fault};

impl Fake {
    /// The table forgets every row whose time is over, as DynamoDB does in the end.
    pub fn forget_expired(&self) {
        let now = self.now();
        let kept = |expires_at: UnixMillis| expires_at.seconds() > now.seconds();
        self.0.rows.lock().unwrap().retain(|_, row| match row {
            Row::Order(record) => match &record.state {
                State::Final(end) => kept(end.expires_at),
                State::Open(_) => true,
            },
            Row::Alias(alias) => kept(alias.expires_at),
        });
        self.0.guards.lock().unwrap().retain(|_, guard| kept(guard.expires_at));
    }
}

impl ReadOrder for Fake {
    async fn read(&self, key: &OrderKey) -> Result<Option<Row>, PortError> {
        if let Some(reads) = self.0.unseen.lock().unwrap().get_mut(key).filter(|reads| **reads > 0) {
            *reads -= 1;
            return Ok(None);
        }
        Ok(self.0.rows.lock().unwrap().get(key).cloned())
    }
}

impl ClaimOrder for Fake {
    async fn claim(&self, record: &OrderRecord, guard: Option<&Guard>) -> Result<Claimed, PortError> {
        let from = guard.and_then(|guard| guard.former.clone());
        let first = self.0.tokens.lock().unwrap().entry(record.write_id.clone()).or_insert_with(|| from.clone()).clone();
        assert_eq!(first, from, "IdempotentParameterMismatch");
        let outcome = match self.0.faults.lock().unwrap().front() {
            Some(Fault::Contended) => Some(Claimed::Contended),
            Some(Fault::InProgress) => Some(Claimed::InProgress),
            _ => None,
        };
        if let Some(outcome) = outcome {
            self.0.faults.lock().unwrap().pop_front();
            return Ok(outcome);
        }
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let mut guards = self.0.guards.lock().unwrap();
            if let Some(row) = rows.get(&record.key) {
                let ours = matches!(row, Row::Order(stored) if stored.write_id == record.write_id);
                return if ours { Claimed::Ours } else { Claimed::Exists(Box::new(row.clone())) };
            }
            if let Some(guard) = guard {
                let former = guard.former.as_ref();
                if let Some(Guard { owner, holds_until, earlier, .. }) = guards.get(&guard.key)
                    && Some(owner) != former.map(|former| &former.owner)
                {
                    return Claimed::Guarded { owner: owner.clone(), holds_until: *holds_until, earlier: earlier.clone() };
                }
                let version = |owner: &OrderKey| match rows.get(owner) {
                    Some(Row::Order(record)) => Some(record.version),
                    _ => None,
                };
                let other = former.filter(|former| former.owner != record.key);
                if other.is_some_and(|former| version(&former.owner) != former.version) {
                    return Claimed::Contended;
                }
                guards.insert(guard.key.clone(), guard.clone());
            }
            rows.insert(record.key.clone(), Row::Order(Box::new(record.clone())));
            Claimed::Ours
        })
        .await
    }

    async fn claim_alias(&self, alias: &Alias) -> Result<bool, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let free = !rows.contains_key(&alias.key);
            if free {
                rows.insert(alias.key.clone(), Row::Alias(alias.clone()));
            }
            free
        })
        .await
    }
}

impl SaveOrder for Fake {
    async fn save(&self, record: &OrderRecord) -> Result<bool, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let Some(Row::Order(stored)) = rows.get(&record.key) else { return false };
            if stored.version == record.version && stored.write_id == record.write_id {
                return true;
            }
            let fits = stored.version + 1 == record.version;
            if fits {
                rows.insert(record.key.clone(), Row::Order(Box::new(record.clone())));
            }
            fits
        })
        .await
    }
}

impl TakeOrder for Fake {
    async fn take(&self, take: &Take) -> Result<Taken, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let Some(row) = rows.get_mut(&take.key) else { return Taken::Absent };
            let taken = match row {
                Row::Order(record) => take.take((**record).clone()),
                Row::Alias(_) => None,
            };
            match taken {
                Some(record) => {
                    *row = Row::Order(Box::new(record.clone()));
                    Taken::Ours(Box::new(record))
                }
                None => Taken::Stands(Box::new(row.clone())),
            }
        })
        .await
    }
}

impl NudgeOrder for Fake {
    async fn nudge(&self, key: &OrderKey, version: u64, due_at: UnixMillis, new_due_at: UnixMillis) -> Result<bool, PortError> {
        self.write(|| {
            let mut rows = self.0.rows.lock().unwrap();
            let Some(Row::Order(stored)) = rows.get_mut(key) else { return false };
            let version_fits = stored.version == version;
            match &mut stored.state {
                State::Open(open) if version_fits && open.due_at == due_at => {
                    open.due_at = new_due_at;
                    true
                }
                _ => false,
            }
        })
        .await
    }
}

impl ListOpen for Fake {
    async fn list_open(&self, limit: usize) -> Result<Vec<OpenEntry>, PortError> {
        let rows = self.0.rows.lock().unwrap();
        let open = rows.values().filter_map(|row| match row {
            Row::Order(record) => record.open().map(|open| OpenEntry {
                key: record.key.clone(),
                due_at: open.due_at,
                accepted_at: record.accepted_at,
            }),
            Row::Alias(_) => None,
        });
        Ok(open.take(limit).collect())
    }
}
