//! Locations, onboarded and looked after by the real binary, against a running local product.

mod leaving;
mod mapping;
mod replacing;
mod rotation;
mod stage;
mod terminal;
mod waiting;

use std::process::Stdio;

use posnext_aws::{
    adapters::{clock::SystemClock, directory_admin::DirectoryAdmin},
    wiring::Parts,
};
use posnext_local::{
    local::{Product, SAMPLE_MENU, Services},
    pos,
};
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{directory::Connector, ids::ParId, menu::Menu},
};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::support::{CLIENT_SECRET, SHARED_ID, fresh_uid, hmac_hex, in_process, now, order, rows, token, token_with};

const PAR_SHARED_ID: &str = "par-gave-us-this-shared-id";
const PAR_CLIENT_SECRET: &str = "par-gave-us-this-client-secret";

/// The operator's command, about the stack at `url`; what it said, and how it ended.
async fn admin(services: &Services, url: &str, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.arg("admin").args(arguments).envs(services.environment());
    command.env("POSNEXT_SECRETS_PREFIX", "posnext").env("POSNEXT_URL", url);
    command.envs([
        ("PAR_SHARED_ID", PAR_SHARED_ID),
        ("PAR_CLIENT_SECRET", PAR_CLIENT_SECRET),
        ("KNOWN", SHARED_ID),
        ("SHORT", "short"),
    ]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

/// What the operator does to locations of a product.
pub(crate) async fn location(product: &Product, arguments: &[&str], input: &str) -> (i32, String) {
    let url = format!("http://{}", product.address);
    admin(&product.services, &url, &[&["location"], arguments].concat(), input).await
}

/// A POS behind HTTP, that is played.
pub(crate) async fn played_pos() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/all/prompt", listener.local_addr().unwrap());
    tokio::spawn(pos::serve(listener));
    base
}

/// The functions as they are when they start: nothing has been read.
pub(crate) async fn fresh(product: &Product) -> Parts {
    let parts = Parts::new(product.services.parts.settings().clone(), &product.services.aws);
    parts.warm_up().await;
    parts
}

fn digest(shared_id: &str, uid: &str, location: &str) -> String {
    hmac_hex(&shared_id[..10], &format!("{uid}|{location}|ORD-{uid}|2345|2150|1742049045"))
}

/// Status, body and digest of an order's answer.
async fn submit(parts: &Parts, organization: &str, place: &str, token: &str, shared_id: &str) -> (u16, Value, bool) {
    let uid = fresh_uid("onboard");
    let body = order(&uid, place).replace("IA-YC-01", organization);
    let request = http::Request::post("/posnext/order/submit").header("content-type", "application/json");
    let digest = digest(shared_id, &uid, place);
    let request = request.header("authorization", format!("Bearer {token}")).header("x-pch-digest", &digest);
    let response = parts.submit().handle(request.body(body).unwrap()).await;
    let signed = response.headers().get("x-pch-digest").is_some_and(|told| *told == *digest);
    (response.status().as_u16(), serde_json::from_slice(response.body().as_ref()).unwrap(), signed)
}

pub(crate) fn token_by(secret: &str) -> String {
    token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, now() + 300), secret)
}

async fn secret(product: &Product, name: &str) -> Option<String> {
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    secrets.get_secret_value().secret_id(name).send().await.ok().and_then(|got| got.secret_string)
}

/// The text of the secret that a location's POS has.
async fn pos_secret(product: &Product, organization: &str, id: &str) -> String {
    let (organization, id) = (ParId::new(organization).unwrap(), ParId::new(id).unwrap());
    let mapped = directory(product).location(&organization, &id).await.unwrap().unwrap();
    let Connector::Http(http) = mapped.connector else { panic!("{id} is at the sandbox") };
    secret(product, http.auth.unwrap().secret()).await.unwrap()
}

pub(crate) fn directory(product: &Product) -> DirectoryAdmin {
    DirectoryAdmin::new(aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb), "posnext-directory".to_owned())
}

