//! Payload signature validation, and signature mismatch.

use anyhow::ensure;

use super::{Judged, all_right, names, not_tried, passed};
use crate::certify::{
    bench::Probe,
    draft::Draft,
    exchange::{Ask, Digest, Endpoint},
};

const NOWHERE: &str = "no location to send an order to that must be refused";

pub(super) async fn missing(probe: &Probe) -> Judged {
    refused(probe, |_| vec![("without a digest", Digest::Missing)]).await
}

pub(super) async fn wrong(probe: &Probe) -> Judged {
    refused(probe, |_| vec![("zeros", Digest::Text("0".repeat(64))), ("an empty digest", Digest::Text(String::new()))]).await
}

pub(super) async fn of_errors(probe: &Probe) -> Judged {
    refused(probe, |_| vec![("the digest of errors", Digest::Text(probe.par().null_digest()))]).await
}

pub(super) async fn whole_shared_id(probe: &Probe) -> Judged {
    let par = probe.par();
    if par.digest_under_whole_shared_id("").is_none() {
        return Ok(not_tried("this SharedId has ten characters: all of it is the key"));
    }
    let whole = |draft: &Draft| par.digest_under_whole_shared_id(&draft.json()).unwrap_or_default();
    refused(probe, |draft| vec![("keyed with all of it", Digest::Text(whole(draft)))]).await
}

/// The digest stays that of the order as it was before one of its signed values changed.
pub(super) async fn tampered(probe: &Probe) -> Judged {
    let digests = |draft: &Draft| {
        let changed = |change: &dyn Fn(&mut Draft)| {
            let mut other = draft.clone();
            change(&mut other);
            Digest::Of(other.json())
        };
        let cent_less = |cents: Option<i64>| cents.map(|cents| cents - 1);
        vec![
            ("another request_uid", changed(&|draft| draft.uid.push('x'))),
            ("another location_id", changed(&|draft| draft.location.push('x'))),
            ("another online_order_id", changed(&|draft| draft.online_order_id.push('x'))),
            ("another grand_total", changed(&|draft| draft.grand_total = cent_less(draft.grand_total))),
            ("another subtotal", changed(&|draft| draft.subtotal = cent_less(draft.subtotal))),
            ("another request_datetime", changed(&|draft| draft.datetime = "2025-03-15T14:30:45.123Z".to_owned())),
        ]
    };
    refused(probe, digests).await
}

/// Every order with one of these digests has to be refused.
async fn refused(probe: &Probe, digests: impl Fn(&Draft) -> Vec<(&'static str, Digest)>) -> Judged {
    let targets = probe.targets();
    if targets.is_empty() {
        return Ok(not_tried(NOWHERE));
    }
    let tried = names(&targets);
    let (mut wrong, code) = (Vec::new(), probe.options().contract.digest_status);
    for (endpoint, location) in targets {
        let draft = probe.draft(location).await;
        for (name, digest) in digests(&draft) {
            let answer = probe.send(Ask::order(endpoint, &draft).digest(digest)).await?;
            if answer.code() != code {
                wrong.push(format!("{name}: {} answered {}, not {code}", endpoint.name(), answer.summary()));
            }
        }
    }
    all_right(&wrong, tried)
}

pub(super) async fn stores_nothing(probe: &Probe) -> Judged {
    let draft = probe.draft(probe.options().location().unwrap_or_default()).await;
    let ask = Ask::order(Endpoint::Submit, &draft).digest(Digest::Text("0".repeat(64)));
    probe.send(ask).await?;
    let read = probe.get(&draft).await?;
    ensure!(read.code() == 404, "it was answered, and now it is there: GET answered {}", read.summary());
    Ok(passed(""))
}
