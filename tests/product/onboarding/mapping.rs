//! What a mapping that replaces another keeps of it: the secret and the addresses that its POS had; and how a base is
//! spelled.

use super::{
    revealed,
    stage::{ORGANIZATION, Pos, Stage},
};

const ID: &str = "PAR-LOC-KEEPS";
const A: &str = "http://127.0.0.1:9/a";
const B: &str = "http://127.0.0.1:9/b";
const C: &str = "http://127.0.0.1:9/c";
const KEEP: [&str; 3] = ["--auth", "hmac", "--replace"];

#[tokio::test]
async fn each_pos_has_a_secret_of_its_own_name_and_the_same_pos_keeps_its() {
    let stage = Stage::new().await;
    let generate = ["--auth", "hmac", "--pos-secret-from", "generate"];
    let mut had: Vec<(String, String)> = Vec::new();
    // Back at the first address it is one more POS: nothing says that it is the first one.
    for base in [A, B, C, A] {
        let more: &[&str] = if had.is_empty() { &[] } else { &["--replace"] };
        let value = revealed(&stage.added(ID, "S", base, &[&generate[..], more].concat()).await, "POS secret");
        let name = stage.secret_of(ID).await;
        assert!(name.starts_with("posnext/pos/IA-YC-01/PAR-LOC-KEEPS/"), "what functions may read: {name}");
        assert!(had.iter().all(|(old, _)| *old != name), "{name} is the name of another POS's");
        had.push((name, value));
        for (name, value) in &had {
            assert_eq!(&stage.values(name).await[..], std::slice::from_ref(value), "it is there for what is under way");
        }
    }
    let (name, value) = had.pop().unwrap();
    // The same POS: its secret stays, and is changed by a rotation alone.
    let text = stage.added(ID, "ANOTHER-STORE", A, &[&KEEP[..], &["--cancel"]].concat()).await;
    assert!(!text.contains("shown this once") && !text.contains("is kept for"), "{text}");
    for source in ["generate", "env:PAR_CLIENT_SECRET"] {
        let (code, text) = stage.add(ID, "S", A, &[&KEEP[..], &["--pos-secret-from", source]].concat()).await;
        assert!(code == 1 && text.contains("see `location rotate-secret`"), "{text}");
    }
    assert_eq!((stage.secret_of(ID).await, stage.values(&name).await), (name, vec![value]));
}

#[tokio::test]
async fn without_a_source_a_secret_is_kept_but_never_sent_to_another_pos() {
    let ((pos, base), stage) = (Pos::start().await, Stage::new().await);
    let (code, text) = stage.add(ID, "S", A, &["--auth", "hmac"]).await;
    assert!(code == 1 && text.contains("has no POS secret"), "{text}");
    stage.added(ID, "S", A, &["--auth", "none"]).await;
    for auth in ["hmac", "bearer"] {
        let (code, text) = stage.add(ID, "S", A, &["--auth", auth, "--replace"]).await;
        assert!(code == 1 && text.contains("give --pos-secret-from"), "{text}");
    }
    let generate = ["--auth", "hmac", "--replace", "--pos-secret-from", "generate"];
    let value = revealed(&stage.added(ID, "S", A, &generate).await, "POS secret");
    let name = stage.secret_of(ID).await;
    // The runbook's remedy for a wrong base, when nobody has the secret any more.
    let text = stage.added(ID, "S", &base, &KEEP).await;
    assert!(text.contains(&format!("requests to both are proved by the secret {name}")), "{text}");
    assert_eq!(stage.secret_of(ID).await, name);
    assert_eq!(stage.submit(&stage.functions().await, ID).await.0, "placed");
    assert!(pos.sent()[0].is_proved_by(&value));

    let bearer = ["--auth", "bearer", "--replace"];
    let (code, text) = stage.add(ID, "S", B, &bearer).await;
    assert!(code == 1 && text.contains("the secret of one POS would be sent to another"), "{text}");
    assert_eq!(stage.http(ID).await.base, base, "nothing was done");
    stage.added(ID, "S", &base, &bearer).await;
    stage.added(ID, "S", &pos.listen().await, &[&bearer[..], &["--same-pos"]].concat()).await;
    assert_eq!(stage.secret_of(ID).await, name);
    assert_eq!(stage.submit(&stage.functions().await, ID).await.0, "placed");
    assert!(pos.sent()[0].is_proved_by_bearer(&value));
    // A secret that is gone cannot be kept.
    let secrets = aws_sdk_secretsmanager::Client::new(&stage.aws().secrets);
    secrets.delete_secret().secret_id(&name).force_delete_without_recovery(true).send().await.unwrap();
    let (code, text) = stage.add(ID, "S", A, &KEEP).await;
    assert!(code == 1 && text.contains("give it with --pos-secret-from"), "{text}");
}

