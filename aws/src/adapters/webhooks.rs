//! How a subscriber of webhooks is told: one POST over https to a public address, no redirect followed, nothing read of the answer but
//! its status and `Retry-After`.

use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::dns::GaiResolver};

use super::{
    causes,
    connect::{self, Connect, PublicOnly},
};
use posnext_shared::{
    app::ports::TellSubscriber,
    domain::{
        time::UnixMillis,
        webhook::{Event, Subscriber, Told, WebhookKey, signatures},
    },
};

/// Name resolution, TCP and TLS together.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A kept connection is not trusted longer.
const POOL_IDLE: Duration = Duration::from_secs(5);

/// Tells subscribers.
#[derive(Debug)]
pub struct WebhookClient {
    client: Client<Connect<PublicOnly>, Full<Bytes>>,
    public: PublicOnly,
}

impl WebhookClient {
    /// With `loopback`, this machine may be told too, and without TLS: for development, never in production.
    #[must_use]
    pub fn new(loopback: bool) -> Self {
        let public = PublicOnly { system: GaiResolver::new(), loopback };
        let connect = Connect::to_the_public(public.clone(), CONNECT_LIMIT);
        Self { client: connect::client().pool_idle_timeout(POOL_IDLE).build(connect), public }
    }

    /// Whether an address can be a subscriber's, as far as its text tells: what its name leads to is seen at each attempt.
    ///
    /// # Errors
    /// A sentence that says what it must be.
    pub fn check(&self, url: &str) -> Result<Uri, String> {
        let uri: Uri = url.parse().map_err(|error| format!("is no URL: {error}"))?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let address: Option<IpAddr> = host.parse().ok();
        let here = self.public.loopback && (host == "localhost" || address.is_some_and(|address| address.is_loopback()));
        if uri.scheme_str() != Some("https") && !(uri.scheme_str() == Some("http") && here) {
            return Err("must be https".to_owned());
        }
        if host.is_empty() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("must name a host, without user or password".to_owned());
        }
        if address.is_some_and(|address| !self.public.permits(address)) {
            return Err("must be at a public address".to_owned());
        }
        Ok(uri)
    }

    async fn post(&self, request: Request<Full<Bytes>>, now: UnixMillis) -> Told {
        let answer = match self.client.request(request).await {
            Ok(answer) => answer,
            Err(error) => return failed(causes(&error)),
        };
        match answer.status() {
            status if status.is_success() => Told::Taken,
            StatusCode::GONE => Told::Gone,
            status => {
                let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                let retry_after = asked.and_then(|asked| retry_after(asked, now));
                Told::Failed { reason: format!("answered {}", status.as_u16()), retry_after }
            }
        }
    }
}

impl TellSubscriber for WebhookClient {
    async fn tell(&self, subscriber: &Subscriber, event: &Event, keys: &[WebhookKey], now: UnixMillis, limit: Duration) -> Told {
        let uri = match self.check(&subscriber.url) {
            Ok(uri) => uri,
            Err(reason) => return failed(format!("the URL {reason}")),
        };
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("posnext/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", now.seconds())
            .header("webhook-signature", signatures(keys, event, now))
            .body(Full::new(event.body.clone().into()));
        match request {
            Ok(request) => tokio::time::timeout(limit, self.post(request, now))
                .await
                .unwrap_or_else(|_| failed(format!("no answer within {} s", limit.as_secs()))),
            Err(error) => failed(error.to_string()),
        }
    }
}

/// Seconds, or a date in any of HTTP's three forms (RFC 9110 sections 10.2.3 and 5.6.7).
fn retry_after(text: &str, now: UnixMillis) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixMillis(0).plus(date).since(now))
}

fn failed(reason: String) -> Told {
    Told::Failed { reason, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = UnixMillis(1_445_412_480_000 - 90_000);
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        for date in ["Wed, 21 Oct 2015 07:28:00 GMT", "Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:28:00 2015"] {
            assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)), "{date}");
        }
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now.plus(Duration::from_hours(1))), Some(Duration::ZERO));
        assert_eq!(
            (retry_after("soon", now), retry_after("-1", now), retry_after("Wed, 32 Oct 2015 07:28:00 GMT", now)),
            (None, None, None)
        );
    }

    #[test]
    fn a_subscriber_is_at_a_public_https_address() {
        let (public, local) = (WebhookClient::new(false), WebhookClient::new(true));
        for good in ["https://hooks.example/orders?x=1", "https://8.8.8.8:8443/", "https://[2606:4700::1111]/hook"] {
            assert!(public.check(good).is_ok() && local.check(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://hooks.example/", "must be https"),
            ("hooks.example", "must be https"),
            ("/hook", "must be https"),
            ("", "is no URL"),
            ("https://ann:secret@hooks.example/", "without user or password"),
            ("https://169.254.169.254/latest", "public address"),
            ("https://10.0.0.1/", "public address"),
            ("https://[::1]/", "public address"),
            ("https://[::ffff:10.0.0.1]/", "public address"),
            ("https://127.0.0.1/", "public address"),
            ("http://127.0.0.1/", "must be https"),
        ] {
            assert!(public.check(bad).unwrap_err().contains(why), "{bad}: {:?}", public.check(bad));
        }
        for here in ["http://127.0.0.1:9000/", "http://localhost/", "http://[::1]:1/", "https://127.0.0.1/"] {
            assert!(local.check(here).is_ok(), "{here}");
        }
        assert!(local.check("http://10.0.0.1/").is_err() && local.check("https://169.254.169.254/").is_err());
    }
}
