//! Polling: entity tags, what may be cached, and whose order it is.

use posnext_shared::domain::{
    directory::Client,
    ids::{OrderKey, RequestUid, Tenant},
};

use crate::support::{Api, CLIENT_SECRET, fresh_uid, id, now, order, read, token_with};

/// Without what changes with the time.
fn bare(mut body: serde_json::Value) -> serde_json::Value {
    assert!(body.as_object_mut().unwrap().remove("processing").is_some());
    body
}
#[tokio::test(start_paused = true)]
async fn a_final_order_has_an_etag_may_be_cached_and_is_not_sent_twice() {
    let api = Api::new();
    let uid = fresh_uid("poll");
    let submitted = api.submit(&order(&uid, "PAR-LOC-12345")).await;
    let first = api.get(&uid).await;
    assert_eq!((first.code, &first.text), (200, &submitted.text));
    assert_eq!((first.header("cache-control"), first.header("retry-after")), (Some("private, max-age=86400"), None));
    let etag = first.header("etag").unwrap();
    for condition in [etag, &format!("W/{etag}"), &format!("\"x\", {etag}"), "*"] {
        let request = read(&format!("/posnext/orders/{uid}"));
        let answer = api.send(request.header("if-none-match", condition)).await;
        assert_eq!((answer.code, answer.text.as_str(), answer.header("etag")), (304, "", Some(etag)));
        assert_eq!(answer.header("x-pch-digest"), first.header("x-pch-digest"), "a 304 is signed over the order");
    }
    let request = read(&format!("/posnext/orders/{uid}"));
    assert_eq!(api.send(request.header("if-none-match", "\"v0\"")).await.code, 200);
}

#[tokio::test(start_paused = true)]
async fn a_pending_order_is_not_cached_and_changes_its_etag_when_it_is_decided() {
    let api = Api::new();
    let uid = fresh_uid("poll");
    let submitted = api.submit(&order(&uid, "PAR-LOC-FLAKY")).await;
    let pending = api.get(&uid).await;
    assert_eq!((pending.code, pending.status(), bare(pending.json.clone())), (200, "pending", bare(submitted.json)));
    assert_eq!((pending.header("cache-control"), pending.header("retry-after")), (Some("no-store"), Some("1")));
    let placed = api.final_answer(&uid).await;
    assert_ne!(placed.header("etag"), pending.header("etag"));
}

#[tokio::test(start_paused = true)]
async fn another_tenants_order_is_unknown() {
    let api = Api::new();
    let uid = fresh_uid("tenant");
    api.submit(&order(&uid, "PAR-LOC-12345")).await;
    // A second client with a secret and a tenant of its own.
    api.mapped.put_secret("other", "a", "the-other-clients-secret");
    let tenant = Tenant::new("other").unwrap();
    let organizations = vec![id("IA-YC-01")];
    let client = Client { client_id: "other".into(), tenant: tenant.clone(), secret: "other".into(), organizations };
    api.mapped.0.clients.lock().unwrap().push(client);
    let get = async |secret: &str| {
        let token = token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, now() + 60), secret);
        api.send(read(&format!("/posnext/orders/{uid}")).bearer(token)).await
    };
    let foreign = get("the-other-clients-secret").await;
    assert_eq!((foreign.code, foreign.error()), (404, "unknown_order"));
    assert_eq!(get(CLIENT_SECRET).await.code, 200);
    let key = OrderKey { tenant, request_uid: RequestUid::new(uid.as_str()).unwrap() };
    assert!(key.to_string().starts_with("other#"));
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_organization_is_not_mapped_any_more_is_not_answered_unsigned() {
    let api = Api::new();
    let uid = fresh_uid("unmapped");
    assert_eq!(api.submit(&order(&uid, "PAR-LOC-12345")).await.status(), "placed");
    api.mapped.0.organizations.lock().unwrap().clear();
    let answer = api.get_any(&uid).await;
    assert_eq!((answer.code, answer.text.contains("placed")), (503, false), "{}", answer.text);
}
