//! What becomes of a function's call, and of which calls it may become so.

use http::StatusCode;
use serde_json::{Value, json};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// The caller dies, the call is not done.
    KilledBefore,
    /// The call is done, the caller dies.
    KilledAfter,
    /// The call is done, the reply is cut off.
    ReplyLost,
    /// The connection is cut, the call is not done.
    Refused,
    /// The caller stands still; the call is done when it goes on, past its time-out.
    FrozenBefore,
    /// The call is done; the caller stands still, and has the reply when it goes on, past its time-out.
    FrozenAfter,
    /// DynamoDB does not do it: too many of them.
    Throttled,
    /// DynamoDB does not do it: another transaction is at the same rows.
    Conflict,
    /// Whoever was called hung for a while.
    Stopped,
    /// Whoever was called was killed and started anew; the queue was empty then.
    Restarted,
}

impl Fate {
    /// Those of a single call, and what they are called in two lines.
    pub(super) const OF_A_CALL: [(Self, [&'static str; 2]); 8] = [
        (Self::KilledBefore, ["killed", "before"]),
        (Self::KilledAfter, ["killed", "after"]),
        (Self::ReplyLost, ["reply", "lost"]),
        (Self::Refused, ["not", "done"]),
        (Self::FrozenBefore, ["frozen", "before"]),
        (Self::FrozenAfter, ["frozen", "after"]),
        (Self::Throttled, ["throt-", "tled"]),
        (Self::Conflict, ["con-", "flict"]),
    ];

    /// Whether this can become of such an operation.
    pub(super) fn is_for(self, operation: &str) -> bool {
        let read = matches!(operation, "GetItem" | "Query" | "BatchGetItem");
        match self {
            Self::Throttled => read || writes(operation),
            Self::Conflict => writes(operation),
            _ => true,
        }
    }
}

fn writes(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems")
}

/// Whether the operation writes an order's row, or makes or ends a meal.
pub(super) fn moves_the_order(operation: &str) -> bool {
    writes(operation) || matches!(operation, "POS PUT" | "POS DELETE")
}

/// Whether the operation changes anything anywhere.
pub(super) fn acts(operation: &str) -> bool {
    moves_the_order(operation) || operation == "SendMessage"
}

/// What DynamoDB says of what it throttles.
const THROTTLED: [&str; 3] = ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"];

/// How DynamoDB refuses an operation (AWS: "Error handling with DynamoDB"): throttled, in one of its ways; or because of a
/// conflict.
pub(super) fn refusal(fate: Fate, operation: &str, body: &[u8], way: usize) -> (StatusCode, String) {
    let items = serde_json::from_slice::<Value>(body).ok().and_then(|body| body.get("TransactItems")?.as_array().map(Vec::len));
    let reason = if fate == Fate::Throttled { "ThrottlingError" } else { "TransactionConflict" };
    let reasons: Vec<Value> =
        (0..items.unwrap_or(1)).map(|item| json!({ "Code": if item == 0 { reason } else { "None" } })).collect();
    let kind = match fate {
        Fate::Throttled if operation != "TransactWriteItems" || way.is_multiple_of(2) => {
            THROTTLED.get(way % 3).copied().unwrap_or_default()
        }
        _ if operation == "TransactWriteItems" => "TransactionCanceledException",
        _ => "TransactionConflictException",
    };
    let mut answer = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "injected" });
    if kind == "TransactionCanceledException"
        && let Some(answer) = answer.as_object_mut()
    {
        answer.insert("CancellationReasons".to_owned(), reasons.into());
    }
    (StatusCode::BAD_REQUEST, answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_refused_with_a_reason_for_each_of_its_items() {
        let body = br#"{"TransactItems":[{},{},{}]}"#;
        let (status, said) = refusal(Fate::Conflict, "TransactWriteItems", body, 0);
        let said: Value = serde_json::from_str(&said).unwrap();
        let reasons = said["CancellationReasons"].as_array().unwrap().iter();
        let codes: Vec<_> = reasons.map(|reason| reason["Code"].as_str().unwrap()).collect();
        assert_eq!((status.as_u16(), codes), (400, vec!["TransactionConflict", "None", "None"]));
        assert!(said["__type"].as_str().unwrap().ends_with("#TransactionCanceledException"));
    }

    #[test]
    fn a_single_write_has_no_reasons_and_a_read_no_conflict() {
        let (_, said) = refusal(Fate::Conflict, "PutItem", b"{}", 0);
        assert!(said.contains("TransactionConflictException") && !said.contains("CancellationReasons"), "{said}");
        assert!(Fate::Throttled.is_for("GetItem") && !Fate::Conflict.is_for("GetItem"));
        assert!(!Fate::Throttled.is_for("SendMessage") && !Fate::Throttled.is_for("POS PUT"));
    }
}
