//! One customer's order, as PAR carries it: validated, submitted, polled to its end. Every answer is checked.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use super::tally::{End, Kind, Tally};
use crate::orders::Orders;
use posnext_local::par::{Answer, Manner, Par};

/// Between two polls when the answer does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// What all customers share.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) par: Par,
    pub(super) orders: Orders,
    pub(super) organization: String,
    pub(super) location: String,
    pub(super) validate: bool,
    /// An order is final this long after it was due.
    pub(super) timeout: Duration,
    /// One permit a request under way. Waiting for one is this generator's fault, and counted as such.
    pub(super) connections: Semaphore,
    pub(super) tally: Tally,
}

impl Shop {
    pub(super) async fn menus(self: Arc<Self>, due: Instant) {
        let send = self.par.menus(&self.organization, &self.location);
        if let Some(answer) = self.timed(Kind::Menus, due, send).await
            && let Err(what) = menu(&answer)
        {
            self.tally.unexpected(Kind::Menus, what);
        }
    }

    pub(super) async fn order(self: Arc<Self>, uid: String, due: Instant) {
        let end = self.carry(&uid, due).await;
        self.tally.ended(end);
        if end == End::NotFinal {
            self.tally.unexpected(Kind::Order, "not final at the end".to_owned());
        }
        if !matches!(end, End::NotAccepted) {
            self.tally.took(Kind::Order, due.elapsed());
        }
    }

    async fn carry(&self, uid: &str, due: Instant) -> End {
        let order = self.orders.order(uid);
        let mut submit_due = due;
        if self.validate {
            match self.checked(Kind::Validate, uid, due, self.par.validate(&order)).await {
                Some(answer) if answer.status == "validated" => submit_due = Instant::now(),
                // Nobody pays for it, so nobody submits it.
                _ => return End::NotAccepted,
            }
        }
        let mut answer = self.checked(Kind::Submit, uid, submit_due, self.par.submit(&order, Manner::Right)).await;
        if let Some(answer) = &answer
            && !matches!(answer.code.as_u16(), 200 | 202)
        {
            return End::NotAccepted;
        }
        loop {
            if let Some(end) = answer.as_ref().and_then(end) {
                return end;
            }
            let poll_due = Instant::now() + answer.and_then(|answer| answer.retry_after).unwrap_or(PAUSE);
            if poll_due > due + self.timeout {
                return End::NotFinal;
            }
            sleep_until(poll_due).await;
            answer = self.checked(Kind::Poll, uid, poll_due, self.par.get(uid)).await;
        }
    }

    /// Sends a request that is due and counts what is wrong with its answer.
    async fn checked(
        &self,
        kind: Kind,
        uid: &str,
        due: Instant,
        send: impl Future<Output = anyhow::Result<Answer>>,
    ) -> Option<Answer> {
        let answer = self.timed(kind, due, send).await?;
        if let Err(what) = expected(kind, uid, &answer) {
            self.tally.unexpected(kind, what);
        }
        Some(answer)
    }

    /// Sends a request that is due. Its time runs from then on, whatever kept it from being sent.
    async fn timed(&self, kind: Kind, due: Instant, send: impl Future<Output = anyhow::Result<Answer>>) -> Option<Answer> {
        let permit = self.connections.acquire().await;
        self.tally.behind(due.elapsed());
        let answer = send.await;
        self.tally.took(kind, due.elapsed());
        drop(permit);
        answer.inspect_err(|error| self.tally.unexpected(kind, no_answer(error).to_owned())).ok()
    }
}

/// The end a final answer tells.
fn end(answer: &Answer) -> Option<End> {
    match answer.status.as_str() {
        "placed" => Some(End::Placed),
        "rejected" => Some(End::Rejected),
        "errored" => Some(End::Errored),
        _ => None,
    }
}

fn no_answer(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "no answer in time",
        Some(_) => "no answer, the connection broke",
        None => "no connection",
    }
}

/// The status and the error code of an answer.
fn told(answer: &Answer, body: &serde_json::Value) -> String {
    let error = body.pointer("/errors/0/code").and_then(serde_json::Value::as_str).unwrap_or_default();
    let words = [answer.code.as_str(), &answer.status, error];
    words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// Whether this is what an order that should be placed is answered; otherwise, what it is instead.
fn expected(kind: Kind, uid: &str, answer: &Answer) -> Result<(), String> {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let told = told(answer, &body);
    match answer.signed {
        Some(true) => {}
        Some(false) => return Err(format!("{told}, signature wrong")),
        None => return Err(format!("{told}, not signed")),
    }
    let right = match kind {
        Kind::Validate => (200, "validated") == (answer.code.as_u16(), answer.status.as_str()),
        Kind::Submit => matches!((answer.code.as_u16(), answer.status.as_str()), (200, "placed") | (202, "pending")),
        _ => matches!((answer.code.as_u16(), answer.status.as_str()), (200, "placed" | "pending")),
    };
    if !right {
        return Err(told);
    }
    if body.get("request_uid").and_then(serde_json::Value::as_str) != Some(uid) {
        return Err(format!("{told}, but of another order"));
    }
    let pos_order_id = body.pointer("/order_details/pos_order_id").and_then(serde_json::Value::as_str);
    if pos_order_id.is_some_and(|id| !id.is_empty()) != (answer.status == "placed") {
        let lack = if answer.status == "placed" { "without" } else { "with" };
        return Err(format!("{told}, but {lack} a pos_order_id"));
    }
    Ok(())
}

fn menu(answer: &Answer) -> Result<(), String> {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let products = body.get("products").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
    match (answer.code.as_u16(), products) {
        (200, 0) => Err("200 without products".to_owned()),
        (200, _) => Ok(()),
        _ => Err(told(answer, &body)),
    }
}
