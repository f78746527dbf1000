//! The functions' own binaries, as Lambda runs them, with the local services over the wire.

use std::{io::Read, path::PathBuf, process::Command, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::{
    runtime::Runtime,
    support::{digest_of, in_process},
};

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn every_function_does_its_work_as_lambda_runs_it() {
    let (product, caller) = in_process().await;
    let mut submit = Runtime::start("submit-order", product.services.environment()).await;
    let placed = submit.invoke_file("submit-order/200-placed").await;
    assert_eq!((&placed["statusCode"], &body(&placed)["status"]), (&200.into(), &"placed".into()), "{placed}");
    assert_eq!(placed["headers"]["x-pch-digest"], digest_of(&body(&placed)));
    let base64 = submit.invoke_file("submit-order/200-placed-base64").await;
    assert_eq!((&base64["statusCode"], &body(&base64)["status"]), (&200.into(), &"placed".into()));
    assert_eq!(submit.invoke_file("submit-order/202-async").await["statusCode"], 202);
    assert_eq!(submit.invoke_file("submit-order/412-wrong-digest").await["statusCode"], 412);

    let mut validate = Runtime::start("validate-order", product.services.environment()).await;
    let validated = validate.invoke_file("validate-order/200-validated").await;
    assert_eq!((&validated["statusCode"], &body(&validated)["status"]), (&200.into(), &"validated".into()), "{validated}");
    assert_eq!(validated["headers"]["x-pch-digest"], digest_of(&body(&validated)));

    let mut menu = Runtime::start("get-menu", product.services.environment()).await;
    let compressed = menu.invoke_file("get-menu/200-menu").await;
    // API Gateway hands compressed bytes on as they are, if they are marked so.
    assert_eq!((&compressed["isBase64Encoded"], &compressed["headers"]["content-encoding"]), (&true.into(), &"gzip".into()));
    let bytes = STANDARD.decode(compressed["body"].as_str().unwrap()).unwrap();
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["location_id"], "PAR-LOC-MENU");
    assert_eq!(menu.invoke_file("get-menu/304-not-modified").await["statusCode"], 304);

    let mut get = Runtime::start("get-order", product.services.environment()).await;
    let read = get.invoke_file("get-order/200-placed").await;
    assert_eq!((&read["statusCode"], &read["body"]), (&200.into(), &placed["body"]));
    assert_eq!(get.invoke_file("get-order/304-not-modified").await["statusCode"], 304);
    assert_eq!(get.invoke_file("get-order/404-unknown").await["statusCode"], 404);

    let mut process = Runtime::start("process-order", product.services.environment()).await;
    for file in ["process-order/order", "process-order/poison-among-good", "process-order/final-order"] {
        assert_eq!(process.invoke_file(file).await, serde_json::json!({ "batchItemFailures": [] }), "{file}");
    }
    let told = process.invoke_file("process-order/ask").await;
    assert_eq!(told["told"]["placed"]["pos_order_id"], body(&placed)["order_details"]["pos_order_id"], "{told}");
    assert_eq!(caller.final_answer("event-async", Duration::from_secs(20)).await.status(), "placed");

    let mut recover = Runtime::start("recover-orders", product.services.environment()).await;
    assert_eq!(recover.invoke_file("recover-orders/schedule").await, Value::Null);
}

#[test]
fn a_function_that_is_not_set_up_says_what_is_missing() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_posnext")).with_file_name("submit-order");
    let output = Command::new(binary).env_clear().output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("\nPOSNEXT_QUEUE_URL must be set: URL of the work queue"), "{text}");
}
