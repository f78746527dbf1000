//! Which stack an operator means.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use posnext_aws::{
    adapters::{clock::SystemClock, directory::DirectoryTable, menu_table::MenuTable, orders::OrderTable},
    settings::settings,
};
use posnext_local::local;
use posnext_shared::{
    app::operate::Operate,
    domain::{json_text::without_mark, policy::Policy},
};
use serde::Deserialize;

/// The stack is named by the outputs of its deployment, in a file or in variables; region and credentials come from the
/// environment or the profile, as the AWS CLI takes them.
#[derive(Debug, Args)]
pub(crate) struct Stack {
    /// The stack's outputs: what `sam list stack-outputs --stack-name NAME --output json` prints
    #[arg(long, env = "POSNEXT_OUTPUTS", value_name = "FILE", global = true)]
    outputs: Option<PathBuf>,
}

/// The variable that stands in for an output, the functions' own.
const VARIABLES: [(&str, &str); 13] = [
    ("Url", "POSNEXT_URL"),
    ("OrdersTable", "POSNEXT_ORDERS_TABLE"),
    ("DirectoryTable", "POSNEXT_DIRECTORY_TABLE"),
    ("MenusTable", "POSNEXT_MENUS_TABLE"),
    ("SandboxTable", "POSNEXT_SANDBOX_TABLE"),
    ("OrdersQueue", "POSNEXT_QUEUE_URL"),
    ("OrdersDeadLetterQueue", "POSNEXT_DLQ_URL"),
    ("WebhooksQueue", "POSNEXT_WEBHOOKS_QUEUE_URL"),
    ("ProcessOrderFunction", "POSNEXT_PROCESS_FUNCTION"),
    ("SecretsPrefix", "POSNEXT_SECRETS_PREFIX"),
    ("OrderDeadlineS", "POSNEXT_ORDER_DEADLINE_S"),
    ("RetentionDays", "POSNEXT_RETENTION_DAYS"),
    ("GuardHours", "POSNEXT_GUARD_HOURS"),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    output_value: String,
}

impl Stack {
    /// An output of the stack.
    pub(crate) fn value(&self, name: &str) -> anyhow::Result<String> {
        if let Some(file) = &self.outputs {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let outputs: Vec<Output> = serde_json::from_str(without_mark(&text)).with_context(|| {
                format!("{} is not what `sam list stack-outputs --stack-name NAME --output json` prints", file.display())
            })?;
            let output = outputs.into_iter().find(|output| output.output_key == name);
            return Ok(output.with_context(|| format!("{} has no output {name}", file.display()))?.output_value);
        }
        let variable = VARIABLES.iter().find(|(output, _)| *output == name).map_or(name, |(_, variable)| variable);
        let default = settings().find(|setting| setting.name == variable).and_then(|setting| setting.default);
        match (std::env::var(variable), default) {
            (Ok(value), _) if !value.is_empty() => Ok(value),
            (_, Some(default)) if !default.is_empty() => Ok(default.to_owned()),
            _ => bail!(
                "which stack? Give --outputs FILE, made by `sam list stack-outputs --stack-name NAME --output json > FILE`, \
                 or set {variable}"
            ),
        }
    }

    /// The times of the stack: what is ended by hand is kept as long as everything else.
    fn policy(&self) -> anyhow::Result<Policy> {
        let number = |name: &str| -> anyhow::Result<u64> {
            let text = self.value(name)?;
            text.parse().with_context(|| format!("{name} is {text:?}, and no number"))
        };
        let policy = Policy::new(Duration::from_secs(number("OrderDeadlineS")?), Policy::default().answer_deadline);
        let retention = Duration::from_hours(number("RetentionDays")? * 24);
        Ok(Policy { retention, guard: Duration::from_hours(number("GuardHours")?), ..policy })
    }

    /// What the names of the stack's secrets start with.
    pub(super) fn secrets_prefix(&self) -> anyhow::Result<String> {
        Ok(format!("{}/", self.value("SecretsPrefix")?.trim_end_matches('/')))
    }

    pub(crate) async fn orders(&self) -> anyhow::Result<OrderTable> {
        Ok(OrderTable::new(aws_sdk_dynamodb::Client::new(&local::aws().await?), self.value("OrdersTable")?))
    }

    pub(super) async fn menus(&self) -> anyhow::Result<MenuTable> {
        Ok(MenuTable::new(aws_sdk_dynamodb::Client::new(&local::aws().await?), self.value("MenusTable")?))
    }

    pub(super) async fn operate(&self) -> anyhow::Result<Operate<OrderTable, DirectoryTable, SystemClock>> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&local::aws().await?);
        let directory = DirectoryTable::new(dynamodb, self.value("DirectoryTable")?, true);
        Ok(Operate { orders: self.orders().await?, directory, clock: SystemClock, policy: self.policy()? })
    }
}
