//! The operator's commands, by the real binary against services in which no worker runs.

use aws_sdk_dynamodb::types::AttributeValue;
use posnext_local::local::{Services, invocable, start_services};
use posnext_shared::{
    app::ports::{Aside, Clock, OrderMessage, ReadOrder, SetAside},
    domain::{
        ability::Abilities,
        directory::{Connector, HttpConnector, Location, Mode, SandboxConnector},
        ids::OrderKey,
        record::Row,
    },
};
use serde_json::Value;

use crate::{
    stub_pos::answering,
    support::{digest_of, fresh_uid, location, order, token},
};

async fn idle() -> Services {
    // Nobody listens on port 9.
    let services = start_services(None, "http://127.0.0.1:9").await.unwrap();
    let silent = SandboxConnector { lose_replies_first: 99, abilities: Abilities::default(), ..SandboxConnector::default() };
    let location = location("PAR-LOC-MUTE", Connector::Sandbox(silent));
    services.parts.directory().put_location(&location).await.unwrap();
    services
}

async fn submit(services: &Services, uid: &str, location: &str) -> u16 {
    let body = order(uid, location);
    let json: Value = serde_json::from_str(&body).unwrap();
    let request = http::Request::post("/posnext/order/submit").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {}", token())).header("x-pch-digest", digest_of(&json));
    services.parts.submit().handle(request.body(body).unwrap()).await.status().as_u16()
}

