//! `POST /posnext/menus`: a location's menu, compressed, with an entity tag (docs/contract.md#menus,
//! docs/contract.md#u11, docs/contract.md#u28).

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY},
};
use lambda_http::Body;
use sha2::{Digest, Sha256};

use super::{
    answer::{Reply, Signer, none_match},
    answered, let_in,
    par_menu::par_menu,
    receive::{check_body, not_json},
    unavailable,
};
use posnext_shared::{
    app::{
        caller::Gate,
        menus::Menus,
        ports::{Directory, Refresh, Secrets},
        world::{Admits, TellsMenus, World},
    },
    domain::{
        canonical::{JsonError, Members},
        directory::{Client, Location},
        ids::ParId,
        json_text::{text_of, whole},
        menu::StoredMenu,
        signature::{DigestMessage, SignedFields},
        status::{ErrorCode, OrderError},
    },
};

/// The endpoint.
#[derive(Debug)]
pub struct GetMenu<W: World> {
    /// Who may call.
    pub gate: Gate<W>,
    /// What happens then.
    pub menus: Menus<W>,
}

impl<W: Admits + TellsMenus> GetMenu<W> {
    /// Answers one request; never fails.
    pub async fn handle<B: AsRef<[u8]>>(&self, request: Request<B>) -> Response<Body> {
        let signer = Signer::default();
        let response = answered(&self.gate, &signer, Box::pin(self.get(&request, &signer))).await;
        compressed(request.headers(), response)
    }

    async fn get<B: AsRef<[u8]>>(&self, request: &Request<B>, signer: &Signer) -> Result<Reply, Reply> {
        let headers = request.headers();
        // Errors of this endpoint are as unsigned as its answers, unless a deployment wants them signed.
        let nobody = Signer::default();
        let errors_signer = if self.gate.contract.sign_menus { signer } else { &nobody };
        let client = let_in(&self.gate, headers, errors_signer).await;
        if request.method() != Method::POST {
            return Err(Reply::error(ErrorCode::MethodNotAllowed, "menus are read with POST").header(ALLOW, "POST"));
        }
        let client = client?;
        let (organization_id, location_id) = asked_for(&client, headers, request.uri(), request.body().as_ref())?;
        let organization = self.gate.organization(&client, &organization_id).await.map_err(|error| unavailable(&error))?;
        let organization = organization.ok_or_else(|| {
            tracing::warn!(organization.id = %organization_id, "an organization that is not mapped for this caller");
            unknown(ErrorCode::UnknownOrganization, "organization_id", "this organization is not mapped for this caller")
        })?;
        let location = self.gate.directory.location(&organization_id, &location_id).await.map_err(|error| unavailable(&error))?;
        let location = location.ok_or_else(|| {
            tracing::warn!(location.id = %location_id, "a location that is not mapped in its organization");
            unknown(ErrorCode::UnknownLocation, "location_id", "this location is not mapped in its organization")
        })?;
        if self.gate.contract.sign_menus {
            let name = location.shared_ids.as_ref().unwrap_or(&organization.shared_ids);
            let shared_ids = self.gate.secrets.shared_ids(name, Refresh::No).await.map_err(|error| unavailable(&error))?;
            signer.set(shared_ids.first().cloned());
        }
        let stored = self.menus.menu(&location).await.map_err(|error| unavailable(&error))?;
        let stored = stored.ok_or_else(|| unknown(ErrorCode::UnknownMenu, "location_id", "this location has no menu"))?;
        // Of the signed values a menu has one.
        let signed = SignedFields { location_id: Some(location_id.as_str()), ..SignedFields::default() };
        let message = self.gate.contract.sign_menus.then(|| DigestMessage::new(&signed));
        let etag = etag(&location, &stored);
        let reply = if none_match(headers, &etag) {
            Reply::not_modified(message)
        } else {
            Reply::read(par_menu(&organization_id, &location_id, &stored).map_err(|error| unavailable(&error))?, message)
        };
        tracing::info!(location.id = %location_id, menu.version = stored.version, "menu answered");
        Ok(reply.header(ETAG, etag).header(CACHE_CONTROL, "private, no-cache").header(VARY, "Accept-Encoding"))
    }
}

fn unknown(code: ErrorCode, field: &str, message: &str) -> Reply {
    Reply::errors(&[OrderError::field(code, field, message)])
}

