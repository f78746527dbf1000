//! What `--data` keeps, for whom, and what the local product is to nobody but this machine.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use crate::support::{Binary, Caller, fresh_uid, in_process, order, until};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// `posnext admin`, with the environment that a product has written.
async fn admin(env_file: &Path, arguments: &[&str]) -> String {
    let text = std::fs::read_to_string(env_file).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_posnext"));
    command
        .arg("admin")
        .args(arguments)
        .envs(text.lines().map(|line| line.split_once('=').unwrap()))
        .env("SHARED", "another-shared-id");
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

async fn start(data: &Path, env_file: &Path) -> Binary {
    let _ = std::fs::remove_file(env_file);
    let binary = Binary::start_with(&[], Some(data), &["--env-file", env_file.to_str().unwrap()]);
    until(std::time::Duration::from_secs(10), "the environment is written", async || {
        std::fs::read_to_string(env_file).ok().filter(|text| text.contains("POSNEXT_SECRETS_PREFIX"))
    })
    .await;
    binary
}

#[tokio::test]
async fn a_location_its_secrets_and_what_was_switched_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (data, env_file) = (folder.path().join("new/data"), folder.path().join("local.env"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/all/prompt", listener.local_addr().unwrap());
    tokio::spawn(posnext_local::pos::serve(listener));
    let add = ["location", "add", "IA-KEPT", "PAR-LOC-KEPT", "--internal-id", "N", "--base", &base, "--no-check"];
    let secrets = ["--auth", "hmac", "--pos-secret-from", "generate", "--shared-id-from", "env:SHARED"];
    let owner = ["--organization-internal-id", "K", "--client-id", "par-local", "--idempotent-place"];
    {
        let _binary = start(&data, &env_file).await;
        admin(&env_file, &[&add[..], &secrets, &owner].concat()).await;
        admin(&env_file, &["location", "disable", "IA-YC-01", "PAR-LOC-12345"]).await;
    }
    // Killed, and started again.
    let binary = start(&data, &env_file).await;
    let shown = admin(&env_file, &["location", "show", "IA-KEPT", "PAR-LOC-KEPT"]).await;
    assert!(!shown.contains("NO SUCH SECRET") && shown.contains("client: par-local"), "{shown}");
    let shown = admin(&env_file, &["location", "show", "IA-YC-01", "PAR-LOC-12345"]).await;
    assert!(shown.contains("enabled: false"), "{shown}");
    let uid = fresh_uid("kept");
    let body = order(&uid, "PAR-LOC-KEPT").replace("IA-YC-01", "IA-KEPT");
    let digest = crate::support::hmac_hex("another-sh", &format!("{uid}|PAR-LOC-KEPT|ORD-{uid}|2345|2150|1742049045"));
    let request = binary.caller.bare_submission(&body).bearer_auth(crate::support::token()).header("x-pch-digest", digest);
    let answer = binary.caller.send(request).await;
    assert_eq!((answer.code, answer.status()), (200, "placed"), "{}", answer.text);
}

#[tokio::test]
async fn what_is_kept_is_this_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, env_file) = (folder.path().join("data"), folder.path().join("env/local.env"));
    let _binary = start(&data, &env_file).await;
    assert_eq!((mode(&data), mode(&folder.path().join("env")), mode(&env_file)), (0o700, 0o700, 0o600));
    let mut files = 0;
    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 2, "{files}");
}

#[tokio::test]
async fn what_was_open_to_others_is_closed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (data, env_file) = (folder.path().join("data"), folder.path().join("local.env"));
    drop(start(&data, &env_file).await);
    for file in std::fs::read_dir(&data).unwrap() {
        std::fs::set_permissions(file.unwrap().path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let _binary = start(&data, &env_file).await;
    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn client_secrets_that_are_base64_work_locally_too() {
    let binary = Binary::start(&[("POSNEXT_CLIENT_SECRET_BASE64", "true")], None);
    let answer = binary.caller.submit(&order(&fresh_uid("base64"), "PAR-LOC-12345")).await;
    assert_eq!((answer.code, answer.status()), (200, "placed"), "{}", answer.text);
}

#[tokio::test]
async fn what_is_local_is_let_in_by_this_machines_own_names_alone() {
    let (_product, caller) = in_process().await;
    let own = ["_local/board", "_local/placements", "board"];
    let port = caller.url.rsplit(':').next().unwrap().to_owned();
    for path in own {
        let get = |host: &str| caller.http.get(format!("{}/{path}", caller.url)).header("host", host);
        for host in [&*format!("127.0.0.1:{port}"), &format!("localhost:{port}"), "localhost", "[::1]:3000"] {
            assert_eq!(caller.send(get(host)).await.code, 200, "{path} {host}");
        }
        for host in [&*format!("evil.example:{port}"), "evil.example", "localhost.evil.example", "10.0.0.1:3000"] {
            assert_eq!(caller.send(get(host)).await.code, 403, "{path} {host}");
        }
    }
    for path in ["_local/samples/PAR-LOC-12345", "_local/@connections/c"] {
        let post = |name: &'static str, value: &str| caller.http.post(format!("{}/{path}", caller.url)).header(name, value);
        for request in [post("host", "evil.example"), post("origin", "http://evil.example"), post("origin", "null")] {
            assert_eq!(caller.send(request).await.code, 403, "{path}");
        }
    }
    // The API itself is called by any name, as through a tunnel.
    let read = caller.http.get(format!("{}/posnext/orders/nobody", caller.url)).header("host", "abc.tunnel.example");
    assert_eq!(caller.send(read.bearer_auth(crate::support::token())).await.code, 404);
    assert!(nothing_was_sent(&caller).await);
}

async fn nothing_was_sent(caller: &Caller) -> bool {
    caller.send(caller.http.get(format!("{}/_local/placements", caller.url))).await.text == "[]"
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_web_socket() {
    use tokio_tungstenite::tungstenite::{Error, client::IntoClientRequest};
    let (_product, caller) = in_process().await;
    let url = format!("{}/watch", caller.url.replace("http://", "ws://"));
    for (origin, code) in
        [(Some("http://evil.example"), 403), (Some("null"), 403), (Some("http://localhost:5173"), 101), (None, 101)]
    {
        let mut request = url.clone().into_client_request().unwrap();
        let token = format!("Bearer {}", crate::support::token());
        request.headers_mut().insert("authorization", token.parse().unwrap());
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let status = match tokio_tungstenite::connect_async(request).await {
            Ok((_, answer)) => answer.status(),
            Err(Error::Http(answer)) => answer.status(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(status.as_u16(), code, "{origin:?}");
    }
}
