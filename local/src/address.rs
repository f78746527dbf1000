//! The address of something over HTTP, as a person types it: what was read is what is kept and called.

/// The address without a slash at its end, in the one spelling that is read of it: blanks around it, backslashes, a
/// forgotten slash and characters that are no ASCII are put right.
///
/// # Errors
/// Why it is no base of paths.
pub fn base(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must be scheme, host and path alone; no secret belongs in it".to_owned());
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    // A browser takes some names that no client can call.
    base.parse::<http::Uri>().map_err(|error| format!("cannot be called: {error}"))?;
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_read_whatever_the_spelling() {
        for (text, kept) in [
            (" http://127.0.0.1:3000/ ", "http://127.0.0.1:3000"),
            ("http://127.0.0.1:3000\r\n", "http://127.0.0.1:3000"),
            ("\thttp:/127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http:\\\\127.0.0.1:3000\\v1\\", "http://127.0.0.1:3000/v1"),
            ("HTTPS://API.example:443/Stage//", "https://api.example/Stage"),
            ("https://api.example/a b/\"ü\"", "https://api.example/a%20b/%22%C3%BC%22"),
            ("https://ünï.example", "https://xn--n-nga1b.example"),
        ] {
            assert_eq!(base(text).as_deref(), Ok(kept), "{text:?}");
            assert_eq!(base(kept).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for (text, why) in [
            ("", "is no URL"),
            ("127.0.0.1:3000", "is no URL"),
            ("localhost:3000", "must begin with"),
            ("file:///etc/passwd", "must begin with"),
            ("https://api .example", "is no URL"),
            ("\"https://api.example\"", "is no URL"),
            ("https://api.example?x=1", "scheme, host and path alone"),
            ("https://api.example/#x", "scheme, host and path alone"),
            ("https://ann:secret@api.example", "scheme, host and path alone"),
            ("https://{api}.example", "cannot be called"),
        ] {
            let refused = base(text).unwrap_err();
            assert!(refused.contains(why), "{text:?}: {refused}");
        }
    }
}
