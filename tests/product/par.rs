//! PAR's side, a second implementation, small and of its own: answers are checked by it, never by the product's signing code.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use serde_json::Value;
use sha2::Sha256;

pub(crate) const SHARED_ID: &str = "a1b2c3d4e5f6a7b8c9d0";
pub(crate) const CLIENT_SECRET: &str = "local-client-secret-0123456789abcdef";
pub(crate) const DATETIME: &str = "2025-03-15T14:30:45.123Z";
const SECONDS: &str = "1742049045";

pub(crate) fn hmac_hex(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The recipe of the signature over a body, by text alone.
pub(crate) fn digest_of(body: &Value) -> String {
    let details = &body["order_details"];
    let text = |value: &Value| value.as_str().unwrap_or("0").to_owned();
    let seconds = match body["request_datetime"].as_str() {
        None => "0".to_owned(),
        Some(DATETIME) => SECONDS.to_owned(),
        Some(other) => other.parse::<jiff::Timestamp>().unwrap().as_second().to_string(),
    };
    let message = [
        text(&body["request_uid"]),
        text(&body["location_id"]),
        text(&details["online_order_id"]),
        cents(&details["grand_total"]),
        cents(&details["subtotal"]),
        seconds,
    ];
    hmac_hex(&SHARED_ID[..10], &message.join("|"))
}

fn cents(value: &Value) -> String {
    if value.is_null() {
        return "0".to_owned();
    }
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<2}").parse::<i64>().unwrap().to_string()
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

pub(crate) fn token_with(header: &str, claims: &str, key: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

pub(crate) fn token() -> String {
    token_with(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{}}}"#, now() + 300), CLIENT_SECRET)
}

pub(crate) fn order(uid: &str, location: &str) -> String {
    format!(
        r#"{{"request_uid":"{uid}","organization_id":"IA-YC-01","location_id":"{location}","request_datetime":"{DATETIME}","order_details":{{"online_order_id":"ORD-{uid}","grand_total":23.45,"subtotal":21.50,"items":[{{"id":"1","name":"Taco","quantity":2,"price":10.75}}]}}}}"#
    )
}

pub(crate) fn fresh_uid(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::now_v7())
}

/// An order of the sample menu, right to the cent.
pub(crate) fn menu_order(uid: &str, location: &str) -> String {
    format!(
        r#"{{"request_uid":"{uid}","organization_id":"IA-YC-01","location_id":"{location}","request_datetime":"{DATETIME}","order_details":{{"online_order_id":"ORD-{uid}","items":[{{"id":"4711","quantity":2,"price":9.25,"modifiers":[{{"id":"17","quantity":1,"price":0.00}}]}},{{"id":"4720","quantity":1,"price":3.00}}],"taxes":[{{"name":"VAT","amount":1.95}}],"subtotal":21.50,"grand_total":23.45}}}}"#
    )
}

/// A request as PAR would send it, with everything right.
pub(crate) fn signed_request(path: &str, body: &str) -> http::Request<String> {
    let digest = digest_of(&serde_json::from_str(body).unwrap());
    let request = http::Request::post(path).header("content-type", "application/json").header("x-pch-digest", digest);
    request.header("authorization", format!("Bearer {}", token())).body(body.to_owned()).unwrap()
}

/// An answer and everything about it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn status(&self) -> &str {
        self.json["status"].as_str().unwrap_or("")
    }

    pub(crate) fn error(&self) -> &str {
        self.json["errors"][0]["code"].as_str().unwrap_or("")
    }

    /// Fails unless the answer is signed over what it says.
    #[track_caller]
    pub(crate) fn signed(self) -> Self {
        assert_eq!(self.header("x-pch-digest"), Some(digest_of(&self.json).as_str()), "{} {}", self.code, self.text);
        self
    }
}
