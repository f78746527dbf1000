//! Waits until the functions have read what was written: each believes for a while what it has read before, or that
//! there was nothing.

use std::time::Duration;

use posnext_local::par::Answer;
use tokio::time::{Instant, sleep, sleep_until};

/// A function believes its directory for 30 s. A read right after a write may still see what was there.
const BELIEVED: Duration = Duration::from_secs(32);
/// They are asked again for this long after that.
const PATIENCE: Duration = Duration::from_secs(13);
const PAUSE: Duration = Duration::from_secs(1);
/// How often is told what is waited for.
const TOLD_EVERY: Duration = Duration::from_secs(8);

/// What was written, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) at: Instant,
    /// What functions may believe instead, of which an answer shows nothing: each function and each instance has read
    /// its own.
    pub(super) instead: Option<&'static str>,
}

/// Waits until the functions go by what was written. `ask` asks them, and says why they do not yet.
///
/// # Errors
/// That nobody answers; or, inside, why they do not know it after all that time.
pub(super) async fn seen(
    written: Written,
    ask: impl AsyncFn() -> anyhow::Result<Option<String>>,
    tell: impl Fn(String),
) -> anyhow::Result<Result<(), String>> {
    // Asked at once in any case: where nobody answers there is nothing to wait for.
    let mut why_not = ask().await?;
    let certain = written.at + BELIEVED;
    if why_not.is_some() || written.instead.is_some() {
        let believed = written.instead.unwrap_or("that it is not there");
        tell(format!("waiting: the functions may believe {believed} for {} s", BELIEVED.as_secs()));
        while Instant::now() < certain {
            sleep_until(certain.min(Instant::now() + TOLD_EVERY)).await;
            let left = certain.saturating_duration_since(Instant::now());
            if left > PAUSE {
                tell(format!("waiting: {} s to go", (left + Duration::from_millis(999)).as_secs()));
            }
        }
        why_not = ask().await?;
    }
    while let Some(why) = why_not {
        if Instant::now() > certain + PATIENCE {
            return Ok(Err(why));
        }
        sleep(PAUSE).await;
        why_not = ask().await?;
    }
    Ok(Ok(()))
}

/// Why an answer to a right request is not by what was written; nothing if it may be.
pub(super) fn not_yet(answer: &Answer) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let error = body.pointer("/errors/0/code").and_then(serde_json::Value::as_str).unwrap_or_default();
    let unknown = matches!(error, "unknown_organization" | "unknown_location" | "digest_mismatch");
    (unknown || matches!(answer.code.as_u16(), 401 | 500..)).then(|| format!("answered {}: {}", answer.code, answer.body))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// How long it waited, what it came to, and what it told. The functions do not know it until `known`.
    async fn waited(instead: Option<&'static str>, known: u64) -> (u64, Result<(), String>, Vec<String>) {
        let (began, told, asked) = (Instant::now(), RefCell::new(Vec::new()), Cell::new(0));
        let ask = async || {
            asked.set(asked.get() + 1);
            Ok((began.elapsed() < Duration::from_secs(known)).then(|| "answered 404".to_owned()))
        };
        let came = seen(Written { at: began, instead }, ask, |line| told.borrow_mut().push(line)).await.unwrap();
        assert!(asked.get() > 0);
        (began.elapsed().as_secs(), came, told.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_location_that_nobody_had_asked_for_is_not_waited_for() {
        assert_eq!(waited(None, 0).await, (0, Ok(()), vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_asked_for_before_is_waited_for_until_every_function_has_forgotten_that() {
        // One function knows it soon; another may not yet.
        for known in [1, 29, 32] {
            let (waited, came, told) = waited(None, known).await;
            assert_eq!((waited, came), (32, Ok(())), "{known}");
            assert_eq!(told[0], "waiting: the functions may believe that it is not there for 32 s");
            assert_eq!(told[1..], ["waiting: 24 s to go", "waiting: 16 s to go", "waiting: 8 s to go"]);
        }
        assert_eq!(waited(None, 40).await.0, 40);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mapping_that_was_replaced_is_waited_out_whatever_the_functions_answer() {
        let (waited, came, told) = waited(Some("the mapping before"), 0).await;
        assert_eq!((waited, came), (32, Ok(())));
        assert_eq!(told[0], "waiting: the functions may believe the mapping before for 32 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_what_was_answered_last() {
        let (waited, came, _) = waited(None, 1_000).await;
        assert_eq!((waited, came), (46, Err("answered 404".to_owned())));
        let nobody = seen(
            Written { at: Instant::now(), instead: Some("the mapping before") },
            async || anyhow::bail!("nothing answers"),
            drop,
        )
        .await;
        assert!(nobody.is_err());
    }

    #[test]
    fn what_is_no_answer_about_the_location_is_not_taken_for_one() {
        let answer = |code: u16, body: &str| Answer {
            code: reqwest::StatusCode::from_u16(code).unwrap(),
            status: String::new(),
            location: None,
            retry_after: None,
            digest: None,
            headers: reqwest::header::HeaderMap::new(),
            body: body.to_owned(),
            signed: None,
        };
        let error = |code: &str| format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
        for (code, body) in [
            (404, error("unknown_location")),
            (200, error("unknown_location")),
            (404, error("unknown_organization")),
            (412, error("digest_mismatch")),
            (401, error("invalid_token")),
            (503, String::new()),
            (502, "<html>".to_owned()),
        ] {
            assert!(not_yet(&answer(code, &body)).is_some(), "{code} {body}");
        }
        let rejected = r#"{"status":"rejected","errors":[{"code":"unknown_item"}]}"#.to_owned();
        for (code, body) in [(200, r#"{"status":"validated"}"#.to_owned()), (200, rejected), (404, error("unknown_menu"))] {
            assert_eq!(not_yet(&answer(code, &body)), None, "{code} {body}");
        }
    }
}
