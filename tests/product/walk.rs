//! Every location of the fixed points, by the real binary over HTTP.

use std::time::Duration;

use posnext_aws::adapters::clock::SystemClock;
use posnext_shared::{
    app::ports::{Clock, SaveMenu},
    domain::{ids::ParId, menu::Menu},
};

use crate::support::{Binary, fresh_uid, in_process, order};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_prompt_pos_is_answered_200_placed() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    let answer = binary.caller.submit(&order(&uid, "PAR-LOC-12345")).await;
    assert_eq!((answer.code, answer.status()), (200, "placed"), "{}", answer.text);
    let pos_order_id = answer.json["order_details"]["pos_order_id"].as_str().unwrap();
    assert!(pos_order_id.starts_with("YC-LC-001-"));
    let placements = binary.caller.placements(&uid).await;
    assert_eq!(placements.len(), 1);
    assert_eq!((placements[0]["pos_order_id"].as_str(), &placements[0]["place_calls"]), (Some(pos_order_id), &1.into()));
    assert_eq!(
        (placements[0]["location_id"].as_str(), placements[0]["cancelled"].as_bool()),
        (Some("PAR-LOC-12345"), Some(false))
    );
}

#[tokio::test]
async fn both_spellings_of_the_path_are_one_endpoint() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    let body = order(&uid, "PAR-LOC-12345");
    let plural = format!("{}/posnext/orders/submit", binary.caller.url);
    let first = binary.caller.submission(&body).build().unwrap();
    let request = binary.caller.http.post(plural).headers(first.headers().clone()).body(body.clone());
    let answer = binary.caller.send(request).await.signed();
    assert_eq!((answer.code, answer.status()), (200, "placed"));
    let replay = binary.caller.submit(&body).await;
    assert_eq!((replay.code, replay.text, replay.headers.get("idempotent-replayed").is_some()), (200, answer.text, true));
}

#[tokio::test]
async fn an_async_location_is_answered_202_and_placed_in_the_background() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    let answer = binary.caller.submit(&order(&uid, "PAR-LOC-ASYNC")).await;
    assert_eq!((answer.code, answer.status()), (202, "pending"));
    assert_eq!(answer.header("location"), Some(format!("/posnext/orders/{uid}").as_str()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.json["order_details"]["pos_order_id"].is_null());
    assert_eq!(binary.caller.final_answer(&uid, SOON).await.status(), "placed");
    assert_eq!(binary.caller.placements(&uid).await.len(), 1);
}

#[tokio::test]
async fn a_caller_may_ask_for_202() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    let body = order(&uid, "PAR-LOC-12345");
    let answer = binary.caller.send(binary.caller.submission(&body).header("prefer", "wait=1, respond-async")).await.signed();
    assert_eq!((answer.code, answer.status(), answer.header("preference-applied")), (202, "pending", Some("respond-async")));
    assert_eq!(binary.caller.final_answer(&uid, SOON).await.status(), "placed");
}

#[tokio::test]
async fn a_slow_pos_is_answered_202_within_the_answer_deadline_and_makes_one_meal() {
    let binary = Binary::start(&[("POSNEXT_ANSWER_DEADLINE_MS", "1000")], None);
    let uid = fresh_uid("walk");
    let began = std::time::Instant::now();
    let answer = binary.caller.submit(&order(&uid, "PAR-LOC-SLOW")).await;
    assert_eq!((answer.code, answer.status()), (202, "pending"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(binary.caller.placements(&uid).await.is_empty(), "20 s are not over");
    assert_eq!(binary.caller.final_answer(&uid, Duration::from_secs(50)).await.status(), "placed");
    assert_eq!(binary.caller.placements(&uid).await.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_answered_200_rejected_with_its_reason() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    let answer = binary.caller.submit(&order(&uid, "PAR-LOC-REJECT")).await;
    assert_eq!((answer.code, answer.status(), answer.error()), (200, "rejected", "pos_refused"));
    let stored = binary.caller.get(&uid).await;
    assert_eq!((stored.code, stored.text), (200, answer.text));
    assert!(binary.caller.placements(&uid).await.is_empty());
}

#[tokio::test]
async fn a_location_that_is_off_rejects_and_stores_it() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    let answer = binary.caller.submit(&order(&uid, "PAR-LOC-OFF")).await;
    assert_eq!((answer.code, answer.status(), answer.error()), (200, "rejected", "location_closed"));
    assert_eq!(binary.caller.get(&uid).await.text, answer.text);
}

#[tokio::test]
async fn a_pos_that_cannot_be_reached_twice_is_tried_until_it_can() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    assert_eq!(binary.caller.submit(&order(&uid, "PAR-LOC-FLAKY")).await.code, 202);
    assert_eq!(binary.caller.final_answer(&uid, SOON).await.status(), "placed");
    assert_eq!(binary.caller.placements(&uid).await.len(), 1);
}

#[tokio::test]
async fn a_lost_reply_makes_no_second_meal_where_placing_is_idempotent() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    assert_eq!(binary.caller.submit(&order(&uid, "PAR-LOC-LOSTREPLY")).await.code, 202);
    assert_eq!(binary.caller.final_answer(&uid, SOON).await.status(), "placed");
    let placements = binary.caller.placements(&uid).await;
    assert_eq!((placements.len(), &placements[0]["place_calls"]), (1, &2.into()));
}

