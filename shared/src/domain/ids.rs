//! Identifiers. Those that are signed are joined by `|` without escaping (docs/contract.md#signature), so a `|` in one
//! would let two different orders share a digest: they are refused before anything is verified.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or longer than 128 characters.
    #[error("must have 1 to 128 characters")]
    Length,
    /// `|` or a control character.
    #[error("must not contain `|` or control characters")]
    Character,
    /// Not a safe path segment.
    #[error("must be a path segment of letters, digits, `-`, `_`, `.` and `~` that is not `.` or `..`")]
    Segment,
}

fn check_signed(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.chars().count() > 128 {
        return Err(IdError::Length);
    }
    if text.chars().any(|c| c == '|' || c.is_control()) {
        return Err(IdError::Character);
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes the text.
            ///
            /// # Errors
            /// [`IdError`] says what the text must be.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                let check: fn(&str) -> Result<(), IdError> = $check;
                check(&text)?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// PAR's id of one request, the `{orderId}` of the path: signed, and one safe path segment (RFC 3986 unreserved).
    RequestUid, |text| {
        check_signed(text)?;
        let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
        if safe && text != "." && text != ".." { Ok(()) } else { Err(IdError::Segment) }
    }
}
id! {
    /// PAR's id of an organization, a location or an online order.
    ParId, check_signed
}
id! {
    /// Our name for one caller's data, the first half of every key: letters, digits and `-`.
    Tenant, |text| {
        check_signed(text)?;
        if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') { Ok(()) } else { Err(IdError::Segment) }
    }
}
id! {
    /// The name of a webhook's subscriber: letters, digits and `-`.
    SubscriberId, |text| Tenant::new(text).map(|_| ())
}

/// The key of an order: whose it is, and PAR's id of the request (docs/lifecycle.md#whose-order-it-is).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderKey {
    /// The client whose secret verified the token.
    pub tenant: Tenant,
    /// PAR's id of the request.
    pub request_uid: RequestUid,
}

impl OrderKey {
    /// The id under which the POS knows the order: unique over tenants and a safe path segment.
    #[must_use]
    pub fn pos_key(&self) -> String {
        // A tenant holds no `.`, so the first one always ends it.
        format!("{}.{}", self.tenant, self.request_uid)
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.tenant, self.request_uid)
    }
}

impl FromStr for OrderKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // A tenant holds no `#`.
        let (tenant, request_uid) = text.split_once('#').unwrap_or((text, ""));
        Ok(Self { tenant: Tenant::new(tenant)?, request_uid: RequestUid::new(request_uid)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_uid_is_one_safe_path_segment() {
        for good in ["order-12345", "7f1c2d3e-4b5a-4c6d-8e9f-0a1b2c3d4e5f", "a", "...", &"x".repeat(128)] {
            assert!(RequestUid::new(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", IdError::Length),
            (&*"x".repeat(129), IdError::Length),
            ("a|b", IdError::Character),
            ("a\nb", IdError::Character),
            (".", IdError::Segment),
            ("..", IdError::Segment),
            ("a/b", IdError::Segment),
            ("a b", IdError::Segment),
            ("a%2fb", IdError::Segment),
            ("é", IdError::Segment),
        ] {
            assert_eq!(RequestUid::new(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn other_signed_ids_may_hold_any_printable_text_but_the_separator() {
        assert!(ParId::new("Café #1 / Süd").is_ok());
        assert_eq!(ParId::new("LOC|1"), Err(IdError::Character));
        assert_eq!(ParId::new("LOC\u{7f}"), Err(IdError::Character));
    }

    #[test]
    fn a_key_is_written_for_our_table_and_for_the_pos() {
        let key = OrderKey { tenant: Tenant::new("par-1").unwrap(), request_uid: RequestUid::new("a.b~c").unwrap() };
        assert_eq!(key.to_string(), "par-1#a.b~c");
        assert_eq!(key.pos_key(), "par-1.a.b~c");
    }

    #[test]
    fn a_tenant_holds_letters_digits_and_hyphens_only() {
        assert!(Tenant::new("Par-1").is_ok());
        for bad in ["a.b", "a#b", "a_b", "\u{e9}"] {
            assert_eq!(Tenant::new(bad), Err(IdError::Segment), "{bad}");
        }
    }
}
