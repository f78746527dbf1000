use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use posnext_local::pos;
use posnext_shared::domain::ability::Placed;
use reqwest::StatusCode;
use serde_json::json;

use super::*;
use crate::faults::ledger::{
    TWICE,
    tests::{broken, row, told},
};

/// A POS, and a proxy before it that does nothing but this.
struct World {
    proxy: Arc<Proxy>,
    url: String,
    pos: String,
}

async fn world(lie: Lie, any_place_twice: bool) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pos = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(pos::serve(listener));
    let manner = Manner { rate: 1_000, seed: 1, holds: Duration::from_secs(2), only: Some(lie), any_place_twice };
    let (proxy, url) = Proxy::start(manner, &pos, &pos).await.unwrap();
    World { proxy, url, pos }
}

/// What was answered: status, whether it repeats the request's id, whether it has an age, text. `None` if it did not come whole.
type Heard = Option<(StatusCode, bool, bool, String)>;

impl World {
    /// Places an order, which counts for a second.
    async fn place(&self, pos: &str, key: &str) -> Heard {
        let body = json!({ "key": key, "location_id": "l", "order": {} }).to_string();
        let not_after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + 1_000;
        let request = self.request(Method::PUT, pos, key).header("posnext-not-after", not_after.to_string());
        heard(request.body(body)).await
    }

    async fn find(&self, pos: &str, key: &str) -> Heard {
        heard(self.request(Method::GET, pos, key)).await
    }

    fn request(&self, method: Method, pos: &str, key: &str) -> reqwest::RequestBuilder {
        let http = posnext_local::par::http_client().timeout(Duration::from_millis(1_500)).build().unwrap();
        http.request(method, format!("{}/{pos}/orders/{key}", self.url)).header("posnext-request", "r")
    }

    async fn entry(&self, key: &str) -> pos::Entry {
        self.ledger().await.remove(key).unwrap_or_default()
    }

    async fn ledger(&self) -> std::collections::BTreeMap<String, pos::Entry> {
        let text = reqwest::get(format!("{}/ledger", self.pos)).await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

async fn heard(request: reqwest::RequestBuilder) -> Heard {
    let answer = request.send().await.ok()?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let repeats = headers.get("posnext-request").is_some_and(|id| id == "r");
    Some((status, repeats, headers.contains_key("age"), answer.text().await.ok()?))
}

/// The ledgers notice a second meal: else a run that finds none says nothing.
#[tokio::test]
async fn a_proxy_that_repeats_a_place_at_any_pos_breaks_a_promise_and_the_ledgers_say_so() {
    for (abilities, twice) in [("none", true), ("find", true), ("all", false)] {
        let world = world(Lie::Twice, true).await;
        let key = format!("{}.u", posnext_local::local::CLIENT_ID);
        let (status, _, _, text) = world.place(&format!("{abilities}/prompt"), &key).await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pos_order_id = said["pos_order_id"].as_str().unwrap();
        let placed = Placed::Done { pos_order_id: pos_order_id.to_owned() };
        let row = row("u", &format!("{abilities}:prompt"), Some(placed));
        let found = broken(told(&[("placed", pos_order_id)]), Some(row), &world.ledger().await);
        assert_eq!(found, if twice { vec![TWICE] } else { Vec::new() }, "{abilities}");
    }
}

#[tokio::test]
async fn it_repeats_a_place_only_where_placing_is_idempotent() {
    let world = world(Lie::Twice, false).await;
    for (pos, calls) in
        [("none/prompt", 1), ("find/prompt", 1), ("find-cancel/prompt", 1), ("cancel/prompt", 1), ("place/prompt", 2)]
    {
        let key = pos.replace('/', "-");
        assert_eq!(world.place(pos, &key).await.unwrap().0, StatusCode::CREATED);
        assert_eq!((world.entry(&key).await.calls, world.entry(&key).await.meals.len()), (calls, 1), "{pos}");
    }
}

#[tokio::test]
async fn a_request_that_is_held_arrives_after_its_sender_has_gone_and_nothing_is_made_of_one_that_is_too_late() {
    let world = world(Lie::HeldRequest, false).await;
    let senders = (0..8).map(|number| {
        let world = &world;
        async move { world.place("none/prompt", &format!("held-{number}")).await }
    });
    assert!(futures_util::future::join_all(senders).await.iter().all(Option::is_none));
    assert!(!world.proxy.is_empty());
    while !world.proxy.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ledger = world.ledger().await;
    // They count for a second, and their senders wait for longer.
    assert!(
        ledger.len() == 8 && ledger.values().all(|entry| (entry.late, entry.calls, entry.meals.len()) == (1, 0, 0)),
        "{ledger:?}"
    );
}

#[tokio::test]
async fn the_pos_makes_nothing_of_half_a_request() {
    let world = world(Lie::CutRequest, false).await;
    assert_eq!(world.place("none/prompt", "cut").await, None);
    let short = self::world(Lie::ShortRequest, false).await;
    let (status, _, _, text) = short.place("none/prompt", "short").await.unwrap();
    assert!(status == StatusCode::BAD_REQUEST && text.contains("invalid"), "{status} {text}");
    assert_eq!((world.entry("cut").await.calls, short.entry("short").await.calls), (0, 0));
}

#[tokio::test]
async fn half_an_answer_is_cut_or_stands_for_all_of_it() {
    let cut = world(Lie::CutAnswer, false).await;
    assert_eq!(cut.place("none/prompt", "k").await, None);
    let short = world(Lie::ShortAnswer, false).await;
    let (status, repeats, _, text) = short.place("none/prompt", "k").await.unwrap();
    assert!(status == StatusCode::CREATED && repeats && serde_json::from_str::<serde_json::Value>(&text).is_err(), "{text}");
    assert_eq!((cut.entry("k").await.meals.len(), short.entry("k").await.meals.len()), (1, 1));
}

#[tokio::test]
async fn it_says_what_others_say_without_asking_the_pos() {
    let world = world(Lie::Page, false).await;
    let mut said = BTreeSet::new();
    for _ in PAGES {
        let (status, repeats, _, text) = world.place("none/prompt", "k").await.unwrap();
        assert!(!repeats);
        said.insert((status.as_u16(), text));
    }
    assert_eq!((said.len(), world.entry("k").await.calls), (PAGES.len(), 0), "{said:?}");
}

#[tokio::test]
async fn it_gives_older_answers_and_those_of_other_orders() {
    for lie in [Lie::Cached, Lie::Aged, Lie::LeftOver, Lie::Stranger] {
        let world = world(lie, false).await;
        // There is nothing to be given again yet.
        let first = world.find("find/prompt", "k").await.unwrap();
        assert_eq!((first.0, first.1, first.2), (StatusCode::NOT_FOUND, true, false), "{lie:?}");
        let put = Asked {
            method: Method::PUT,
            path: "/find/prompt/orders/k".to_owned(),
            headers: http::HeaderMap::new(),
            body: r#"{"key":"k"}"#.into(),
        };
        world.proxy.send(&world.pos, &put).await.unwrap();
        let key = if lie == Lie::Stranger { "another" } else { "k" };
        let second = world.find("find/prompt", key).await.unwrap();
        let expected = match lie {
            // The answer to the PUT had no id to repeat.
            Lie::LeftOver if second.0 == StatusCode::CREATED => "\"placed\"",
            _ => "\"unknown\"",
        };
        assert!(second.3.contains(expected) && second.3.contains(r#""key":"k""#), "{lie:?} {second:?}");
        assert_eq!(second.2, lie == Lie::Aged, "{lie:?}");
    }
}
