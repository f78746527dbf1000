//! One online order, several request_uids; one request_uid, several contents.

use crate::support::{Api, fresh_uid, order, submission};

#[tokio::test(start_paused = true)]
async fn the_same_id_with_other_content_is_409_in_every_state() {
    let api = Api::new();
    for (location, stored) in [("PAR-LOC-12345", "placed"), ("PAR-LOC-REJECT", "rejected"), ("PAR-LOC-DOWN", "pending")] {
        let uid = fresh_uid("conflict");
        let body = order(&uid, location);
        let first = api.submit(&body).await;
        let other = api.submit(&body.replace("\"quantity\":2", "\"quantity\":3")).await;
        assert_eq!((other.code, other.error(), other.status()), (409, "idempotency_conflict", stored));
        assert_eq!(api.get(&uid).await.json["order_details"], first.json["order_details"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_the_stored_orders_answer_and_has_nothing_of_what_was_refused() {
    let api = Api::new();
    for (location, stored) in [("PAR-LOC-12345", "placed"), ("PAR-LOC-REJECT", "rejected"), ("PAR-LOC-ASYNC", "pending")] {
        let uid = fresh_uid("conflict");
        let body = order(&uid, location);
        api.submit(&body).await;
        let refused = body.replace("23.45", "85.20").replace("21.50", "80.00").replace("Taco", "Lobster");
        let other = api.submit(&refused).await;
        assert_eq!((other.code, other.status()), (409, stored));
        for word in ["85.2", "80.0", "Lobster"] {
            assert!(!other.text.contains(word), "{}", other.text);
        }
        let now = api.get(&uid).await;
        assert_eq!(other.header("x-pch-digest"), now.header("x-pch-digest"));
        let told = |answer: &crate::support::Answer, conflict: usize| {
            let mut json = answer.json.clone();
            let members = json.as_object_mut().unwrap();
            members.remove("processing");
            let errors =
                members.remove("errors").map(|errors| errors.as_array().unwrap()[conflict..].to_vec()).unwrap_or_default();
            (json, errors)
        };
        assert_eq!(told(&other, 1), told(&now, 0), "its own reasons follow");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_under_a_second_name_is_answered_under_that_name() {
    let api = Api::new();
    let (one, two) = (fresh_uid("guard"), fresh_uid("guard"));
    let body = order(&one, "PAR-LOC-12345");
    api.submit(&body).await;
    let renamed = body.replacen(&one, &two, 1);
    api.submit(&renamed).await;
    let conflict = api.submit(&renamed.replace("23.45", "85.20")).await;
    assert_eq!((conflict.code, conflict.status(), conflict.json["request_uid"].as_str()), (409, "placed", Some(two.as_str())));
    assert_eq!(conflict.header("x-pch-digest"), api.get(&two).await.header("x-pch-digest"));
}

#[tokio::test(start_paused = true)]
async fn a_retry_with_a_fresh_time_stamp_is_a_replay_of_the_first_answer() {
    let api = Api::new();
    let body = order(&fresh_uid("replay"), "PAR-LOC-12345");
    let first = api.submit(&body).await;
    // Same second, so that the digest stays: only the text differs.
    let retry = body.replace("45.123Z", "45.999Z").replace("21.50", "2150e-2").replace(":{", ": {");
    let replay = api.send(submission(&body).body(retry)).await.signed();
    assert_eq!((replay.code, replay.header("idempotent-replayed"), &replay.text), (200, Some("true"), &first.text));
    assert_eq!(first.headers.get("idempotent-replayed"), None);
}

#[tokio::test(start_paused = true)]
async fn a_second_request_uid_of_the_same_order_is_answered_as_the_first_under_its_own_name() {
    let api = Api::new();
    let (one, two) = (fresh_uid("guard"), fresh_uid("guard"));
    let body = order(&one, "PAR-LOC-12345");
    let first = api.submit(&body).await;
    let renamed = body.replacen(&one, &two, 1);
    let second = api.submit(&renamed).await;
    assert_eq!((second.code, second.status(), second.header("idempotent-replayed")), (200, "placed", Some("true")));
    assert_eq!(second.json["request_uid"].as_str(), Some(two.as_str()));
    assert_eq!(second.json["order_details"], first.json["order_details"]);
    assert_eq!(api.get(&two).await.text, second.text);
    let retry = api.send(submission(&renamed).body(renamed.replace("45.123Z", "45.999Z"))).await.signed();
    assert_eq!(retry.text, second.text, "a retry gets what is stored");
    assert_eq!(api.world.meals(&one).len() + api.world.meals(&two).len(), 1);
    let conflict = api.submit(&renamed.replace("\"quantity\":2", "\"quantity\":3")).await;
    assert_eq!((conflict.code, conflict.error()), (409, "idempotency_conflict"));
}

#[tokio::test(start_paused = true)]
async fn a_second_name_of_a_pending_order_is_202_and_follows_it() {
    let api = Api::new();
    let (one, two) = (fresh_uid("guard"), fresh_uid("guard"));
    let body = order(&one, "PAR-LOC-FLAKY");
    assert_eq!(api.submit(&body).await.code, 202);
    let second = api.submit(&body.replacen(&one, &two, 1)).await;
    assert_eq!((second.code, second.header("location")), (202, Some(format!("/posnext/orders/{two}").as_str())));
    assert_eq!(api.final_answer(&two).await.status(), "placed");
    assert_eq!(api.get(&one).await.status(), "placed");
}

#[tokio::test(start_paused = true)]
async fn the_same_online_order_with_other_content_is_409_and_writes_nothing() {
    let api = Api::new();
    let (one, two) = (fresh_uid("guard"), fresh_uid("guard"));
    let body = order(&one, "PAR-LOC-12345");
    api.submit(&body).await;
    let before = api.rows();
    let other = api.submit(&body.replacen(&one, &two, 1).replace("\"quantity\":2", "\"quantity\":3")).await;
    assert_eq!((other.code, other.error(), other.status()), (409, "idempotency_conflict", ""), "nothing is stored under this id");
    assert_eq!(other.json["errors"][0]["field"].as_str(), Some("order_details.online_order_id"));
    assert_eq!(api.get_any(&two).await.code, 404);
    assert_eq!(api.rows(), before);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_first_try_was_refused_may_be_sent_again_under_another_name() {
    let api = Api::new();
    let (one, two) = (fresh_uid("guard"), fresh_uid("guard"));
    let body = order(&one, "PAR-LOC-REJECT");
    assert_eq!(api.submit(&body).await.status(), "rejected");
    let second = api.submit(&body.replacen(&one, &two, 1).replace("\"quantity\":2", "\"quantity\":3")).await;
    assert_eq!((second.code, second.status(), second.header("idempotent-replayed")), (200, "rejected", None));
    assert_eq!(api.get(&one).await.status(), "rejected");
}

#[tokio::test(start_paused = true)]
async fn orders_without_an_online_order_id_are_not_guarded() {
    let api = Api::new();
    let (one, two) = (fresh_uid("guard"), fresh_uid("guard"));
    let body = |uid: &str| order(uid, "PAR-LOC-12345").replace(&format!("\"ORD-{uid}\""), "null");
    for uid in [&one, &two] {
        assert_eq!(api.submit(&body(uid)).await.status(), "placed");
        assert_eq!(api.world.meals(uid).len(), 1);
    }
}
