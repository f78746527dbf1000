//! `cargo lambda watch` and `cargo lambda invoke`, as docs/developing.md says, against `posnext local --services-only`.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    support::{Caller, fresh_uid, order},
    tools::{FUNCTIONS, Running, check_answer, events, free_port, listening, run, tool},
};

#[tokio::test]
#[ignore = "needs the AWS tools; tests/run full sees to them"]
async fn cargo_lambda_serves_the_api_and_answers_every_event_file() {
    let folder = tempfile::tempdir().unwrap();
    let env_file = folder.path().join("local.env");
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");

    let mut services = Command::new(env!("CARGO_BIN_EXE_posnext"));
    services.args(["local", "--services-only", "--lambda-endpoint", &url, "--env-file"]).arg(&env_file);
    let mut services = services.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(services.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("DynamoDB, SQS and Secrets Manager are up"), "{line}");
    assert!(std::fs::read_to_string(&env_file).unwrap().contains("AWS_ENDPOINT_URL_SQS=http://127.0.0.1:"));

    let cargo_lambda = || {
        let mut command = tool("sam", "cargo-lambda");
        command.arg("lambda");
        command
    };
    let mut watch = cargo_lambda();
    watch.args(["watch", "--ignore-changes", "--invoke-port", &port.to_string(), "--env-file"]).arg(&env_file);
    let _watch = Running::start(&mut watch);
    listening(port).await;

    // There is no WebSocket gateway before them.
    for (function, _) in FUNCTIONS.into_iter().filter(|(function, _)| *function != "watch-orders") {
        for (name, file) in events(function) {
            let mut invoke = cargo_lambda();
            invoke.args(["invoke", function, "--invoke-port", &port.to_string(), "--data-file"]).arg(file);
            check_answer(function, &name, &serde_json::from_str(&run(&mut invoke)).unwrap_or_default());
        }
    }
    // Through the router, as PAR calls it; the queue's message and the processor bring it to its end.
    let caller = Caller::new(url.clone());
    let uid = fresh_uid("watch");
    let accepted = caller.submit(&order(&uid, "PAR-LOC-ASYNC")).await;
    assert_eq!((accepted.code, accepted.status()), (202, "pending"));
    assert_eq!(caller.final_answer(&uid, Duration::from_secs(60)).await.status(), "placed");
    run(Command::new(env!("CARGO_BIN_EXE_posnext")).args(["smoke", &url]));
    let _ = services.kill();
    let _ = services.wait();
}