/// What was printed after `what`, which is shown once.
fn revealed(text: &str, what: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(what) && line.contains("shown this once: "));
    line.unwrap_or_else(|| panic!("{what}: {text}")).rsplit(' ').next().unwrap().to_owned()
}

pub(crate) const NEW: [&str; 13] = [
    "add",
    "IA-NEW-02",
    "PAR LOC/1",
    "--internal-id",
    "N-1",
    "--organization-internal-id",
    "NEW02",
    "--shared-id-from",
    "env:PAR_SHARED_ID",
    "--client-id",
    "par-new",
    "--client-secret-from",
    "env:PAR_CLIENT_SECRET",
];

#[tokio::test]
async fn one_command_maps_organization_client_and_location_and_an_order_to_it_is_placed() {
    let (product, base) = (in_process().await.0, played_pos().await);
    let pos = ["--base", &base, "--auth", "bearer", "--pos-secret-from", "generate", "--find-settle", "4", "--no-check"];
    let (code, text) = location(&product, &[&NEW[..], &pos].concat(), "").await;
    assert!(code == 0 && text.contains("location PAR LOC/1 of IA-NEW-02 is mapped"), "{text}");
    assert!(!text.contains(PAR_SHARED_ID) && !text.contains(PAR_CLIENT_SECRET), "{text}");
    let generated = revealed(&text, "POS secret");
    assert_eq!((generated.len(), text.matches(&generated).count()), (44, 1));
    assert!(pos_secret(&product, "IA-NEW-02", "PAR LOC/1").await.contains(&generated));

    let (token, parts) = (token_by(PAR_CLIENT_SECRET), fresh(&product).await);
    let (code, body, signed) = submit(&parts, "IA-NEW-02", "PAR LOC/1", &token, PAR_SHARED_ID).await;
    assert_eq!((code, body["status"].as_str(), signed), (200, Some("placed"), true), "{body}");

    let (code, text) = location(&product, &["show", "IA-NEW-02", "PAR LOC/1"], "").await;
    assert!(code == 0 && text.contains("internal_id: N-1") && text.contains("connector.abilities.find.settle_s: 4"), "{text}");
    assert!(text.contains("organization: IA-NEW-02, NEW02 inside") && text.contains("client: par-new, tenant par-new"), "{text}");
    for value in [PAR_SHARED_ID, PAR_CLIENT_SECRET, &generated] {
        assert!(!text.contains(value), "{text}");
    }
    let (_, text) = location(&product, &["list"], "").await;
    assert!(text.contains("PAR LOC/1") && text.contains(&base) && text.contains("PAR-LOC-12345"), "{text}");
    let (_, text) = location(&product, &["list", "--organization", "IA-NEW-02"], "").await;
    assert!(text.contains("PAR LOC/1") && !text.contains("PAR-LOC-12345"), "{text}");
}

#[tokio::test]
async fn an_add_that_was_cut_off_anywhere_has_no_effect_and_is_repeated() {
    let (product, base) = (in_process().await.0, played_pos().await);
    let add = [&NEW[..], &["--base", &base, "--auth", "hmac", "--pos-secret-from", "-", "--no-check"]].concat();
    assert_eq!(location(&product, &add, "first-pos-secret\n").await.0, 0);
    let rows = [("location#IA-NEW-02", "PAR LOC/1"), ("client", "par-new"), ("organization", "IA-NEW-02")];
    let dynamodb = aws_sdk_dynamodb::Client::new(&product.services.aws.dynamodb);
    // Without its last row, its last two, all three: as if it had been cut off before.
    for cut in 1..=rows.len() {
        for (pk, sk) in &rows[..cut] {
            let key = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
            dynamodb.delete_item().table_name("posnext-directory").key("pk", key(pk)).key("sk", key(sk)).send().await.unwrap();
        }
        let parts = fresh(&product).await;
        let (code, body, _) = submit(&parts, "IA-NEW-02", "PAR LOC/1", &token_by(PAR_CLIENT_SECRET), PAR_SHARED_ID).await;
        assert!(matches!(code, 401 | 404), "nobody can use what is there: {code} {body}");
        let (code, text) = location(&product, &add, "second-pos-secret\n").await;
        assert_eq!(code, 0, "{text}");
        let parts = fresh(&product).await;
        let (code, body, signed) = submit(&parts, "IA-NEW-02", "PAR LOC/1", &token_by(PAR_CLIENT_SECRET), PAR_SHARED_ID).await;
        assert_eq!((code, body["status"].as_str(), signed), (200, Some("placed"), true), "{body}");
    }
    let live = pos_secret(&product, "IA-NEW-02", "PAR LOC/1").await;
    assert!(live.contains("second-pos-secret") && !live.contains("first-pos-secret"), "{live}");
}

