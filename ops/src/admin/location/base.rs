//! The address of a POS, as it is stored: in one spelling, which the connector can use.

use posnext_aws::adapters::http_pos::can_be_asked;
use posnext_local::address;

/// The base as it is stored, whatever the spelling: blanks around it, a backslash or an accent would else be found out
/// by the first order that is paid.
///
/// # Errors
/// Why it cannot be the base of a POS.
pub(super) fn base(text: &str) -> Result<String, String> {
    let base = address::base(text)?;
    can_be_asked(&base)?;
    Ok(base)
}

/// Whether these are one address.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let plain = |text: &str| base(text).unwrap_or_else(|_| text.to_owned());
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_stored_as_the_connector_reads_it_whatever_the_spelling() {
        for (text, stored) in [
            ("http://127.0.0.1:38472/ok ", "http://127.0.0.1:38472/ok"),
            (" \thttp://127.0.0.1:1/ok", "http://127.0.0.1:1/ok"),
            ("http://127.0.0.1:1/o\tk\r\n", "http://127.0.0.1:1/ok"),
            ("http://127.0.\n0.1:1/", "http://127.0.0.1:1"),
            ("http:\\\\127.0.0.1:1\\ok", "http://127.0.0.1:1/ok"),
            ("http:/127.0.0.1:1/ok", "http://127.0.0.1:1/ok"),
            ("http:127.0.0.1:1", "http://127.0.0.1:1"),
            ("http://127.1/", "http://127.0.0.1"),
            ("http://[0:0::1]:1/x/", "http://[::1]:1/x"),
            ("HTTP://LocalHost:80/Pos", "http://localhost/Pos"),
            ("http://127.0.0.1:1/a b", "http://127.0.0.1:1/a%20b"),
            ("http://127.0.0.1:1/a/../\"b\"", "http://127.0.0.1:1/%22b%22"),
            ("http://127.0.0.1:1/ünï", "http://127.0.0.1:1/%C3%BCn%C3%AF"),
            ("https://ünï.example", "https://xn--n-nga1b.example"),
            ("https://POS.example:443/v1//", "https://pos.example/v1"),
            ("https://pos.example/{x}|y'", "https://pos.example/%7Bx%7D|y'"),
        ] {
            assert_eq!(base(text).as_deref(), Ok(stored), "{text:?}");
            assert_eq!(base(stored).as_deref(), Ok(stored), "{stored:?} is read as it is stored");
            assert!(is_same(text, stored));
        }
    }

    #[test]
    fn what_the_connector_would_not_take_is_refused() {
        for (text, why) in [
            ("http://pos.example", "must be https"),
            ("http://localhost.:1", "must be https"),
            ("ftp://127.0.0.1/", "must begin with https://"),
            ("https://u:p@pos.example", "scheme, host and path alone"),
            ("https://u@pos.example", "scheme, host and path alone"),
            ("https://pos.example?key=1", "scheme, host and path alone"),
            ("https://pos.example/?", "scheme, host and path alone"),
            ("https://pos.example#x", "scheme, host and path alone"),
            ("https://pos .example", "is no URL"),
            ("https://pos\u{a0}.example", "is no URL"),
            ("https://pos.example:99999", "is no URL"),
            ("https:///", "is no URL"),
            ("\"https://pos.example\"", "is no URL"),
            ("https://\"pos\".example", "cannot be called"),
            ("https://{pos}.example", "cannot be called"),
            ("127.0.0.1:1/ok", "is no URL"),
            ("pos", "is no URL"),
            ("", "is no URL"),
        ] {
            let refused = base(text).unwrap_err();
            assert!(refused.contains(why), "{text:?}: {refused}");
        }
        assert!(!is_same("https://pos.example", "https://pos.example/v1") && is_same("not a base", "not a base"));
    }
}