/// Whose menu: the body's ids win, then the query's; a caller with one organization need not name it
/// (docs/contract.md#u28).
fn asked_for(client: &Client, headers: &HeaderMap, uri: &Uri, body: &[u8]) -> Result<(ParId, ParId), Reply> {
    let blank = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii().is_empty();
    if !blank {
        check_body(headers, body)?;
    }
    let text = if blank { Ok("{}") } else { text_of(body).map_err(JsonError::Syntax) };
    let members = text.and_then(Members::parse).map_err(|error| not_json(&error))?;
    let query: Vec<(String, String)> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let named = |name: &str| -> Result<Option<ParId>, Reply> {
        let text = match members.get(name) {
            Some(text) => Some(whole(text).map_err(|what| invalid(name, what))?),
            None => query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        };
        text.map(|text| ParId::new(text).map_err(|error| invalid(name, &error.to_string()))).transpose()
    };
    let missing = |name: &str| {
        let message = format!("`{name}` is required, in the body or in the query");
        Reply::errors(&[OrderError::field(ErrorCode::MissingField, name, message)])
    };
    let only = || match client.organizations.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    let organization = named("organization_id")?.or_else(only).ok_or_else(|| missing("organization_id"))?;
    let location = named("location_id")?.ok_or_else(|| missing("location_id"))?;
    Ok((organization, location))
}

fn invalid(name: &str, what: &str) -> Reply {
    Reply::errors(&[OrderError::field(ErrorCode::InvalidField, name, format!("`{name}` {what}"))])
}

/// Changes whenever another answer is made of the same menu.
const SERVED: &[u8] = b"2";

/// Weak, since the same menu may leave compressed or not. It changes with the menu and with what is sold out, and is another
/// for each location, since one path serves them all.
fn etag(location: &Location, stored: &StoredMenu) -> String {
    let mut sold_out: Vec<&str> = stored.sold_out.iter().map(String::as_str).collect();
    sold_out.sort();
    let mut hash = Sha256::new_with_prefix(SERVED);
    for id in [location.organization_id.as_str(), location.location_id.as_str()].into_iter().chain(sold_out) {
        hash.update(id);
        hash.update([0]);
    }
    let sold_out = hex::encode(hash.finalize().get(..6).unwrap_or_default());
    format!("W/\"{}-{sold_out}\"", stored.version)
}

fn compressed(headers: &HeaderMap, response: Response<String>) -> Response<Body> {
    let wanted = accepts_gzip(headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()));
    let (mut parts, body) = response.into_parts();
    if !wanted || parts.status != StatusCode::OK {
        return Response::from_parts(parts, body.into());
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
    match encoder.write_all(body.as_bytes()).and_then(|()| encoder.finish()) {
        Ok(bytes) => {
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(parts, bytes.into())
        }
        Err(_) => Response::from_parts(parts, body.into()),
    }
}

/// RFC 9110 section 12.5.3: `gzip` is named, or else `*`, and not with a weight of zero.
fn accepts_gzip<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let (mut by_name, mut by_star) = (None, None);
    for coding in values.flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let accepts = match parts.next().unwrap_or_default() {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => &mut by_name,
            "*" => &mut by_star,
            _ => continue,
        };
        // Whoever says both does not want it.
        *accepts = Some(accepts.unwrap_or(true) && !parts.any(weighs_nothing));
    }
    by_name.or(by_star).unwrap_or(false)
}

fn weighs_nothing(parameter: &str) -> bool {
    let weight = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, weight)| weight.trim().trim_matches(['0', '.']).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        let accepts = |values: &[&str]| accepts_gzip(values.iter().copied());
        for value in ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip", "x-gzip", "*;q=0, gzip", "gzip;q=1.0", "gzip ; Q = 0.001"] {
            assert!(accepts(&[value]), "{value}");
        }
        for value in [
            "",
            "br",
            "gzip;q=0",
            "gzip; q=0.0",
            "identity",
            "*;q=0",
            "gzip;q=0, *",
            "*, gzip;q=0",
            "gzip;Q=0",
            "GZIP ; Q = 0.000",
            "gzip, gzip;q=0",
            "*;Q=0",
            "gzip;x=1;q=0",
        ] {
            assert!(!accepts(&[value]), "{value}");
        }
        assert!(accepts(&["br", "gzip"]) && !accepts(&["gzip;q=0", "*"]) && !accepts(&[]));
    }
}
