//! What every request to a POS has in common: its path as it is signed, and that its answer is wanted as it is.

use std::collections::BTreeSet;

use http::HeaderMap;
use posnext_aws::adapters::clock::SystemClock;
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{Attempt, Clock},
    },
    domain::{
        ability::{Cancelled, Found, Placed},
        directory::{Connector, HttpAuth, HttpConnector, Location},
        history::{Cause, Lack},
        policy::Policy,
    },
};

use crate::{
    connector::{LIMIT, OneSecret, PLACED, http_pos, location, place_at, record},
    stub_pos::{Seen, answering, with_headers},
    support::{ROOT, hmac_hex, order},
};

const GZIP: &str = "\u{1f}\u{8b}";

fn settings(location: &Location) -> &HttpConnector {
    let Connector::Http(settings) = &location.connector else { panic!("http") };
    settings
}

/// Asks a POS everything there is to ask, each once.
async fn everything(location: &Location) -> (Placed, Found, Cancelled, [Result<(), String>; 2]) {
    let (pos, settings) = (http_pos(OneSecret::default()), settings(location));
    let record = record(&order("u-1", "PAR-LOC-HTTP"));
    let taken = Moment::now(SystemClock.now());
    let attempt = Attempt { limit: LIMIT, lease_taken: taken, lease: Policy::default().submit_lease() };
    (
        place_at(location, &record).await,
        pos.find(settings, &record, LIMIT).await,
        pos.cancel(settings, &record, attempt).await,
        [
            pos.menu(settings, location, LIMIT).await.map(|_| ()).map_err(|error| error.to_string()),
            pos.sold_out(settings, location, &BTreeSet::from(["4711"]), LIMIT)
                .await
                .map(|_| ())
                .map_err(|error| error.to_string()),
        ],
    )
}

fn seen(seen: &Seen) -> Vec<(http::request::Parts, String)> {
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test]
async fn every_request_asks_for_an_answer_that_is_not_compressed() {
    let (base, sent) = answering(200, PLACED).await;
    let _ = everything(&location(&base, None)).await;
    let sent = seen(&sent);
    let methods: Vec<String> = sent.iter().map(|(parts, _)| format!("{} {}", parts.method, parts.uri.path())).collect();
    assert_eq!(
        methods,
        [
            "PUT /pos/orders/t.u-1",
            "GET /pos/orders/t.u-1",
            "DELETE /pos/orders/t.u-1",
            "GET /pos/menus/YC-LC-100",
            "POST /pos/availability"
        ]
    );
    assert!(sent.iter().all(|(parts, _)| parts.headers["accept-encoding"] == "identity"), "{sent:?}");
}

#[tokio::test]
async fn an_answer_that_is_compressed_all_the_same_is_named_as_the_cause() {
    let headers = |_: &HeaderMap| {
        let pairs = [("content-encoding", "gzip"), ("content-type", "application/json")];
        HeaderMap::from_iter(pairs.map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())))
    };
    let (base, _) = with_headers(200, GZIP, headers).await;
    let (placed, found, cancelled, read) = everything(&location(&base, None)).await;
    let cause = Cause::NotOwn { status: 200, media_type: Some("application/json in gzip".to_owned()), lacks: Lack::Json };
    assert_eq!(cause.to_string(), "200 application/json in gzip: not the POS's own answer: it is not one JSON object");
    assert_eq!(
        (placed, found, cancelled),
        (Placed::Unknown(cause.clone()), Found::Unknown(cause.clone()), Cancelled::Unknown(cause))
    );
    for read in read {
        let why = read.unwrap_err();
        assert!(why.contains("the POS answered in gzip, and was asked not to"), "{why}");
    }
}

#[tokio::test]
async fn a_signature_is_over_the_path_as_it_is_sent_whatever_the_locations_id() {
    for (id, path) in [
        ("YC-LC-001", "/pos/menus/YC-LC-001"),
        ("a.b_c~d", "/pos/menus/a.b_c~d"),
        ("Süd 2/b-1", "/pos/menus/S%C3%BCd%202%2Fb-1"),
        ("50%?x#y+z", "/pos/menus/50%25%3Fx%23y%2Bz"),
        ("\"<>\\", "/pos/menus/%22%3C%3E%5C"),
    ] {
        let (base, sent) = answering(200, "{}").await;
        let mut location = location(&base, Some(HttpAuth::Hmac { secret: "pos".into() }));
        location.internal_id = id.to_owned();
        http_pos(OneSecret::default()).menu(settings(&location), &location, LIMIT).await.unwrap();
        let (parts, body) = seen(&sent).pop().unwrap();
        assert_eq!(parts.uri.path(), path);
        let header = |name: &str| parts.headers[name].to_str().unwrap();
        let (time, digest) = header("x-posnext-signature").strip_prefix("t=").unwrap().split_once(",v2=").unwrap();
        let signed = format!("{time}.GET.{path}.2.{}..{body}", header("posnext-request"));
        assert_eq!(digest, hmac_hex("secret of pos", &signed), "{id}");
    }
}

#[test]
fn the_signatures_of_the_page_are_right() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/connector.md")).unwrap();
    let mut checked = Vec::new();
    for block in page.split("```\n").filter(|block| block.contains("\nv2=")) {
        for example in block.split("\n\n") {
            // Each text is broken after its path.
            let (text, digest) = example.trim_end().split_once("\nv2=").unwrap();
            assert_eq!(digest, hmac_hex("a-shared-secret", &text.replace('\n', "")), "{text}");
            checked.push(text.split('.').nth(1).unwrap().to_owned() + " " + text.lines().next().unwrap());
        }
    }
    assert!(checked.len() == 3 && checked[2].ends_with("/v1/menus/S%C3%BCd%202%2Fb-1"), "{checked:?}");
}
