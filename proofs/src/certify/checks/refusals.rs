//! Error responses, and ids that are not mapped.

use serde_json::value::RawValue;

use posnext_shared::domain::canonical::Members;

use super::{Judged, all_right, not_tried};
use crate::certify::{
    bench::Probe,
    draft::Draft,
    exchange::{Ask, Endpoint, Exchange},
};

const ORDERS: [Endpoint; 2] = [Endpoint::Validate, Endpoint::Submit];

/// Sends them; each has to be answered with this code.
async fn refused(probe: &Probe, code: u16, asks: impl IntoIterator<Item = Ask>) -> Judged {
    let mut wrong = Vec::new();
    for ask in asks {
        let answer = probe.send(ask).await?;
        if answer.code() != code {
            wrong.push(format!("{} answered {}, not {code}", answer.ask.endpoint.name(), answer.summary()));
        } else if !answer.told.says_why() {
            wrong.push(format!("{} answered {code} without errors: is there such an endpoint?", answer.ask.endpoint.name()));
        }
    }
    all_right(&wrong, "")
}

/// Orders to nowhere: nothing is placed by them even where they are let in.
fn orders(probe: &Probe, change: impl Fn(Ask, &Draft) -> Ask) -> Vec<Ask> {
    let draft = probe.nowhere();
    ORDERS.map(|endpoint| change(Ask::order(endpoint, &draft), &draft)).into()
}

pub(super) async fn unknown_order(probe: &Probe) -> Judged {
    refused(probe, 404, [Ask::get(&probe.nowhere())]).await
}

pub(super) async fn unmapped_organization(probe: &Probe) -> Judged {
    let organization = format!("no-such-organization-{}", uuid::Uuid::now_v7().simple());
    let draft = Draft { organization: organization.clone(), ..probe.nowhere() };
    let mut asks: Vec<_> = ORDERS.map(|endpoint| Ask::order(endpoint, &draft).anonymous()).into();
    asks.push(Ask::menu(&organization, &draft.location));
    refused(probe, probe.options().contract.unmapped_status, asks).await
}

pub(super) async fn unmapped_location(probe: &Probe) -> Judged {
    let mut asks = orders(probe, |ask, _| ask);
    asks.push(Ask::menu(&probe.options().organization, &probe.nowhere().location));
    refused(probe, probe.options().contract.unmapped_status, asks).await
}

pub(super) async fn malformed_json(probe: &Probe) -> Judged {
    let cut = |ask: Ask, draft: &Draft| {
        let mut body = draft.json();
        body.pop();
        ask.body(body).anonymous()
    };
    refused(probe, 400, orders(probe, cut)).await
}

pub(super) async fn content_type(probe: &Probe) -> Judged {
    let text = |mut ask: Ask, _: &Draft| {
        ask.headers.retain(|(name, _)| *name != "content-type");
        ask.headers.push(("content-type", "text/plain".to_owned()));
        ask.anonymous()
    };
    refused(probe, 415, orders(probe, text)).await
}

/// Without `request_datetime`; signed as such an order is, with 0 for it.
pub(super) async fn missing_field(probe: &Probe) -> Judged {
    let without = |ask: Ask, draft: &Draft| {
        let member = format!(r#""request_datetime":"{}","#, draft.datetime);
        ask.body(draft.json().replace(&member, ""))
    };
    refused(probe, 400, orders(probe, without)).await
}

/// Every refusal so far.
pub(super) async fn explained(probe: &Probe) -> Judged {
    probe.get(&probe.nowhere()).await?;
    let refusals: Vec<_> = probe.bench.log().into_iter().filter(|exchange| matches!(exchange.code(), 400..=599)).collect();
    if refusals.is_empty() {
        return Ok(not_tried("nothing was refused"));
    }
    let silent: Vec<_> = refusals.iter().filter(|exchange| !is_explained(exchange)).collect();
    probe.show(silent.iter().map(|exchange| &exchange.record));
    let wrong: Vec<_> =
        silent.iter().map(|exchange| format!("{} is no JSON with errors, code and message", exchange.name())).collect();
    all_right(&wrong, "")
}

fn is_explained(exchange: &Exchange) -> bool {
    let errors = Members::parse(&exchange.answer.body).ok().and_then(|members| members.get("errors").map(str::to_owned));
    let content_type = exchange.answer.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let listed = errors.and_then(|errors| serde_json::from_str::<Vec<Box<RawValue>>>(&errors).ok()).is_some();
    listed && ["application/json", "application/problem+json"].contains(&media_type) && exchange.told.says_why()
}
