//! What has to hold of every answer that came: signatures, ids, statuses, speed.

use std::sync::Arc;

use posnext_shared::domain::canonical::Members;

use super::{Judged, all_right, names, not_tried, passed, warning};
use crate::certify::{
    bench::Probe,
    draft::Draft,
    exchange::{Ask, Digest, Endpoint, Exchange},
    report::Latency,
    told::STATUSES,
};

/// An answer that takes longer than this keeps a customer waiting.
const SLOW_MS: u64 = 1_000;
const NOTHING: &str = "no answer to judge by";

/// Sees to it that there is something to judge, even if this is the only check.
async fn some_answers(probe: &Probe) -> anyhow::Result<()> {
    // Their records are those of their own checks.
    let quiet = probe.aside();
    for (endpoint, _) in probe.targets() {
        match endpoint {
            Endpoint::Validate => drop(quiet.validated().await?),
            _ => drop(quiet.submitted().await?),
        }
    }
    Ok(())
}

/// Judges all of these exchanges so far; `judge` says what is wrong with one.
fn each(probe: &Probe, of: impl Fn(&Exchange) -> bool, judge: impl Fn(&Exchange) -> Option<String>) -> Judged {
    let exchanges: Vec<Arc<Exchange>> = probe.bench.log().into_iter().filter(|exchange| of(exchange)).collect();
    if exchanges.is_empty() {
        return Ok(not_tried(NOTHING));
    }
    let mut wrong = Vec::new();
    for exchange in &exchanges {
        if let Some(why) = judge(exchange) {
            probe.show([&exchange.record]);
            wrong.push(format!("{}: {why}", exchange.name()));
        }
    }
    all_right(&wrong, format!("{} answers", exchanges.len()))
}

pub(super) async fn answers(probe: &Probe) -> Judged {
    some_answers(probe).await?;
    let par = probe.par();
    // Menus need no signature; one that is there has to be right (docs/contract.md#u11).
    let signed =
        |exchange: &Exchange| exchange.is_about_an_order() || (exchange.code() == 200 && exchange.answer.digest.is_some());
    each(probe, signed, |exchange| (exchange.is_signed(par) != Some(true)).then(|| exchange.suspicion(par).to_owned()))
}

/// Where nobody can know whose SharedId it is, an answer may be unsigned, but never wrongly signed.
pub(super) async fn errors(probe: &Probe) -> Judged {
    probe.order(Endpoint::Validate, &probe.nowhere()).await?;
    for (endpoint, location) in probe.targets() {
        let draft = probe.draft(location).await;
        probe.send(Ask::order(endpoint, &draft).digest(Digest::Missing)).await?;
    }
    let par = probe.par();
    let judged = each(probe, Exchange::is_refusal, |exchange| match exchange.is_signed(par) {
        Some(true) => None,
        None if !exchange.ask.attributable => None,
        _ => Some(exchange.suspicion(par).to_owned()),
    })?;
    let unsigned = probe.bench.log().iter().filter(|exchange| exchange.is_refusal() && exchange.answer.digest.is_none()).count();
    if unsigned > 0 {
        return Ok(warning(format!("{unsigned} refusals of requests that name no mapped organization are unsigned")));
    }
    Ok(judged)
}

pub(super) async fn format(probe: &Probe) -> Judged {
    some_answers(probe).await?;
    let signed = |exchange: &Exchange| exchange.answer.digest.is_some();
    each(probe, signed, |exchange| {
        let digest = exchange.answer.digest.as_deref().unwrap_or_default();
        let right = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (!right).then(|| format!("x-pch-digest is {digest:?}"))
    })
}

/// Totals of which a binary double, cut off, makes a cent too little (docs/contract.md#c2).
pub(super) async fn cents(probe: &Probe) -> Judged {
    let targets = probe.targets();
    if targets.is_empty() {
        return Ok(not_tried("no location to send an order to"));
    }
    let tried = names(&targets);
    let mut wrong = Vec::new();
    for (endpoint, location) in targets {
        let bound = probe.aside().menu(location).await.ok().flatten().is_some();
        let draft = probe.draft(location).await.low_in_binary(bound);
        let answer = probe.order(endpoint, &draft).await?;
        let told = (answer.told.subtotal, answer.told.grand_total);
        if !answer.is_about_an_order() {
            wrong.push(format!("{} answered {}", endpoint.name(), answer.summary()));
        } else if told != (draft.subtotal, draft.grand_total) {
            wrong.push(format!(
                "{} answered totals of {told:?} cents to {:?}",
                endpoint.name(),
                (draft.subtotal, draft.grand_total)
            ));
        } else if answer.is_signed(probe.par()) != Some(true) {
            wrong.push(format!("{}: {}; are cents rounded?", endpoint.name(), answer.suspicion(probe.par())));
        }
    }
    all_right(&wrong, tried)
}

