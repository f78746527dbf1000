//! The services under fire, in a process that can be killed and stopped, and the POS.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::PoisonError,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::chaos::{Chaos, signal};
use crate::lambda::Environment;

/// DynamoDB, SQS and Secrets Manager, in a process that can be killed and stopped. DynamoDB's rows outlive it, SQS's
/// messages do not.
#[derive(Debug)]
pub(super) struct Services {
    folder: PathBuf,
    invoke: String,
    child: Child,
}

impl Services {
    pub(super) async fn start(folder: &Path, invoke: &str, chaos: &Chaos) -> anyhow::Result<Self> {
        let child = spawn(folder, invoke).await?;
        let services = Self { folder: folder.to_owned(), invoke: invoke.to_owned(), child };
        services.tell(chaos)?;
        Ok(services)
    }

    /// The environment of a function that uses the services directly.
    fn environment(&self) -> anyhow::Result<Environment> {
        let text = std::fs::read_to_string(self.folder.join("local.env"))?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// One of its variables.
    pub(super) fn value(&self, name: &str) -> anyhow::Result<String> {
        let variable = self.environment()?.into_iter().find(|(variable, _)| variable == name);
        Ok(variable.with_context(|| format!("the services did not say {name}"))?.1)
    }

    /// SIGKILL, and started anew.
    pub(super) async fn restart(&mut self, chaos: &Chaos) -> anyhow::Result<()> {
        self.child.kill().await?;
        self.child = spawn(&self.folder, &self.invoke).await?;
        self.tell(chaos)
    }

    /// Stopped for a while: calls hang.
    pub(super) async fn pause(&self, time: Duration) {
        let Some(pid) = self.child.id() else { return };
        signal(pid, Signal::SIGSTOP);
        tokio::time::sleep(time).await;
        signal(pid, Signal::SIGCONT);
    }

    /// Tells the proxies where the services are now. The functions' variables stay what they were at first.
    fn tell(&self, chaos: &Chaos) -> anyhow::Result<()> {
        let mut upstreams = chaos.upstreams.write().unwrap_or_else(PoisonError::into_inner);
        upstreams.dynamodb = self.value("AWS_ENDPOINT_URL_DYNAMODB")?;
        upstreams.sqs = self.value("AWS_ENDPOINT_URL_SQS")?;
        upstreams.secrets = self.value("AWS_ENDPOINT_URL_SECRETS_MANAGER")?;
        if upstreams.first_sqs.is_empty() {
            upstreams.first_sqs = upstreams.sqs.clone();
            *chaos.settings.write().unwrap_or_else(PoisonError::into_inner) = self.environment()?;
        }
        Ok(())
    }
}

/// The `posnext` command, which is beside this program.
fn posnext() -> anyhow::Result<Command> {
    let program = std::env::current_exe()?.with_file_name("posnext");
    ensure!(program.exists(), "{} is missing; build it: cargo build --workspace", program.display());
    Ok(Command::new(program))
}

async fn spawn(folder: &Path, invoke: &str) -> anyhow::Result<Child> {
    let mut command = posnext()?;
    command.args(["local", "--services-only", "--lambda-endpoint", invoke, "--data"]).arg(folder.join("data"));
    command.arg("--env-file").arg(folder.join("local.env"));
    ready(command, "are up").await
}

/// The played POS, in a process of its own that is left alone.
pub(super) async fn start_pos() -> anyhow::Result<(Child, String)> {
    let mut command = posnext()?;
    command.args(["pos", "--listen", "127.0.0.1:0"]);
    let (child, line) = said(command, "http://").await?;
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).context("the POS did not say where it listens")?;
    Ok((child, url.to_owned()))
}

async fn ready(command: Command, word: &str) -> anyhow::Result<Child> {
    said(command, word).await.map(|(child, _)| child)
}

/// Starts a process and waits until it says a line with this in it.
async fn said(mut command: Command, word: &str) -> anyhow::Result<(Child, String)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        if line.contains(word) {
            // What it says later is of no interest, but it must find somebody who reads it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((child, line));
        }
    }
    bail!("a process ended before it was ready: {:?}", child.wait().await?)
}
