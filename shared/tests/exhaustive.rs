//! What can be tried whole, and is: millions of cases, built with optimisation (Cargo.toml, profile "exhaustive").

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use posnext_shared::domain::money::Cents;

#[test]
fn every_cent_from_zero_to_ten_million_is_exact() {
    for expected in 0..=10_000_000_i64 {
        let text = format!("{}.{:02}", expected / 100, expected % 100);
        assert_eq!(Cents::from_json_number(&text).unwrap(), Cents(expected), "{text}");
    }
}
