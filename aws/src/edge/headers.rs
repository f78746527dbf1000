//! Headers that say one thing.

use http::{HeaderMap, HeaderName};

use super::prefer::separated;

/// The one value of a header that has one; `None` when it is absent. API Gateway joins lines of the same name by
/// commas, and other servers hand them on one by one, so both are read alike, and the same value again is no other.
///
/// # Errors
/// A sentence where values differ: whoever is on the way could believe another of them than we do.
pub(super) fn only_value(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, String> {
    let mut only: Option<String> = None;
    for line in headers.get_all(name) {
        let line = String::from_utf8_lossy(line.as_bytes());
        for value in separated(&line, ',').map(str::trim) {
            let first = only.get_or_insert_with(|| value.to_owned());
            if first != value {
                return Err(format!("the header {name} is there more than once, with different values; send it once"));
            }
        }
    }
    Ok(only)
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    #[test]
    fn the_same_value_again_is_one_value_joined_or_line_by_line() {
        for (lines, value) in [
            (&[][..], Ok(None)),
            (&[""], Ok(Some(""))),
            (&["application/json"], Ok(Some("application/json"))),
            (&["application/json", "application/json"], Ok(Some("application/json"))),
            (&["application/json,application/json"], Ok(Some("application/json"))),
            (&["application/json , application/json", "application/json"], Ok(Some("application/json"))),
            (&["a/b; x=\"1,2\""], Ok(Some("a/b; x=\"1,2\""))),
            (&["application/json", "text/plain"], Err(())),
            (&["application/json, application/JSON"], Err(())),
            (&["application/json", ""], Err(())),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_TYPE, line.parse().unwrap());
            }
            let read = only_value(&headers, &CONTENT_TYPE);
            assert_eq!(read.as_ref().map(Option::as_deref).map_err(|_| ()), value, "{lines:?}");
            assert!(read.is_ok() || read.unwrap_err().contains("content-type"));
        }
    }
}
