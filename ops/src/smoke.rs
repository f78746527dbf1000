//! `posnext smoke`: is this deployment alive? One order to a test location, and what must be refused.

use std::{process::ExitCode, time::Duration};

use anyhow::{bail, ensure};
use clap::Args;
use posnext_local::credentials::Credentials;
use posnext_local::{
    local,
    par::{Answer, Manner, Par},
};
use posnext_proofs::orders::Orders;
use tokio::time::Instant;

#[derive(Debug, Args)]
pub(crate) struct SmokeArguments {
    /// Base URL of the deployment (`sam deploy` prints it as Url)
    url: String,
    /// PAR's OrganizationId of the test location
    #[arg(long, default_value = local::ORGANIZATION)]
    organization: String,
    /// PAR's LocationId of the test location: an order WILL be placed there
    #[arg(long, default_value = "PAR-LOC-12345")]
    location: String,
    #[command(flatten)]
    credentials: Credentials,
    /// A 202 must have become final after this many seconds
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    timeout: u64,
}

struct Smoke {
    par: Par,
    order: String,
    uid: String,
    timeout: Duration,
    failed: usize,
}

pub(crate) async fn run(arguments: SmokeArguments) -> anyhow::Result<ExitCode> {
    let uid = format!("smoke-{}", uuid::Uuid::now_v7());
    let par = arguments.credentials.par(&arguments.url)?;
    say(&format!("order {uid} to {} at {}\n", arguments.location, par.url()));
    // Nobody there: that is no finding about a deployment.
    par.get(&uid).await?;
    let order = Orders::of(&par, &arguments.organization, &arguments.location).await?.order(&uid);
    let mut smoke = Smoke { par, order, uid, timeout: Duration::from_secs(arguments.timeout), failed: 0 };
    smoke.check("an order without a token is refused with 401", smoke.refused(Manner::NoToken, 401).await);
    smoke.check("an order with a wrong digest is refused with 412", smoke.refused(Manner::WrongDigest, 412).await);
    smoke.check("neither was stored", smoke.nothing_stored().await);
    let placed = smoke.placed().await;
    let first = placed.as_ref().ok().map(|(answer, _)| answer.clone());
    smoke.check("the order is placed, every answer signed", placed.map(|(_, how)| how));
    if let Some(first) = first {
        smoke.check("sent again, it is the same order", smoke.same(&first).await);
    }
    if smoke.failed > 0 {
        say(&format!("{} of the checks failed\n", smoke.failed));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn say(text: &str) {
    posnext_local::output::text(text);
}

impl Smoke {
    fn check(&mut self, what: &str, outcome: anyhow::Result<String>) {
        match outcome {
            Ok(how) if how.is_empty() => say(&format!("ok    {what}\n")),
            Ok(how) => say(&format!("ok    {what} ({how})\n")),
            Err(error) => {
                self.failed += 1;
                say(&format!("FAIL  {what}: {error:#}\n"));
            }
        }
    }

    async fn refused(&self, manner: Manner, code: u16) -> anyhow::Result<String> {
        let answer = self.par.submit(&self.order, manner).await?;
        ensure!(answer.code.as_u16() == code, "answered {}: {}", answer.code, answer.body);
        Ok(String::new())
    }

    async fn nothing_stored(&self) -> anyhow::Result<String> {
        let answer = self.par.get(&self.uid).await?;
        ensure!(answer.code.as_u16() == 404, "answered {}: {}", answer.code, answer.body);
        Ok(String::new())
    }

    /// The order's final answer, and how it came about.
    async fn placed(&self) -> anyhow::Result<(Answer, String)> {
        let began = Instant::now();
        let mut answer = self.par.submit(&self.order, Manner::Right).await?;
        let first = answer.code.as_u16();
        ensure!(matches!(first, 200 | 202), "answered {}: {}", answer.code, answer.body);
        loop {
            ensure!(answer.signed == Some(true), "an answer is not signed, or wrongly: {}", answer.body);
            if answer.status != "pending" {
                break;
            }
            if began.elapsed() > self.timeout {
                bail!("still pending after {} s; look again with: posnext order watch {}", self.timeout.as_secs(), self.uid);
            }
            tokio::time::sleep(answer.retry_after.unwrap_or(Duration::from_secs(1))).await;
            answer = self.par.get(&self.uid).await?;
            ensure!(answer.code.as_u16() == 200, "polling was answered {}: {}", answer.code, answer.body);
        }
        ensure!(answer.status == "placed", "it ended {}: {}", answer.status, answer.body);
        let took = began.elapsed();
        Ok((answer, format!("{first}, {}.{} s", took.as_secs(), took.subsec_millis() / 100)))
    }

    async fn same(&self, first: &Answer) -> anyhow::Result<String> {
        for answer in [self.par.submit(&self.order, Manner::Right).await?, self.par.get(&self.uid).await?] {
            ensure!(answer.code.as_u16() == 200, "answered {}: {}", answer.code, answer.body);
            ensure!(answer.body == first.body, "answered {}, but first {}", answer.body, first.body);
            ensure!(answer.signed == Some(true), "an answer is not signed, or wrongly: {}", answer.body);
        }
        Ok(String::new())
    }
}
