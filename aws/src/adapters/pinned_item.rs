//! How an order's POS stands in its row. Names are short and what is not so is left out: they are paid for with every
//! write.

use serde::{Deserialize, Serialize};

use posnext_shared::domain::{
    ability::{Abilities, Find},
    directory::{HttpAuth, HttpConnector},
    pinned::{Pinned, PinnedPos},
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinnedItem {
    /// The vendor's own id of the location.
    i: String,
    /// Address of a POS behind HTTP; without it the POS is played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    /// Contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<u32>,
    /// Name of the secret of HMAC signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<String>,
    /// Name of the secret of bearer tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<String>,
    /// Promises: placing is idempotent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    p: bool,
    /// Promises: it can be asked, with this settle time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<u32>,
    /// Promises: it can cancel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    x: bool,
}

impl From<&Pinned> for PinnedItem {
    fn from(pinned: &Pinned) -> Self {
        let Abilities { idempotent_place, find, cancel } = pinned.abilities();
        let (i, p, f, x) = (pinned.internal_id.clone(), idempotent_place, find.map(|find| find.settle_s), cancel);
        let played = Self { i, b: None, c: None, h: None, t: None, p, f, x };
        let PinnedPos::Http(http) = &pinned.pos else { return played };
        let (h, t) = match http.auth.clone() {
            Some(HttpAuth::Hmac { secret }) => (Some(secret), None),
            Some(HttpAuth::Bearer { secret }) => (None, Some(secret)),
            None => (None, None),
        };
        Self { b: Some(http.base.clone()), c: Some(http.contract), h, t, ..played }
    }
}

impl From<PinnedItem> for Pinned {
    fn from(item: PinnedItem) -> Self {
        let PinnedItem { i, b, c, h, t, p, f, x } = item;
        let abilities = Abilities { idempotent_place: p, find: f.map(|settle_s| Find { settle_s }), cancel: x };
        let hmac = h.map(|secret| HttpAuth::Hmac { secret });
        let auth = hmac.or_else(|| t.map(|secret| HttpAuth::Bearer { secret }));
        let pos = match b {
            Some(base) => {
                let contract = c.unwrap_or_default();
                PinnedPos::Http(HttpConnector { contract, ..HttpConnector::new(base, auth, abilities) })
            }
            None => PinnedPos::Sandbox { abilities },
        };
        Self { internal_id: i, pos }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for promises in 0..8_u32 {
            let abilities = Abilities {
                idempotent_place: promises & 1 > 0,
                find: (promises & 2 > 0).then_some(Find { settle_s: 7 }),
                cancel: promises & 4 > 0,
            };
            let secret = || "pos/1".to_owned();
            let http = |auth| PinnedPos::Http(HttpConnector::new("https://pos.example/v1", auth, abilities));
            for pos in [
                PinnedPos::Sandbox { abilities },
                http(None),
                http(Some(HttpAuth::Hmac { secret: secret() })),
                http(Some(HttpAuth::Bearer { secret: secret() })),
            ] {
                let pinned = Pinned { internal_id: "store-1".to_owned(), pos };
                let text = serde_json::to_string(&PinnedItem::from(&pinned)).unwrap();
                assert_eq!(Pinned::from(serde_json::from_str::<PinnedItem>(&text).unwrap()), pinned, "{text}");
            }
        }
    }
}