/// The operator's command. process-order does what it is asked to, and no more.
async fn admin(services: &Services, arguments: &[&str]) -> (i32, String) {
    let lambda = invocable(services.parts.process()).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    command.arg("admin").args(arguments).envs(services.environment());
    let output = command.env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{lambda}")).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

/// An order in the queue, whose POS says this whatever it is asked.
async fn queued_at(services: &Services, base: String) -> String {
    let connector = Connector::Http(HttpConnector::new(base, None, Abilities::default()));
    let location = Location { mode: Mode::Async, ..location("PAR-LOC-SAYS", connector) };
    services.parts.directory().put_location(&location).await.unwrap();
    let uid = fresh_uid("queued");
    assert_eq!(submit(services, &uid, "PAR-LOC-SAYS").await, 202);
    format!("par-local#{uid}")
}

#[tokio::test]
async fn a_person_is_told_what_the_pos_holds_and_ends_nothing_that_it_contradicts() {
    let services = idle().await;
    let (base, _) = answering(200, r#"{"key":"$KEY","status":"placed","pos_order_id":"T-1042"}"#).await;
    let order = queued_at(&services, base).await;
    let (code, text) = admin(&services, &["ask", &order]).await;
    assert!(code == 0 && text.contains("it holds the order under T-1042"), "{text}");
    for wrong in [&["--errored"][..], &["--rejected"], &["--placed", "T-1"]] {
        let (code, text) = admin(&services, &[&["end", &order], wrong, &["--reason", "says Ann"]].concat()).await;
        assert!(code == 1 && text.contains("nothing was done: the POS was asked, and it holds the order under T-1042"), "{text}");
        assert!(text.contains("is pending"), "{text}");
    }
    let (code, text) = admin(&services, &["end", &order, "--placed", "T-1042", "--reason", "says Ann"]).await;
    assert!(code == 0 && text.contains("is placed"), "{text}");
    let (code, text) = admin(&services, &["ask", "par-local#nobody"]).await;
    assert!(code == 1 && text.contains("there is no order"), "{text}");
}

#[tokio::test]
async fn without_an_answer_of_the_pos_an_order_is_ended_only_by_who_says_so() {
    let services = idle().await;
    // Nobody listens on port 9.
    let order = queued_at(&services, "http://127.0.0.1:9".to_owned()).await;
    let (code, text) = admin(&services, &["end", &order, "--errored", "--reason", "says Ann"]).await;
    assert!(code == 1 && text.contains("it does not say: could not connect") && text.contains("--without-asking"), "{text}");
    let both = ["end", &order, "--errored", "--reason", "r", "--without-asking", "r"];
    assert_eq!(admin(&services, &both).await.0, 2);
    let (code, text) = admin(&services, &["end", &order, "--errored", "--without-asking", "burnt down, says Ann"]).await;
    assert!(code == 0 && text.contains("is errored"), "{text}");
    let (_, text) = admin(&services, &["explain", &order]).await;
    assert!(text.contains("errored by a person: without asking the POS: burnt down, says Ann"), "{text}");
    assert!(text.contains("the end that a person wanted was refused: could not connect"), "{text}");
}

#[tokio::test]
async fn explain_names_the_times_that_end_holds_to() {
    let services = idle().await;
    let mute = fresh_uid("mute");
    assert_eq!(submit(&services, &mute, "PAR-LOC-MUTE").await, 202);
    let mute = format!("par-local#{mute}");
    let (_, text) = admin(&services, &["explain", &mute]).await;
    let from = text.split("--rejected or --errored from ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    for decision in ["--errored", "--rejected"] {
        for why in ["--reason", "--without-asking"] {
            let (code, text) = admin(&services, &["end", &mute, decision, why, "r"]).await;
            let expected = format!("nothing was done: an attempt may still reach the POS until {from}; try again after that");
            assert!(code == 1 && text.contains(&expected), "{expected}: {text}");
        }
    }
}

#[tokio::test]
async fn an_order_that_waits_for_a_person_is_listed_explained_and_ended_by_one() {
    let services = idle().await;
    let (mute, queued) = (fresh_uid("mute"), fresh_uid("queued"));
    assert_eq!(submit(&services, &mute, "PAR-LOC-MUTE").await, 202);
    assert_eq!(submit(&services, &queued, "PAR-LOC-ASYNC").await, 202);
    let (mute, queued) = (format!("par-local#{mute}"), format!("par-local#{queued}"));

    let (code, text) = admin(&services, &["orders"]).await;
    assert!(code == 0 && text.contains(&mute) && text.contains(&queued), "{text}");
    let (code, text) = admin(&services, &["orders", "--stuck"]).await;
    assert!(code == 0 && text.contains(&mute) && !text.contains(&queued), "{text}");

    let (_, text) = admin(&services, &["explain", &queued]).await;
    assert!(
        text.contains("accepted: queued") && text.contains("nobody works on it") && text.contains(": placing it is tried"),
        "{text}"
    );
    let (_, text) = admin(&services, &["explain", &mute]).await;
    assert!(text.contains("person    needed: ") && text.contains("it goes on waiting for a person"), "{text}");
    assert!(!text.contains("Taco"), "what the customer ordered is nobody's business here: {text}");

    // Its attempt may still arrive: a person cannot know that it never will.
    let (code, text) = admin(&services, &["end", &mute, "--errored", "--reason", "not on the screen"]).await;
    assert!(code == 1 && text.contains("nothing was done: an attempt may still reach the POS until"), "{text}");
    let (code, text) = admin(&services, &["end", &mute, "--placed", " ", "--reason", "r"]).await;
    assert!(code == 2 && text.contains("must have 1 to 128 characters"), "{text}");
    let (_, text) = admin(&services, &["ask", &mute]).await;
    let number = text.split("it holds the order under ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let (code, text) = admin(&services, &["end", &mute, "--placed", &number, "--reason", "on the screen, says Ann"]).await;
    assert!(code == 0 && text.contains("is placed"), "{text}");
    let (_, text) = admin(&services, &["explain", &mute]).await;
    let expires = posnext_aws::adapters::clock::SystemClock.now().plus(services.parts.settings().policy.retention).rfc3339();
    assert!(text.contains(&format!("the row expires at {}", &expires[..10])), "kept as the functions keep their rows: {text}");
    assert!(text.contains(&number) && text.contains("placed by a person: on the screen, says Ann"), "{text}");
    let (code, text) = admin(&services, &["end", &mute, "--errored", "--reason", "no"]).await;
    assert!(code == 1 && text.contains("a final status never changes"), "{text}");

    let (code, text) = admin(&services, &["explain", "par-local#nobody"]).await;
    assert!(code == 1 && text.contains("there is no order par-local#nobody"), "{text}");
    let (code, text) = admin(&services, &["explain", "nonsense"]).await;
    assert!(code == 2 && text.contains("is no order"), "{text}");
}

#[tokio::test]
async fn the_dead_letter_queue_is_sent_again_but_for_final_orders_and_poison() {
    let services = idle().await;
    let queues = services.parts.queues();
    let (placed, open) = (fresh_uid("placed"), fresh_uid("open"));
    submit(&services, &placed, "PAR-LOC-12345").await;
    submit(&services, &open, "PAR-LOC-ASYNC").await;
    for uid in [&placed, &open] {
        let key: OrderKey = format!("par-local#{uid}").parse().unwrap();
        let Some(Row::Order(record)) = services.parts.orders().read(&key).await.unwrap() else { panic!("{key}") };
        queues.set_aside(Aside::Order(&OrderMessage::about(&record)), "by hand").await.unwrap();
    }
    queues.set_aside(Aside::Body("poison"), "by hand").await.unwrap();

    // Told first, and the queue is as it was.
    let (code, text) = admin(&services, &["redrive", "--dry-run"]).await;
    assert!(code == 1 && text.contains("1 would be sent again, 1 would be dropped, 1 kept"), "{text}");
    assert_eq!(text.matches("(put aside: by hand)").count(), 3, "{text}");
    let (code, text) = admin(&services, &["redrive"]).await;
    assert!(code == 1 && text.contains("1 sent again, 1 dropped, 1 kept"), "{text}");
    assert!(text.contains(&format!("dropped  par-local#{placed}: it is placed already")), "{text}");
    assert!(text.contains(&format!("sent     par-local#{open}")) && text.contains("not an order message"), "{text}");
    let sqs = aws_sdk_sqs::Client::new(&services.aws.sqs);
    let left = sqs.get_queue_attributes().queue_url(&services.parts.settings().dead_letter_queue_url);
    let left = left.attribute_names(aws_sdk_sqs::types::QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
    let count = |name| left[&aws_sdk_sqs::types::QueueAttributeName::from(name)].parse::<u32>().unwrap();
    assert_eq!(count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible"), 1);
}

#[tokio::test]
async fn without_a_stack_the_commands_say_how_to_name_one() {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    let output = command.args(["admin", "orders"]).env_clear().output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("which stack? Give --outputs FILE"), "{text}");
}

#[tokio::test]
async fn which_stack_is_spoken_to_is_told_and_one_that_two_sources_name_otherwise_is_refused() {
    let services = idle().await;
    let (code, text) = admin(&services, &["location", "disable", "IA-YC-01", "PAR-LOC-12345"]).await;
    let told = "stack posnext, us-east-1 at http://127.0.0.1:";
    assert!(code == 0 && text.contains(told) && text.contains(", table posnext-directory\n"), "{text}");
    admin(&services, &["location", "enable", "IA-YC-01", "PAR-LOC-12345"]).await;

    // The environment is the local product's; the file is that of another stack.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outputs.json");
    for (name, value, says) in [
        ("DirectoryTable", "production-DirectoryTable-1", "POSNEXT_DIRECTORY_TABLE is posnext-directory"),
        ("Url", "https://abc.execute-api.eu-west-1.amazonaws.com", "AWS_ENDPOINT_URL_DYNAMODB is http://127.0.0.1:"),
    ] {
        let outputs = serde_json::json!([
            { "OutputKey": name, "OutputValue": value },
            { "OutputKey": "SecretsPrefix", "OutputValue": "posnext" },
        ]);
        std::fs::write(&file, outputs.to_string()).unwrap();
        let disable = ["--outputs", file.to_str().unwrap(), "location", "disable", "IA-YC-01", "PAR-LOC-12345"];
        let (code, text) = admin(&services, &disable).await;
        assert!(code == 2 && text.contains("means another stack than the environment") && text.contains(says), "{text}");
    }
    let (_, text) = admin(&services, &["location", "show", "IA-YC-01", "PAR-LOC-12345"]).await;
    assert!(text.contains("enabled: true"), "{text}");
}

#[tokio::test]
async fn a_row_of_a_newer_format_hides_no_other_order_from_the_operator() {
    let services = idle().await;
    let (newer, open) = (fresh_uid("newer"), fresh_uid("open"));
    for uid in [&newer, &open] {
        submit(&services, uid, "PAR-LOC-ASYNC").await;
        let key: OrderKey = format!("par-local#{uid}").parse().unwrap();
        let Some(Row::Order(record)) = services.parts.orders().read(&key).await.unwrap() else { panic!("{key}") };
        services.parts.queues().set_aside(Aside::Order(&OrderMessage::about(&record)), "by hand").await.unwrap();
    }
    let update = aws_sdk_dynamodb::Client::new(&services.aws.dynamodb).update_item().table_name("posnext-orders");
    let update = update.key("pk", AttributeValue::S(format!("par-local#{newer}"))).update_expression("SET v = :newer");
    update.expression_attribute_values(":newer", AttributeValue::N("99".to_owned())).send().await.unwrap();

    let (code, text) = admin(&services, &["orders"]).await;
    assert!(code == 0 && text.contains(&format!("order par-local#{newer} cannot be read")) && text.contains(&open), "{text}");
    let (code, text) = admin(&services, &["redrive"]).await;
    assert!(code == 1 && text.contains("1 sent again, 0 dropped, 1 kept"), "{text}");
}
