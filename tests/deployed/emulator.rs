//! Each function as built for Lambda, under the Runtime Interface Emulator that AWS ships in its base images.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use crate::{
    support::{Caller, ROOT, in_process},
    tools::{FUNCTIONS, Running, bootstrap, check_answer, events, free_port, listening},
};

fn emulator() -> PathBuf {
    let python = std::fs::read_dir(format!("{ROOT}/target/aws-tools/sam/lib")).unwrap().next().unwrap().unwrap().path();
    let path = python.join("site-packages/samcli/local/rapid/aws-lambda-rie-x86_64");
    assert!(path.exists(), "{} is not there; run tests/tools/install", path.display());
    path
}

async fn invoke(http: &reqwest::Client, port: u16, event: String) -> Value {
    let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
    let text = http.post(url).body(event).send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("answered {text}"))
}

#[tokio::test]
#[ignore = "needs the AWS tools and `sam build`; tests/run full sees to both"]
async fn every_function_as_built_answers_every_event_file_under_the_emulator() {
    let (product, caller) = in_process().await;
    let Caller { http, .. } = &caller;
    for (function, resource) in FUNCTIONS {
        let (port, api) = (free_port(), free_port());
        let mut command = Command::new(emulator());
        command.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
        command.args(["--runtime-api-address", &format!("127.0.0.1:{api}")]).arg(bootstrap(resource));
        command.env_clear().envs(product.services.environment());
        let _running = Running::start(&mut command);
        listening(port).await;
        for (name, file) in events(function) {
            let answer = invoke(http, port, std::fs::read_to_string(file).unwrap()).await;
            check_answer(function, &name, &answer);
        }
    }
    assert_eq!(caller.placements("event-placed").await.len(), 1);
    assert_eq!(caller.placements("event-async").await.len(), 1);
}
