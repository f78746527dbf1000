//! The AWS tools, as processes that end with the test.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{ROOT, until};

/// A tool of `tests/tools/<environment>.txt`.
pub(crate) fn tool(environment: &str, name: &str) -> Command {
    let bin = Path::new(ROOT).canonicalize().unwrap().join("target/aws-tools").join(environment).join("bin");
    assert!(bin.join(name).exists(), "{name} is not installed; run tests/tools/install");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(bin.join(name));
    command.current_dir(ROOT).env("PATH", path).env("SAM_CLI_TELEMETRY", "0");
    command
}

/// Credentials that a local AWS takes.
pub(crate) const AWS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
];

/// What `sam build` has made of a function of the template.
pub(crate) fn bootstrap(function: &str) -> PathBuf {
    let path = Path::new(ROOT).canonicalize().unwrap().join(".aws-sam/build").join(function).join("bootstrap");
    assert!(path.exists(), "{} is missing; run `sam build --parameter-overrides Architecture=x86_64`", path.display());
    path
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens there.
pub(crate) async fn listening(port: u16) {
    until(Duration::from_secs(60), &format!("somebody listens on port {port}"), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
}

/// A process and its children, ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        for signal in ["-TERM", "-KILL"] {
            let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(5) {
                if matches!(self.0.try_wait(), Ok(Some(_))) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Runs a command to its end; what it printed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?} ended with {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// The event files of a function, in the order of their names: later ones build on earlier ones.
pub(crate) fn events(function: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(ROOT).join("events").join(function);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path)).collect()
}

/// Fails unless the function answered the event file as its name says.
#[track_caller]
pub(crate) fn check_answer(function: &str, name: &str, answer: &Value) {
    match function {
        "submit-order" | "validate-order" | "get-order" | "get-menu" => {
            assert_eq!(answer["statusCode"].to_string(), name[..3], "{function}/{name}: {answer}")
        }
        "watch-orders" => assert_eq!(answer["statusCode"].to_string(), name[2..5], "{function}/{name}: {answer}"),
        // It is no batch, but a person's wish.
        "process-order" if name == "ask" => assert!(answer["told"]["placed"].is_object(), "{name}: {answer}"),
        "process-order" | "announce-orders" | "deliver-webhooks" => {
            assert_eq!(*answer, serde_json::json!({ "batchItemFailures": [] }), "{name}");
        }
        _ => assert!(answer.is_null(), "{function}/{name}: {answer}"),
    }
}

/// The functions, by their folder and by their name in the template.
pub(crate) const FUNCTIONS: [(&str, &str); 9] = [
    ("submit-order", "SubmitOrder"),
    ("validate-order", "ValidateOrder"),
    ("get-menu", "GetMenu"),
    ("get-order", "GetOrder"),
    ("process-order", "ProcessOrder"),
    ("recover-orders", "RecoverOrders"),
    ("announce-orders", "AnnounceOrders"),
    ("deliver-webhooks", "DeliverWebhooks"),
    ("watch-orders", "WatchOrders"),
];
