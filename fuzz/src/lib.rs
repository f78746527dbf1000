//! What must hold of hostile input, one module for each door it comes in by. A property takes any bytes, panics where
//! something does not hold, and says whether the product accepted the input.
//!
//! Two callers share it: the fuzz targets (`fuzz/run`), which look for such input for hours, and a test of the product
//! (`aws/tests/hostile_input.rs`), which tries every seed and some mutations of it in seconds. Every input is text where
//! the product's own is text, so that seeds can be read and a dictionary helps.
//!
//! The product is held against small readers of our own ([`json`], [`date`]), which share no code with it.

pub mod date;
pub mod digest_header;
pub mod json;
pub mod number;
pub mod order_body;
pub mod queue_message;
pub mod stored_row;
pub mod token;

/// HMAC-SHA256, for what the product signs and verifies.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Whether the recipe can join this text to others without escaping it (docs/contract.md#signature).
fn is_signable(text: &str) -> bool {
    (1..=128).contains(&text.chars().count()) && !text.chars().any(|c| c == '|' || c.is_control())
}

/// Whether this text can be a `request_uid`.
fn is_request_uid(text: &str) -> bool {
    is_signable(text) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c)) && text != "." && text != ".."
}
