//! The HTTP connector against POS systems that answer, and what stands before them. What counts is whose word it is.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::HeaderMap;
use posnext_aws::adapters::{
    clock::SystemClock,
    http_pos::{
        HttpPos,
        sockets::{Roots, Sockets},
    },
};
use posnext_shared::{
    app::{
        moment::Moment,
        ports::{Attempt, Clock, PortError, Refresh, Secrets},
    },
    domain::{
        ability::{Abilities, Cancelled, Find, Found, Placed},
        directory::{Connector, HttpAuth, HttpConnector, Location, Mode},
        history::{Actor, Cause, Lack, PosStatus},
        ids::{OrderKey, ParId, RequestUid, Tenant},
        machine::{Context, New, Start, claim},
        order::Body,
        pinned::Pinned,
        policy::Policy,
        record::OrderRecord,
        signature::SharedId,
        time::UnixMillis,
        token::ClientSecret,
    },
};

use crate::{
    stub_pos::{answering, with_headers},
    support::{hmac_hex, order},
    tls_pos::AUTHORITY,
};

pub(crate) const LIMIT: Duration = Duration::from_millis(700);
pub(crate) const PLACED: &str = r#"{"key":"$KEY","status":"placed","pos_order_id":"T-9"}"#;

/// One secret for every name; remembers why it was asked for.
#[derive(Clone, Default)]
pub(crate) struct OneSecret(Arc<Mutex<Vec<Refresh>>>);

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

pub(crate) fn location(base: &str, auth: Option<HttpAuth>) -> Location {
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
        connector: Connector::Http(HttpConnector::new(base, auth, abilities)),
    }
}

/// An order, under a lease for its first attempt.
pub(crate) fn record(text: &str) -> OrderRecord {
    let (policy, location) = (Policy::default(), location("https://127.0.0.1:9", None));
    let ctx = Context {
        now: SystemClock.now(),
        policy: &policy,
        mapped: Some(&location),
        by: Actor::Submit,
        lease: policy.submit_lease(),
        function_timeout: LIMIT,
        write_id: "w".into(),
        random: 0,
    };
    let order = Arc::new(Body::parse(text.as_bytes()).unwrap().into_order().unwrap());
    let key = OrderKey { tenant: Tenant::new("t").unwrap(), request_uid: RequestUid::new("u-1").unwrap() };
    let traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    claim(New { key, order, shared_id: "s".into(), traceparent }, Pinned::of(&location), Start::Placing, &ctx)
}

fn an_order() -> OrderRecord {
    record(&order("u-1", "PAR-LOC-HTTP"))
}

fn settings(location: &Location) -> &HttpConnector {
    let Connector::Http(settings) = &location.connector else { panic!("http") };
    settings
}

pub(crate) fn http_pos<S: Secrets>(secrets: S) -> HttpPos<S> {
    HttpPos::new(secrets, Sockets::trusting(Roots::of_the_web().and(AUTHORITY).unwrap()), SystemClock)
}

/// An attempt whose lease was taken at this time.
fn attempt(lease_taken: UnixMillis) -> Attempt {
    Attempt { limit: LIMIT, lease_taken: Moment::now(lease_taken), lease: Policy::default().submit_lease() }
}

pub(crate) async fn place_at(location: &Location, record: &OrderRecord) -> Placed {
    place_within(LIMIT, location, record).await
}

pub(crate) async fn place_within(limit: Duration, location: &Location, record: &OrderRecord) -> Placed {
    let (pos, settings) = (http_pos(OneSecret::default()), settings(location));
    let line = pos.open(settings).await;
    let attempt = Attempt { limit, ..attempt(SystemClock.now()) };
    pos.place(Some(line), settings, location, record, attempt).await
}

async fn place(base: &str) -> Placed {
    place_at(&location(base, None), &an_order()).await
}

/// What a find and a cancel come to.
async fn ask(base: &str) -> (Found, Cancelled) {
    let (location, pos) = (location(base, None), http_pos(OneSecret::default()));
    (
        pos.find(settings(&location), &an_order(), LIMIT).await,
        pos.cancel(settings(&location), &an_order(), attempt(SystemClock.now())).await,
    )
}

