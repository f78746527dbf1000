//! A mapping that was replaced: what that means for the orders under way.

use anyhow::Context;
use posnext_shared::domain::{
    directory::{Connector, HttpConnector, Location},
    pinned::Pinned,
};

use super::{
    super::{orders::place, stack::Stack, terminal::say},
    Which, under_way,
};

/// What of a mapping is another one now.
struct Change {
    /// It is another POS: not the same system, wherever that is now.
    other_pos: bool,
    /// It is another POS, or another store of it: an order that was attempted stays where it was.
    elsewhere: bool,
    /// A promise is gone, or settles later.
    fewer: bool,
    /// A promise is new, or settles sooner.
    more: bool,
}

impl Change {
    fn of(then: &Location, now: &Location) -> Self {
        let same_pos = match (http(then), http(now)) {
            (Some(then), Some(now)) => now.is_at(&then.base),
            _ => false,
        };
        let (before, after) = (then.connector.abilities(), now.connector.abilities());
        let both = before.and(after);
        let elsewhere = !Pinned::of(then).is_where(now);
        Self { other_pos: !same_pos, elsewhere, fewer: both != before, more: both != after }
    }
}

fn http(location: &Location) -> Option<&HttpConnector> {
    match &location.connector {
        Connector::Http(http) => Some(http),
        Connector::Sandbox(_) => None,
    }
}

/// Tells when the new mapping is in force, and what stays where it is; lists what is still open.
pub(super) async fn tell(stack: &Stack, which: &Which, then: &Location, now: &Location) -> anyhow::Result<()> {
    let (change, at) = (Change::of(then, now), under_way::in_force());
    say!("it is in force everywhere by {at}, in 60 s: {}", under_way::WHY);
    if change.elsewhere {
        let old = place(&Pinned::of(then));
        say!("an order of which anything was attempted stays where it was sent, {old}; others follow the new mapping");
        say!("until {at} an order may still be attempted there for the first time, and then stays there, too");
    }
    if let (Some(then), Some(now)) = (http(then), http(now)) {
        let (old, new) = (&then.base, &now.base);
        if change.other_pos {
            tell_of_the_secret(then, now);
        } else if old != new {
            say!("the same system moved: what was sent to {old} is asked for at {new}; until {at} perhaps at both");
        }
    }
    if change.fewer {
        say!("a promise that is gone, or settles later, is so for orders under way as well");
    }
    if change.more {
        say!("a promise that is new, or settles sooner, does not count for an order that was attempted before");
    }
    if !change.elsewhere && !change.fewer {
        return Ok(());
    }
    let again = format!("posnext admin location orders {}", which.arguments());
    let listed = under_way::list(stack, which, Some(now)).await;
    listed.with_context(|| format!("it is mapped, but what is open there could not be listed; try again: {again}"))?;
    say!("after {at}, once more: {again}");
    Ok(())
}

/// What becomes of the secret of the POS that was there.
fn tell_of_the_secret(then: &HttpConnector, now: &HttpConnector) {
    let secret = |http: &HttpConnector| http.auth.as_ref().map(|auth| auth.secret().to_owned());
    match secret(then) {
        Some(old) if secret(now).as_ref() == Some(&old) => say!("requests to both are proved by the secret {old}"),
        Some(old) => say!("the secret {old} is kept for what is open there"),
        None => {}
    }
}