#[tokio::test]
async fn a_client_that_is_there_may_call_for_one_more_organization_and_keeps_its_others() {
    let (product, base) = (in_process().await.0, played_pos().await);
    let owner = ["--organization-internal-id", "NEW03", "--shared-id-from", "env:PAR_SHARED_ID", "--client-id", "par-local"];
    let pos = ["--internal-id", "N", "--base", &base, "--auth", "none", "--cancel", "--no-check"];
    for id in ["PAR-LOC-1", "PAR-LOC-2"] {
        let (code, text) = location(&product, &[&["add", "IA-NEW-03", id][..], &owner, &pos].concat(), "").await;
        assert!(code == 0, "what is mapped already is given again: {text}");
        let (code, body, signed) = submit(&fresh(&product).await, "IA-NEW-03", id, &token(), PAR_SHARED_ID).await;
        assert_eq!((code, body["status"].as_str(), signed), (200, Some("placed"), true), "{body}");
    }
    let clients = directory(&product).clients().await.unwrap();
    let organizations: Vec<_> = clients[0].organizations.iter().map(ParId::as_str).collect();
    assert_eq!((clients.len(), organizations), (1, vec!["IA-YC-01", "IA-NEW-03"]));
    assert_eq!(submit(&fresh(&product).await, "IA-YC-01", "PAR-LOC-12345", &token(), SHARED_ID).await.0, 200);
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_with_what_to_do_before_anything_is_written() {
    let product = in_process().await.0;
    let base = ["--base", "http://127.0.0.1:9", "--auth", "none", "--no-check"];
    let here = ["add", "IA-YC-01", "PAR-LOC-NEW", "--internal-id", "N"];
    let elsewhere = ["add", "IA-NEW-02", "PAR-LOC-NEW", "--internal-id", "N"];
    let there = ["add", "IA-YC-01", "PAR-LOC-12345", "--internal-id", "N"];
    let cases: [(&[&str], &[&str], i32, &str); 15] = [
        (&there, &[], 1, "is mapped already; see `location show`, and to replace its mapping give --replace"),
        (&elsewhere, &[], 1, "give --organization-internal-id and --shared-id-from"),
        (&elsewhere, &["--organization-internal-id", "N", "--shared-id-from", "env:PAR_SHARED_ID"], 1, "give --client-id"),
        (&here, &["--client-id", "par-new"], 1, "there is no client par-new; to make it give --client-secret-from"),
        (&here, &["--organization-internal-id", "other"], 1, "is mapped to YC01 already; leave out"),
        (&here, &["--shared-id-from", "env:PAR_SHARED_ID"], 1, "to change it see `location rotate-secret`"),
        (&here, &["--client-id", "par-local", "--client-secret-from", "env:PAR_CLIENT_SECRET"], 1, "`location rotate-secret`"),
        (&here, &["--client-id", "par-local", "--tenant", "other"], 1, "is of tenant par-local already"),
        (&here, &["--own-shared-id-from", "env:KNOWN"], 1, "is printed in the README"),
        (&here, &["--own-shared-id-from", "env:SHORT"], 1, "must have at least 10 characters"),
        (&here, &["--own-shared-id-from", "env:NOT_SET"], 1, "the variable NOT_SET is not set"),
        (&here, &["--own-shared-id-from", "hunter2hunter2"], 2, "must be env:NAME"),
        (&here, &["--pos-secret-from", "generate"], 1, "with --auth none there is no POS secret"),
        (&here, &["--own-shared-id-from", "-", "--client-id", "par-local", "--client-secret-from", "-"], 1, "only one value"),
        (&here, &["--find-settle", "soon"], 2, "invalid"),
    ];
    for (what, more, expected, says) in cases {
        let (code, text) = location(&product, &[what, &base, more].concat(), "").await;
        assert!(code == expected && text.contains(says), "{what:?} {more:?}: {code} {text}");
    }
    for base in ["http://pos.example", "ftp://pos.example", "https://u:p@pos.example", "https://pos.example?key=1", "pos"] {
        let (code, text) = location(&product, &[&here[..], &["--base", base, "--auth", "none"]].concat(), "").await;
        assert!(code == 2 && text.contains("invalid value"), "{base}: {code} {text}");
    }
    let (code, text) = location(&product, &[&here[..], &["--base", "https://pos.example", "--auth", "hmac"]].concat(), "").await;
    assert!(code == 1 && text.contains("give --pos-secret-from"), "{text}");
    for verb in ["show", "disable", "enable"] {
        let (code, text) = location(&product, &[verb, "IA-YC-01", "PAR-LOC-NEW"], "").await;
        assert!(code == 1 && text.contains("PAR-LOC-NEW of IA-YC-01 is not mapped"), "{text}");
    }

    let (directory, new) = (directory(&product), ParId::new("IA-NEW-02").unwrap());
    let organization = ParId::new("IA-YC-01").unwrap();
    assert!(directory.organization(&new).await.unwrap().is_none() && directory.clients().await.unwrap().len() == 1);
    assert!(directory.location(&organization, &ParId::new("PAR-LOC-NEW").unwrap()).await.unwrap().is_none());
    let replaced = directory.location(&organization, &ParId::new("PAR-LOC-12345").unwrap()).await.unwrap().unwrap();
    assert!(matches!(replaced.connector, Connector::Sandbox(_)));
    let secrets = aws_sdk_secretsmanager::Client::new(&product.services.aws.secrets);
    let listed = secrets.list_secrets().max_results(100).send().await.unwrap().secret_list.unwrap();
    let names: Vec<_> = listed.iter().filter_map(|secret| secret.name()).collect();
    assert!(names.iter().all(|name| !name.contains("NEW") && !name.contains("/pos/") && !name.contains("par-new")), "{names:?}");
    assert!(secret(&product, "posnext/client/par-local").await.unwrap().contains(CLIENT_SECRET));
}

#[tokio::test]
async fn a_location_with_a_shared_id_of_its_own_is_checked_from_outside_and_switched_off_and_on() {
    let ((product, caller), base) = (in_process().await, played_pos().await);
    let add = ["add", "IA-YC-01", "PAR-LOC-OWN", "--internal-id", "N", "--base", &base, "--auth", "none"];
    let (code, text) = location(&product, &[&add[..], &["--own-shared-id-from", "env:PAR_SHARED_ID"]].concat(), "").await;
    assert!(code == 0 && text.contains("pass       digest-tampered") && !text.contains("FAIL"), "{text}");
    assert!(text.contains("it has no menu yet") && text.contains("its POS promises nothing"), "{text}");
    let placements = caller.send(caller.http.get(format!("{}/_local/placements", caller.url))).await;
    assert_eq!((placements.text.as_str(), rows(&product, "posnext-orders").await), ("[]", 0), "no order is placed to check it");

    let answered = async |shared_id: &str| {
        let (code, body, signed) = submit(&fresh(&product).await, "IA-YC-01", "PAR-LOC-OWN", &token(), shared_id).await;
        (code, body["status"].as_str().map(str::to_owned), signed)
    };
    let said = |code, status: &str| (code, Some(status.to_owned()), true);
    assert_eq!(answered(PAR_SHARED_ID).await, said(200, "placed"));
    assert_eq!(answered(SHARED_ID).await.0, 412, "its organization's is not its own");
    let (code, text) = location(&product, &["disable", "IA-YC-01", "PAR-LOC-OWN"], "").await;
    assert!(code == 0 && text.contains("it rejects every order, everywhere by "), "{text}");
    assert_eq!(answered(PAR_SHARED_ID).await, said(200, "rejected"));

    // Replaced, it stays off: whoever switched it off had a reason.
    let (code, text) = location(&product, &[&add[..], &["--cancel", "--replace"]].concat(), "").await;
    assert!(code == 0 && text.contains("is mapped, and switched off") && text.contains("it is not checked"), "{text}");
    assert_eq!(answered(SHARED_ID).await, said(200, "rejected"));
    assert_eq!(location(&product, &["enable", "IA-YC-01", "PAR-LOC-OWN"], "").await.0, 0);
    assert_eq!(answered(SHARED_ID).await, said(200, "placed"));
}

#[tokio::test]
async fn a_location_with_a_menu_is_checked_against_it_and_no_order_is_placed() {
    let ((product, caller), base) = (in_process().await, played_pos().await);
    let (organization, id) = (ParId::new("IA-YC-01").unwrap(), ParId::new("PAR-LOC-SELLS").unwrap());
    let menu = Menu::parse(SAMPLE_MENU.as_bytes()).unwrap();
    product.services.parts.menus().save(&organization, &id, &menu, SystemClock.now()).await.unwrap();
    let add = ["add", "IA-YC-01", "PAR-LOC-SELLS", "--internal-id", "N", "--base", &base, "--auth", "none"];
    let (code, text) = location(&product, &add, "").await;
    assert!(
        text.contains("location PAR-LOC-SELLS of IA-YC-01 is ready: it takes orders") && !text.contains("waiting:"),
        "{text}"
    );
    for check in ["validate-valid", "validate-wrong-price", "menu-references", "unmapped-location", "errors-signed"] {
        assert!(text.contains(&format!("pass       {check}")), "{text}");
    }
    assert!(code == 0 && text.contains("not tried  submit-placed") && !text.contains("FAIL"), "{text}");
    let placements = caller.send(caller.http.get(format!("{}/_local/placements", caller.url))).await;
    assert_eq!((placements.text.as_str(), rows(&product, "posnext-orders").await), ("[]", 0));
}

#[tokio::test]
async fn a_check_that_fails_is_told_with_what_to_do_and_the_location_stays_mapped() {
    let product = in_process().await.0;
    // Whatever is asked, this answers 200.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let anything = axum::Router::new().fallback(axum::routing::any(async || r#"{"status":"rejected"}"#));
    tokio::spawn(async move { axum::serve(listener, anything).await });
    let add = ["add", "IA-YC-01", "PAR-LOC-BAD", "--internal-id", "N", "--base", "https://pos.example", "--auth", "none"];
    let (code, text) = location(&product, &[&add[..], &["--url", &url]].concat(), "").await;
    assert!(code == 1 && text.contains("location PAR-LOC-BAD of IA-YC-01 is mapped") && text.contains("token-missing"), "{text}");
    assert!(text.contains("to keep orders out: posnext admin location disable IA-YC-01 PAR-LOC-BAD"), "{text}");
    assert_eq!(location(&product, &["show", "IA-YC-01", "PAR-LOC-BAD"], "").await.0, 0);
    let (code, text) = location(&product, &[&add[..], &["--replace", "--url", "http://127.0.0.1:9"]].concat(), "").await;
    assert!(code == 2 && text.contains("it is mapped, but could not be checked"), "{text}");
}
