//! Which stack an operator means.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use posnext_aws::{
    adapters::{aws::at_endpoint_of, clock::SystemClock, directory::DirectoryTable, menu_table::MenuTable, orders::OrderTable},
    settings::settings,
    wiring::Production,
};
use posnext_local::local;
use posnext_shared::{
    app::operate::Operate,
    domain::{json_text::without_mark, policy::Policy},
};
use serde::Deserialize;

use super::terminal::note;

/// The stack is named by the outputs of its deployment, in a file or in variables; region and credentials come from the
/// environment or the profile, as the AWS CLI takes them.
#[derive(Debug, Args)]
pub(crate) struct Stack {
    /// The stack's outputs: what `sam list stack-outputs --stack-name NAME --output json` prints
    #[arg(long, env = "POSNEXT_OUTPUTS", value_name = "FILE", global = true)]
    outputs: Option<PathBuf>,
}

/// Outputs that only say how long something lasts: a variable may say otherwise.
const TIMES: [&str; 3] = ["OrderDeadlineS", "RetentionDays", "GuardHours"];

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
            let set = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
            if let Some(why) = contradiction(&outputs, set) {
                bail!("{} means another stack than the environment: {why}", file.display());
            }
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

    /// Tells which stack is spoken to, before anything is asked or changed: its table of this output.
    pub(super) async fn tell(&self, table: &str) -> anyhow::Result<()> {
        let table = self.value(table)?;
        let aws = local::aws().await?;
        let region = aws.region().map_or_else(|| "no region".to_owned(), |region| region.as_ref().to_owned());
        let name = self
            .value("SecretsPrefix")
            .map_or_else(|_| "stack".to_owned(), |prefix| format!("stack {}", prefix.trim_end_matches('/')));
        let at = at_endpoint_of("DYNAMODB", &aws).endpoint_url().map(|at| format!(" at {at}")).unwrap_or_default();
        note(format_args!("{name}, {region}{at}, table {table}"));
        Ok(())
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
        Ok(MenuTable::new(aws_sdk_dynamodb::Client::new(&local::aws().await?), self.value("MenusTable")?, SystemClock))
    }

    pub(super) async fn operate(&self) -> anyhow::Result<Operate<Production>> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&local::aws().await?);
        let directory = Arc::new(DirectoryTable::new(dynamodb, self.value("DirectoryTable")?, true, SystemClock));
        Ok(Operate { orders: self.orders().await?, directory, clock: SystemClock, policy: self.policy()? })
    }
}

/// What in the environment belongs to another stack than the outputs: half of each would be spoken to.
fn contradiction(outputs: &[Output], set: impl Fn(&str) -> Option<String>) -> Option<String> {
    let output = |name: &str| outputs.iter().find(|output| output.output_key == name).map(|output| output.output_value.as_str());
    for (name, variable) in VARIABLES.iter().filter(|(name, _)| !TIMES.contains(name)) {
        let (Some(named), Some(value)) = (output(name), set(variable)) else { continue };
        if named.trim_end_matches('/') != value.trim_end_matches('/') {
            return Some(format!("{variable} is {value}, and its {name} is {named}; unset the one that is not meant"));
        }
    }
    // The local product's own environment, left from another day.
    let url = output("Url").filter(|url| !is_here(url))?;
    for variable in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_ENDPOINT_URL_LAMBDA",
    ] {
        if let Some(value) = set(variable).filter(|value| is_here(value)) {
            return Some(format!("{variable} is {value}, and its Url is {url}; unset {variable}"));
        }
    }
    let queue = output("OrdersQueue")?.strip_prefix("https://sqs.")?;
    let region = queue.split_once(".amazonaws.").map(|(region, _)| region)?;
    let named = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")).filter(|named| named != region)?;
    Some(format!("AWS_REGION is {named}, and it is in {region}"))
}

/// Whether an address is on this machine.
fn is_here(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_belongs_to_another_stack_is_a_contradiction() {
        let outputs = [
            ("Url", "https://abc.execute-api.eu-west-1.amazonaws.com"),
            ("DirectoryTable", "posnext-DirectoryTable-1"),
            ("OrdersQueue", "https://sqs.eu-west-1.amazonaws.com/1/posnext-OrdersQueue-1"),
            ("RetentionDays", "30"),
        ];
        let outputs = outputs.map(|(key, value)| Output { output_key: key.to_owned(), output_value: value.to_owned() });
        let why = |variable: &str, value: &str| contradiction(&outputs, |name| (name == variable).then(|| value.to_owned()));
        for (variable, value) in [
            ("POSNEXT_DIRECTORY_TABLE", "posnext-directory"),
            ("POSNEXT_URL", "http://127.0.0.1:3000"),
            ("POSNEXT_QUEUE_URL", "http://127.0.0.1:4566/q"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:4566"),
            ("AWS_ENDPOINT_URL", "http://localhost:4566"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://[::1]:4566"),
            ("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:4566"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ] {
            assert!(why(variable, value).unwrap().contains(value), "{variable}");
        }
        for (variable, value) in [
            ("POSNEXT_DIRECTORY_TABLE", "posnext-DirectoryTable-1"),
            ("POSNEXT_URL", "https://abc.execute-api.eu-west-1.amazonaws.com/"),
            ("POSNEXT_RETENTION_DAYS", "1"),
            ("POSNEXT_ORDERS_TABLE", "it names none"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com"),
            ("AWS_REGION", "eu-west-1"),
            ("HOME", "/root"),
        ] {
            assert_eq!(why(variable, value), None, "{variable}");
        }
        assert!(is_here("https://x.execute-api.localhost:4566") && !is_here("https://localhost.example") && !is_here("no"));
    }
}
