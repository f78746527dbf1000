//! 202 and polling.

use anyhow::{bail, ensure};

use super::{Judged, all_right, passed};
use crate::certify::bench::{Polled, Probe};

/// The story of an order that was answered 202.
async fn story(probe: &Probe) -> anyhow::Result<Polled> {
    let story = probe.polled().await?;
    ensure!(story.accepted.code() == 202, "there was no 202 to poll after: submit answered {}", story.accepted.summary());
    Ok(story)
}

pub(super) async fn accepted(probe: &Probe) -> Judged {
    let story = probe.polled().await?;
    if story.accepted.code() == 200 {
        bail!(
            "submit answered {} at once; name a location that answers 202, or leave this out: --async-location ''",
            story.accepted.summary()
        );
    }
    story.accepted.expect_status(202, "pending")?;
    Ok(passed(""))
}

pub(super) async fn location(probe: &Probe) -> Judged {
    let story = story(probe).await?;
    let Some(location) = &story.accepted.answer.location else {
        bail!("the 202 has no Location");
    };
    let wanted = format!("/posnext/orders/{}", story.draft.uid);
    ensure!(location.ends_with(&wanted), "Location is {location}, not {wanted}");
    Ok(passed(""))
}

pub(super) async fn polls(probe: &Probe) -> Judged {
    let story = story(probe).await?;
    let bad = story.polls.iter().enumerate().filter(|(_, poll)| poll.code() != 200);
    let wrong: Vec<_> = bad.map(|(number, poll)| format!("poll {} was answered {}", number + 1, poll.summary())).collect();
    all_right(&wrong, format!("{} polls", story.polls.len()))
}

pub(super) async fn signed(probe: &Probe) -> Judged {
    let story = story(probe).await?;
    let wrong: Vec<_> = std::iter::once(&story.accepted)
        .chain(&story.polls)
        .filter(|exchange| matches!(exchange.code(), 200 | 202) && exchange.is_signed(probe.par()) != Some(true))
        .map(|exchange| format!("{}: {}", exchange.name(), exchange.suspicion(probe.par())))
        .collect();
    all_right(&wrong, "")
}

pub(super) async fn ends(probe: &Probe) -> Judged {
    let story = story(probe).await?;
    let Some(last) = story.polls.last() else { bail!("it was never polled") };
    if last.told.status() == "pending" {
        bail!("still pending after {} s (--timeout)", probe.options().timeout.as_secs());
    }
    last.expect_status(200, "placed")?;
    ensure!(last.told.pos_order_id.is_some(), "there is no order_details.pos_order_id");
    Ok(passed(format!("after {} polls", story.polls.len())))
}