#[tokio::test]
async fn a_replacement_that_was_cut_off_is_repeated_and_harms_no_order_under_way() {
    let ((a, base_a), (b, base_b), stage) = (Pos::start().await, Pos::start().await, Stage::new().await);
    let generate = ["--auth", "hmac", "--pos-secret-from", "generate"];
    let first = revealed(&stage.added(ID, "S", &base_a, &generate).await, "POS secret");
    let old = stage.mapped(ID).await;
    let command = [&generate[..], &["--replace"]].concat();
    let second = revealed(&stage.added(ID, "S", &base_b, &command).await, "POS secret");
    // As if its last write had not been made.
    stage.services.parts.directory().put_location(&old).await.unwrap();
    assert_eq!(stage.submit(&stage.functions().await, ID).await.0, "placed");
    assert!(a.sent()[0].is_proved_by(&first), "it had no effect");
    let third = revealed(&stage.added(ID, "S", &base_b, &command).await, "POS secret");
    assert_ne!(second, third);
    assert_eq!(stage.submit(&stage.functions().await, ID).await.0, "placed");
    assert!(b.sent()[0].is_proved_by(&third) && a.sent().is_empty());
}

#[tokio::test]
async fn the_addresses_that_a_system_had_are_kept_until_another_pos_takes_its_place() {
    let stage = Stage::new().await;
    let known = async || {
        let http = stage.http(ID).await;
        (http.base.clone(), http.formerly)
    };
    let moved = ["--auth", "none", "--replace", "--same-pos"];
    let replaced = &moved[..3];
    stage.added(ID, "S", A, &moved[..2]).await;
    for (base, more, formerly) in [
        (B, &moved[..], &[A][..]),
        (C, &moved, &[A, B]),
        (C, replaced, &[A, B]),
        // The same command once more changes nothing.
        (C, &moved, &[A, B]),
        (A, &moved, &[B, C]),
        (B, replaced, &[]),
        // What was said to be another POS is that, until somebody says otherwise.
        (A, replaced, &[]),
        (B, &moved, &[A]),
    ] {
        let text = stage.added(ID, "S", base, more).await;
        assert_eq!(known().await.0, base, "{text}");
        assert_eq!(known().await.1, formerly, "{text}");
        assert!(text.contains("it is in force everywhere by "), "{text}");
    }
    let text = stage.added(ID, "S", B, &moved).await;
    assert!(text.contains("at that base already, so --same-pos changes nothing"), "{text}");

    let (code, text) = stage.add(ID, "S", A, &["--auth", "none", "--same-pos"]).await;
    assert!(code == 2 && text.contains("--replace"), "{text}");
    for (id, says) in [("PAR-LOC-NONE", "it has no POS that moved"), ("PAR-LOC-12345", "is at the sandbox")] {
        let (code, text) = stage.add(id, "S", A, &moved).await;
        assert!(code == 1 && text.contains(says) && text.contains("leave out --same-pos"), "{text}");
    }
    assert_eq!(known().await.0, B);
}

#[tokio::test]
async fn a_base_with_a_stray_blank_is_stored_without_it_and_an_order_is_placed_there() {
    let ((pos, base), stage) = (Pos::start().await, Stage::new().await);
    let backslashes = base.replace('/', "\\");
    let cut = base.replace("/v1", "/v\t1");
    for (number, typed) in [format!("{base} "), format!("\t{base}/\r\n"), backslashes, cut].iter().enumerate() {
        let id = format!("PAR-LOC-BLANK-{number}");
        let text = stage.added(&id, "S", typed, &["--auth", "none"]).await;
        assert!(text.contains(&format!("its POS is at {base}\n")), "{typed:?}: {text}");
        assert_eq!(stage.http(&id).await.base, base);
        assert_eq!(stage.submit(&stage.functions().await, &id).await.0, "placed", "{typed:?}");
        assert_eq!(pos.asked(), ["PUT S"]);
    }
    // One address, spelled otherwise, is one POS.
    let text = stage.added("PAR-LOC-BLANK-0", "S", &base.to_uppercase().replace("/V1", "/v1/"), &KEEP_NOTHING).await;
    assert!(!text.contains("stays where it was sent"), "{text}");
    for (typed, says) in [("https://po s.example", "is no URL"), ("https://\"pos\".example", "cannot be called")] {
        let (code, text) = stage.add("PAR-LOC-QUOTE", "S", typed, &["--auth", "none"]).await;
        assert!(code == 2 && text.contains(says), "{typed}: {text}");
    }
    let (code, text) = stage.admin(&["location", "show", ORGANIZATION, "PAR-LOC-QUOTE"]).await;
    assert!(code == 1 && text.contains("is not mapped"), "{text}");
}

const KEEP_NOTHING: [&str; 3] = ["--auth", "none", "--replace"];
