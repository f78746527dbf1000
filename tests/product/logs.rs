//! What is logged: nothing of what must not be.

use std::process::{Command, Stdio};

use crate::support::{CLIENT_SECRET, Caller, SHARED_ID, order, token};

/// Runs the product with everything logged, through answers of every kind, and reads what it said.
#[tokio::test]
async fn no_secret_token_or_customer_data_reaches_a_log_line() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_posnext"))
        .args(["--listen", "127.0.0.1:0"])
        .env("POSNEXT_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let caller = Caller::new(url.to_owned());
    let token = token();
    // What a customer would not want to read there.
    let planted =
        ["Zoe-Planted", "+1-555-0142-77", "zoe@planted.example", "12 Planted Street", "4111-planted", "no onions, planted"];
    let customer = format!(
        r#""customer":{{"name":"{}","phone":"{}","email":"{}","address":{{"street":"{}"}}}},"payments":[{{"card":"{}"}}],"comment":"{}","#,
        planted[0], planted[1], planted[2], planted[3], planted[4], planted[5]
    );
    for location in ["PAR-LOC-12345", "PAR-LOC-REJECT", "PAR-LOC-FLAKY", "PAR-LOC-LOSTREPLY", "PAR-LOC-OFF", "PAR-LOC-99999"] {
        let body = order(location, location).replace("\"order_details\":{", &format!("{customer}\"order_details\":{{"));
        caller.submit(&body).await;
        caller.send(caller.bare_submission(&body).bearer_auth(&token).header("x-pch-digest", "00")).await;
        caller.send(caller.bare_submission(&body).bearer_auth(format!("{token}x"))).await;
        caller.get_any(location).await;
    }
    caller.final_answer("PAR-LOC-FLAKY", std::time::Duration::from_secs(30)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let text = std::fs::read_to_string(log.path()).unwrap();
    assert!(text.contains("submit answered") && text.contains("shared_id.id"), "something is logged:\n{text}");
    for secret in [&planted[..], &[&token, CLIENT_SECRET, SHARED_ID, &SHARED_ID[..10], "Bearer "]].concat() {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
}
