//! `posnext certify` against the product, and against deployments that are broken in one way each: it has to name that way.

mod broken;
mod outputs;
mod variants;

use std::{collections::BTreeSet, time::Duration};

use posnext_local::par::Par;
use posnext_proofs::certify::{self, Options, Outcome, Report};

use posnext_shared::domain::contract::{Contract, PosOrderIdKey, RequestDigest};

use crate::support::{Binary, CLIENT_SECRET, SHARED_ID, in_process, rows};
use broken::{Broken, Sent};

/// Everything, against the fixed points of the local product.
pub(crate) fn options() -> Options {
    Options {
        organization: "IA-YC-01".to_owned(),
        location: "PAR-LOC-12345".to_owned(),
        menu_location: "PAR-LOC-MENU".to_owned(),
        async_location: "PAR-LOC-ASYNC".to_owned(),
        dry: false,
        contract: Contract::default(),
        only: Vec::new(),
        skip: Vec::new(),
        timeout: Duration::from_secs(30),
        poll_every: Some(Duration::from_millis(50)),
    }
}

pub(crate) async fn certified(url: &str, options: Options) -> Report {
    let par = Par::new(url, "par-local", CLIENT_SECRET, SHARED_ID).unwrap();
    certify::run(par, options, &|_, _, _| {}).await.unwrap()
}

/// The ids of the checks that came to something. How fast this machine is today is not looked at.
fn ids(report: &Report, outcome: Outcome) -> BTreeSet<&'static str> {
    report.ids(outcome).into_iter().filter(|id| *id != "latency").collect()
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn the_product_passes_every_check() {
    let (_product, caller) = in_process().await;
    let report = certified(&caller.url, options()).await;
    for outcome in [Outcome::Fail, Outcome::Warning, Outcome::NotTried] {
        assert_eq!(ids(&report, outcome), BTreeSet::new(), "{}", report.text(false));
    }
    assert!(report.passed() && report.checks.len() > 50);
    assert!(report.obligations().iter().all(|(_, outcome, _)| *outcome == Outcome::Pass));
}

/// What a dry run does not try.
const PLACES_ORDERS: [&str; 13] = [
    "async-accepted",
    "async-final",
    "async-location",
    "async-polls",
    "async-signed",
    "digest-wrong-stores-nothing",
    "final-status-stable",
    "get-order",
    "submit-concurrent",
    "submit-conflict",
    "submit-invalid",
    "submit-placed",
    "submit-replay",
];

#[tokio::test]
async fn a_dry_run_places_nothing_even_where_everything_is_let_in() {
    let (product, caller) = in_process().await;
    let lets_all_in = |sent: &mut Sent| {
        sent.right_token();
        sent.right_digest();
    };
    let broken = Broken::new().before(lets_all_in).start(&caller.url).await;
    let dry = Options::dry("IA-YC-01", "PAR-LOC-MENU");
    let report = certified(&broken, dry.clone()).await;
    assert!(ids(&report, Outcome::Fail).is_superset(&BTreeSet::from(["token-missing", "digest-missing", "digest-wrong"])));
    let report = certified(&caller.url, dry).await;
    assert!(report.passed(), "{}", report.text(false));
    assert_eq!(ids(&report, Outcome::NotTried), BTreeSet::from(PLACES_ORDERS));
    assert_eq!((rows(&product, "posnext-orders").await, rows(&product, "posnext-sandbox").await), (0, 0));
}

#[tokio::test]
async fn what_is_left_out_is_not_tried_and_no_pass() {
    let (product, caller) = in_process().await;
    let nowhere = Options { location: String::new(), menu_location: String::new(), async_location: String::new(), ..options() };
    let report = certified(&caller.url, nowhere).await;
    let left_out = ids(&report, Outcome::NotTried);
    assert!(report.passed() && left_out.is_superset(&BTreeSet::from(PLACES_ORDERS)), "{}", report.text(false));
    assert!(left_out.contains("validate-valid") && left_out.contains("menu-served") && left_out.contains("digest-wrong"));
    assert_eq!(rows(&product, "posnext-orders").await, 0);
    let obligations = report.obligations();
    assert!(obligations.iter().any(|(name, outcome, _)| (*name, *outcome) == ("Four endpoints", Outcome::NotTried)));

    let some = Options { only: owned(&["submit-placed", "answers-signed"]), skip: owned(&["answers-signed"]), ..options() };
    let report = certified(&caller.url, some).await;
    assert_eq!(report.ids(Outcome::Pass), ["submit-placed"]);
    assert_eq!(report.counts().not_tried, report.checks.len() - 1);
}

#[tokio::test]
async fn every_check_can_be_tried_alone() {
    let (_product, caller) = in_process().await;
    for id in certify::ids().filter(|id| *id != "latency") {
        let report = certified(&caller.url, Options { only: owned(&[id]), ..options() }).await;
        assert_eq!(report.ids(Outcome::Pass), [id], "{}", report.text(false));
    }
    let report = certified(&caller.url, Options { only: owned(&["latency"]), ..options() }).await;
    assert_eq!(report.counts().not_tried, report.checks.len() - 1);
}

#[tokio::test]
async fn a_deployment_is_held_to_what_it_was_set_to() {
    let settings = [
        ("POSNEXT_STATUS_DIGEST", "403"),
        ("POSNEXT_STATUS_UNMAPPED", "422"),
        ("POSNEXT_STATUS_REJECTED", "400"),
        ("POSNEXT_POS_ORDER_ID_KEY", "ticket"),
        ("POSNEXT_REQUEST_DIGEST", "path-and-body"),
        ("POSNEXT_PRICE_POLICY", "recalculate"),
        ("POSNEXT_SIGN_MENUS", "true"),
    ];
    let binary = Binary::start(&settings, None);
    let contract = Contract {
        digest_status: 403,
        unmapped_status: 422,
        rejected_status: 400,
        request_digest: RequestDigest::PathAndBody,
        pos_order_id_key: PosOrderIdKey { in_details: false, name: "ticket".to_owned() },
        ..Contract::default()
    };
    let report = certified(&binary.caller.url, Options { contract, ..options() }).await;
    assert_eq!(report.ids(Outcome::Fail), Vec::<&str>::new(), "{}", report.text(false));
    let recipe = Contract { request_digest: RequestDigest::PathAndBody, ..Contract::default() };
    let report = certified(&binary.caller.url, Options { contract: recipe, ..options() }).await;
    let named = ["digest-wrong", "unmapped-location", "validate-invalid", "submit-placed"];
    assert!(ids(&report, Outcome::Fail).is_superset(&BTreeSet::from(named)), "{}", report.text(false));
}

#[tokio::test]
async fn a_check_that_there_is_not_and_a_deployment_that_there_is_not_are_no_findings() {
    let par = || Par::new("http://127.0.0.1:9", "par-local", CLIENT_SECRET, SHARED_ID).unwrap();
    let error = certify::run(par(), Options { skip: owned(&["no-such-check"]), ..options() }, &|_, _, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("no check \"no-such-check\"; there are: token-right, "), "{error}");
    let error = certify::run(par(), options(), &|_, _, _| {}).await.unwrap_err();
    assert!(format!("{error:#}").contains("nothing answers at http://127.0.0.1:9"), "{error:#}");
}
