//! The played POS keeps what it declares.

use std::time::Duration;

use posnext_aws::adapters::{clock::SystemClock, pos::PosRouter};
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{Attempt, Clock, Pos},
    },
    domain::{
        ability::{Abilities, Cancelled, Find, Found, Placed},
        directory::{Connector, Location, Mode, SandboxConnector},
        history::Cause,
        ids::{OrderKey, ParId, RequestUid, Tenant},
        policy::Policy,
    },
};

use crate::{
    connector::{OneSecret, http_pos, record},
    support::{fresh_uid, in_process, order},
};

const LIMIT: Duration = Duration::from_secs(3);

fn location(sandbox: &SandboxConnector) -> Location {
    Location {
        organization_id: ParId::new("O").unwrap(),
        location_id: ParId::new("L").unwrap(),
        internal_id: "l".into(),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Sandbox(sandbox.clone()),
    }
}

fn key() -> OrderKey {
    OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new(fresh_uid("s")).unwrap() }
}

#[tokio::test]
async fn placing_again_gives_the_first_result_where_that_is_promised_and_a_second_meal_where_it_is_not() {
    let (product, _) = in_process().await;
    let pos = product.services.parts.sandbox();
    for (idempotent, meals) in [(true, 1), (false, 2)] {
        let abilities = Abilities { idempotent_place: idempotent, ..Abilities::default() };
        let sandbox = SandboxConnector { abilities, ..SandboxConnector::default() };
        let (location, key) = (location(&sandbox), key());
        let first = pos.place(&sandbox, &location, &key, LIMIT).await;
        let second = pos.place(&sandbox, &location, &key, LIMIT).await;
        assert_eq!((first == second, matches!(first, Placed::Done { .. })), (idempotent, true));
        let made = pos.placements().await.unwrap().into_iter().filter(|meal| meal.order_id == key.request_uid.as_str());
        assert_eq!(made.count(), meals);
    }
}

#[tokio::test]
async fn a_tombstone_prevents_what_has_not_been_made_and_every_later_place() {
    let (product, _) = in_process().await;
    let pos = product.services.parts.sandbox();
    let slow = SandboxConnector { delay_ms: 600, ..SandboxConnector::prompt() };
    let (location, one, two) = (location(&slow), key(), key());
    // Cancelled before it was ever placed.
    assert_eq!(pos.cancel(&slow, &location, &one).await, Cancelled::Done);
    assert_eq!(pos.place(&slow, &location, &one, LIMIT).await, Placed::Cancelled);
    // Cancelled while it is being made: the caller who waits is told, and no meal comes of it.
    let (placed, cancelled) = tokio::join!(pos.place(&slow, &location, &two, LIMIT), async {
        while pos.find(&slow, &two).await != Found::Absent {}
        tokio::time::sleep(Duration::from_millis(100)).await;
        pos.cancel(&slow, &location, &two).await
    });
    assert_eq!((placed, cancelled), (Placed::Cancelled, Cancelled::Done));
    assert_eq!(pos.find(&slow, &two).await, Found::Cancelled);
    assert!(pos.placements().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_meal_counts_from_when_it_is_done_and_a_later_cancel_is_shown() {
    let (product, _) = in_process().await;
    let pos = product.services.parts.sandbox();
    let abilities = Abilities { find: Some(Find { settle_s: 3 }), ..SandboxConnector::prompt().abilities };
    let slow = SandboxConnector { delay_ms: 400, abilities, ..SandboxConnector::default() };
    let (location, key) = (location(&slow), key());
    let placed = pos.place(&slow, &location, &key, Duration::from_millis(50)).await;
    assert!(matches!(placed, Placed::Unknown(_)), "the caller did not wait: {placed:?}");
    assert!(pos.placements().await.unwrap().is_empty());
    // Placing again waits for the first meal and gives it back.
    let Placed::Done { pos_order_id } = pos.place(&slow, &location, &key, LIMIT).await else { panic!("placed") };
    assert_eq!(pos.find(&slow, &key).await, Found::Placed { pos_order_id });
    assert_eq!(pos.cancel(&slow, &location, &key).await, Cancelled::Done);
    let meals = pos.placements().await.unwrap();
    assert_eq!((meals.len(), meals[0].place_calls, meals[0].cancelled), (1, 2, true));
}

#[tokio::test]
async fn an_attempt_whose_lease_is_over_makes_nothing_at_a_played_pos() {
    let (product, _) = in_process().await;
    let (sandbox, prompt) = (product.services.parts.sandbox(), SandboxConnector::prompt());
    let router = PosRouter { http: http_pos(OneSecret::default()), sandbox: Some(sandbox) };
    let (location, record) = (location(&prompt), record(&order("u-1", "PAR-LOC-HTTP")));
    let place = async |lease_taken| {
        let attempt = Attempt { limit: LIMIT, lease_taken: Moment::now(lease_taken), lease: Policy::default().submit_lease() };
        router.place(None, &location, &record, attempt).await
    };
    let now = SystemClock.now();
    let placed = place(now.minus(Duration::from_secs(9))).await;
    assert_eq!(placed, Placed::NotStarted { cause: Cause::NoTimeLeft, retry_after: None });
    assert!(product.services.parts.sandbox().placements().await.unwrap().is_empty());
    assert!(matches!(place(now).await, Placed::Done { .. }));
}
