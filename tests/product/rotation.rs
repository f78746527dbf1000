//! Secrets change while the product runs.

use posnext_aws::wiring::Parts;

use crate::support::{CLIENT_SECRET, SHARED_ID, digest_of, fresh_uid, hmac_hex, in_process, now, order, token, token_with};

const NEW_SHARED_ID: &str = "zyxwvutsrq-9876543210";

fn submission(body: &str, token: &str, digest: &str) -> http::Request<String> {
    let request = http::Request::post("/posnext/order/submit").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {token}")).header("x-pch-digest", digest);
    request.body(body.to_owned()).unwrap()
}

#[tokio::test]
async fn a_new_shared_id_works_beside_the_old_one_at_once_and_answers_are_signed_with_the_one_that_was_used() {
    let (product, _) = in_process().await;
    let submit = product.services.parts.submit();
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    let body = order(&fresh_uid("rotate"), "PAR-LOC-12345");
    let old = digest_of(&serde_json::from_str(&body).unwrap());
    let message = format!(
        "{0}|PAR-LOC-12345|ORD-{0}|2345|2150|1742049045",
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["request_uid"].as_str().unwrap()
    );
    let new = hmac_hex(&NEW_SHARED_ID[..10], &message);
    assert_eq!(submit.handle(submission(&body, &token(), &new)).await.status().as_u16(), 412, "not live yet");

    let live = format!(r#"{{"live":[{{"id":"old","value":"{SHARED_ID}"}},{{"id":"new","value":"{NEW_SHARED_ID}"}}]}}"#);
    secrets.put_secret_value().secret_id("posnext/shared-id/IA-YC-01").secret_string(live).send().await.unwrap();
    // A function that has not spent its one fetch a minute on a mismatch sees it at the first request that needs it.
    let fresh = Parts::new(product.services.parts.settings().clone(), &product.services.aws);
    fresh.warm_up().await;
    for digest in [&old, &new] {
        let response = fresh.submit().handle(submission(&body, &token(), digest)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-pch-digest"]),
            (200, &digest.parse::<http::HeaderValue>().unwrap())
        );
    }
    // The one that has spent it goes on with the old one.
    let response = submit.handle(submission(&body, &token(), &new)).await;
    assert_eq!(response.status().as_u16(), 412);
    assert_eq!(submit.handle(submission(&body, &token(), &old)).await.status().as_u16(), 200);
}

#[tokio::test]
async fn a_new_client_secret_is_fetched_when_a_token_does_not_verify() {
    let (product, _) = in_process().await;
    let submit = product.services.parts.submit();
    let body = order(&fresh_uid("rotate"), "PAR-LOC-12345");
    let digest = digest_of(&serde_json::from_str(&body).unwrap());
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    let live = format!(r#"{{"live":[{{"id":"new","value":"the-new-client-secret"}},{{"id":"old","value":"{CLIENT_SECRET}"}}]}}"#);
    secrets.put_secret_value().secret_id("posnext/client/par-local").secret_string(live).send().await.unwrap();
    let new = token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, now() + 60), "the-new-client-secret");
    for token in [new, token()] {
        assert_eq!(submit.handle(submission(&body, &token, &digest)).await.status().as_u16(), 200);
    }
}

#[tokio::test]
async fn secrets_that_cannot_be_read_any_more_serve_on() {
    let (product, _) = in_process().await;
    let submit = product.services.parts.submit();
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    secrets.put_secret_value().secret_id("posnext/client/par-local").secret_string("broken").send().await.unwrap();
    let body = order(&fresh_uid("rotate"), "PAR-LOC-12345");
    let digest = digest_of(&serde_json::from_str(&body).unwrap());
    let wrong = token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, now() + 60), "wrong");
    assert_eq!(submit.handle(submission(&body, &wrong, &digest)).await.status().as_u16(), 401);
    assert_eq!(submit.handle(submission(&body, &token(), &digest)).await.status().as_u16(), 200);
}

#[tokio::test]
async fn secrets_that_were_never_read_are_503_with_retry_after() {
    let (product, _) = in_process().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    secrets.put_secret_value().secret_id("posnext/client/par-local").secret_string("broken").send().await.unwrap();
    let fresh = Parts::new(product.services.parts.settings().clone(), &product.services.aws).submit();
    let response = fresh.handle(submission(&order("x", "PAR-LOC-12345"), &token(), "00")).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "2"));
}

#[tokio::test]
async fn an_old_secret_is_read_again_beside_a_request_and_a_very_old_one_before_it_is_believed() {
    let (product, caller) = in_process().await;
    let uid = fresh_uid("stale");
    caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    let (get, secrets) = (product.services.parts.get(), aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets));
    let live = format!(r#"{{"live":[{{"id":"new","value":"{NEW_SHARED_ID}"}}]}}"#);
    secrets.put_secret_value().secret_id("posnext/shared-id/IA-YC-01").secret_string(live).send().await.unwrap();
    let message = format!("{uid}|PAR-LOC-12345|ORD-{uid}|2345|2150|1742049045");
    let (old, new) = (hmac_hex(&SHARED_ID[..10], &message), hmac_hex(&NEW_SHARED_ID[..10], &message));
    let digest = async || {
        let request = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {}", token()));
        get.handle(request.body(()).unwrap()).await.headers()["x-pch-digest"].to_str().unwrap().to_owned()
    };
    assert_eq!((digest().await, digest().await), (old.clone(), old), "not old yet");
    let pass = async |minutes| {
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_mins(minutes)).await;
        tokio::time::resume();
    };
    pass(6).await;
    // The request that finds it old may still be answered from it; the next is not.
    digest().await;
    assert_eq!(digest().await, new);

    // An instance that slept asks before it believes.
    let newest = format!(r#"{{"live":[{{"id":"newest","value":"{SHARED_ID}"}}]}}"#);
    secrets.put_secret_value().secret_id("posnext/shared-id/IA-YC-01").secret_string(newest).send().await.unwrap();
    pass(11).await;
    assert_eq!(digest().await, hmac_hex(&SHARED_ID[..10], &message));
}
