//! Where the outside comes in: HTTP requests, queue batches, the schedule. Every answer about an order leaves through
//! [`answer::seal`], which signs it.

pub mod answer;
pub mod deliveries;
pub mod get;
mod headers;
pub mod log;
pub mod menus;
pub mod metrics;
#[cfg(feature = "openapi")]
pub mod openapi;
mod par_menu;
mod prefer;
pub mod proxy;
pub mod queue;
pub mod receive;
pub mod schedule;
pub mod stream;
pub mod submit;
pub mod validate;
pub mod watch;

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use http::{HeaderMap, Response, header};

use answer::{Reply, Signer, seal};
use headers::only_value;
use posnext_shared::{
    app::{
        METRICS,
        caller::{Denied, Gate},
        near_timeout,
        ports::Secrets,
        world::{Admits, World},
    },
    domain::{
        directory::Client,
        policy::{API_FUNCTION_TIMEOUT, LAST_ANSWER},
        status::{ErrorCode, OrderError},
        token::TokenError,
    },
};

/// Runs a handler to an answer, whatever happens in it: the runtime would turn an error or a panic into an opaque 502.
/// Old secrets are read again meanwhile, and not after: a function is frozen once it has answered. Handlers come on the
/// heap: tens of kilobytes would be moved from hand to hand.
async fn answered<W: World<Secrets: Secrets>>(
    gate: &Gate<W>,
    signer: &Signer,
    handler: impl Future<Output = Result<Reply, Reply>>,
) -> Response<String> {
    let handler = tokio::time::timeout(API_FUNCTION_TIMEOUT - LAST_ANSWER, AssertUnwindSafe(handler).catch_unwind());
    let (outcome, ()) = tokio::join!(handler, gate.secrets.refresh_stale());
    let reply = match outcome {
        Ok(Ok(Ok(reply) | Err(reply))) => reply,
        // Whatever it was about is as it is when a function is stopped: its row brings it back.
        Err(_) => {
            near_timeout(None, "answered 503");
            Reply::errors(&[temporarily_unavailable()])
        }
        Ok(Err(_)) => {
            tracing::error!(alarm = "panic", "a request handler panicked");
            Reply::error(ErrorCode::InternalError, "this is a defect of the server; the same request may be sent again")
        }
    };
    seal(reply, signer, &gate.contract)
}

/// Lets a caller in, and finds out whom to sign errors for.
async fn let_in<W: Admits>(gate: &Gate<W>, headers: &HeaderMap, signer: &Signer) -> Result<Client, Reply> {
    let authorization = only_value(headers, &header::AUTHORIZATION).map_err(|message| {
        let challenge = "Bearer error=\"invalid_request\"";
        Reply::error(ErrorCode::TokenMalformed, &message).header(header::WWW_AUTHENTICATE, challenge)
    })?;
    match gate.authenticate(authorization.as_deref()).await {
        Ok(client) => {
            signer.set(gate.only_signer(&client).await);
            Ok(client)
        }
        Err(Denied::Unavailable(error)) => Err(unavailable(&error)),
        Err(Denied::NoToken) => {
            let message = "send Authorization: Bearer and a JWT signed with the Client Secret (HS256), with exp";
            Err(Reply::error(ErrorCode::TokenMissing, message).header(header::WWW_AUTHENTICATE, "Bearer"))
        }
        Err(Denied::Token(error)) => {
            tracing::info!(target: METRICS, TokenFailures = 1);
            tracing::warn!(reason = %error, "a caller was not let in");
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{error}\"");
            Err(Reply::error(token_code(error), &error.to_string()).header(header::WWW_AUTHENTICATE, challenge))
        }
    }
}

/// Times and claims are looked at only once the signature has verified, so naming them tells a stranger nothing.
fn token_code(error: TokenError) -> ErrorCode {
    match error {
        TokenError::Malformed | TokenError::NoObject(_) => ErrorCode::TokenMalformed,
        TokenError::Algorithm => ErrorCode::TokenAlgorithm,
        TokenError::Signature => ErrorCode::TokenSignature,
        TokenError::Expired => ErrorCode::TokenExpired,
        TokenError::NotYetValid => ErrorCode::TokenNotYetValid,
        TokenError::Claim(..) | TokenError::NoExpiry | TokenError::Client | TokenError::Issuer | TokenError::Audience => {
            ErrorCode::TokenClaims
        }
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Reply {
    tracing::error!(%error, "a request could not be served");
    Reply::errors(&[temporarily_unavailable()])
}

fn temporarily_unavailable() -> OrderError {
    let message = "this cannot be answered now; send the same request again after Retry-After, it will not be done twice";
    OrderError::new(ErrorCode::TemporarilyUnavailable, message)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;
    use tracing_subscriber::{Layer, layer::SubscriberExt};

    use super::*;
    use posnext_shared::{
        app::ports::{PortError, Refresh},
        domain::{
            contract::Contract,
            signature::SharedId,
            token::{ClientSecret, Expectations},
        },
    };

    #[derive(Debug)]
    struct NoSecrets;

    impl Secrets for NoSecrets {
        async fn client_secrets(&self, _: &str, _: Refresh) -> Result<Arc<Vec<ClientSecret>>, PortError> {
            Ok(Arc::default())
        }
        async fn shared_ids(&self, _: &str, _: Refresh) -> Result<Arc<Vec<SharedId>>, PortError> {
            Ok(Arc::default())
        }
        async fn pos_secret(&self, _: &str, _: Refresh) -> Result<String, PortError> {
            Ok(String::new())
        }
        async fn refresh_stale(&self) {}
    }

    /// Of which nobody asks anything but its secrets.
    #[derive(Debug)]
    struct Empty;

    impl World for Empty {
        type Clock = ();
        type Directory = ();
        type Secrets = NoSecrets;
        type Menus = ();
        type Orders = ();
        type Queue = ();
        type Pos = ();
        type Subscribers = ();
        type Deliveries = ();
        type Webhooks = ();
        type Connections = ();
        type Push = ();
    }

    /// Names of what is told.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<&'static str>>>);

    impl<S: tracing::Subscriber> Layer<S> for Told {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.lock().unwrap().extend(event.metadata().fields().iter().map(|field| field.name()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_stands_still_is_answered_for_before_its_function_is_stopped() {
        let contract = Arc::new(Contract::default());
        let expectations = Expectations::default();
        let gate = Gate::<Empty> { directory: (), secrets: NoSecrets, clock: (), expectations, contract };
        let told = Told::default();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told.clone()));
        let (signer, began) = (Signer::default(), Instant::now());
        signer.set(SharedId::new("s", "0123456789").ok());
        let answer = answered(&gate, &signer, std::future::pending()).await;
        assert!(began.elapsed() < API_FUNCTION_TIMEOUT);
        assert_eq!((answer.status().as_u16(), answer.headers()[header::RETRY_AFTER].to_str().unwrap()), (503, "2"));
        assert!(answer.body().contains("temporarily_unavailable"), "{}", answer.body());
        assert!(answer.headers().contains_key(answer::DIGEST), "it is signed");
        let told = told.0.lock().unwrap();
        assert!(told.contains(&"TimeoutsNear") && told.contains(&"alarm"), "a metric and a line: {told:?}");
    }
}