fn not_own(status: u16, media_type: Option<&str>, lacks: Lack) -> Cause {
    Cause::NotOwn { status, media_type: media_type.map(str::to_owned), lacks }
}

#[tokio::test]
async fn an_order_is_put_under_its_key_with_everything_the_contract_names() {
    let (base, seen) = answering(200, PLACED).await;
    let location = location(&base, Some(HttpAuth::Bearer { secret: "pos".into() }));
    let (record, before) = (an_order(), SystemClock.now());
    assert_eq!(place_at(&location, &record).await, Placed::Done { pos_order_id: "T-9".into() });
    let (parts, body) = seen.lock().unwrap().pop().unwrap();
    let header = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
    assert_eq!((parts.method.as_str(), parts.uri.path()), ("PUT", "/pos/orders/t.u-1"));
    assert_eq!((header("idempotency-key"), header("authorization")), ("t.u-1".to_owned(), "Bearer secret of pos".to_owned()));
    assert_eq!((header("posnext-contract"), header("accept-encoding")), ("2".to_owned(), "identity".to_owned()));
    assert!(header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736"));
    let not_after = UnixMillis(header("posnext-not-after").parse().unwrap());
    let lease = Policy::default().submit_lease();
    assert!(not_after >= before.plus(lease) && not_after <= SystemClock.now().plus(lease), "{not_after:?}");
    assert_eq!(body, format!(r#"{{"key":"t.u-1","location_id":"YC-LC-100","order":{}}}"#, order("u-1", "PAR-LOC-HTTP")));
}

#[tokio::test]
async fn each_request_has_an_id_of_its_own_and_only_a_place_has_an_end() {
    let (base, seen) = answering(404, r#"{"key":"$KEY","status":"unknown"}"#).await;
    assert_eq!(ask(&base).await.0, Found::Absent);
    place(&base).await;
    let seen = seen.lock().unwrap();
    let ids: std::collections::BTreeSet<_> = seen.iter().map(|(parts, _)| parts.headers["posnext-request"].as_bytes()).collect();
    let ends: Vec<bool> = seen.iter().map(|(parts, _)| parts.headers.contains_key("posnext-not-after")).collect();
    assert_eq!((ids.len(), ends), (3, vec![false, false, true]));
}

#[tokio::test]
async fn an_hmac_signature_covers_what_was_sent() {
    let (base, seen) = answering(201, PLACED).await;
    let location = location(&base, Some(HttpAuth::Hmac { secret: "pos".into() }));
    place_at(&location, &an_order()).await;
    http_pos(OneSecret::default()).find(settings(&location), &an_order(), LIMIT).await;
    for (parts, body) in seen.lock().unwrap().iter() {
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        let (time, digest) = header("x-posnext-signature").strip_prefix("t=").unwrap().split_once(",v2=").unwrap();
        let (method, request, not_after) = (&parts.method, header("posnext-request"), header("posnext-not-after"));
        let signed = format!("{time}.{method}./pos/orders/t.u-1.2.{request}.{not_after}.{body}");
        assert_eq!(digest, hmac_hex("secret of pos", &signed), "{method}");
        assert!(header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736"));
    }
}

#[tokio::test]
async fn a_secret_that_the_pos_refuses_is_read_again_for_the_next_try() {
    for (status, asked) in
        [(401, vec![Refresh::No, Refresh::Mismatch]), (403, vec![Refresh::No, Refresh::Mismatch]), (404, vec![Refresh::No])]
    {
        let location = location(&answering(status, "").await.0, Some(HttpAuth::Bearer { secret: "pos".into() }));
        let (secrets, settings) = (OneSecret::default(), settings(&location));
        let pos = http_pos(secrets.clone());
        let line = pos.open(settings).await;
        pos.place(Some(line), settings, &location, &an_order(), attempt(SystemClock.now())).await;
        assert_eq!(*secrets.0.lock().unwrap(), asked, "{status}");
    }
}

#[tokio::test]
async fn finding_and_cancelling_read_the_answers_of_the_contract() {
    let asked = async |status, body| ask(&answering(status, body).await.0).await;
    let number = || "T-9".to_owned();
    let disagrees = |status| not_own(status, Some("text/plain"), Lack::Agreement);
    let (found, cancelled) = asked(200, PLACED).await;
    assert_eq!((found, cancelled), (Found::Placed { pos_order_id: number() }, Cancelled::Unknown(disagrees(200))));
    let (found, cancelled) = asked(409, PLACED).await;
    assert_eq!((found, cancelled), (Found::Unknown(disagrees(409)), Cancelled::WillNot { pos_order_id: number() }));
    let (found, cancelled) = asked(410, r#"{"key":"$KEY","status":"cancelled"}"#).await;
    assert_eq!((found, cancelled), (Found::Cancelled, Cancelled::Done));
    let (found, cancelled) = asked(200, r#"{"key":"$KEY","status":"cancelled"}"#).await;
    assert_eq!((found, cancelled), (Found::Unknown(disagrees(200)), Cancelled::Done));
    let (found, cancelled) = asked(404, r#"{"key":"$KEY","status":"unknown"}"#).await;
    assert_eq!((found, cancelled), (Found::Absent, Cancelled::Unknown(disagrees(404))), "no tombstone stands");
    let (found, cancelled) = asked(409, r#"{"key":"$KEY","status":"rejected"}"#).await;
    assert!(matches!((found, cancelled), (Found::Unknown(_), Cancelled::Refused(_))));
    let (found, cancelled) = asked(200, r#"{"key":"$KEY","status":"in_progress"}"#).await;
    assert_eq!(found, Found::Unknown(Cause::Answered(200, PosStatus::InProgress)));
    assert_eq!(cancelled, Cancelled::Unknown(disagrees(200)));
    let (found, cancelled) = asked(401, r#"{"key":"$KEY","status":"not_started"}"#).await;
    let credentials = || Cause::Answered(401, PosStatus::NotStarted);
    assert_eq!((found, cancelled), (Found::Unknown(credentials()), Cancelled::Unknown(credentials())));
    let nameless = r#"{"key":"$KEY","status":"placed","pos_order_id":" "}"#;
    assert_eq!((asked(200, nameless).await.0, asked(409, nameless).await.1), (Found::NoNumber, Cancelled::NoNumber));
}

#[tokio::test]
async fn placing_reads_the_answers_of_the_contract() {
    let placed = async |status, body| place(&answering(status, body).await.0).await;
    assert_eq!(placed(201, PLACED).await, Placed::Done { pos_order_id: "T-9".into() });
    assert_eq!(placed(201, r#"{"key":"$KEY","status":"placed"}"#).await, Placed::NoNumber);
    assert!(matches!(placed(422, r#"{"key":"$KEY","status":"rejected"}"#).await, Placed::Refused(_)));
    assert_eq!(placed(410, r#"{"key":"$KEY","status":"cancelled"}"#).await, Placed::Cancelled);
    for status in [400, 413, 422] {
        let cause = Cause::Answered(status, PosStatus::Invalid);
        assert_eq!(placed(status, r#"{"key":"$KEY","status":"invalid"}"#).await, Placed::Permanent(cause));
    }
    for status in [401, 403, 429, 503] {
        let cause = Cause::Answered(status, PosStatus::NotStarted);
        let not_started = Placed::NotStarted { cause, retry_after: None };
        assert_eq!(placed(status, r#"{"key":"$KEY","status":"not_started"}"#).await, not_started);
    }
    let cause = Cause::Answered(202, PosStatus::InProgress);
    assert_eq!(placed(202, r#"{"key":"$KEY","status":"in_progress"}"#).await, Placed::Unknown(cause));
    let busy = with_headers(503, r#"{"key":"$KEY","status":"not_started"}"#, |_| headers("retry-after", "17")).await;
    assert!(matches!(place(&busy.0).await, Placed::NotStarted { retry_after: Some(wait), .. } if wait.as_secs() == 17));
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
}

/// Whatever stands between answers for the POS: it is believed in nothing.
#[tokio::test]
async fn what_is_not_the_poss_own_answer_is_an_unknown_outcome() {
    for status in [200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 502, 503, 504] {
        for body in ["", "default backend - 404", "<html>maintenance</html>", r#"{"message":"no Route matched"}"#] {
            let (base, _) = answering(status, body).await;
            let placed = place(&base).await;
            assert!(matches!(&placed, Placed::Unknown(Cause::NotOwn { .. })), "{status} {body}: {placed:?}");
            let (found, cancelled) = ask(&base).await;
            assert!(matches!(&found, Found::Unknown(Cause::NotOwn { .. })), "{status} {body}: {found:?}");
            assert!(matches!(&cancelled, Cancelled::Unknown(Cause::NotOwn { .. })), "{status} {body}: {cancelled:?}");
        }
    }
    let html = with_headers(200, "<html>", |_| headers("content-type", "text/html; charset=utf-8")).await;
    let cause = not_own(200, Some("text/html"), Lack::Json);
    assert_eq!(cause.to_string(), "200 text/html: not the POS's own answer: it is not one JSON object");
    assert_eq!(place(&html.0).await, Placed::Unknown(cause));
}

#[tokio::test]
async fn another_orders_answer_makes_nothing_placed() {
    for status in ["placed", "rejected", "in_progress"] {
        let body = format!(r#"{{"key":"t.u-2","status":"{status}","pos_order_id":"T-7"}}"#);
        let (base, _) = answering(200, Box::leak(body.into_boxed_str())).await;
        let cause = || not_own(200, Some("text/plain"), Lack::ThisKey);
        assert_eq!(place(&base).await, Placed::Unknown(cause()));
        assert_eq!(ask(&base).await, (Found::Unknown(cause()), Cancelled::Unknown(cause())));
    }
}

#[tokio::test]
async fn a_cache_or_a_left_over_denies_nothing() {
    for (status, said, lacks, header) in [
        (404, "unknown", Lack::RequestId, headers("posnext-request", "0195a1b2-0000-7000-8000-000000000000")),
        (404, "unknown", Lack::Freshness, headers("age", "0")),
        (410, "cancelled", Lack::RequestId, headers("posnext-request", "")),
        (410, "cancelled", Lack::Freshness, headers("age", "17")),
        (503, "not_started", Lack::RequestId, headers("posnext-request", "x")),
        (422, "invalid", Lack::Freshness, headers("age", "1")),
    ] {
        let body = format!(r#"{{"key":"$KEY","status":"{said}"}}"#);
        let (base, _) = with_headers(status, Box::leak(body.into_boxed_str()), move |_| header.clone()).await;
        let cause = || not_own(status, Some("text/plain"), lacks);
        match said {
            "unknown" => assert_eq!(ask(&base).await.0, Found::Unknown(cause())),
            "cancelled" => {
                assert_eq!(ask(&base).await, (Found::Unknown(cause()), Cancelled::Unknown(cause())));
                assert_eq!(place(&base).await, Placed::Unknown(cause()));
            }
            _ => assert_eq!(place(&base).await, Placed::Unknown(cause()), "{said}"),
        }
    }
}

#[tokio::test]
async fn a_lease_that_has_grown_old_by_either_clock_sends_nothing() {
    let (base, seen) = answering(201, PLACED).await;
    let (location, pos) = (location(&base, None), http_pos(OneSecret::default()));
    let (now, lease) = (SystemClock.now(), Policy::default().submit_lease());
    // The process stood still: the wall clock alone has gone on. Or that was set back since.
    for lease_taken in [now.minus(lease), now.minus(Duration::from_hours(1)), now.plus(Duration::from_mins(1))] {
        let line = pos.open(settings(&location)).await;
        let placed = pos.place(Some(line), settings(&location), &location, &an_order(), attempt(lease_taken)).await;
        assert_eq!(placed, Placed::NotStarted { cause: Cause::NoTimeLeft, retry_after: None });
    }
    for lease_taken in [now.minus(lease), now.plus(Duration::from_mins(1))] {
        let cancelled = pos.cancel(settings(&location), &an_order(), attempt(lease_taken)).await;
        assert_eq!(cancelled, Cancelled::Unknown(Cause::NoTimeLeft));
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_that_an_earlier_attempt_left_is_none_of_the_next() {
    let rejected = r#"{"key":"$KEY","status":"rejected"}"#;
    let (stale, _) = with_headers(422, rejected, |_| headers("posnext-request", "of-the-first-attempt")).await;
    let (found, _) = with_headers(200, rejected, |_| headers("age", "31")).await;
    for idempotent_place in [false, true] {
        let abilities = Abilities { idempotent_place, find: Some(Find { settle_s: 5 }), cancel: false };
        let at = |base: &str| Location {
            connector: Connector::Http(HttpConnector::new(base, None, abilities)),
            ..location(base, None)
        };
        for attempts in [1, 2] {
            let record = OrderRecord { attempts, pos: Pinned::of(&at(&stale)), ..an_order() };
            let placed = place_at(&at(&stale), &record).await;
            let asked = http_pos(OneSecret::default()).find(settings(&at(&found)), &record, LIMIT).await;
            if attempts == 2 && !idempotent_place {
                assert!(matches!(placed, Placed::Unknown(Cause::NotOwn { lacks: Lack::RequestId, .. })), "{placed:?}");
                assert!(matches!(asked, Found::Unknown(Cause::NotOwn { lacks: Lack::Freshness, .. })), "{asked:?}");
            } else {
                assert!(matches!((&placed, &asked), (Placed::Refused(_), Found::Refused(_))), "{placed:?} {asked:?}");
            }
        }
    }
}

/// A secret with a line's end, of which no header can be made.
#[derive(Clone)]
struct Unspeakable;

impl Secrets for Unspeakable {
    async fn client_secrets(&self, _: &str, _: Refresh) -> Result<Arc<Vec<ClientSecret>>, PortError> {
        Err(PortError::Unavailable("not asked for".into()))
    }
    async fn shared_ids(&self, _: &str, _: Refresh) -> Result<Arc<Vec<SharedId>>, PortError> {
        Err(PortError::Unavailable("not asked for".into()))
    }
    async fn pos_secret(&self, _: &str, _: Refresh) -> Result<String, PortError> {
        Ok("abcdefghijklmnop\n".to_owned())
    }
    async fn refresh_stale(&self) {}
}

#[tokio::test]
async fn a_secret_that_can_stand_in_no_header_is_one_that_cannot_be_read() {
    let (base, seen) = answering(201, PLACED).await;
    let location = location(&base, Some(HttpAuth::Bearer { secret: "pos".into() }));
    let pos = http_pos(Unspeakable);
    let line = pos.open(settings(&location)).await;
    let placed = pos.place(Some(line), settings(&location), &location, &an_order(), attempt(SystemClock.now())).await;
    assert!(matches!(placed, Placed::NotStarted { cause: Cause::NoSecret(_), .. }), "{placed:?}");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn redirects_are_not_followed_and_plain_http_stays_on_this_machine() {
    let (base, seen) = answering(307, "").await;
    assert!(matches!(place(&base).await, Placed::Unknown(_)));
    assert_eq!(seen.lock().unwrap().len(), 1);
    for base in ["http://pos.example.com", "ftp://127.0.0.1", "nonsense", "http://127.0.0.1.example.com/"] {
        assert!(matches!(place(base).await, Placed::Permanent(Cause::Unsendable(_))), "{base}");
    }
    let mut other = location(&base, None);
    if let Connector::Http(http) = &mut other.connector {
        http.contract = 1;
    }
    let placed = place_at(&other, &an_order()).await;
    assert!(matches!(&placed, Placed::Permanent(Cause::Unsendable(why)) if why.contains("contract 1")), "{placed:?}");
}
