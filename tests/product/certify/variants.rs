//! Deployments that are broken in one way each, and the checks that have to fail for it: these and no others.

mod answers;
mod callers;
mod offers;
mod orders;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
    time::Duration,
};

use futures_util::StreamExt;
use posnext_proofs::certify::{Options, Outcome};
use serde_json::Value;

use super::{
    broken::{Back, Broken, Sent},
    certified, ids, options, owned,
};
use crate::support::in_process;

/// Deployments tried at a time.
const AT_A_TIME: usize = 6;

/// What is broken, and the checks that name it.
struct Variant {
    name: &'static str,
    broken: Broken,
    failing: &'static [&'static str],
    options: Options,
}

fn variant(name: &'static str, broken: Broken, failing: &'static [&'static str]) -> Variant {
    // Half of all orders, and slow for it: left out where it shows nothing.
    let concurrent = "submit-concurrent";
    let skip = if failing.contains(&concurrent) { Vec::new() } else { owned(&[concurrent]) };
    Variant { name, broken, failing, options: Options { skip, ..options() } }
}

fn answers(change: impl Fn(&Sent, &mut Back) + Send + Sync + 'static) -> Broken {
    Broken::new().after(change)
}

fn requests(change: impl Fn(&mut Sent) + Send + Sync + 'static) -> Broken {
    Broken::new().before(change)
}

/// Answers about orders, changed and signed anew.
fn orders(change: impl Fn(&Sent, &mut Value) + Send + Sync + 'static) -> Broken {
    answers(move |sent, back| {
        if back.is_order() {
            back.edit(|json| change(sent, json));
        }
    })
}

/// How often something was seen, by name.
#[derive(Default)]
struct Seen(Mutex<HashMap<String, usize>>);

impl Seen {
    /// Once more; how often by now.
    fn once_more(&self, name: &str) -> usize {
        let mut seen = self.0.lock().unwrap();
        let count = seen.entry(name.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap().contains_key(name)
    }
}

#[tokio::test]
async fn what_lets_a_caller_in_who_must_not_be_is_named() {
    each_is_named(callers::variants()).await;
}

#[tokio::test]
async fn what_signs_wrongly_is_named() {
    each_is_named(answers::signed()).await;
}

#[tokio::test]
async fn what_says_back_something_else_is_named() {
    each_is_named(answers::said_back()).await;
}

#[tokio::test]
async fn what_takes_orders_wrongly_is_named() {
    each_is_named(orders::variants()).await;
}

#[tokio::test]
async fn what_validates_wrongly_is_named() {
    each_is_named(offers::validate()).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_menu_is_named() {
    each_is_named(offers::menu()).await;
}

#[test]
fn every_check_fails_for_a_deployment_that_is_broken_in_its_way() {
    let variants =
        [callers::variants(), answers::signed(), answers::said_back(), orders::variants(), offers::validate(), offers::menu()];
    let variants = variants.into_iter().flatten().filter(|variant| variant.name != callers::LETS_NOBODY_IN);
    let failing: BTreeSet<&str> = variants.flat_map(|variant| variant.failing).copied().collect();
    let never: Vec<_> = posnext_proofs::certify::ids().filter(|id| !failing.contains(id)).collect();
    // A right token that is refused fails nearly all; the other two are worth a word at most.
    assert_eq!(never, ["token-right", "menu-etag", "latency"]);
}

/// Tries all of them, and compares what fails with what has to.
async fn each_is_named(variants: Vec<Variant>) {
    let (_product, caller) = in_process().await;
    let tried = futures_util::stream::iter(variants).map(|variant| {
        let url = caller.url.clone();
        async move {
            let url = variant.broken.start(&url).await;
            let report = certified(&url, variant.options).await;
            let expected: BTreeSet<_> = variant.failing.iter().copied().collect();
            let found = ids(&report, Outcome::Fail);
            let told: Vec<_> = report.checks.iter().filter(|check| check.outcome == Outcome::Fail).collect();
            let told: Vec<_> = told.iter().map(|check| format!("{}: {}", check.id, check.reason)).collect();
            (found != expected).then(|| format!("{}: expected {expected:?}, but {told:#?}", variant.name))
        }
    });
    let wrong: Vec<String> = tried.buffer_unordered(AT_A_TIME).filter_map(std::future::ready).collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_only_worth_a_word_is_no_failure() {
    let (_product, caller) = in_process().await;
    let no_etag = answers(|_, back| drop(back.headers.remove("etag"))).start(&caller.url).await;
    let report = certified(&no_etag, options()).await;
    assert!(report.passed() && ids(&report, Outcome::Warning) == BTreeSet::from(["menu-etag"]), "{}", report.text(false));

    let always_whole = requests(|sent| drop(sent.headers.remove("if-none-match"))).start(&caller.url).await;
    let report = certified(&always_whole, Options { only: owned(&["menu-etag"]), ..options() }).await;
    assert_eq!(report.ids(Outcome::Warning), ["menu-etag"], "{}", report.text(false));

    let slow = Broken::new().delay(Duration::from_millis(1_010)).start(&caller.url).await;
    let report = certified(&slow, Options { only: owned(&["submit-placed", "latency"]), ..options() }).await;
    assert_eq!((report.ids(Outcome::Pass), report.ids(Outcome::Warning)), (vec!["submit-placed"], vec!["latency"]));
    assert!(report.latency[0].p95_ms > 1_000 && report.passed());

    // Of a caller with several organizations, nobody can know whose order a body is that cannot be read.
    let nameless = answers(|_, back| {
        if back.body.contains("invalid_json") || back.body.contains("unsupported_media_type") {
            back.headers.remove("x-pch-digest");
        }
    });
    let report = certified(&nameless.start(&caller.url).await, options()).await;
    assert_eq!(ids(&report, Outcome::Fail), BTreeSet::new());
    assert_eq!(ids(&report, Outcome::Warning), BTreeSet::from(["errors-signed"]));
}
