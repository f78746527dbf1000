//! What only the way through HTTP shows of a refusal: methods, odd paths, the largest body (`aws/tests/api` has the rest).

use crate::support::{fresh_uid, in_process, order, rows, token};

#[tokio::test]
async fn a_wrong_method_is_answered_by_the_function_of_its_path_and_says_the_right_one() {
    let (_product, caller) = in_process().await;
    for (path, allowed, methods) in
        [("order/submit", "POST", &["GET", "PUT", "DELETE", "PATCH", "OPTIONS"][..]), ("orders/x", "GET", &["PUT", "DELETE"])]
    {
        for method in methods {
            let url = format!("{}/posnext/{path}", caller.url);
            let answer = caller.send(caller.http.request(method.parse().unwrap(), url).bearer_auth(token())).await;
            assert_eq!((answer.code, answer.error()), (405, "method_not_allowed"), "{method} {path}");
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_impossible_order_in_a_path_is_as_unknown_as_any() {
    let (_product, caller) = in_process().await;
    for id in ["nobody", "..%2f..", "a%7Cb", "%00", "x.y~z", &"x".repeat(300)] {
        let answer = caller.get_any(id).await;
        assert_eq!((answer.code, answer.error()), (404, "unknown_order"), "{id}");
    }
}

#[tokio::test]
async fn a_body_of_256_kib_comes_through_and_a_byte_more_is_refused_and_leaves_nothing() {
    let (product, caller) = in_process().await;
    let body = order(&fresh_uid("large"), "PAR-LOC-12345");
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    assert_eq!(caller.send(caller.submission(&body).body(padded(256 * 1024 + 1))).await.code, 413);
    assert_eq!(rows(&product, "posnext-orders").await, 0);
    assert_eq!(caller.send(caller.submission(&body).body(padded(256 * 1024))).await.signed().status(), "placed");
}
