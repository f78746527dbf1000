//! docs/openapi.json is what the code describes, with the answers that this test has received as its examples: one of every
//! status, header and code of every operation, and no answer that is not described.
//!
//! `UPDATE_DOCS=1 cargo test -p posnext --test product openapi` writes it anew.

mod received;
mod refused;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{ROOT, in_process};
use received::Received;

/// HTTP's own; of no interest in an API's description.
const UNNAMED: [&str; 1] = ["content-type"];

fn described() -> Value {
    serde_json::to_value(posnext_aws::edge::openapi::document()).unwrap()
}

fn response<'a>(document: &'a mut Value, one: &Received) -> &'a mut Value {
    let response = &mut document["paths"][one.path][one.method]["responses"][one.status.to_string()];
    assert!(!response.is_null(), "{} is not described: {} {} {}", one.name, one.method, one.path, one.status);
    response
}

/// Puts an answer where it belongs.
fn add(document: &mut Value, one: &Received) {
    let response = response(document, one);
    for (name, value) in one.headers.iter().filter(|(name, _)| !UNNAMED.contains(&name.as_str())) {
        let header = &mut response["headers"][name];
        assert!(!header.is_null(), "{} has a header that is not described: {name}", one.name);
        let number = value.parse::<u64>().ok().filter(|_| header["schema"]["type"] == "integer");
        let value = json!({ "value": number.map_or_else(|| json!(value), |number| json!(number)) });
        // One of each value, under the name of the first answer that had it.
        if !header["examples"].as_object().is_some_and(|examples| examples.values().any(|example| *example == value)) {
            header["examples"][&one.name] = value;
        }
    }
    if let Some(body) = &one.body {
        for code in codes(body).filter(|_| one.status >= 400) {
            let described = response["description"].as_str().unwrap().contains(&format!("`{code}`: "));
            assert!(described, "{} has a code that is not described: {code}", one.name);
        }
        let media_type = one.media_type();
        let content = &mut response["content"][media_type];
        assert!(!content.is_null(), "{} is {media_type}, which is not described", one.name);
        let examples = &mut content["examples"];
        assert!(examples[&one.name].is_null(), "two examples are called {}", one.name);
        examples[&one.name] = example(one, body);
    }
    if let (Some(request), 200..=299) = (&one.request, one.status) {
        let operation = &mut document["paths"][one.path][one.method];
        operation["requestBody"]["content"]["application/json"]["examples"][&one.name] = example(one, request);
    }
}

fn example(one: &Received, value: &Value) -> Value {
    if one.about.is_empty() { json!({ "value": value }) } else { json!({ "summary": one.about, "value": value }) }
}

fn codes(body: &Value) -> impl Iterator<Item = &str> {
    body["errors"].as_array().into_iter().flatten().filter_map(|error| error["code"].as_str())
}

/// What is described and was never received.
fn never_received(document: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let place = format!("{method} {path} {status}");
                for (name, header) in response["headers"].as_object().unwrap() {
                    if header["examples"].is_null() {
                        missing.push(format!("{place}: header {name}"));
                    }
                }
                let mut seen = BTreeSet::new();
                for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                    match content["examples"].as_object() {
                        Some(examples) => seen.extend(examples.values().flat_map(|example| codes(&example["value"]))),
                        None => missing.push(format!("{place}: {media_type}")),
                    }
                }
                // An error's description lists its codes, each in backquotes at the head of its line.
                let listed = response["description"].as_str().unwrap().lines().filter_map(|line| line.strip_prefix('`'));
                let listed = listed.filter_map(|line| line.split_once("`: ")).map(|(code, _)| code);
                missing.extend(listed.filter(|code| !seen.contains(code)).map(|code| format!("{place}: {code}")));
            }
        }
    }
    missing
}

#[tokio::test]
async fn openapi_json_is_what_the_code_describes_with_examples_that_were_received() {
    let mut document = described();
    let all = received::all().await;
    all.iter().for_each(|one| add(&mut document, one));
    assert_eq!(never_received(&document), Vec::<String>::new());

    let received: BTreeSet<&str> = all.iter().filter_map(|one| one.body.as_ref()).flat_map(codes).collect();
    let every: Vec<&str> = document["components"]["schemas"]["ErrorCode"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    assert!(every.len() > 30, "{every:?}");
    let silent: Vec<_> = every.into_iter().filter(|code| !received.contains(code)).collect();
    assert_eq!(silent, Vec::<&str>::new(), "codes that no answer had");

    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    let path = format!("{ROOT}/docs/openapi.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/openapi.json is not what the code says; UPDATE_DOCS=1 cargo test -p posnext --test product openapi writes it anew"
    );
}

#[test]
fn what_was_never_received_is_noticed() {
    let missing = never_received(&described());
    for one in ["post /posnext/order/submit 409: idempotency_conflict", "get /posnext/orders/{request_uid} 200: header etag"] {
        assert!(missing.iter().any(|missing| missing == one), "{missing:?}");
    }
}

#[tokio::test]
async fn the_description_is_served_locally() {
    let (_product, caller) = in_process().await;
    let answer = caller.send(caller.http.get(format!("{}/posnext/openapi.json", caller.url))).await;
    assert_eq!((answer.code, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.text == std::fs::read_to_string(format!("{ROOT}/docs/openapi.json")).unwrap());
}

/// Whether a schema holds numbers to a fraction. Read as binary floats, 1.11 is no multiple of 0.01.
fn divides_by_a_fraction(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let divides = |(name, value): (&String, &Value)| name == "multipleOf" && value.as_u64().is_none();
            members.iter().any(divides) || members.values().any(divides_by_a_fraction)
        }
        Value::Array(values) => values.iter().any(divides_by_a_fraction),
        _ => false,
    }
}

#[test]
fn no_description_refuses_a_price_to_validators_that_read_binary_floats() {
    assert!(divides_by_a_fraction(&json!({ "a": [{ "type": "number", "multipleOf": 0.01 }] })));
    assert!(!divides_by_a_fraction(&json!({ "a": [{ "type": "integer", "multipleOf": 5 }] })));
    let mut read = 0;
    for file in std::fs::read_dir(format!("{ROOT}/docs")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json" || extension == "yaml") {
            // All JSON is YAML.
            let document: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert!(!divides_by_a_fraction(&document), "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 2, "{read}");
}