/// What was sent and what came back of one member, in every answer about a known order. An error may leave a member out.
async fn echoed<T: PartialEq + std::fmt::Debug>(
    probe: &Probe,
    pairs: impl Fn(&Draft, &Exchange) -> Vec<(&'static str, Option<T>, Option<T>)>,
) -> Judged {
    some_answers(probe).await?;
    let known = |exchange: &Exchange| exchange.ask.about.is_some() && (exchange.is_about_an_order() || exchange.is_refusal());
    each(probe, known, |exchange| {
        let about = exchange.ask.about.as_ref()?;
        let may_be_absent = exchange.is_refusal();
        let differs = |sent: &Option<T>, told: &Option<T>| sent != told && !(told.is_none() && may_be_absent);
        let (name, sent, told) = pairs(about, exchange).into_iter().find(|(_, sent, told)| differs(sent, told))?;
        let text = |value: Option<T>| value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
        Some(format!("{name} is {}, not {}", text(told), text(sent)))
    })
}

pub(super) async fn ids(probe: &Probe) -> Judged {
    echoed(probe, |draft, exchange| {
        let told = exchange.told.clone();
        let sent = |text: &String| Some(text.clone());
        vec![
            ("organization_id", sent(&draft.organization), told.organization_id),
            ("location_id", sent(&draft.location), told.location_id),
            ("request_uid", sent(&draft.uid), told.request_uid),
            ("online_order_id", sent(&draft.online_order_id), told.online_order_id),
        ]
    })
    .await
}

pub(super) async fn datetime(probe: &Probe) -> Judged {
    echoed(probe, |draft, exchange| {
        vec![("request_datetime", Some(draft.datetime.clone()), exchange.told.request_datetime.clone())]
    })
    .await
}

/// Totals that are wrong or left out may be corrected.
pub(super) async fn totals(probe: &Probe) -> Judged {
    echoed(probe, |draft, exchange| {
        let right = (draft.subtotal, draft.grand_total) == (Some(draft.lines_total()), Some(draft.total()));
        if !right {
            return Vec::new();
        }
        let told = &exchange.told;
        vec![("subtotal", draft.subtotal, told.subtotal), ("grand_total", draft.grand_total, told.grand_total)]
    })
    .await
}

pub(super) async fn statuses(probe: &Probe) -> Judged {
    some_answers(probe).await?;
    let speaks = |exchange: &Exchange| exchange.is_about_an_order() || exchange.told.status.is_some();
    each(probe, speaks, |exchange| {
        let known = STATUSES.contains(&exchange.told.status());
        (!known).then(|| format!("the status is {:?}", exchange.told.status()))
    })
}

/// Every answer but refusals, which have a check of their own.
pub(super) async fn json(probe: &Probe) -> Judged {
    some_answers(probe).await?;
    let served = |exchange: &Exchange| matches!(exchange.code(), 200..=299);
    each(probe, served, |exchange| {
        let content_type = exchange.answer.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let right = content_type.starts_with("application/json") && Members::parse(&exchange.answer.body).is_ok();
        (!right).then(|| format!("Content-Type is {content_type:?}, or the body is no JSON object"))
    })
}

/// Slow is worth a word, and no failure: what stands behind another deployment is not known here.
pub(super) async fn latency(probe: &Probe) -> Judged {
    some_answers(probe).await?;
    let Some(all) = Latency::of(None, &probe.bench.log()) else { return Ok(not_tried(NOTHING)) };
    let text = format!("p50 {} ms, p95 {} ms of {} answers", all.p50_ms, all.p95_ms, all.answers);
    Ok(if all.p95_ms > SLOW_MS { warning(text) } else { passed(text) })
}
