//! Callers and secrets of more than one kind; a handler that breaks.

use posnext_shared::domain::{
    directory::{Client, Location, Organization, SandboxConnector},
    ids::Tenant,
};

use crate::support::{
    Api, Asked, CLIENT_SECRET, Put, SHARED_ID, SUBMIT, VALIDATE, bare_submission, digest_of, fresh_uid, hmac_hex, id, location,
    now, order, read, submission, token, token_with,
};

const OTHER_SHARED_ID: &str = "0123456789-other";
const OTHER_SECRET: &str = "the-other-clients-secret";

/// A second organization, a location of it, and a client of the first one's tenant that speaks for these organizations.
fn second_client(api: &Api, organizations: &[&str]) {
    api.mapped.put_secret("other-client", "other-client", OTHER_SECRET);
    api.mapped.put_secret("other-shared-id", "other-shared-id", OTHER_SHARED_ID);
    let organizations = organizations.iter().map(|text| id(text)).collect();
    let tenant = Tenant::new("par-local").unwrap();
    let (secret, shared_ids) = ("other-client".into(), "other-shared-id".into());
    let client = Client { client_id: "other".into(), tenant: tenant.clone(), secret, organizations };
    api.mapped.0.clients.lock().unwrap().push(client);
    api.mapped.put_organization(Organization { organization_id: id("IA-OT-02"), tenant, internal_id: "OT".into(), shared_ids });
}

fn bearer(secret: &str) -> String {
    token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, now() + 60), secret)
}

fn sent(body: &str, token: &str, digest: &str) -> Asked {
    bare_submission(body).bearer(token).header("x-pch-digest", digest)
}

