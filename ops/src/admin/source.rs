//! Where a secret's value comes from: never from the command line, which others on the machine can see.

use std::{collections::BTreeSet, str::FromStr};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use posnext_aws::adapters::secrets::known_to_everybody;
use posnext_shared::domain::json_text::without_mark;

/// Characters of a generated value: letters and digits, so that it survives every header, shell and form; a multiple of
/// four, so that it is base64 as well.
const GENERATED: usize = 44;
/// So many characters of a SharedId are the key (docs/contract.md#signature).
const KEY: usize = 10;
/// A POS and a client are proved by nothing shorter.
const SHORTEST: usize = 10;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// An environment variable of this name.
    Variable(String),
    /// Standard input.
    Input,
    /// Made here, and printed once.
    Generate,
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-" => Ok(Self::Input),
            "generate" => Ok(Self::Generate),
            _ => match text.strip_prefix("env:") {
                Some(name) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
                _ => Err("must be env:NAME for an environment variable, - for standard input, or generate"),
            },
        }
    }
}

/// A value, and whether only we know it yet.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) generated: bool,
}

impl Source {
    /// Reads or makes the value; `what` names it in errors, which never quote it.
    pub(super) fn value(&self, what: &str) -> anyhow::Result<Value> {
        let text = match self {
            Self::Generate => return Ok(Value { text: generate()?, generated: true }),
            Self::Variable(name) => {
                std::env::var(name).ok().with_context(|| format!("{what}: the variable {name} is not set"))?
            }
            Self::Input => {
                std::io::read_to_string(std::io::stdin()).with_context(|| format!("{what}: standard input cannot be read"))?
            }
        };
        let text = without_mark(&text).trim_end_matches(['\r', '\n']).to_owned();
        ensure!(
            text.chars().count() >= SHORTEST && text.chars().all(|c| c.is_ascii_graphic()),
            "{what} must have at least {SHORTEST} characters, all of them visible ASCII"
        );
        if known_to_everybody(&text) {
            bail!("{what} is printed in the README, so everybody knows it; take another");
        }
        Ok(Value { text, generated: false })
    }
}

/// Bits of a key below which it can be tried out by one machine in days.
const ENOUGH_BITS: u32 = 50;

/// What to be warned of in a SharedId: its first ten characters are the whole key. Who holds a token can have an answer
/// signed over values that are known, and try out every key on it (docs/security.md).
pub(super) fn weakness(shared_id: &str) -> Option<String> {
    let key: BTreeSet<char> = shared_id.chars().take(KEY).collect();
    let all = |class: fn(&char) -> bool| key.iter().all(class);
    let some = |class: fn(&char) -> bool, kinds: u32| if key.iter().any(class) { kinds } else { 0 };
    let (of, kinds) = if key.len() < 6 {
        ("a few characters again and again", u32::try_from(key.len()).unwrap_or(0))
    } else if all(char::is_ascii_digit) {
        ("digits", 10)
    } else if all(char::is_ascii_hexdigit) {
        ("hexadecimal digits", 16)
    } else {
        let letters = some(char::is_ascii_lowercase, 26) + some(char::is_ascii_uppercase, 26);
        ("letters of one case", letters + some(char::is_ascii_digit, 10) + some(char::is_ascii_punctuation, 32))
    };
    let bits = u128::from(kinds).checked_pow(10).map_or(u32::MAX, |keys| keys.max(1).ilog2());
    (bits < ENOUGH_BITS).then(|| {
        format!(
            "the first {KEY} characters of the SharedId, which are the key of all signatures, are {of}: 2^{bits} \
             possibilities. Who holds a token can try them out. Ask PAR for one of letters of both cases and digits"
        )
    })
}

fn generate() -> anyhow::Result<String> {
    let mut text = String::new();
    while text.len() < GENERATED {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
        text.extend(STANDARD.encode(bytes).chars().filter(char::is_ascii_alphanumeric));
    }
    text.truncate(GENERATED);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_value_is_long_new_plain_and_base64() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 44 && one.chars().all(|c| c.is_ascii_alphanumeric()), "{one}");
        assert_eq!(STANDARD.decode(one).unwrap().len(), 33);
    }

    #[test]
    fn a_shared_id_of_few_possibilities_is_warned_of() {
        for (weak, says) in [
            ("a1b2c3d4e5f6", "are hexadecimal digits: 2^40"),
            ("A1B2C3D4E5-long-and-strong", "2^40"),
            ("1234567890", "are digits: 2^33"),
            ("helloworldXYZ", "letters of one case: 2^47"),
            ("aaaaaaaaaa", "again and again: 2^0"),
            ("abABabABab", "again and again: 2^20"),
        ] {
            assert!(weakness(weak).is_some_and(|warning| warning.contains(says)), "{weak}: {:?}", weakness(weak));
            assert!(!weakness(weak).unwrap().contains(weak), "it is a secret");
        }
        for strong in ["a1b2c3z4e5", "par-gave-us-this-shared-id", "Xk2Lm9Qr7T", &generate().unwrap()] {
            assert_eq!(weakness(strong), None);
        }
    }

    #[test]
    fn a_source_is_a_variable_standard_input_or_new() {
        assert_eq!("env:PAR_SHARED_ID".parse(), Ok(Source::Variable("PAR_SHARED_ID".to_owned())));
        assert_eq!(("-".parse(), "generate".parse()), (Ok(Source::Input), Ok(Source::Generate)));
        for text in ["", "env:", "hunter2"] {
            let error = text.parse::<Source>().unwrap_err();
            assert!(error.contains("env:NAME") && !error.contains("hunter2"));
        }
    }
}
