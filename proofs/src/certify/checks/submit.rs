//! Submit and GetOrder.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use futures_util::future::join_all;

use super::{Judged, all_right, names, not_tried, passed, validate::rejected};
use crate::certify::{
    AT_ONCE,
    bench::Probe,
    draft::Draft,
    exchange::{Ask, Endpoint, Exchange},
};

/// How often a final order is read again.
const READS: usize = 3;

pub(super) async fn placed(probe: &Probe) -> Judged {
    let (_, answer) = probe.submitted().await?;
    answer.expect_status(200, "placed")?;
    ensure!(answer.told.pos_order_id.is_some(), "there is no order_details.pos_order_id");
    Ok(passed(""))
}

pub(super) async fn invalid(probe: &Probe) -> Judged {
    let location = probe.options().menu_location().unwrap_or_default();
    if probe.menu(location).await?.is_none() {
        return Ok(not_tried("this location has no menu to check an order against"));
    }
    let mut draft = probe.draft(location).await;
    if let Some(line) = draft.lines.first_mut() {
        line.id = format!("no-such-item-{}", uuid::Uuid::now_v7().simple());
    }
    let answer = probe.order(Endpoint::Submit, &draft).await?;
    rejected(probe, &answer)?;
    ensure!(answer.told.says_why(), "rejected without errors, code and message");
    ensure!(answer.told.pos_order_id.is_none(), "rejected, but with a POS order id");
    probe.get(&draft).await?.expect_status(200, "rejected")?;
    Ok(passed(""))
}

pub(super) async fn replay(probe: &Probe) -> Judged {
    let (draft, first) = probe.accepted().await?;
    let again = probe.order(Endpoint::Submit, &draft).await?;
    ensure!(matches!(again.code(), 200 | 202), "answered {}", again.summary());
    same(&first, &again)?;
    let marked = again.answer.headers.contains_key("idempotent-replayed");
    Ok(passed(if marked { "and marked as a replay" } else { "not marked as a replay" }))
}

/// Whether a later answer is about the same POS order.
fn same(first: &Exchange, later: &Exchange) -> anyhow::Result<()> {
    let (was, is) = (&first.told, &later.told);
    if was.is_final() && was.status != is.status {
        bail!("it was {}, and now is {}", was.status(), is.status());
    }
    if was.pos_order_id.is_some() && was.pos_order_id != is.pos_order_id {
        let none = || "none".to_owned();
        let ids = [was, is].map(|told| told.pos_order_id.clone().unwrap_or_else(none));
        bail!("the POS order id was {}, and now is {}", ids[0], ids[1]);
    }
    Ok(())
}

pub(super) async fn conflict(probe: &Probe) -> Judged {
    let (mut draft, first) = probe.accepted().await?;
    let before = draft.clone();
    if let Some(line) = draft.lines.first_mut() {
        line.quantity += 1;
    }
    draft.calculate();
    // What it is about stays the order that stands: its totals are the right ones of any answer.
    let ask = Ask { about: None, ..Ask::order(Endpoint::Submit, &draft) };
    let refused = probe.send(ask).await?;
    refused.expect(409)?;
    // A status is that of the order that stands, so are the totals beside it.
    let told = (refused.told.subtotal, refused.told.grand_total);
    ensure!(
        refused.told.status.is_none() || told == (before.subtotal, before.grand_total),
        "it says {} over totals that were never stored",
        refused.told.status()
    );
    let read = probe.get(&before).await?;
    ensure!(read.code() == 200, "after it, GET answered {}", read.summary());
    same(&first, &read)?;
    Ok(passed(""))
}

pub(super) async fn concurrent(probe: &Probe) -> Judged {
    let location = probe.options().location().unwrap_or_default();
    let drafts = join_all((0..AT_ONCE).map(|_| probe.draft(location))).await;
    let answers = join_all(drafts.iter().map(|draft| probe.order(Endpoint::Submit, draft))).await;
    let (mut counts, mut ids): (BTreeMap<String, usize>, BTreeSet<String>) = (BTreeMap::new(), BTreeSet::new());
    for answer in answers {
        let answer = answer?;
        *counts.entry(answer.summary()).or_default() += 1;
        ids.extend(answer.told.pos_order_id.clone());
    }
    let told: Vec<_> = counts.iter().map(|(answer, count)| format!("{count} x {answer}")).collect();
    ensure!(counts.get("200 placed") == Some(&AT_ONCE), "answered {}", told.join(", "));
    ensure!(ids.len() == AT_ONCE, "{AT_ONCE} orders have {} different POS order ids", ids.len());
    Ok(passed(""))
}

/// PAR's documents spell the paths both ways (docs/contract.md#c1).
pub(super) async fn plural(probe: &Probe) -> Judged {
    let targets = probe.targets();
    if targets.is_empty() {
        return Ok(not_tried("no location to send an order to"));
    }
    let tried = names(&targets);
    let mut wrong = Vec::new();
    for (endpoint, _) in targets {
        let (draft, first) = match endpoint {
            Endpoint::Validate => probe.validated().await?,
            _ => probe.submitted().await?,
        };
        let path = format!("/posnext/orders/{}", endpoint.name());
        let answer = probe.send(Ask { path: path.clone(), ..Ask::order(endpoint, &draft) }).await?;
        if (answer.code(), answer.told.status()) != (first.code(), first.told.status()) {
            wrong.push(format!("{path} answered {}, the other path {}", answer.summary(), first.summary()));
        }
    }
    all_right(&wrong, tried)
}

pub(super) async fn get(probe: &Probe) -> Judged {
    let (draft, first) = probe.accepted().await?;
    let read = probe.get(&draft).await?;
    read.expect(200)?;
    same(&first, &read)?;
    Ok(passed(""))
}

/// Every final order of this run, by all that was ever said of it.
pub(super) async fn stable(probe: &Probe) -> Judged {
    let (draft, _) = probe.accepted().await?;
    let mut drafts: Vec<Draft> = vec![draft];
    if !probe.options().async_location.is_empty() {
        drafts.push(probe.polled().await?.draft);
    }
    let (mut firsts, mut wrong) = (BTreeMap::new(), Vec::new());
    for draft in &drafts {
        for _ in 0..READS {
            let read = probe.get(draft).await?;
            if read.code() != 200 {
                wrong.push(format!("{}: GET answered {}", draft.uid, read.summary()));
            }
        }
    }
    for exchange in probe.bench.log() {
        let Some(about) = exchange.ask.about.as_ref().filter(|_| exchange.is_about_an_order()) else { continue };
        if exchange.ask.endpoint == Endpoint::Validate {
            continue;
        }
        let first = firsts.entry(about.uid.clone()).or_insert_with(|| exchange.clone());
        match same(first, &exchange) {
            Err(error) => {
                probe.show([&first.record, &exchange.record]);
                wrong.push(format!("{}: {error}", about.uid));
            }
            // It has become final, or has got its id.
            Ok(()) => *first = exchange,
        }
    }
    all_right(&wrong, "")
}
