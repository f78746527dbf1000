//! Locations: onboarded in one command, looked at, switched, and their secrets rotated.

mod add;
mod base;
mod certification;
mod change;
mod look;
mod plan;
mod pos;
mod rotate;
mod seen;
mod under_way;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use posnext_shared::domain::ids::ParId;

use super::{
    desk::{Desk, par_id, quoted, told},
    stack::Stack,
};

#[derive(Debug, Args)]
pub(crate) struct LocationArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Map a location, with its organization, client and secrets where these are missing, and check it
    ///
    /// Nothing is written before everything has been looked at; the location itself is written last, so that an add that was
    /// cut off has no effect and can be repeated. Exit code: 0 mapped and checked; 1 refused, or mapped and a check failed; 2
    /// it could not be tried.
    Add(Box<add::Add>),
    /// List all mapped locations
    List {
        /// Only those of PAR's OrganizationId
        #[arg(long, value_parser = par_id)]
        organization: Option<ParId>,
    },
    /// Tell a location's mapping, who may call for it, and which secrets are live; never their values
    Show(Which),
    /// Switch a location off: every order is rejected. Lists what is still open, which goes on
    Disable(Which),
    /// Switch a location on
    Enable(Which),
    /// List what is still open of a location, and at which store and POS; all rows of orders are read for it
    Orders(Which),
    /// Replace a secret without an order refused: both values are live until --finish
    RotateSecret(rotate::Rotate),
}

/// A location.
#[derive(Debug, Clone, Args)]
struct Which {
    /// PAR's OrganizationId
    #[arg(value_parser = par_id)]
    organization: ParId,
    /// PAR's LocationId
    #[arg(value_parser = par_id)]
    location: ParId,
}

impl Which {
    /// As a command line takes it.
    fn arguments(&self) -> String {
        format!("{} {}", quoted(self.organization.as_str()), quoted(self.location.as_str()))
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "location {} of {}", self.location, self.organization)
    }
}

pub(super) async fn run(stack: &Stack, arguments: LocationArguments) -> anyhow::Result<ExitCode> {
    let desk = Desk::of(stack).await?;
    let done = match arguments.verb {
        Verb::Add(add) => add::run(stack, &desk, *add).await,
        Verb::List { organization } => look::list(&desk, organization.as_ref()).await,
        Verb::Show(which) => look::show(&desk, &which).await,
        Verb::Disable(which) => look::disable(stack, &desk, &which).await,
        Verb::Enable(which) => look::enable(&desk, &which).await,
        Verb::Orders(which) => under_way::run(stack, &desk, &which).await,
        Verb::RotateSecret(rotate) => rotate::run(&desk, rotate).await,
    };
    told(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_told_can_be_given() {
        let which = Which { organization: ParId::new("IA-YC-01").unwrap(), location: ParId::new("Joe's $1/Bar").unwrap() };
        assert_eq!(which.arguments(), r"IA-YC-01 'Joe'\''s $1/Bar'");
    }
}
