//! What is this machine's alone: the board, and the rest of `/_local`. A page of another site may have its own name lead
//! here (DNS rebinding); its browser then says that name, in `Host` or in `Origin`.

use std::net::IpAddr;

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, StatusCode,
    header::{HOST, ORIGIN},
    uri::Authority,
};

/// Lets in who calls this machine by its own name, and no page of another site.
pub(super) async fn own(request: Request, next: Next) -> Response {
    let named = request.uri().authority().cloned().or_else(|| {
        let host = request.headers().get(HOST)?;
        host.to_str().ok()?.parse().ok()
    });
    if !named.is_some_and(|named| is_here(&named)) {
        return (StatusCode::FORBIDDEN, "this is this machine's alone: call it 127.0.0.1 or localhost\n").into_response();
    }
    no_other_site(request, next).await
}

/// Lets in what is no browser, and pages of this machine.
pub(super) async fn no_other_site(request: Request, next: Next) -> Response {
    if is_of_another_site(request.headers()) {
        return (StatusCode::FORBIDDEN, "pages of another site are not let in\n").into_response();
    }
    next.run(request).await
}

fn is_of_another_site(headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().any(|origin| {
        let site: Option<Authority> = origin.to_str().ok().and_then(|origin| origin.split_once("://")?.1.parse().ok());
        !site.is_some_and(|site| is_here(&site))
    })
}

/// Whether a name is this machine's own: no other site's page can have it.
fn is_here(named: &Authority) -> bool {
    let host = named.host().to_ascii_lowercase();
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    // RFC 6761 section 6.3: names under localhost are this machine.
    let local = host == "localhost" || host.ends_with(".localhost");
    !named.as_str().contains('@') && (local || address.is_some_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for here in
            ["127.0.0.1:3000", "127.0.0.1", "localhost:3000", "LOCALHOST", "[::1]:3000", "posnext.localhost:3000", "127.9.9.9"]
        {
            assert!(is_here(&here.parse().unwrap()), "{here}");
        }
        for elsewhere in [
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "a@localhost",
        ] {
            assert!(!is_here(&elsewhere.parse().unwrap()), "{elsewhere}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_told_by_its_origin() {
        let of = |origin: &str| is_of_another_site(&HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]));
        for site in ["https://evil.example", "http://evil.example:3000", "null", "", "http://localhost.evil.example", "file://"] {
            assert!(of(site), "{site}");
        }
        assert!(!of("http://127.0.0.1:3000") && !of("http://localhost:5173") && !is_of_another_site(&HeaderMap::new()));
    }
}
