//! `POST /posnext/order/submit`: verify, accept, answer.

use std::sync::Arc;

use http::{
    HeaderName, Request, Response,
    header::{LOCATION, RETRY_AFTER},
};
use tokio::time::Instant;

use super::{
    answer::{PREFERENCE_APPLIED, REPLAYED, Reply, Signer},
    answered,
    headers::only_value,
    prefer::Preferences,
    receive::{Verified, receive},
    temporarily_unavailable,
};
use posnext_shared::{
    app::{
        METRICS,
        accept::{Accept, Accepted, Submission},
        caller::Gate,
        check::Check,
        ports::Clock,
        world::{Accepts, Admits, Checks, World},
    },
    domain::{
        contract::Contract,
        directory::Mode,
        ids::OrderKey,
        machine::New,
        order::Order,
        processing::{poll_after, processing},
        record::Alias,
        status::{ErrorCode, OrderError, OrderStatus},
        time::{UnixMillis, millis},
        trace::traceparent,
    },
};

/// The endpoint.
#[derive(Debug)]
pub struct Submit<W: World> {
    /// Who may call.
    pub gate: Gate<W>,
    /// Whether the location can take the order.
    pub check: Check<W>,
    /// What happens then.
    pub accept: Accept<W>,
}

impl<W: Admits + Checks + Accepts> Submit<W> {
    /// Answers one request; never fails.
    pub async fn handle<B: AsRef<[u8]>>(&self, request: Request<B>) -> Response<String> {
        let signer = Signer::default();
        answered(&self.gate, &signer, Box::pin(self.submit(&request, &signer))).await
    }

    async fn submit<B: AsRef<[u8]>>(&self, request: &Request<B>, signer: &Signer) -> Result<Reply, Reply> {
        let arrived = Instant::now();
        let headers = request.headers();
        let Verified { client, order, location, shared_id } = receive(&self.gate, request, signer).await?;
        let checked = self.check.paid(&location, &order, self.gate.clock.now()).await;
        let order = Arc::new(order);
        let prefer_async = Preferences::of(headers).respond_async;
        let later = prefer_async || location.mode == Mode::Async;
        let text = |name| only_value(headers, &HeaderName::from_static(name)).unwrap_or_default();
        let new = New {
            key: OrderKey { tenant: client.tenant, request_uid: order.request_uid().clone() },
            order: Arc::clone(&order),
            shared_id: shared_id.id().to_owned(),
            traceparent: traceparent(
                text("traceparent").as_deref(),
                text("x-amzn-trace-id").as_deref(),
                self.gate.clock.random(),
            ),
        };
        let key = new.key.clone();
        let accepted = match checked {
            Ok(checked) => {
                let refusals = checked.err().unwrap_or_default();
                self.accept.accept(Submission { new, location, refusals, prefer_async, arrived }).await
            }
            Err(error) => {
                let known = self.accept.known(&key, &order, arrived).await;
                known.ok().flatten().unwrap_or_else(|| Accepted::Unavailable(error.to_string()))
            }
        };
        if let Some(stored) = accepted.stands_in_the_way_of(&order) {
            signer.set(Some(self.gate.signer_of(stored).await.map_err(|error| not_now(&order, &error))?));
        }
        let now = self.gate.clock.now();
        tell(&accepted, later, now);
        let reply = reply(&order, accepted, prefer_async, &self.gate.contract, now);
        if let Ok((status, _)) = &reply {
            tracing::info!(order.key = %key, order.status = status.as_str(), shared_id.id = shared_id.id(), "submit answered");
        }
        reply.map(|(_, reply)| reply)
    }
}

