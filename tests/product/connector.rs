//! The HTTP connector against POS systems that behave and misbehave. What counts is how far a request got.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::to_bytes, extract::Request, response::IntoResponse, routing::any};
use http::StatusCode;
use posnext_aws::adapters::http_pos::HttpPos;
use posnext_shared::{
    app::ports::{PortError, Refresh, Secrets},
    domain::{
        ability::{Abilities, Cancelled, Find, Found, Placed},
        directory::{Connector, HttpAuth, HttpConnector, Location, Mode},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        machine::{Context, New, Start, claim},
        order::Body,
        policy::Policy,
        record::OrderRecord,
        signature::SharedId,
        time::UnixMillis,
        token::ClientSecret,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{fresh_uid, hmac_hex, in_process, order};

const LIMIT: Duration = Duration::from_millis(700);

/// One secret for every name; remembers why it was asked for.
#[derive(Clone, Default)]
struct OneSecret(Arc<Mutex<Vec<Refresh>>>);

impl Secrets for OneSecret {
    async fn client_secrets(&self, _: &str, _: Refresh) -> Result<Arc<Vec<ClientSecret>>, PortError> {
        Err(PortError::Unavailable("not asked for".into()))
    }
    async fn shared_ids(&self, _: &str, _: Refresh) -> Result<Arc<Vec<SharedId>>, PortError> {
        Err(PortError::Unavailable("not asked for".into()))
    }
    async fn pos_secret(&self, name: &str, refresh: Refresh) -> Result<String, PortError> {
        self.0.lock().unwrap().push(refresh);
        Ok(format!("secret of {name}"))
    }
    async fn refresh_stale(&self) {}
}

fn location(base: &str, auth: Option<HttpAuth>) -> Location {
    let abilities = Abilities { idempotent_place: true, find: Some(Find { settle_s: 5 }), cancel: true };
    Location {
        organization_id: ParId::new("IA-YC-01").unwrap(),
        location_id: ParId::new("PAR-LOC-HTTP").unwrap(),
        internal_id: "YC-LC-100".into(),
        enabled: true,
        mode: Mode::Sync,
        shared_ids: None,
        pull_menu: false,
        live_availability: false,
        connector: Connector::Http(HttpConnector { base: base.to_owned(), auth, abilities }),
    }
}

fn key() -> OrderKey {
    OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u-1").unwrap() }
}

fn record() -> OrderRecord {
    let policy = Policy::default();
    let ctx = Context {
        now: UnixMillis(1),
        policy: &policy,
        abilities: Abilities::default(),
        lease: LIMIT,
        function_timeout: LIMIT,
        write_id: "w".into(),
        random: 0,
    };
    let order = Arc::new(Body::parse(order("u-1", "PAR-LOC-HTTP").as_bytes()).unwrap().into_order().unwrap());
    let traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    claim(New { key: key(), order, shared_id: "s".into(), traceparent }, Start::Placing, &ctx)
}

fn settings(location: &Location) -> &HttpConnector {
    let Connector::Http(settings) = &location.connector else { panic!("http") };
    settings
}

async fn place(base: &str) -> Placed {
    let location = location(base, None);
    HttpPos::new(OneSecret::default()).place(settings(&location), &location, &record(), LIMIT).await
}

/// A POS that answers every request alike and keeps what it was sent.
async fn pos(status: u16, body: &'static str) -> (String, Arc<Mutex<Vec<(http::request::Parts, String)>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let handler = any(async move |request: Request| {
        let (parts, content) = request.into_parts();
        let content = String::from_utf8(to_bytes(content, 1 << 20).await.unwrap().to_vec()).unwrap();
        kept.lock().unwrap().push((parts, content));
        (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:9/")], body).into_response()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/pos", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
    (base, seen)
}

/// A POS on bare TCP: accepts, reads what comes, then does as told.
async fn raw_pos(reply: &'static [u8], hang: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(reply).await;
            if hang {
                kept.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn an_order_is_put_under_its_key_with_everything_the_contract_names() {
    let (base, seen) = pos(200, r#"{"status":"placed","pos_order_id":"T-9"}"#).await;
    let location = location(&base, Some(HttpAuth::Bearer { secret: "pos".into() }));
    let placed = HttpPos::new(OneSecret::default()).place(settings(&location), &location, &record(), LIMIT).await;
    assert_eq!(placed, Placed::Done { pos_order_id: "T-9".into() });
    let (parts, body) = seen.lock().unwrap().pop().unwrap();
    let header = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
    assert_eq!((parts.method.as_str(), parts.uri.path()), ("PUT", "/pos/orders/t.u-1"));
    assert_eq!((header("idempotency-key"), header("authorization")), ("t.u-1".to_owned(), "Bearer secret of pos".to_owned()));
    assert!(header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(body, format!(r#"{{"key":"t.u-1","location_id":"YC-LC-100","order":{}}}"#, order("u-1", "PAR-LOC-HTTP")));
}

#[tokio::test]
async fn an_hmac_signature_covers_what_was_sent() {
    let (base, seen) = pos(404, "").await;
    let location = location(&base, Some(HttpAuth::Hmac { secret: "pos".into() }));
    let found = HttpPos::new(OneSecret::default()).find(settings(&location), &record(), LIMIT).await;
    assert_eq!(found, Found::Absent);
    let (parts, _) = seen.lock().unwrap().pop().unwrap();
    assert!(parts.headers["traceparent"].to_str().unwrap().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736"));
    let signature = parts.headers["x-posnext-signature"].to_str().unwrap();
    let (time, digest) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!(digest, hmac_hex("secret of pos", &format!("{time}.GET./pos/orders/t.u-1.")));
}

#[tokio::test]
async fn a_secret_that_the_pos_refuses_is_read_again_for_the_next_try() {
    for (status, asked) in
        [(401, vec![Refresh::No, Refresh::Mismatch]), (403, vec![Refresh::No, Refresh::Mismatch]), (404, vec![Refresh::No])]
    {
        let location = location(&pos(status, "").await.0, Some(HttpAuth::Bearer { secret: "pos".into() }));
        let secrets = OneSecret::default();
        HttpPos::new(secrets.clone()).place(settings(&location), &location, &record(), LIMIT).await;
        assert_eq!(*secrets.0.lock().unwrap(), asked, "{status}");
    }
}

#[tokio::test]
async fn finding_and_cancelling_read_the_answers_of_the_contract() {
    let ask = async |status, body| {
        let location = location(&pos(status, body).await.0, None);
        let pos = HttpPos::new(OneSecret::default());
        (pos.find(settings(&location), &record(), LIMIT).await, pos.cancel(settings(&location), &record(), LIMIT).await)
    };
    let (found, cancelled) = ask(200, r#"{"status":"placed","pos_order_id":"T"}"#).await;
    assert_eq!((found, cancelled), (Found::Placed { pos_order_id: "T".into() }, Cancelled::Done));
    let (found, cancelled) = ask(410, "").await;
    assert_eq!((found, cancelled), (Found::Cancelled, Cancelled::Done));
    let (found, cancelled) = ask(409, r#"{"pos_order_id":"T"}"#).await;
    assert!(matches!(found, Found::Unknown(_)));
    assert_eq!(cancelled, Cancelled::WillNot { pos_order_id: "T".into() });
    let (found, cancelled) = ask(404, "").await;
    assert!(found == Found::Absent && matches!(cancelled, Cancelled::Unknown(_)), "404 to a cancel leaves no tombstone");
    let (found, cancelled) = ask(500, "").await;
    assert!(matches!((found, cancelled), (Found::Unknown(_), Cancelled::Unknown(_))));
}

#[tokio::test]
async fn a_pos_that_was_certainly_not_reached_has_not_started() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let placed = place(&format!("http://{closed}")).await;
    assert!(matches!(placed, Placed::NotStarted { .. }), "refused: {placed:?}");
    // The connection stands, but TLS never does: no byte of the order was sent.
    let mute = raw_pos(b"", true).await;
    let placed = place(&format!("https://localhost:{}", mute.port())).await;
    assert!(matches!(placed, Placed::NotStarted { .. }), "no TLS: {placed:?}");
    let plain = raw_pos(b"HTTP/1.1 200 OK\r\n\r\n", false).await;
    let placed = place(&format!("https://localhost:{}", plain.port())).await;
    assert!(matches!(placed, Placed::NotStarted { .. }), "not TLS: {placed:?}");
}

#[tokio::test]
async fn a_pos_that_was_reached_and_did_not_answer_may_have_placed() {
    for (what, address) in [
        ("silent", raw_pos(b"", true).await),
        ("hangs up", raw_pos(b"", false).await),
        ("half an answer", raw_pos(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\"", false).await),
        ("no HTTP", raw_pos(b"hello\r\n\r\n", false).await),
    ] {
        let placed = place(&format!("http://{address}")).await;
        assert!(matches!(placed, Placed::Unknown(_)), "{what}: {placed:?}");
    }
    let (huge, _) = pos(200, Box::leak("x".repeat(1 << 17).into_boxed_str())).await;
    assert!(matches!(place(&huge).await, Placed::Unknown(_)));
}

#[tokio::test]
async fn redirects_are_not_followed_and_plain_http_stays_on_this_machine() {
    let (base, seen) = pos(307, "").await;
    assert!(matches!(place(&base).await, Placed::Permanent(_)));
    assert_eq!(seen.lock().unwrap().len(), 1);
    for base in ["http://pos.example.com", "ftp://127.0.0.1", "nonsense", "http://127.0.0.1.example.com/"] {
        assert!(matches!(place(base).await, Placed::Permanent(_)), "{base}");
    }
}

#[tokio::test]
async fn the_product_places_at_a_pos_behind_http() {
    let (product, caller) = in_process().await;
    let (base, seen) = pos(200, r#"{"status":"placed","pos_order_id":"T-1"}"#).await;
    product.services.parts.directory().put_location(&location(&base, None)).await.unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let submission = caller.submission(&order(&fresh_uid("http"), "PAR-LOC-HTTP")).header("traceparent", trace);
    let answer = caller.send(submission).await.signed();
    assert_eq!((answer.code, answer.status(), &answer.json["order_details"]["pos_order_id"]), (200, "placed", &"T-1".into()));
    // Without one of its own, the trace is the one that Lambda began.
    let submission = caller.submission(&order(&fresh_uid("http"), "PAR-LOC-HTTP"));
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    caller.send(submission.header("x-amzn-trace-id", root)).await;
    let seen = seen.lock().unwrap();
    let traces: Vec<&str> = seen.iter().map(|seen| seen.0.headers["traceparent"].to_str().unwrap()).collect();
    assert_eq!(traces, [trace, "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"]);
}

#[tokio::test]
async fn a_request_a_pos_can_never_take_ends_errored_and_is_put_aside_with_its_reason() {
    let (product, caller) = in_process().await;
    let (base, _) = pos(404, "").await;
    product.services.parts.directory().put_location(&location(&base, None)).await.unwrap();
    let uid = fresh_uid("http");
    let answer = caller.submit(&order(&uid, "PAR-LOC-HTTP")).await;
    assert_eq!((answer.code, answer.status(), answer.error()), (200, "errored", "pos_misconfigured"));
    let sqs = aws_sdk_sqs::Client::new(&product.services.aws.sqs);
    let queue = sqs.get_queue_url().queue_name("posnext-orders-dlq").send().await.unwrap().queue_url.unwrap();
    let received = sqs.receive_message().queue_url(queue).message_attribute_names("All").send().await.unwrap();
    let message = &received.messages()[0];
    let body: serde_json::Value = serde_json::from_str(message.body().unwrap()).unwrap();
    assert_eq!((body["key"]["request_uid"].as_str(), &body["version"]), (Some(uid.as_str()), &1.into()));
    assert_eq!(message.message_attributes().unwrap()["reason"].string_value(), Some("answered 404 Not Found"));
}
