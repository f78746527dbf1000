//! How the POS of a mapping is reached: whether it is the one that was there, where that was before, and by which
//! secret requests prove themselves.

use posnext_shared::domain::{
    ability::{Abilities, Find},
    directory::{Connector, HttpAuth, HttpConnector, Location},
};

use super::{
    super::{
        desk::{Desk, refused},
        source::Value,
        terminal::say,
    },
    add::{Add, Auth},
    base,
    plan::SecretChange,
};

const WHAT: &str = "POS secret";

/// The connector of the new mapping, and the secret that has to be written for it.
pub(super) async fn connector(
    desk: &Desk,
    add: &Add,
    known: Option<&Location>,
    value: Option<Value>,
) -> anyhow::Result<(HttpConnector, Option<SecretChange>)> {
    let then = known.and_then(http);
    let same = is_same_system(add, known)?;
    let (auth, secret) = auth(desk, add, then.filter(|_| same), then, value).await?;
    let formerly = then.filter(|_| same).map(|then| formerly(then, &add.pos.base)).unwrap_or_default();
    let abilities = Abilities {
        idempotent_place: add.pos.idempotent_place,
        find: add.pos.find_settle.map(|settle_s| Find { settle_s }),
        cancel: add.pos.cancel,
    };
    Ok((HttpConnector { formerly, ..HttpConnector::new(add.pos.base.clone(), auth, abilities) }, secret))
}

fn http(location: &Location) -> Option<&HttpConnector> {
    match &location.connector {
        Connector::Http(http) => Some(http),
        Connector::Sandbox(_) => None,
    }
}

/// Whether the POS is the one that the location is mapped to. Of another address only a person can know.
fn is_same_system(add: &Add, known: Option<&Location>) -> anyhow::Result<bool> {
    let (which, moved) = (&add.which, add.pos.same_pos);
    let Some(then) = known.and_then(http) else {
        return match known {
            _ if !moved => Ok(false),
            None => refused(format!("{which} is not mapped, so it has no POS that moved; leave out --same-pos")),
            Some(_) => refused(format!("{which} is at the sandbox, which cannot move; leave out --same-pos")),
        };
    };
    let stays = base::is_same(&then.base, &add.pos.base);
    if moved && stays {
        // The command that moved it, given once more.
        say!("{which} has its POS at that base already, so --same-pos changes nothing");
    }
    Ok(moved || stays)
}

/// Where a system was before it was at `base`.
fn formerly(then: &HttpConnector, base: &str) -> Vec<String> {
    let mut formerly: Vec<String> = Vec::new();
    for former in then.formerly.iter().chain([&then.base]) {
        if former != base && !formerly.contains(former) {
            formerly.push(former.clone());
        }
    }
    formerly
}

/// How requests prove where they come from. `same`: the POS that the location has, if it is the same one still.
async fn auth(
    desk: &Desk,
    add: &Add,
    same: Option<&HttpConnector>,
    then: Option<&HttpConnector>,
    value: Option<Value>,
) -> anyhow::Result<(Option<HttpAuth>, Option<SecretChange>)> {
    let secret_of = |http: &HttpConnector| http.auth.as_ref().map(|auth| auth.secret().to_owned());
    let (secret, change) = match (add.pos.auth, value) {
        (Auth::None, _) => return Ok((None, None)),
        (_, Some(value)) => match same.and_then(secret_of) {
            Some(secret) => {
                let change = desk.change(&secret, WHAT, true, value).await?;
                (secret, change)
            }
            None => {
                let name = fresh_name(desk, add)?;
                (name.clone(), Some(SecretChange { name, what: WHAT, value }))
            }
        },
        (auth, None) => {
            let Some(secret) = then.and_then(secret_of) else {
                let which = &add.which;
                return refused(format!("{which} has no POS secret that would prove requests; give --pos-secret-from"));
            };
            // An HMAC gives nothing away, wherever it is sent.
            if auth == Auth::Bearer && same.is_none() {
                return refused(
                    "the secret of one POS would be sent to another; give --pos-secret-from, or, if it is the same \
                     system at another address, --same-pos",
                );
            }
            desk.must_exist(&secret, "--pos-secret-from").await?;
            (secret, None)
        }
    };
    let auth = if add.pos.auth == Auth::Bearer { HttpAuth::Bearer { secret } } else { HttpAuth::Hmac { secret } };
    Ok((Some(auth), change))
}

/// A name that no secret has had: orders under way are still proved by those of before, under theirs.
fn fresh_name(desk: &Desk, add: &Add) -> anyhow::Result<String> {
    let fresh = uuid::Uuid::now_v7().to_string();
    desk.name(&["pos", add.which.organization.as_str(), add.which.location.as_str(), &fresh])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_a_system_had_is_kept_once_and_the_one_that_it_has_is_none_of_them() {
        let system = |base: &str, formerly: &[&str]| HttpConnector {
            formerly: formerly.iter().map(|&former| former.to_owned()).collect(),
            ..HttpConnector::new(base, None, Abilities::default())
        };
        assert_eq!(formerly(&system("a", &[]), "b"), ["a"]);
        assert_eq!(formerly(&system("b", &["a"]), "c"), ["a", "b"]);
        assert_eq!(formerly(&system("c", &["a", "b"]), "a"), ["b", "c"]);
        assert_eq!(formerly(&system("c", &["a", "b"]), "c"), ["a", "b"]);
        assert_eq!(formerly(&system("b", &["a", "b", "a"]), "b"), ["a"]);
    }
}