/// The metrics of a submit. `later`: it was to be answered 202, so that one is nobody's failure.
fn tell(accepted: &Accepted, later: bool, now: UnixMillis) {
    let one = |is: bool| is.then_some(1_u64);
    match accepted {
        Accepted::Stored { replay: true, .. } => tracing::info!(target: METRICS, Replays = 1),
        Accepted::Stored { record, .. } => {
            let ended = record.status().is_final();
            tracing::info!(
                target: METRICS,
                Submits = one(!later),
                SubmitsForLater = one(later),
                Accepted202 = one(!later && !ended),
                Attempts = ended.then_some(record.attempts),
                TimeToFinalMilliseconds = ended.then(|| millis(now.since(record.accepted_at))),
            );
        }
        Accepted::Conflict { .. } | Accepted::GuardConflict => tracing::info!(target: METRICS, Conflicts = 1),
        Accepted::MayBeForgotten(_) => {}
        Accepted::TooMany(_) => tracing::info!(target: METRICS, SubmitsTooMany = 1),
        Accepted::Unavailable(_) => tracing::info!(target: METRICS, SubmitsNotNow = 1),
    }
}

fn reply(
    order: &Order,
    accepted: Accepted,
    prefer_async: bool,
    contract: &Contract,
    now: UnixMillis,
) -> Result<(OrderStatus, Reply), Reply> {
    match accepted {
        Accepted::Stored { record, replay, alias } => {
            let identity = alias.as_ref().map_or(record.order.identity(), Alias::identity);
            let status = record.status();
            let shown = contract.processing && !status.is_final();
            let processing = shown.then(|| processing(&record, identity.request_uid, now, None));
            let body = record.answer(identity, &contract.pos_order_id_key, processing.as_ref());
            let mut reply = Reply::order(status, body, record.order.message(identity));
            if replay {
                reply = reply.header(REPLAYED, "true");
            }
            if !status.is_final() {
                reply = reply
                    .header(LOCATION, format!("/posnext/orders/{}", identity.request_uid))
                    .header(RETRY_AFTER, poll_after(now.since(record.accepted_at)).as_secs().to_string());
                if prefer_async && !replay {
                    reply = reply.header(PREFERENCE_APPLIED, "respond-async");
                }
            }
            Ok((status, reply))
        }
        Accepted::Conflict { record, alias } => {
            let message = "this request_uid was submitted before with other content; the first order stands";
            let error = OrderError::field(ErrorCode::IdempotencyConflict, "request_uid", message);
            if record.order.organization_id() != order.organization_id() {
                return Err(Reply::errors(&[error]));
            }
            let identity = alias.as_ref().map_or(record.order.identity(), Alias::identity);
            let shown = contract.processing && !record.status().is_final();
            let processing = shown.then(|| processing(&record, identity.request_uid, now, None));
            let body = record.conflict(identity, &contract.pos_order_id_key, processing.as_ref(), error);
            Err(Reply::conflict(body, record.order.message(identity)))
        }
        Accepted::GuardConflict => {
            let message =
                "this online order was submitted before under another request_uid with other content; the first order stands";
            let error = OrderError::field(ErrorCode::IdempotencyConflict, "order_details.online_order_id", message);
            Err(Reply::verified_error(order, error))
        }
        Accepted::MayBeForgotten(error) => {
            let (uid, date) = (order.request_uid(), order.request_datetime());
            tracing::warn!(order.request_uid = %uid, date, "an order that is not known, and whose date does not tell that it is new");
            Err(Reply::verified_error(order, error))
        }
        Accepted::TooMany(wait) => {
            let message = "this location sends too many orders at once; send this one again after Retry-After";
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            let error = OrderError::new(ErrorCode::TooManyRequests, message);
            Err(Reply::verified_error(order, error).header(RETRY_AFTER, seconds.to_string()))
        }
        Accepted::Unavailable(why) => Err(not_now(order, &why)),
    }
}

/// Whether it is stored may not be known; the same request may be sent again in any case.
fn not_now(order: &Order, why: &dyn std::fmt::Display) -> Reply {
    tracing::error!(reason = %why, order.request_uid = %order.request_uid(), "a submit was not accepted");
    Reply::verified_error(order, temporarily_unavailable())
}
