//! JWT validation, on all four endpoints.

use anyhow::ensure;

use super::{Judged, all_right, passed};
use crate::certify::{
    bench::Probe,
    exchange::{Ask, Endpoint},
};
use posnext_local::par::Bearer;

pub(super) async fn right(probe: &Probe) -> Judged {
    let answer = probe.get(&probe.nowhere()).await?;
    ensure!(answer.code() != 401, "answered {}; are Client ID and Client Secret right?", answer.summary());
    Ok(passed(""))
}

pub(super) async fn refused(probe: &Probe, bearer: Bearer) -> Judged {
    let mut wrong = Vec::new();
    for endpoint in Endpoint::ALL {
        let answer = probe.send(ask(probe, endpoint).await.bearer(bearer)).await?;
        if answer.code() != 401 {
            wrong.push(format!("{} answered {}, not 401", endpoint.name(), answer.summary()));
        }
    }
    all_right(&wrong, "")
}

/// A request that would be served with a right token. Nothing is placed by it in a dry run, whatever the other side lets in.
async fn ask(probe: &Probe, endpoint: Endpoint) -> Ask {
    let options = probe.options();
    let location = match endpoint {
        Endpoint::Submit => options.location().filter(|_| !options.dry),
        _ => options.menu_location(),
    };
    let draft = match location {
        Some(location) => probe.draft(location).await,
        None => probe.nowhere(),
    };
    match endpoint {
        Endpoint::Get => Ask::get(&draft),
        Endpoint::Menus => Ask::menu(&draft.organization, &draft.location),
        Endpoint::Submit | Endpoint::Validate => Ask::order(endpoint, &draft),
    }
}
