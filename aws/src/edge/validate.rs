//! `POST /posnext/order/validate`: could this order be placed, and what does it come to? Writes nothing, and never answers
//! 202 (docs/contract.md#c5).

use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;

use super::{
    answer::{Reply, Signer},
    answered,
    receive::{Verified, receive},
    temporarily_unavailable,
};
use posnext_shared::{
    app::{
        caller::Gate,
        check::Check,
        ports::AskAvailability,
        world::{Admits, Checks, World},
    },
    domain::{
        answer::{Calculated, Said},
        status::{OrderError, OrderStatus},
    },
};

/// Kept free at the end for the answer itself.
const ANSWERING: Duration = Duration::from_millis(200);

/// The endpoint.
#[derive(Debug)]
pub struct Validate<W: World> {
    /// Who may call.
    pub gate: Gate<W>,
    /// Whether the location can take the order.
    pub check: Check<W>,
    /// The POS, where a location wants it asked.
    pub pos: W::Pos,
    /// From request to answer.
    pub answer_deadline: Duration,
}

impl<W: Admits + Checks + World<Pos: AskAvailability>> Validate<W> {
    /// Answers one request; never fails.
    pub async fn handle<B: AsRef<[u8]>>(&self, request: Request<B>) -> Response<String> {
        let signer = Signer::default();
        answered(&self.gate, &signer, Box::pin(self.validate(&request, &signer))).await
    }

    async fn validate<B: AsRef<[u8]>>(&self, request: &Request<B>, signer: &Signer) -> Result<Reply, Reply> {
        let arrived = Instant::now();
        let Verified { order, location, shared_id, .. } = receive(&self.gate, request, signer).await?;
        let limit = self.answer_deadline.saturating_sub(arrived.elapsed() + ANSWERING);
        let verdict = self.check.unpaid(&location, &order, &self.pos, limit).await.map_err(|error| {
            tracing::error!(%error, order.request_uid = %order.request_uid(), "an order could not be validated");
            Reply::verified_error(&order, temporarily_unavailable())
        })?;
        let none: &[OrderError] = &[];
        let (status, calculated, errors) = match &verdict {
            Ok(calculated) => (OrderStatus::Validated, *calculated, none),
            Err(errors) => (OrderStatus::Rejected, None, errors.as_slice()),
        };
        let identity = order.identity();
        // What the caller has not signed is not signed for it, unless the deployment wants that.
        let totals = calculated.filter(|_| self.gate.contract.sign_calculated).unwrap_or_else(|| order.totals());
        let calculated = Calculated::Ours(calculated);
        let said = Said { identity, status, totals, calculated, pos_order_id: None, errors, processing: None };
        let body = order.answer(&said, &self.gate.contract.pos_order_id_key);
        let uid = order.request_uid();
        tracing::info!(order.request_uid = %uid, order.status = status.as_str(), shared_id.id = shared_id.id(), "validate answered");
        Ok(Reply::order(status, body, order.message_with(identity, totals)))
    }
}
