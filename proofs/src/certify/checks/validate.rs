//! Validate, with a valid and with an invalid order.

use std::sync::Arc;

use anyhow::{bail, ensure};

use super::{Judged, all_right, not_tried, passed};
use crate::certify::{
    bench::Probe,
    draft::Draft,
    exchange::{Ask, Endpoint, Exchange},
};

const NO_MENU: &str = "this location has no menu to check an order against";

pub(super) async fn valid(probe: &Probe) -> Judged {
    let (_, answer) = probe.validated().await?;
    let reasons: Vec<_> = answer.told.errors.iter().map(|(code, message)| format!("{code}: {message}")).collect();
    answered(&answer)?;
    ensure!(answer.told.status() == "validated", "answered {}: {}", answer.summary(), reasons.join("; "));
    ensure!(reasons.is_empty(), "validated, but with errors: {}", reasons.join("; "));
    Ok(passed(""))
}

/// Fails where there is no answer to go by, so that nothing is read out of its silence.
fn answered(answer: &Exchange) -> anyhow::Result<()> {
    let said = answer.told.status.is_some() && answer.told.request_uid.is_some();
    ensure!(said, "validate answered {}", answer.summary());
    Ok(())
}

pub(super) async fn at_once(probe: &Probe) -> Judged {
    let (_, answer) = probe.validated().await?;
    answer.expect(200)?;
    ensure!(answer.answer.location.is_none(), "the answer has a Location, as if there were something to poll");
    Ok(passed(""))
}

pub(super) async fn no_pos_order(probe: &Probe) -> Judged {
    let (_, valid) = probe.validated().await?;
    answered(&valid)?;
    let invalid = probe.refused().await?.map(|(_, answer)| answer);
    for answer in std::iter::once(&valid).chain(&invalid) {
        if let Some(id) = &answer.told.pos_order_id {
            bail!("the answer has the POS order id {id}: validate must not commit anything to the POS");
        }
    }
    Ok(passed(""))
}

pub(super) async fn stores_nothing(probe: &Probe) -> Judged {
    let (draft, answer) = probe.validated().await?;
    answered(&answer)?;
    let read = probe.get(&draft).await?;
    ensure!(read.code() == 404, "GET answered {}: validate has stored the order", read.summary());
    Ok(passed(""))
}

/// An order with a menu to be checked against, or `None`.
async fn checked_draft(probe: &Probe) -> anyhow::Result<Option<Draft>> {
    let location = probe.options().menu_location().unwrap_or_default();
    Ok(match probe.menu(location).await? {
        Some(_) => Some(probe.draft(location).await),
        None => None,
    })
}

pub(super) async fn calculates(probe: &Probe) -> Judged {
    let Some(mut draft) = checked_draft(probe).await? else { return Ok(not_tried(NO_MENU)) };
    let wanted = (Some(draft.lines_total()), Some(draft.total()));
    (draft.subtotal, draft.grand_total) = (None, None);
    let answer = probe.order(Endpoint::Validate, &draft).await?;
    answer.expect_status(200, "validated")?;
    let told = answer.told.worked_out();
    ensure!(told == wanted, "calculated {told:?} cents, not {wanted:?}");
    ensure!(answer.is_signed(probe.par()) == Some(true), "{}", answer.suspicion(probe.par()));
    Ok(passed(""))
}

pub(super) async fn invalid(probe: &Probe) -> Judged {
    let Some((_, answer)) = probe.refused().await? else { return Ok(not_tried(NO_MENU)) };
    rejected(probe, &answer)
}

pub(super) async fn wrong_price(probe: &Probe) -> Judged {
    let Some(mut draft) = checked_draft(probe).await? else { return Ok(not_tried(NO_MENU)) };
    let right = draft.grand_total;
    if let Some(line) = draft.lines.first_mut() {
        line.price += 1;
    }
    draft.calculate();
    corrected(probe, &draft, right).await
}

pub(super) async fn wrong_total(probe: &Probe) -> Judged {
    let Some(mut draft) = checked_draft(probe).await? else { return Ok(not_tried(NO_MENU)) };
    let right = draft.grand_total;
    draft.grand_total = right.map(|total| total + 1);
    corrected(probe, &draft, right).await
}

/// Rejected, or validated with the right total beside the wrong one or instead of it (docs/contract.md#u26): both are answers PAR can work with.
async fn corrected(probe: &Probe, draft: &Draft, right: Option<i64>) -> Judged {
    let ask = Ask { about: None, ..Ask::order(Endpoint::Validate, draft) };
    let answer = probe.send(ask).await?;
    if answer.told.status() == "validated" {
        let told = answer.told.worked_out().1;
        ensure!(told == right, "validated, with a grand total of {told:?} cents, not {right:?}");
        return Ok(passed("validated with the right total"));
    }
    rejected(probe, &answer)
}

/// With the code that this deployment has for it (docs/contract.md#u13).
pub(super) fn rejected(probe: &Probe, answer: &Exchange) -> Judged {
    answer.expect_status(probe.options().contract.rejected_status, "rejected")?;
    Ok(passed(""))
}

/// Of every rejected order so far.
pub(super) async fn says_why(probe: &Probe) -> Judged {
    probe.refused().await?;
    let rejected: Vec<Arc<Exchange>> =
        probe.bench.log().into_iter().filter(|exchange| exchange.told.status() == "rejected").collect();
    if rejected.is_empty() {
        return Ok(not_tried("no order was rejected"));
    }
    let silent: Vec<_> = rejected.iter().filter(|exchange| !exchange.told.says_why()).collect();
    probe.show(silent.iter().map(|exchange| &exchange.record));
    let wrong: Vec<_> = silent.iter().map(|exchange| format!("{} without errors, code and message", exchange.name())).collect();
    all_right(&wrong, "")
}
