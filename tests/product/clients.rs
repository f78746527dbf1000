//! The client samples of the book, run against the product, each where its runtime is present.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use tempfile::TempDir;

use crate::support::{Binary, ROOT};

struct Sample {
    /// How it is called, from the root.
    call: &'static [&'static str],
    /// What must be there, with an argument that ends at once.
    needs: &'static [(&'static str, &'static str)],
}

const PYTHON: Sample = Sample { call: &["python3", "docs/clients/posnext.py"], needs: &[("python3", "--version")] };
const NODE: Sample = Sample { call: &["node", "docs/clients/posnext.mjs"], needs: &[("node", "--version")] };
const SHELL: Sample = Sample {
    call: &["sh", "docs/clients/posnext.sh"],
    needs: &[("curl", "--version"), ("openssl", "version"), ("jq", "--version")],
};

/// A run's lines and exit status.
type Run = (Vec<String>, i32);

impl Sample {
    fn is_there(&self) -> bool {
        let missing = self.needs.iter().find(|(program, argument)| {
            let run = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
            !run.is_ok_and(|status| status.success())
        });
        if let Some((program, _)) = missing {
            eprintln!("NOT RUN: {}, since there is no {program}", self.call[1]);
        }
        missing.is_none()
    }

    fn run(&self, url: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
        let mut command = Command::new(self.call[0]);
        command.current_dir(ROOT).args(&self.call[1..]).args(arguments);
        for name in ["POSNEXT_CLIENT_SECRET", "POSNEXT_SHARED_ID", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        let output =
            command.env("POSNEXT_URL", url).env("POSNEXT_GIVE_UP_S", "60").envs(environment.iter().copied()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (text.lines().map(str::to_owned).collect(), output.status.code().unwrap())
    }
}

/// The order of the samples, for another location.
fn order_for(folder: &TempDir, location: &str) -> PathBuf {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/clients/order.json")).unwrap();
    let path = folder.path().join(format!("{location}.json"));
    std::fs::write(&path, text.replace("PAR-LOC-12345", location)).unwrap();
    path
}

fn last(run: &Run) -> (&str, i32) {
    (run.0.last().map_or("", String::as_str), run.1)
}

/// What becomes of orders, and of a caller with a wrong secret.
fn orders_are_carried_to_their_end(sample: &Sample) {
    if !sample.is_there() {
        return;
    }
    let (product, folder) = (Binary::start(&[], None), tempfile::tempdir().unwrap());
    let url = &product.caller.url;
    let send = |location: &str, environment: &[(&str, &str)]| {
        sample.run(url, environment, &[order_for(&folder, location).to_str().unwrap()])
    };
    let placed = send("PAR-LOC-12345", &[]);
    assert_eq!((placed.0[1].as_str(), placed.1), ("submit 200 placed", 0), "{placed:?}");
    assert!(last(&placed).0.starts_with("placed YC-LC-001-"), "{placed:?}");
    let later = send("PAR-LOC-ASYNC", &[]);
    assert_eq!((later.0[1].as_str(), later.1), ("submit 202 pending", 0), "{later:?}");
    assert!(later.0.iter().any(|line| line == "poll 200 placed") && last(&later).0.starts_with("placed YC-LC-003-"), "{later:?}");
    assert_eq!(last(&send("PAR-LOC-REJECT", &[])), ("rejected pos_refused", 1));
    assert_eq!(last(&send("PAR-LOC-NONE", &[])), ("refused 404 unknown_location", 3));
    let wrong = send("PAR-LOC-12345", &[("POSNEXT_SHARED_ID", "0123456789a")]);
    assert_eq!(last(&wrong), ("refused 412 digest_mismatch (not signed with our SharedId)", 3));
    let stranger = send("PAR-LOC-12345", &[("POSNEXT_CLIENT_SECRET", "wrong")]);
    assert_eq!(last(&stranger), ("refused 401 token_signature (not signed with our SharedId)", 3));
    let impatient = send("PAR-LOC-SLOW", &[("POSNEXT_GIVE_UP_S", "12")]);
    assert!(
        impatient.0.iter().any(|line| line.starts_with("poll ")) && last(&impatient).0.starts_with("not known after 12 s"),
        "{impatient:?}"
    );
    assert_eq!(impatient.1, 2);
}

/// Its digests are those of the published vectors, and a wrong one is noticed.
fn vectors_are_right(sample: &Sample) {
    if !sample.is_there() {
        return;
    }
    let nobody = "http://127.0.0.1:1";
    assert_eq!(
        sample.run(nobody, &[], &["--vectors", "docs/signing-vectors.json"]),
        (vec!["10 of 10 vectors right".to_owned()], 0)
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors.json");
    let text = std::fs::read_to_string(format!("{ROOT}/docs/signing-vectors.json")).unwrap();
    std::fs::write(&path, text.replace("23e877d8", "23e877d9")).unwrap();
    // Three of them are of one digest.
    let wrong = sample.run(nobody, &[], &["--vectors", path.to_str().unwrap()]);
    assert_eq!(wrong, (vec!["7 of 10 vectors right V1 V6 V7".to_owned()], 1));
}

/// What came, by its `request_uid`, digest and body.
type Seen = Arc<Mutex<BTreeMap<String, u32>>>;

/// A server that says 503 first, then answers with this signature; nothing stands for the request's own.
async fn liar(signature: Option<&'static str>) -> (String, Seen) {
    let seen = Seen::default();
    let answer = async move |State(seen): State<Seen>, headers: HeaderMap, body: String| {
        let digest = headers["x-pch-digest"].to_str().unwrap().to_owned();
        let mut seen = seen.lock().unwrap();
        let times = seen.entry(format!("{digest} {body}")).or_default();
        *times += 1;
        if *times == 1 {
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response();
        }
        let said = body.replacen('{', r#"{"status":"placed","#, 1);
        ([("x-pch-digest", signature.map_or(digest, str::to_owned))], said).into_response()
    };
    let routes = Router::new().fallback(answer).with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, seen)
}

/// It sends the same again when it is told to, and believes no answer that is not signed. (A signature covers no status: that an answer
/// which has the request's own is believed is PAR's recipe, and why it goes over TLS.)
async fn no_unsigned_answer_is_believed(sample: &'static Sample) {
    if !sample.is_there() {
        return;
    }
    for (signature, code) in
        [(None, 0), (Some("00"), 3), (Some("ec3ac3a45c49ee3ab60ca694950032a2a67be04fc01527f2c23c7abc60365e9b"), 3)]
    {
        let (url, seen) = liar(signature).await;
        let run = tokio::task::spawn_blocking(move || sample.run(&url, &[], &["docs/clients/order.json"])).await.unwrap();
        assert_eq!(run.1, code, "{run:?}");
        assert_eq!(run.0[1], "submit 503", "{run:?}");
        assert!(code == 0 || last(&run).0.contains("wrong signature"), "{run:?}");
        assert_eq!(seen.lock().unwrap().values().collect::<Vec<_>>(), [&2], "the same order, twice");
    }
}

macro_rules! of_each {
    ($($language:ident: $sample:ident)*) => {$(
        mod $language {
            #[test]
            fn sample_carries_orders_to_their_end() {
                super::orders_are_carried_to_their_end(&super::$sample);
            }
            #[test]
            fn sample_signs_as_the_vectors_do() {
                super::vectors_are_right(&super::$sample);
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sample_sends_again_and_believes_no_unsigned_answer() {
                super::no_unsigned_answer_is_believed(&super::$sample).await;
            }
        }
    )*};
}

of_each! { python: PYTHON node: NODE shell: SHELL }

#[test]
fn the_page_says_which_samples_are_run() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/clients.md")).unwrap();
    for sample in [&PYTHON, &NODE, &SHELL] {
        let file = sample.call[1].strip_prefix("docs/").unwrap();
        let row = page.lines().find(|line| line.contains(&format!("]({file})"))).unwrap();
        assert!(row.contains("where"), "{row}");
    }
    let row = page.lines().find(|line| line.contains("](clients/Posnext.cs)")).unwrap();
    assert!(row.ends_with("| no |"), "C# is not run by a test: {row}");
}
