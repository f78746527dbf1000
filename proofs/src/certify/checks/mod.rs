//! The checks, in the order in which they are tried.

mod digests;
mod menus;
mod polling;
mod refusals;
mod signatures;
mod submit;
mod tokens;
mod validate;

use std::fmt::Write;

use anyhow::bail;
use futures_util::future::BoxFuture;

use super::{Outcome, bench::Probe, exchange::Endpoint, report::Item};
use posnext_local::par::Bearer;

/// What came of a check, and a word about it; an error is a failure, and its text says why.
pub(crate) type Judged = anyhow::Result<(Outcome, String)>;

/// What a check cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To place orders.
    Orders,
    /// To place an order where 202 is answered.
    Asynchronous,
    /// A location to validate at.
    Validation,
}

/// A check.
pub(crate) struct Check {
    /// Its stable name.
    pub(crate) id: &'static str,
    /// The item of PAR's checklist it belongs to.
    pub(crate) item: Item,
    /// What has to hold.
    pub(crate) what: &'static str,
    /// What it needs.
    pub(crate) needs: &'static [Need],
    /// Tries it.
    pub(crate) run: Run,
}

type Run = for<'a> fn(&'a Probe) -> BoxFuture<'a, Judged>;

const fn check(id: &'static str, item: Item, what: &'static str, needs: &'static [Need], run: Run) -> Check {
    Check { id, item, what, needs, run }
}

const ORDERS: &[Need] = &[Need::Orders];
const ASYNC: &[Need] = &[Need::Asynchronous];
const VALIDATE: &[Need] = &[Need::Validation];

