//! Hostile input at every door: the properties that the fuzz targets use (`fuzz/src`), over each seed and over a few thousand
//! mutations of it that are the same in every run. What hours of fuzzing found is among the seeds (docs/proofs.md#fuzzing).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::{fs, panic, path::Path};

#[allow(unreachable_pub, reason = "a library of its own where the fuzz targets use it")]
#[path = "../../fuzz/src/lib.rs"]
mod properties;

/// Mutations of the seeds of one target.
const MUTATIONS: usize = 4000;

struct Seed {
    name: String,
    bytes: Vec<u8>,
}

fn seeds(target: &str) -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut seeds: Vec<Seed> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| Seed { name: entry.file_name().into_string().unwrap(), bytes: fs::read(entry.path()).unwrap() })
        .collect();
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    seeds
}

/// The words of a dictionary: what stands between the quotes of each line, `\\`, `\"` and `\xAB` unescaped.
fn dictionary(target: &str) -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(format!("{target}.dict"));
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| line.starts_with('"')).map(|line| unescape(&line[1..line.len() - 1])).collect()
}

fn unescape(word: &str) -> Vec<u8> {
    let mut bytes = word.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match (byte, if byte == b'\\' { bytes.next() } else { None }) {
            (_, Some(b'x')) => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            (_, Some(escaped)) => out.push(escaped),
            (byte, None) => out.push(byte),
        }
    }
    out
}

/// One input made of the seeds: a few edits of one of them.
fn mutation(random: &mut fastrand::Rng, seeds: &[Seed], words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.choice(seeds).unwrap().bytes.clone();
    for _ in 0..random.usize(1..=4) {
        let start = random.usize(0..=bytes.len());
        let end = (start + random.usize(0..=8)).min(bytes.len());
        match random.u8(0..6) {
            0 if start < bytes.len() => bytes[start] ^= 1 << random.u8(0..8),
            1 => drop(bytes.drain(start..end)),
            2 => drop(bytes.splice(start..start, bytes[start..end].to_vec())),
            3 => drop(bytes.splice(start..end, random.choice(words).unwrap().clone())),
            4 => bytes.insert(start, random.u8(..)),
            _ => {
                let other = &random.choice(seeds).unwrap().bytes;
                let from = random.usize(0..=other.len());
                let to = (from + random.usize(0..=32)).min(other.len());
                bytes.splice(start..end, other[from..to].to_vec());
            }
        }
    }
    bytes
}

/// Seeds called `good-` must be accepted and `bad-` refused, so that no property holds only because nothing gets as far.
fn holds(target: &str, check: fn(&[u8]) -> bool) {
    let (seeds, words) = (seeds(target), dictionary(target));
    for seed in &seeds {
        let accepted = check(&seed.bytes);
        assert_eq!(accepted, seed.name.starts_with("good-"), "{target}/{}", seed.name);
        assert!(accepted || seed.name.starts_with("bad-"), "{target}/{}", seed.name);
    }
    let mut random = fastrand::Rng::with_seed(0x9e37_79b9_7f4a_7c15);
    for number in 0..MUTATIONS {
        let input = mutation(&mut random, &seeds, &words);
        if let Err(why) = panic::catch_unwind(|| check(&input)) {
            println!("{target}: mutation {number}: {}", input.escape_ascii());
            panic::resume_unwind(why);
        }
    }
}

#[test]
fn an_order_body_is_taken_for_what_it_says_or_refused() {
    holds("order_body", properties::order_body::check);
}

#[test]
fn no_digest_verifies_but_the_right_one() {
    holds("digest_header", properties::digest_header::check);
}

#[test]
fn no_token_lets_in_but_one_that_a_live_secret_signed() {
    holds("token", properties::token::check);
}

#[test]
fn a_queue_message_is_read_as_it_was_written_or_refused() {
    holds("queue_message", properties::queue_message::check);
}

#[test]
fn a_stored_row_is_read_as_it_was_written_or_refused() {
    holds("stored_row", properties::stored_row::check);
}
