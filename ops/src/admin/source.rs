//! Where a secret's value comes from: never from the command line, which others on the machine can see.

use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use posnext_aws::adapters::secrets::known_to_everybody;
use posnext_shared::domain::json_text::without_mark;

/// Characters of a generated value: letters and digits, so that it survives every header, shell and form; a multiple of
/// four, so that it is base64 as well.
const GENERATED: usize = 44;
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
    fn a_source_is_a_variable_standard_input_or_new() {
        assert_eq!("env:PAR_SHARED_ID".parse(), Ok(Source::Variable("PAR_SHARED_ID".to_owned())));
        assert_eq!(("-".parse(), "generate".parse()), (Ok(Source::Input), Ok(Source::Generate)));
        for text in ["", "env:", "hunter2"] {
            let error = text.parse::<Source>().unwrap_err();
            assert!(error.contains("env:NAME") && !error.contains("hunter2"));
        }
    }
}