#[tokio::test]
async fn a_lost_reply_makes_no_second_meal_where_the_pos_can_only_be_asked() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    assert_eq!(binary.caller.submit(&order(&uid, "PAR-LOC-FIND")).await.code, 202);
    let answer = binary.caller.final_answer(&uid, SOON).await;
    let placements = binary.caller.placements(&uid).await;
    assert_eq!((placements.len(), &placements[0]["place_calls"]), (1, &1.into()));
    assert_eq!((answer.status(), &answer.json["order_details"]["pos_order_id"]), ("placed", &placements[0]["pos_order_id"]));
}

#[tokio::test]
async fn a_pos_that_is_down_ends_errored_at_the_deadline() {
    let binary = Binary::start(&[("POSNEXT_ORDER_DEADLINE_S", "4")], None);
    let uid = fresh_uid("walk");
    assert_eq!(binary.caller.submit(&order(&uid, "PAR-LOC-DOWN")).await.code, 202);
    let answer = binary.caller.final_answer(&uid, SOON).await;
    assert_eq!((answer.status(), answer.error()), ("errored", "pos_unreachable"));
    assert!(binary.caller.placements(&uid).await.is_empty());
}

#[tokio::test]
async fn unknown_keys_and_numbers_come_back_as_they_were_sent() {
    let binary = Binary::start(&[], None);
    let uid = fresh_uid("walk");
    let extra = r#""loyalty":{"points":12345678901234567890,"rate":1.10,"tiny":1e-400,"name":"Zo\u00eb \ud83c\udf2e"},"flags":[true,null,[]]"#;
    let body = order(&uid, "PAR-LOC-12345").replace("\"order_details\":{", &format!("{extra},\"order_details\":{{{extra},"));
    let sent = binary.caller.send(binary.caller.submission(&order(&uid, "PAR-LOC-12345")).body(body.clone())).await.signed();
    assert_eq!((sent.code, sent.status()), (200, "placed"));
    let pos_order_id = &sent.json["order_details"]["pos_order_id"];
    let expected =
        body.replacen('{', "{\"status\":\"placed\",", 1).replace("}]}}", &format!("}}],\"pos_order_id\":{pos_order_id}}}}}"));
    assert_eq!(sent.text, expected);
    assert_eq!(binary.caller.get(&uid).await.text, expected);
}

