//! One tenant for each organization: whichever client sends an order, it is the same order.

use posnext_shared::domain::{directory::Client, ids::ParId};

use crate::{
    onboarding::{NEW, directory, fresh, location, played_pos, token_by},
    support::{digest_of, fresh_uid, in_process, order, token},
};

const SECOND: [&str; 4] = ["--client-id", "par-second", "--client-secret-from", "env:PAR_CLIENT_SECRET"];
const PAR_CLIENT_SECRET: &str = "par-gave-us-this-client-secret";

#[tokio::test]
async fn a_second_client_of_an_organization_sends_and_sees_the_same_orders() {
    let ((product, caller), base) = (in_process().await, played_pos().await);
    let add = ["add", "IA-YC-01", "PAR-LOC-NEW", "--internal-id", "N", "--base", &base, "--auth", "none", "--no-check"];
    let (code, text) = location(&product, &[&add[..], &SECOND].concat(), "").await;
    assert_eq!(code, 0, "{text}");
    let (parts, tokens) = (fresh(&product).await, [token(), token_by(PAR_CLIENT_SECRET)]);
    let uid = fresh_uid("twice");
    let body = order(&uid, "PAR-LOC-NEW");
    let digest = digest_of(&serde_json::from_str(&body).unwrap());
    let mut replayed = Vec::new();
    for token in &tokens {
        let request = http::Request::post("/posnext/order/submit").header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {token}")).header("x-pch-digest", &digest);
        let answer = parts.submit().handle(request.body(body.clone()).unwrap()).await;
        assert!(answer.status() == 200 && answer.body().contains(r#""status":"placed""#), "{}", answer.body());
        replayed.push(answer.headers().contains_key("idempotent-replayed"));
    }
    assert_eq!(replayed, [false, true]);
    for token in &tokens {
        let request = http::Request::get(format!("/posnext/orders/{uid}")).header("authorization", format!("Bearer {token}"));
        assert_eq!(parts.get().handle(request.body(String::new()).unwrap()).await.status(), 200);
    }
    let pos = base.trim_end_matches("/all/prompt");
    let ledger = caller.send(caller.http.get(format!("{pos}/ledger"))).await.text;
    assert_eq!((ledger.matches("POS-").count(), ledger.contains(&format!("par-local.{uid}"))), (1, true), "{ledger}");
    let (_, text) = location(&product, &["show", "IA-YC-01", "PAR-LOC-NEW"], "").await;
    assert!(text.contains("YC01 inside, tenant par-local") && text.contains("client: par-second, tenant par-local"), "{text}");
}

#[tokio::test]
async fn whoever_would_bring_a_second_tenant_to_an_organization_is_refused_before_anything_is_written() {
    let (product, base) = (in_process().await.0, played_pos().await);
    let pos = ["--base", &base, "--auth", "none", "--no-check"];
    assert_eq!(location(&product, &[&NEW[..], &pos].concat(), "").await.0, 0);
    let here = ["add", "IA-YC-01", "PAR-LOC-NEW", "--internal-id", "N"];
    let there = ["add", "IA-NEW-02", "PAR-LOC-NEW", "--internal-id", "N"];
    let third = ["add", "IA-NEW-03", "L", "--internal-id", "N", "--organization-internal-id", "N3"];
    let own = ["--shared-id-from", "env:PAR_SHARED_ID", "--tenant", "other"];
    let cases: [(&[&str], &[&str], &str); 5] = [
        (&here, &["--client-id", "par-new"], "organization IA-YC-01 is of tenant par-local and client par-new of tenant par-new"),
        (&there, &["--client-id", "par-local"], "Give a client of tenant par-new, or a new one"),
        (&here, &[&SECOND[..], &["--tenant", "other"]].concat(), "organization IA-YC-01 is of tenant par-local already"),
        (&third, &[&own[..], &["--client-id", "par-new"]].concat(), "client par-new is of tenant par-new already"),
        (&here, &["--client-id", "par-local", "--tenant", "other"], "is of tenant par-local already; leave out --tenant"),
    ];
    let before = directory(&product).clients().await.unwrap();
    for (what, more, says) in cases {
        let (code, text) = location(&product, &[what, &pos, more].concat(), "").await;
        assert!(code == 1 && text.contains(says), "{what:?} {more:?}: {code} {text}");
    }
    let directory = directory(&product);
    assert_eq!(directory.clients().await.unwrap(), before);
    let organization = ParId::new("IA-NEW-03").unwrap();
    assert!(directory.organization(&organization).await.unwrap().is_none());
}

#[tokio::test]
async fn a_shared_id_that_can_be_tried_out_is_warned_of_when_it_is_given_and_when_it_is_rotated() {
    let (product, base) = (in_process().await.0, played_pos().await);
    let add = ["add", "IA-YC-01", "PAR-LOC-NEW", "--internal-id", "N", "--base", &base, "--auth", "none", "--no-check"];
    let (code, text) = location(&product, &[&add[..], &["--own-shared-id-from", "-"]].concat(), "a1b2c3d4e5-and-more\n").await;
    assert!(code == 0 && text.contains("WARNING: the first 10 characters of the SharedId") && text.contains("2^40"), "{text}");
    assert!(!text.contains("a1b2c3"), "{text}");
    let rotate = ["rotate-secret", "IA-YC-01", "PAR-LOC-NEW", "shared-id", "--from", "-"];
    let (code, text) = location(&product, &rotate, "0123456789-and-more\n").await;
    assert!(code == 0 && text.contains("WARNING") && text.contains("2^33"), "{text}");
    let (code, text) = location(&product, &add.map(|word| if word == "PAR-LOC-NEW" { "PAR-LOC-2" } else { word }), "").await;
    assert!(code == 0 && !text.contains("WARNING"), "{text}");
}

#[tokio::test]
async fn a_client_is_let_to_an_organization_of_its_own_tenant_alone_whoever_writes_meanwhile() {
    let product = in_process().await.0;
    let (directory, organization) = (directory(&product), ParId::new("IA-NEW-03").unwrap());
    let other = "other".to_owned().try_into().unwrap();
    assert!(!directory.allow("par-local", &organization, &other).await.unwrap());
    assert!(!directory.allow("par-none", &organization, &other).await.unwrap());
    let may = |clients: Vec<Client>| clients.iter().any(|client| client.organizations.contains(&organization));
    assert!(!may(directory.clients().await.unwrap()));
    let own = "par-local".to_owned().try_into().unwrap();
    assert!(directory.allow("par-local", &organization, &own).await.unwrap());
    assert!(may(directory.clients().await.unwrap()));
}
