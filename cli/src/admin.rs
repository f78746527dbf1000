//! `posnext admin`: what an operator does to a deployed stack, with AWS credentials of their own.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use posnext_local::local;
use posnext_shared::adapters::directory::DirectoryTable;

#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put the sandbox locations and their credentials into a stack that was deployed with AllowSandbox=true
    ///
    /// AWS region and credentials are taken from the environment or the profile, as the AWS CLI takes them.
    Sandbox {
        /// The stack's directory table (`sam deploy` prints it as DirectoryTable)
        #[arg(long, env = "POSNEXT_DIRECTORY_TABLE", value_name = "NAME")]
        directory_table: String,
        /// What the names of the stack's secrets start with (`sam deploy` prints it as SecretsPrefix)
        #[arg(long, value_name = "PREFIX")]
        secrets_prefix: String,
        /// PAR's Client Secret; the local one is known to everybody
        #[arg(long, env = "POSNEXT_CLIENT_SECRET", default_value = local::CLIENT_SECRET, hide_env_values = true)]
        client_secret: String,
        /// PAR's SharedId; the local one is known to everybody
        #[arg(long, env = "POSNEXT_SHARED_ID", default_value = local::SHARED_ID, hide_env_values = true)]
        shared_id: String,
    },
}

pub(crate) async fn run(arguments: AdminArguments) -> anyhow::Result<ExitCode> {
    let Verb::Sandbox { directory_table, secrets_prefix, client_secret, shared_id } = arguments.verb;
    let aws = local::aws().await?;
    let directory = DirectoryTable::new(aws_sdk_dynamodb::Client::new(&aws), directory_table, true);
    let put = local::Put {
        secrets: aws_sdk_secretsmanager::Client::new(&aws),
        prefix: format!("{}/", secrets_prefix.trim_end_matches('/')),
        client_secret,
        shared_id,
    };
    put.put(&directory).await?;
    println!("the locations of organization {} are in; functions see them within a minute", local::ORGANIZATION);
    Ok(ExitCode::SUCCESS)
}