fn message(uid: &str, location: &str) -> String {
    format!("{uid}|{location}|ORD-{uid}|2345|2150|1742049045")
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_several_organizations_gets_field_errors_signed_for_the_one_it_names() {
    let api = Api::new();
    second_client(&api, &["IA-YC-01", "IA-OT-02"]);
    let all_null = |shared_id: &str| hmac_hex(&shared_id[..10], "0|0|0|0|0|0");
    for (organization, shared_id) in [("IA-YC-01", SHARED_ID), ("IA-OT-02", OTHER_SHARED_ID)] {
        let body = format!(r#"{{"organization_id":"{organization}"}}"#);
        let answer = api.send(sent(&body, &bearer(OTHER_SECRET), "00")).await;
        assert_eq!((answer.code, answer.header("x-pch-digest")), (400, Some(all_null(shared_id).as_str())), "{organization}");
    }
    let nobodys = api.send(sent("nonsense", &bearer(OTHER_SECRET), "00")).await;
    assert_eq!((nobodys.code, nobodys.header("x-pch-digest")), (400, None), "whose it is is not known");
}

#[tokio::test(start_paused = true)]
async fn a_location_with_shared_ids_of_its_own_is_verified_and_answered_with_them() {
    let api = Api::new();
    api.mapped.put_secret("own-shared-id", "own-shared-id", OTHER_SHARED_ID);
    let own = location("PAR-LOC-OWN", SandboxConnector::prompt());
    api.mapped.put_location(Location { shared_ids: Some("own-shared-id".into()), ..own });
    let uid = fresh_uid("own");
    let body = order(&uid, "PAR-LOC-OWN");
    let organizations = digest_of(&serde_json::from_str(&body).unwrap());
    assert_eq!(api.send(sent(&body, &token(), &organizations)).await.code, 412);
    let own = hmac_hex(&OTHER_SHARED_ID[..10], &message(&uid, "PAR-LOC-OWN"));
    let placed = api.send(sent(&body, &token(), &own)).await;
    assert_eq!((placed.code, placed.header("x-pch-digest")), (200, Some(own.as_str())));
    assert_eq!(api.get_any(&uid).await.header("x-pch-digest"), Some(own.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_signed_with_the_shared_id_that_verified_the_submit() {
    let api = Api::new();
    let uid = fresh_uid("rotated");
    api.submit(&order(&uid, "PAR-LOC-12345")).await;
    let live = [("new", OTHER_SHARED_ID), ("local", SHARED_ID)].map(|(id, value)| (id.to_owned(), value.to_owned()));
    api.mapped.0.secrets.lock().unwrap().insert("shared-id".into(), live.into());
    let right = hmac_hex(&SHARED_ID[..10], &message(&uid, "PAR-LOC-12345"));
    assert_eq!(api.get_any(&uid).await.header("x-pch-digest"), Some(right.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_client_sees_only_the_orders_of_its_own_organizations() {
    let api = Api::new();
    second_client(&api, &["IA-OT-02"]);
    let uid = fresh_uid("org");
    api.submit(&order(&uid, "PAR-LOC-12345")).await;
    let status = async |secret: &str| api.send(read(&format!("/posnext/orders/{uid}")).bearer(bearer(secret))).await.code;
    assert_eq!((status(OTHER_SECRET).await, status(CLIENT_SECRET).await), (404, 200));
    // Nor may it submit for another one.
    let answer = api.send(sent(&order(&fresh_uid("org"), "PAR-LOC-12345"), &bearer(OTHER_SECRET), "00")).await;
    assert_eq!((answer.code, answer.error()), (404, "unknown_organization"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_another_organizations_order_tells_nothing_of_it() {
    let api = Api::new();
    second_client(&api, &["IA-YC-01", "IA-OT-02"]);
    api.mapped
        .put_location(Location { organization_id: id("IA-OT-02"), ..location("PAR-LOC-12345", SandboxConnector::prompt()) });
    let uid = fresh_uid("org");
    let body = order(&uid, "PAR-LOC-12345");
    assert_eq!(api.submit(&body).await.status(), "placed");
    let (other, own) = (body.replace("IA-YC-01", "IA-OT-02"), |message: &str| hmac_hex(&OTHER_SHARED_ID[..10], message));
    let refused = api.send(sent(&other, &bearer(OTHER_SECRET), &own(&message(&uid, "PAR-LOC-12345")))).await;
    assert_eq!((refused.code, refused.error(), refused.status()), (409, "idempotency_conflict", ""), "{}", refused.text);
    assert!(!refused.text.contains("placed") && !refused.text.contains("order_details\":"), "{}", refused.text);
    assert_eq!(refused.header("x-pch-digest"), Some(own("0|0|0|0|0|0").as_str()));
}

#[tokio::test(start_paused = true)]
async fn an_organization_of_another_tenant_counts_as_not_mapped_although_the_client_lists_it() {
    let api = Api::new();
    second_client(&api, &["IA-YC-01"]);
    api.mapped.0.clients.lock().unwrap()[1].tenant = Tenant::new("other").unwrap();
    let body = order(&fresh_uid("tenant"), "PAR-LOC-12345");
    let digest = digest_of(&serde_json::from_str(&body).unwrap());
    for path in [SUBMIT, VALIDATE] {
        let asked = Asked::of(crate::support::signed_request(path, &body)).instead("x-pch-digest", &digest);
        let answer = api.send(asked.bearer(bearer(OTHER_SECRET))).await;
        assert_eq!((answer.code, answer.error()), (404, "unknown_organization"), "{}", answer.text);
        assert_eq!(answer.header("x-pch-digest"), None, "its SharedId is not this caller's");
    }
    let menu = "/posnext/menus?organization_id=IA-YC-01&location_id=PAR-LOC-MENU";
    assert_eq!(api.send(Asked::to("POST", menu).bearer(bearer(OTHER_SECRET))).await.error(), "unknown_organization");
    assert_eq!(api.submit(&body).await.status(), "placed");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_have_256_kib_and_no_byte_more() {
    let api = Api::new();
    let body = order(&fresh_uid("large"), "PAR-LOC-12345");
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    assert_eq!(api.send(submission(&body).body(padded(256 * 1024 + 1))).await.code, 413);
    let answer = api.send(submission(&body).body(padded(256 * 1024))).await.signed();
    assert_eq!((answer.code, answer.status()), (200, "placed"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_answered_signed_and_the_order_is_carried_to_its_end() {
    let api = Api::new();
    api.world.panic_at(Some(id("PAR-LOC-12345")));
    let uid = fresh_uid("panic");
    let answer = api.send(Asked::of(crate::support::signed_request(SUBMIT, &order(&uid, "PAR-LOC-12345")))).await;
    assert_eq!((answer.code, answer.error()), (500, "internal_error"), "{}", answer.text);
    assert_eq!(answer.header("x-pch-digest"), Some(hmac_hex(&SHARED_ID[..10], "0|0|0|0|0|0").as_str()));
    // Its row is claimed; once the lease is over, a poll brings it back and a sound worker places it.
    api.world.panic_at(None);
    let placed = api.final_answer(&uid).await;
    assert_eq!((placed.status(), api.world.meals(&uid).len()), ("placed", 1));
}
