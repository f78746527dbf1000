//! What the product says of a guard: its key, and what becomes of a request that meets one.

use std::sync::Arc;

use posnext_shared::domain::{
    ability::{Abilities, Placed},
    guard::{Verdict, guard_key, judge},
    history::{Actor, Cause},
    ids::{OrderKey, RequestUid, Tenant},
    machine::{self, Context, Input, New, Next, Start},
    order::{Body, Order},
    pinned::Pinned,
    policy::Policy,
    record::OrderRecord,
    status::{ErrorCode, OrderError, OrderStatus},
    time::UnixMillis,
};

use super::{
    guard_state::{self, CONTENT, Meal, NAMES},
    product::{OLD, location},
};

const CONTENTS: [&str; 2] = ["1.00", "2.00"];

#[derive(Debug)]
pub struct GuardProduct {
    /// The guard of each name.
    guards: [usize; NAMES],
    /// An order of each content: open, placed, rejected, errored.
    orders: [[OrderRecord; 4]; CONTENTS.len()],
}

impl GuardProduct {
    /// Of one tenant, or of a second one that all names but the first are of.
    pub fn new(one_tenant: bool) -> Self {
        let tenant = |name: usize| Tenant::new(if one_tenant || name == 0 { "t" } else { "other" }).unwrap();
        let mut keys = Vec::new();
        let guards = std::array::from_fn(|name| {
            let key = guard_key(&tenant(name), &order(name, CONTENT[name])).unwrap();
            keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            })
        });
        Self { guards, orders: std::array::from_fn(orders) }
    }

    pub fn guard(&self, name: usize) -> usize {
        self.guards[name]
    }

    /// What a request of this content meets: the owner with its content, if there is one.
    pub fn judge(&self, owner: Option<(guard_state::Order, usize)>, content: usize, holds: bool) -> Verdict {
        let stored = owner.map(|(owner, content)| {
            let [open, placed, rejected, errored] = &self.orders[content];
            match owner.meal {
                Meal::None | Meal::Made => open,
                Meal::Placed => placed,
                Meal::Rejected => rejected,
                Meal::Errored => errored,
            }
        });
        judge(stored, self.orders[content][0].order.fingerprint(), holds)
    }
}

fn order(name: usize, content: usize) -> Arc<Order> {
    let total = CONTENTS[content];
    let text = format!(
        r#"{{"request_uid":"u{name}","organization_id":"O","location_id":"L","request_datetime":"2025-03-15T14:30:45Z","order_details":{{"online_order_id":"7","grand_total":{total}}}}}"#
    );
    Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap())
}

fn orders(content: usize) -> [OrderRecord; 4] {
    let (policy, location) = (Policy::default(), location(Abilities::default(), OLD, "1"));
    let ctx = Context {
        now: UnixMillis(1_700_000_000_000),
        policy: &policy,
        mapped: Some(&location),
        by: Actor::Submit,
        lease: policy.submit_lease(),
        function_timeout: policy.submit_lease(),
        write_id: String::new(),
        random: 0,
    };
    let key = OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u").unwrap() };
    let new = New { key, order: order(0, content), shared_id: String::new(), traceparent: None };
    let open = machine::claim(new, Pinned::of(&location), Start::Placing, &ctx);
    let ended = |placed, status| match machine::advance(&open, Input::Placed(placed), &ctx) {
        Next::End(record, _) if record.status() == status => record,
        other => panic!("not ended: {other:?}"),
    };
    let refused = vec![OrderError::new(ErrorCode::PosRefused, "")];
    [
        open.clone(),
        ended(Placed::Done { pos_order_id: "T-1".to_owned() }, OrderStatus::Placed),
        ended(Placed::Refused(refused), OrderStatus::Rejected),
        ended(Placed::Permanent(Cause::GivenUp), OrderStatus::Errored),
    ]
}