#[tokio::test]
async fn the_command_line_plays_par_and_its_exit_code_tells_success() {
    let binary = Binary::start(&[], None);
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
        let output = command.arg("order").args(arguments).args(["--url", &binary.caller.url]).envs(WRONG).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&["submit"]).await;
    assert!(code == Some(0) && text.contains("200  placed    signature right"), "{text}");
    let (code, text) = run(&["submit", "--location", "PAR-LOC-ASYNC", "--request-uid", "cli-1"]).await;
    assert!(code == Some(0) && text.contains("202  pending") && text.contains("200  placed"), "{text}");
    let (code, text) = run(&["get", "cli-1"]).await;
    assert!(code == Some(0) && text.contains("\"request_uid\":\"cli-1\""), "{text}");
    assert_eq!(run(&["watch", "cli-1"]).await.0, Some(0));
    assert_eq!(run(&["submit", "--location", "PAR-LOC-REJECT"]).await.0, Some(1));
    assert_eq!(run(&["get", "nobody"]).await.0, Some(1));
    let (code, text) = run(&["validate"]).await;
    assert!(code == Some(0) && text.contains("200  validated  signature right"), "{text}");
    assert_eq!(run(&["validate", "--location", "PAR-LOC-OFF"]).await.0, Some(1));
    let (code, text) = run(&["menu"]).await;
    assert!(code == Some(0) && text.contains(r#""location_id":"PAR-LOC-MENU""#), "{text}");
    let (code, text) = run(&["menu", "--location", "PAR-LOC-SLOW"]).await;
    assert!(code == Some(1) && text.contains("unknown_menu"), "{text}");
    assert_eq!(run(&["submit", "--client-secret-from", "env:WRONG_SECRET"]).await.0, Some(1));
    assert_eq!(run(&["submit", "--shared-id-from", "env:WRONG_SHARED_ID"]).await.0, Some(3));
    let (code, text) = run(&["submit", "--shared-id-from", "env:NOT_SET"]).await;
    assert!(code == Some(2) && text.contains("the variable NOT_SET is not set"), "{text}");
    // What stands on a command line is seen by everybody on the machine.
    let (code, text) = run(&["submit", "--client-secret-from", "hunter2hunter2"]).await;
    assert!(code == Some(2) && text.contains("must be env:NAME"), "{text}");
    assert_eq!(run(&["submit", "--client-secret", "hunter2hunter2"]).await.0, Some(2));
    let (code, text) = run(&["submit", "--location", "PAR-LOC-DOWN", "--timeout", "1"]).await;
    assert!(code == Some(4) && text.contains("still pending"), "{text}");
    let (code, text) = run(&["submit", "--file", "/nowhere/order.json"]).await;
    assert!(code == Some(2) && text.contains("cannot read /nowhere/order.json"), "{text}");
}

#[tokio::test]
async fn smoke_passes_on_a_sound_deployment_and_says_what_is_wrong_with_another() {
    let binary = Binary::start(&[], None);
    let url = binary.caller.url.clone();
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
        let output = command.arg("smoke").args(arguments).envs(WRONG).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&[&url]).await;
    assert!(code == Some(0) && text.matches("ok    ").count() == 5 && !text.contains("FAIL"), "{text}");
    let (code, text) = run(&[&url, "--location", "PAR-LOC-ASYNC"]).await;
    assert!(code == Some(0) && text.contains("placed, every answer signed (202, "), "{text}");
    let (code, text) = run(&[&url, "--location", "PAR-LOC-REJECT"]).await;
    assert!(code == Some(1) && text.contains("FAIL  the order is placed, every answer signed: it ended rejected"), "{text}");
    let (code, text) = run(&[&url, "--shared-id-from", "env:WRONG_SHARED_ID"]).await;
    assert!(code == Some(1) && text.contains("answered 412 Precondition Failed"), "{text}");
    let (code, text) = run(&[&url, "--location", "PAR-LOC-DOWN", "--timeout", "1"]).await;
    assert!(code == Some(1) && text.contains("still pending after 1 s"), "{text}");
    let (code, text) = run(&["http://127.0.0.1:9"]).await;
    assert!(code == Some(2) && text.contains("nothing answers at http://127.0.0.1:9"), "{text}");
}

/// What is neither the local product's Client Secret nor its SharedId.
const WRONG: [(&str, &str); 2] = [("WRONG_SECRET", "wrong"), ("WRONG_SHARED_ID", "0123456789")];

#[tokio::test]
async fn smoke_and_load_order_what_the_location_sells() {
    let (product, caller) = in_process().await;
    let (organization, id) = (ParId::new("IA-YC-01").unwrap(), ParId::new("PAR-LOC-MENU").unwrap());
    let burgers = r#"{"currency":"USD","products":[
        {"id":"b0","name":"Sold out","price":1.00,"available":false},
        {"id":"b1","name":"Burger","price":8.10,"modifier_groups":["bun"]}],
        "modifier_groups":[{"id":"bun","name":"Bun","min":1,"max":1,"modifiers":[{"id":"rye","name":"Rye","price":0.35}]}]}"#;
    let put = async |text: &str| {
        let menu = Menu::parse(text.as_bytes()).unwrap();
        product.services.parts.menus().save(&organization, &id, &menu, SystemClock.now()).await.unwrap();
    };
    put(burgers).await;
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
        let output = command.args(arguments).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&["smoke", &caller.url, "--location", "PAR-LOC-MENU"]).await;
    assert!(code == Some(0) && text.contains("ok    the order is placed"), "{text}");
    let load = ["load", &caller.url, "--location", "PAR-LOC-MENU", "--rate", "20", "--orders", "3", "--menus-every", "0"];
    let (code, text) = run(&load).await;
    assert!(code == Some(0), "{text}");
}

#[tokio::test]
async fn smoke_says_that_a_menu_has_nothing_to_order() {
    let (product, caller) = in_process().await;
    let (organization, id) = (ParId::new("IA-YC-01").unwrap(), ParId::new("PAR-LOC-MENU").unwrap());
    let nothing = r#"{"currency":"USD","products":[{"id":"b0","name":"Sold out","price":1.00,"available":false}]}"#;
    let menu = Menu::parse(nothing.as_bytes()).unwrap();
    product.services.parts.menus().save(&organization, &id, &menu, SystemClock.now()).await.unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    let output = command.args(["smoke", &caller.url, "--location", "PAR-LOC-MENU"]).output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2) && text.contains("the menu of PAR-LOC-MENU has nothing that can be ordered now"),
        "{text}"
    );
}
