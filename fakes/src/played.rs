//! A POS in memory that does as its location's sandbox connector says.

use std::{collections::HashMap, time::Duration};

use posnext_shared::domain::{
    ability::{Cancelled, Found, Placed},
    directory::{Connector, Location, SandboxConnector},
    history::Cause,
    ids::OrderKey,
    status::{ErrorCode, OrderError},
    time::UnixMillis,
};

/// What the POS holds, by order.
#[derive(Debug, Default)]
pub(crate) struct Played(HashMap<OrderKey, Ticket>);

#[derive(Debug, Default)]
struct Ticket {
    tries: u32,
    places: u32,
    meals: Vec<(String, UnixMillis)>,
    cancelled_at: Option<UnixMillis>,
}

impl Ticket {
    /// Meals that exist: done, and not prevented by an earlier tombstone.
    fn made(&self, now: UnixMillis) -> impl Iterator<Item = &String> {
        let made =
            self.meals.iter().filter(move |(_, done_at)| *done_at <= now && self.cancelled_at.is_none_or(|at| at >= *done_at));
        made.map(|(number, _)| number)
    }
}

fn unreachable() -> Cause {
    Cause::NoConnection("the POS cannot be reached".to_owned())
}

fn connector(location: &Location) -> &SandboxConnector {
    match &location.connector {
        Connector::Sandbox(sandbox) => sandbox,
        Connector::Http(_) => panic!("{} has no POS that can be played", location.location_id),
    }
}

impl Played {
    /// How long the answer takes, and what it is.
    pub(crate) fn place(&mut self, location: &Location, key: &OrderKey, now: UnixMillis) -> (Duration, Placed) {
        let sandbox = connector(location);
        let ticket = self.0.entry(key.clone()).or_default();
        let at_once = |placed| (Duration::ZERO, placed);
        ticket.tries += 1;
        if sandbox.down || ticket.tries <= sandbox.unreachable_first {
            return at_once(Placed::NotStarted { cause: unreachable(), retry_after: None });
        }
        if let Some(message) = &sandbox.refuse {
            return at_once(Placed::Refused(vec![OrderError::new(ErrorCode::PosRefused, message)]));
        }
        if ticket.cancelled_at.is_some() {
            return at_once(Placed::Cancelled);
        }
        ticket.places += 1;
        let takes = Duration::from_millis(sandbox.delay_ms);
        if ticket.meals.is_empty() || !sandbox.abilities.idempotent_place {
            let number = format!("{}-{}", location.internal_id, ticket.meals.len() + 1);
            ticket.meals.push((number, now.plus(takes)));
        }
        if ticket.places <= sandbox.lose_replies_first {
            return at_once(Placed::Unknown(Cause::Cut("the reply was lost".to_owned())));
        }
        match ticket.meals.last() {
            Some((number, done_at)) => (done_at.since(now), Placed::Done { pos_order_id: number.clone() }),
            None => at_once(Placed::Unknown(Cause::Cut("no meal".to_owned()))),
        }
    }

    pub(crate) fn find(&self, location: &Location, key: &OrderKey, now: UnixMillis) -> Found {
        if connector(location).down {
            return Found::Unknown(unreachable());
        }
        match self.0.get(key) {
            Some(ticket) if ticket.cancelled_at.is_some() => Found::Cancelled,
            Some(ticket) => match ticket.made(now).next() {
                Some(number) => Found::Placed { pos_order_id: number.clone() },
                None => Found::Absent,
            },
            None => Found::Absent,
        }
    }

    pub(crate) fn cancel(&mut self, location: &Location, key: &OrderKey, now: UnixMillis) -> Cancelled {
        if connector(location).down {
            return Cancelled::Unknown(unreachable());
        }
        self.0.entry(key.clone()).or_default().cancelled_at.get_or_insert(now);
        Cancelled::Done
    }

    pub(crate) fn meals(&self, uid: &str, now: UnixMillis) -> Vec<String> {
        let of = self.0.iter().filter(|(key, _)| key.request_uid.as_str() == uid);
        of.flat_map(|(_, ticket)| ticket.made(now).cloned()).collect()
    }
}
