//! An order that is sent again after its row was forgotten is not made again.

use std::time::Duration;

use posnext_fakes::Fake;
use posnext_shared::domain::{policy::Policy, time::UnixMillis};

use crate::support::{Answer, Api, Asked, CLIENT_SECRET, SUBMIT, VALIDATE, fresh_uid, order, signed_request, token_with};

const DAY: Duration = Duration::from_hours(24);
/// When the samples are dated.
const SENT: UnixMillis = UnixMillis(1_742_049_045_000);

/// The API at this time, as it comes.
fn at(now: UnixMillis) -> Api {
    let world = Fake::beginning_at(now);
    world.play();
    Api { world, policy: Policy::default(), ..Api::new() }
}

/// With a token that is valid whenever it is.
async fn send(api: &Api, path: &str, body: &str) -> Answer {
    let token = token_with(r#"{"alg":"HS256"}"#, r#"{"exp":9999999999}"#, CLIENT_SECRET);
    api.send(Asked::of(signed_request(path, body)).bearer(token)).await.signed()
}

#[track_caller]
fn refused(answer: &Answer, what: &str) {
    let error = &answer.json["errors"][0];
    assert_eq!((answer.code, answer.error(), &error["field"]), (400, "invalid_field", &"request_datetime".into()), "{what}");
    assert!(error["message"].as_str().unwrap().contains(what), "{}", answer.text);
    assert_eq!(answer.status(), "", "it says nothing of an order");
}

#[tokio::test(start_paused = true)]
async fn the_same_signed_request_is_no_second_meal_once_its_row_is_forgotten() {
    let api = at(SENT);
    let (uid, again) = (fresh_uid("late"), fresh_uid("late"));
    let body = order(&uid, "PAR-LOC-12345");
    let renamed = body.replacen(&uid, &again, 1);
    let first = send(&api, SUBMIT, &body).await;
    assert_eq!((first.code, first.status()), (200, "placed"));
    assert_eq!(send(&api, SUBMIT, &renamed).await.header("idempotent-replayed"), Some("true"));

    // As long as the row is there, it answers, however old the request is.
    for passed in [29 * DAY, DAY - Duration::from_secs(60)] {
        api.world.stand_still(passed);
        api.world.forget_expired();
        for body in [&body, &renamed] {
            let replay = send(&api, SUBMIT, body).await;
            assert_eq!((replay.code, replay.header("idempotent-replayed")), (200, Some("true")), "{}", replay.text);
        }
        let other = body.replace("\"quantity\":2", "\"quantity\":3");
        assert_eq!(send(&api, SUBMIT, &other).await.code, 409);
    }
    for passed in [Duration::from_secs(120), 400 * DAY] {
        api.world.stand_still(passed);
        api.world.forget_expired();
        refused(&send(&api, SUBMIT, &body).await, "more than 29 days ago");
        assert_ne!(send(&api, SUBMIT, &renamed).await.code, 200);
    }
    refused(&send(&api, SUBMIT, &renamed).await, "if it was never made, send it with the time of now");
    assert_eq!((api.rows(), api.world.meals(&uid).len(), api.world.meals(&again).len()), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_arrives_late_for_the_first_time_is_taken_while_it_would_still_be_known() {
    for (late, code) in [(28 * DAY, 200), (29 * DAY, 200), (29 * DAY + Duration::from_secs(1), 400)] {
        let api = at(SENT.plus(late));
        let uid = fresh_uid("late");
        assert_eq!(send(&api, SUBMIT, &order(&uid, "PAR-LOC-12345")).await.code, code, "{late:?}");
        assert_eq!(api.world.meals(&uid).len(), usize::from(code == 200));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_dated_ahead_is_taken_if_a_time_zone_or_a_clock_explains_it() {
    for (ahead, code) in [(Duration::from_hours(14), 200), (Duration::from_hours(16), 400), (366 * DAY, 400)] {
        let api = at(SENT.minus(ahead));
        let uid = fresh_uid("ahead");
        let answer = send(&api, SUBMIT, &order(&uid, "PAR-LOC-12345")).await;
        assert_eq!(answer.code, code, "{ahead:?}: {}", answer.text);
        if code == 400 {
            refused(&answer, "more than 15 hours ahead of our clock");
        }
        assert_eq!(api.world.meals(&uid).len(), usize::from(code == 200));
    }
}

#[tokio::test(start_paused = true)]
async fn a_validate_may_be_of_any_age_since_nothing_is_made_of_it() {
    for now in [SENT.plus(400 * DAY), SENT.minus(400 * DAY)] {
        assert_eq!(send(&at(now), VALIDATE, &order(&fresh_uid("old"), "PAR-LOC-12345")).await.status(), "validated");
    }
}