/// All of them. Those that judge everything that was said come last.
pub(crate) const CHECKS: &[Check] = &[
    check("token-right", Item::Jwt, "a right token is let in", &[], |p| Box::pin(tokens::right(p))),
    check("token-missing", Item::Jwt, "no token: 401", &[], |p| Box::pin(tokens::refused(p, Bearer::Missing))),
    check("token-malformed", Item::Jwt, "a token that is no JWT: 401", &[], |p| Box::pin(tokens::refused(p, Bearer::Malformed))),
    check("token-bad-signature", Item::Jwt, "another secret: 401", &[], |p| Box::pin(tokens::refused(p, Bearer::Foreign))),
    check("token-expired", Item::Jwt, "an expired token: 401", &[], |p| Box::pin(tokens::refused(p, Bearer::Expired))),
    check("token-alg-none", Item::Jwt, "alg none, unsigned: 401", &[], |p| Box::pin(tokens::refused(p, Bearer::Unsigned))),
    check("token-without-exp", Item::Jwt, "a token for ever: 401", &[], |p| Box::pin(tokens::refused(p, Bearer::Endless))),
    check("digest-missing", Item::RequestSignature, "an order without x-pch-digest: refused", &[], |p| {
        Box::pin(digests::missing(p))
    }),
    check("digest-whole-shared-id", Item::RequestSignature, "keyed with the whole SharedId: refused", &[], |p| {
        Box::pin(digests::whole_shared_id(p))
    }),
    check("digest-tampered", Item::RequestSignature, "one signed value changed after signing: refused", &[], |p| {
        Box::pin(digests::tampered(p))
    }),
    check("digest-of-errors", Item::RequestSignature, "the digest that errors carry, sent back: refused", &[], |p| {
        Box::pin(digests::of_errors(p))
    }),
    check("digest-wrong", Item::Mismatch, "a wrong digest: refused", &[], |p| Box::pin(digests::wrong(p))),
    check("digest-wrong-stores-nothing", Item::Mismatch, "an order refused for its digest is not stored", ORDERS, |p| {
        Box::pin(digests::stores_nothing(p))
    }),
    check("menu-served", Item::Menu, "the location's menu, with its ids", VALIDATE, |p| Box::pin(menus::served(p))),
    check("menu-prices", Item::Menu, "every price is a number of whole cents", VALIDATE, |p| Box::pin(menus::prices(p))),
    check("menu-references", Item::Menu, "every id that is named is there, once, and no group contains itself", VALIDATE, |p| {
        Box::pin(menus::references(p))
    }),
    check("menu-limits", Item::Menu, "every modifier group can be chosen from", VALIDATE, |p| Box::pin(menus::limits(p))),
    check("menu-etag", Item::Menu, "a menu that has not changed is not sent again", VALIDATE, |p| Box::pin(menus::etag(p))),
    check("validate-valid", Item::ValidateValid, "a right order: validated", VALIDATE, |p| Box::pin(validate::valid(p))),
    check("validate-at-once", Item::ValidateValid, "answered 200, never 202", VALIDATE, |p| Box::pin(validate::at_once(p))),
    check("validate-no-pos-order", Item::ValidateValid, "no POS order id is made", VALIDATE, |p| {
        Box::pin(validate::no_pos_order(p))
    }),
    check("validate-stores-nothing", Item::ValidateValid, "GET of it: 404", VALIDATE, |p| Box::pin(validate::stores_nothing(p))),
    check("validate-calculates", Item::ValidateValid, "totals that are left out are calculated", VALIDATE, |p| {
        Box::pin(validate::calculates(p))
    }),
    check("validate-invalid", Item::ValidateInvalid, "an item that is not on the menu: rejected", VALIDATE, |p| {
        Box::pin(validate::invalid(p))
    }),
    check("validate-wrong-price", Item::ValidateInvalid, "a price that is not the menu's: rejected", VALIDATE, |p| {
        Box::pin(validate::wrong_price(p))
    }),
    check("validate-wrong-total", Item::ValidateInvalid, "a wrong grand total does not stand", VALIDATE, |p| {
        Box::pin(validate::wrong_total(p))
    }),
    check("rejected-says-why", Item::ValidateInvalid, "errors with code and message", VALIDATE, |p| {
        Box::pin(validate::says_why(p))
    }),
    check("submit-placed", Item::Submit, "200 placed, with the POS order id", ORDERS, |p| Box::pin(submit::placed(p))),
    check("submit-invalid", Item::Submit, "an item that is not on the menu: rejected", &[Need::Orders, Need::Validation], |p| {
        Box::pin(submit::invalid(p))
    }),
    check("submit-replay", Item::Submit, "sent again, it is the same POS order", ORDERS, |p| Box::pin(submit::replay(p))),
    check("submit-conflict", Item::Submit, "the same request_uid with other content: 409, the first stands", ORDERS, |p| {
        Box::pin(submit::conflict(p))
    }),
    check("submit-concurrent", Item::Submit, "20 orders at once: each 200 placed", ORDERS, |p| Box::pin(submit::concurrent(p))),
    check("plural-paths", Item::Submit, "/posnext/orders/submit and /validate do the same", &[], |p| Box::pin(submit::plural(p))),
    check("async-accepted", Item::Polling, "202 pending", ASYNC, |p| Box::pin(polling::accepted(p))),
    check("async-location", Item::Polling, "Location names the order", ASYNC, |p| Box::pin(polling::location(p))),
    check("async-polls", Item::Polling, "every poll after it: 200, never 404", ASYNC, |p| Box::pin(polling::polls(p))),
    check("async-signed", Item::Polling, "the 202 and every poll are signed", ASYNC, |p| Box::pin(polling::signed(p))),
    check("async-final", Item::Polling, "it ends: placed, with the POS order id", ASYNC, |p| Box::pin(polling::ends(p))),
    check("get-order", Item::Get, "an order is read as it was answered", ORDERS, |p| Box::pin(submit::get(p))),
    check("get-unknown", Item::Get, "an id that was never sent: 404", &[], |p| Box::pin(refusals::unknown_order(p))),
    check("unmapped-organization", Item::Mapping, "an organization that is not mapped: refused", &[], |p| {
        Box::pin(refusals::unmapped_organization(p))
    }),
    check("unmapped-location", Item::Mapping, "a location that is not mapped: refused", &[], |p| {
        Box::pin(refusals::unmapped_location(p))
    }),
    check("malformed-json", Item::Errors, "a body that is no JSON: 400", &[], |p| Box::pin(refusals::malformed_json(p))),
    check("content-type", Item::Errors, "a body that is not called JSON: 415", &[], |p| Box::pin(refusals::content_type(p))),
    check("missing-field", Item::Errors, "an order without request_datetime: 400", &[], |p| Box::pin(refusals::missing_field(p))),
    check("cents-rounded", Item::ResponseSignature, "19.99 is signed as 1999 cents, and echoed", &[], |p| {
        Box::pin(signatures::cents(p))
    }),
    check("final-status-stable", Item::Get, "read again and again, a final order says the same", ORDERS, |p| {
        Box::pin(submit::stable(p))
    }),
    check("answers-signed", Item::ResponseSignature, "every answer about an order is signed over its body", &[], |p| {
        Box::pin(signatures::answers(p))
    }),
    check("errors-signed", Item::ResponseSignature, "every refusal of a known organization's order is signed", &[], |p| {
        Box::pin(signatures::errors(p))
    }),
    check("digest-format", Item::ResponseSignature, "64 lower-case hexadecimal digits", &[], |p| Box::pin(signatures::format(p))),
    check("errors-explained", Item::Errors, "every refusal is JSON with errors, code and message", &[], |p| {
        Box::pin(refusals::explained(p))
    }),
    check("ids-echoed", Item::Mapping, "PAR's own ids in every answer", &[], |p| Box::pin(signatures::ids(p))),
    check("datetime-echoed", Item::Mapping, "request_datetime as it was sent", &[], |p| Box::pin(signatures::datetime(p))),
    check("totals-echoed", Item::Mapping, "right totals as they were sent", &[], |p| Box::pin(signatures::totals(p))),
    check("status-values", Item::Statuses, "one of the five in every answer about an order", &[], |p| {
        Box::pin(signatures::statuses(p))
    }),
    check("answers-json", Item::Statuses, "every answer is JSON, and is called so", &[], |p| Box::pin(signatures::json(p))),
    check("latency", Item::Speed, "p95 of an answer under a second", &[], |p| Box::pin(signatures::latency(p))),
];

/// It holds.
pub(crate) fn passed(note: impl Into<String>) -> (Outcome, String) {
    (Outcome::Pass, note.into())
}

/// It holds, but.
pub(crate) fn warning(note: impl Into<String>) -> (Outcome, String) {
    (Outcome::Warning, note.into())
}

/// Nobody knows.
pub(crate) fn not_tried(why: impl Into<String>) -> (Outcome, String) {
    (Outcome::NotTried, why.into())
}

/// The endpoints that a check tried: in a dry run, not all.
pub(crate) fn names(targets: &[(Endpoint, &str)]) -> String {
    targets.iter().map(|(endpoint, _)| endpoint.name()).collect::<Vec<_>>().join(", ")
}

/// Fails with everything that is wrong, the first few of it spelled out.
pub(crate) fn all_right(wrong: &[String], note: impl Into<String>) -> Judged {
    const SPELLED_OUT: usize = 3;
    let mut text = wrong.iter().take(SPELLED_OUT).map(String::as_str).collect::<Vec<_>>().join("; ");
    if wrong.len() > SPELLED_OUT {
        let _ = write!(text, "; and {} more", wrong.len() - SPELLED_OUT);
    }
    if !wrong.is_empty() {
        bail!(text);
    }
    Ok(passed(note))
}
