//! What the functions do, each a row of every table.

use anyhow::ensure;
use serde_json::{Value, json};

/// The functions of the template.
pub(crate) const FUNCTIONS: [&str; 6] =
    ["submit-order", "validate-order", "get-menu", "get-order", "process-order", "recover-orders"];

/// Something that a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    Hello,
    Submit,
    SubmitWithMenu,
    SubmitOverTls,
    SubmitLater,
    Rejected,
    Replay,
    Validate,
    Menu,
    Get,
    Process,
    Recover,
}

/// The yardstick, and the jobs of these functions.
pub(crate) fn of(functions: &[&str]) -> impl Iterator<Item = Job> + Clone {
    Job::ALL.into_iter().filter(move |job| *job == Job::Hello || functions.contains(&job.function()))
}

impl Job {
    /// Recover before all that leaves orders open: with any due it does another job.
    pub(crate) const ALL: [Self; 12] = [
        Self::Hello,
        Self::Recover,
        Self::Submit,
        Self::SubmitWithMenu,
        Self::SubmitOverTls,
        Self::SubmitLater,
        Self::Rejected,
        Self::Replay,
        Self::Validate,
        Self::Menu,
        Self::Get,
        Self::Process,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Submit => "submit 200",
            Self::SubmitWithMenu => "submit 200, with a menu",
            Self::SubmitOverTls => "submit 200, a POS over TLS",
            Self::SubmitLater => "submit 202",
            Self::Rejected => "submit, rejected by the menu",
            Self::Replay => "submit, a replay",
            Self::Validate => "validate",
            Self::Menu => "menu",
            Self::Get => "get",
            Self::Process => "process, a record",
            Self::Recover => "recover, nothing due",
        }
    }

    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Submit | Self::SubmitWithMenu | Self::SubmitOverTls | Self::SubmitLater | Self::Rejected | Self::Replay => {
                "submit-order"
            }
            Self::Validate => "validate-order",
            Self::Menu => "get-menu",
            Self::Get => "get-order",
            Self::Process => "process-order",
            Self::Recover => "recover-orders",
        }
    }

    /// Fails unless the function answered as it has to: what is refused quickly is not quick.
    pub(crate) fn check(self, answer: &Value) -> anyhow::Result<()> {
        let (status, body) = (answer["statusCode"].as_u64(), answer["body"].as_str().unwrap_or_default());
        let order =
            |expected: &str| serde_json::from_str(body).is_ok_and(|order: Value| order.get("status") == Some(&expected.into()));
        let right = match self {
            Self::Submit | Self::SubmitWithMenu | Self::SubmitOverTls | Self::Replay | Self::Get => {
                status == Some(200) && order("placed")
            }
            Self::SubmitLater => status == Some(202) && order("pending"),
            Self::Rejected => status == Some(200) && order("rejected"),
            Self::Validate => status == Some(200) && order("validated"),
            Self::Hello | Self::Menu => status == Some(200),
            Self::Process => *answer == json!({ "batchItemFailures": [] }),
            Self::Recover => answer.is_null(),
        };
        ensure!(right, "{} was answered {answer}", self.name());
        Ok(())
    }
}
