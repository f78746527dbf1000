//! What an operator works on: the directory and the secrets of a stack, and how a command says that it will not.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use posnext_aws::adapters::directory_admin::DirectoryAdmin;
use posnext_local::{local, secret_store::SecretStore};
use posnext_shared::domain::ids::ParId;

use super::{
    stack::Stack,
    terminal::{escaped, say},
};

/// Of a secret's name (AWS: "CreateSecret").
const LONGEST_NAME: usize = 512;

/// A word for a POSIX shell.
pub(super) fn quoted(word: &str) -> String {
    if word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub(super) fn par_id(text: &str) -> Result<ParId, String> {
    ParId::new(text).map_err(|error| error.to_string())
}

/// Nothing was written, for a reason that the operator can do something about.
#[derive(Debug)]
struct Refused(String);

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn refused<T>(why: impl Into<String>) -> anyhow::Result<T> {
    Err(Refused(why.into()).into())
}

/// What an operator works on.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) directory: DirectoryAdmin,
    pub(super) secrets: SecretStore,
    prefix: String,
}

impl Desk {
    pub(super) async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let (table, prefix) = (stack.value("DirectoryTable")?, stack.secrets_prefix()?);
        let aws = local::aws().await?;
        Ok(Self {
            directory: DirectoryAdmin::new(aws_sdk_dynamodb::Client::new(&aws), table),
            secrets: SecretStore::new(aws_sdk_secretsmanager::Client::new(&aws)),
            prefix,
        })
    }

    /// A secret's name, in the characters that names may have; no two lists of parts have the same.
    pub(super) fn name(&self, parts: &[&str]) -> anyhow::Result<String> {
        let mut name = self.prefix.clone();
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                name.push('/');
            }
            for byte in part.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                    name.push(char::from(byte));
                } else {
                    write!(name, "={byte:02X}")?;
                }
            }
        }
        if name.len() > LONGEST_NAME {
            return refused(format!("the secret's name would be longer than {LONGEST_NAME} characters: {name}"));
        }
        Ok(name)
    }
}

/// Shows a value that was generated, which nothing will show again.
pub(super) fn reveal(what: &str, value: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", escaped(&format!("{what}, shown this once: {value}")))?;
    Ok(out.flush()?)
}

/// What was refused is told; the rest is for the caller.
pub(super) fn told(done: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match done {
        Err(error) if error.is::<Refused>() => {
            say!("nothing was done: {error}");
            Ok(ExitCode::FAILURE)
        }
        done => done,
    }
}
